import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plotbot.keep.filesystem import Disk
from plotbot.keep.journal import Journal
from plotbot.keep.run_folder import RunFolder, last_run

PROMPT_HASH = "9f2c41d0ab37"
FILES = {"prompt": "data/prompt.txt", "schema": "data/story_seed.schema.json", "titles": "data/titles_index.json"}
FINGERPRINT = {"key": "m", "quantization": "Q4_K_M", "context_length": 4096, "slots": 4, "server_version": "1"}
Plotbot = Callable[..., Any]
WriteShard = Callable[..., RunFolder]


def ids(*folders: RunFolder) -> list[str]:
    return [folder.run_id for folder in folders]


CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "seed": ({"SAMPLE_SEED": 8}, "SAMPLE_SEED is 7 in one, 8 in the other"),
    "size": ({"TEST_SAMPLE_SIZE": 7}, "TEST_SAMPLE_SIZE is 10 in one, 7 in the other"),
    "repeats": ({"REPEATS": 2}, "REPEATS is 1 in one, 2 in the other"),
    "format": ({"RESPONSE_FORMAT": ["json_schema"]}, "RESPONSE_FORMAT is none in one, json_schema in the other"),
    "parameter": ({"TEMPERATURE": 0.1}, "TEMPERATURE is 0.8 in one, 0.1 in the other"),
    "model seed": ({"MODEL_SEED": 2}, "MODEL_SEED is 1 in one, 2 in the other"),
    "tolerated": ({"TOLERATE": ["fenced"]}, "TOLERATE is not set in one, fenced in the other"),
    "gate": ({"MIN_PASS_RATE": {"*": 0.5}}, "MIN_PASS_RATE is not set in one, {'*': 0.5} in the other"),
    "several": ({"SAMPLE_SEED": 8, "REPEATS": 2}, "SAMPLE_SEED is 7 in one, 8 in the other; REPEATS is 1 in one, 2"),
}
HEADERS: dict[str, tuple[dict[str, Any], str]] = {
    "models": ({"models": ["m", "n"]}, "MODEL is m in one, m, n in the other"),
    "engine": ({"embedded": True}, "--embedded is False in one, True in the other"),
    "files": ({"evals": [{"files": {**FILES, "titles": "b.json"}, "hashes": [PROMPT_HASH]}]}, "the files of the evals"),
    "quantization": (
        {"fingerprints": {"m": {**FINGERPRINT, "quantization": "Q8_0"}}},
        "m: quantization is Q4_K_M in one, Q8_0 in the other",
    ),
    "context": (
        {"fingerprints": {"m": {**FINGERPRINT, "context_length": 2048}}},
        "m: context_length is 4096 in one, 2048 in the other",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("settings", "words"), CHANGES.values(), ids=CHANGES)
def test_shards_that_were_set_otherwise_are_refused_key_by_key(
    plotbot: Plotbot, runs_dir: Path, shard: WriteShard, settings: dict[str, Any], words: str
) -> None:
    _refused(plotbot, runs_dir, words, shard(1), shard(2, **settings), shard(3))


@pytest.mark.parametrize(("header", "words"), HEADERS.values(), ids=HEADERS)
def test_shards_that_asked_others_are_refused(
    plotbot: Plotbot, runs_dir: Path, shard: WriteShard, header: dict[str, Any], words: str
) -> None:
    _refused(plotbot, runs_dir, words, shard(1), shard(2), shard(3, header=header))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("prompt", "Sing.", "the prompt is "),
        ("schema", {}, "the schema is "),
        ("hash", "0" * 12, f"the prompt hash is {PROMPT_HASH} in one, 000000000000 in the other"),
    ],
)
def test_shards_of_other_prompts_and_schemas_are_refused(
    plotbot: Plotbot, runs_dir: Path, shard: WriteShard, name: str, value: object, words: str
) -> None:
    parts = shard(1), shard(2)
    plan = json.loads(parts[1].plan.read_bytes())
    plan["questions"][0][name] = value
    plan["header"]["evals"][0]["hashes"] = [plan["questions"][0]["hash"]]
    parts[1].plan.write_text(json.dumps(plan), encoding="ascii")
    _refused(plotbot, runs_dir, words, *parts)


def test_what_only_an_answer_knows_of_its_model_counts(plotbot: Plotbot, runs_dir: Path, shard: WriteShard) -> None:
    not_yet_loaded = {"fingerprints": {"m": {"key": "m"}}}
    parts = shard(1, header=not_yet_loaded), shard(2, header=not_yet_loaded)
    for part, context in zip(parts, (4096, 2048), strict=True):
        written = part.journal.read_text(encoding="ascii")
        told = f'"fingerprint":{{"context_length":{context}}}'
        part.journal.write_text(written.replace('"fingerprint":{}', told), encoding="ascii")
    _refused(plotbot, runs_dir, "m: context_length is 4096 in one, 2048 in the other", *parts)


def test_parts_of_other_divisions_are_refused(plotbot: Plotbot, runs_dir: Path, shard: WriteShard) -> None:
    _refused(plotbot, runs_dir, "SHARD's number of parts is 3 in one, 4 in the other", shard(1), shard(2, of=4))


def test_titles_of_another_index_are_refused(
    plotbot: Plotbot, runs_dir: Path, shard: WriteShard, drawn: list[str]
) -> None:
    _refused(plotbot, runs_dir, "its title ", shard(1), shard(2, titles=[drawn[1], drawn[3]]), shard(3))


def test_the_same_part_twice_is_refused(plotbot: Plotbot, runs_dir: Path, tmp_path: Path, shard: WriteShard) -> None:
    copy = shard(1, folder=tmp_path / "elsewhere")
    _refused(plotbot, runs_dir, "are the same part, 1/3: leave one of them out", shard(1), shard(2), copy)


def test_the_same_run_twice_is_refused(plotbot: Plotbot, runs_dir: Path, shard: WriteShard) -> None:
    first, second = shard(1), shard(2)
    by_path = RunFolder(Path("data") / "runs" / ".." / "runs" / first.run_id)
    _refused(plotbot, runs_dir, f"run {first.run_id} is named twice", first, second, by_path)


def test_one_run_alone_is_refused(plotbot: Plotbot, runs_dir: Path, shard: WriteShard) -> None:
    _refused(plotbot, runs_dir, "there is only one run to merge, 20261122-120001-000003: name all parts", shard(1))


def test_a_run_that_was_no_shard_is_refused(plotbot: Plotbot, runs_dir: Path, shard: WriteShard) -> None:
    _refused(plotbot, runs_dir, "was no part of a plan: it ran without --shard", shard(1), shard(2, SHARD=None))


def test_a_merged_run_is_no_part(plotbot: Plotbot, runs_dir: Path, shard: WriteShard) -> None:
    parts = shard(1), shard(3)
    plotbot("merge", *ids(*parts))
    newest = last_run(runs_dir)
    assert newest is not None
    _refused(plotbot, runs_dir, "is merged already: name the runs that it was merged from", newest, shard(2))


def test_a_run_that_still_runs_is_refused(plotbot: Plotbot, runs_dir: Path, shard: WriteShard) -> None:
    parts = shard(1), shard(2)
    journal = Journal.open(parts[1].journal, Disk())
    _refused(plotbot, runs_dir, f"run {parts[1].run_id} still runs: wait for it, then merge", *parts)
    journal.close()


def test_a_run_that_is_not_there_is_refused(plotbot: Plotbot, runs_dir: Path, shard: WriteShard) -> None:
    gone = RunFolder(runs_dir / "20270101-000000-000000")
    _refused(plotbot, runs_dir, "no run '20270101-000000-000000'", shard(1), gone)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({"settings": None}, "plan.json: its header is damaged"),
        ({"settings": {}}, "plan.json: its header is damaged (KeyError"),
        ({"evals": [{"files": FILES, "hashes": ["gone"]}]}, "plan.json: its header is damaged (KeyError"),
        ({"fingerprints": ["m"]}, "plan.json: its header is damaged"),
        ({"models": 5}, "plan.json: its header is damaged"),
        ({"servers": 5}, "plan.json: its header is damaged"),
    ],
)
def test_a_damaged_header_is_refused(
    plotbot: Plotbot, runs_dir: Path, shard: WriteShard, header: dict[str, Any], words: str
) -> None:
    _refused(plotbot, runs_dir, words, shard(1), shard(2, header=header))


def test_settings_that_no_run_can_have_are_refused(plotbot: Plotbot, runs_dir: Path, shard: WriteShard) -> None:
    _refused(plotbot, runs_dir, 'SHARD is "4/3", but must be', shard(1), shard(2, SHARD="4/3"))


def test_a_damaged_plan_is_refused(plotbot: Plotbot, runs_dir: Path, shard: WriteShard) -> None:
    parts = shard(1), shard(2)
    parts[1].plan.write_bytes(b"{")
    _refused(plotbot, runs_dir, "plan.json: damaged, no JSON", *parts)


def test_a_folder_that_cannot_be_written_is_refused_before_anything_is(
    plotbot: Plotbot, project: Path, runs_dir: Path, shard: WriteShard
) -> None:
    parts = shard(1), shard(2)
    (project / "reports").touch()
    _refused(plotbot, runs_dir, "nothing can be written there", *parts)


def _refused(plotbot: Plotbot, runs_dir: Path, words: str, *folders: RunFolder) -> None:
    """Status 4, one sentence, and not a byte anywhere."""
    before = _everything(runs_dir.parents[1])
    given = [
        str(folder.path) if folder.path.exists() or ".." in str(folder.path) else folder.run_id for folder in folders
    ]
    printed = plotbot("merge", *given)
    assert printed.status == 4, printed.out
    assert words in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""
    assert _everything(runs_dir.parents[1]) == before


def _everything(folder: Path) -> dict[str, int]:
    files = (path for path in folder.rglob("*") if path.name != "journal.lock")
    return {str(path): path.stat().st_size for path in files}
