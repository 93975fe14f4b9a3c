import json
import shutil
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from plotbot.keep.filesystem import Disk
from plotbot.keep.run_folder import RunFolder, last_run
from plotbot.keep.run_reading import RunOnDisk, read_run
from plotbot.plan.sample import rank

DATA_0_1 = Path(__file__).parents[2] / "system" / "data_0_1"
SEED = 7
DRAWN = sorted("abcdefg", key=lambda title: rank(SEED, title))
FINGERPRINT = {"key": "m", "quantization": "Q4_K_M", "context_length": 4096, "slots": 4, "server_version": "1"}
Plotbot = Callable[..., Any]
MakeRow = Callable[..., Any]
WriteShard = Callable[..., RunFolder]


@pytest.fixture
def merged(runs_dir: Path) -> Callable[[], RunOnDisk]:
    def newest() -> RunOnDisk:
        folder = last_run(runs_dir)
        assert folder is not None
        return read_run(folder, Disk())

    return newest


def summary_of(run: RunOnDisk) -> Any:
    summary = json.loads(run.folder.summary.read_bytes())
    schema = json.loads(resources.files("plotbot.report").joinpath("summary.schema.json").read_bytes())
    jsonschema.validate(summary, schema)
    return summary


def ids(*folders: RunFolder) -> list[str]:
    return [folder.run_id for folder in folders]


def test_all_parts_make_one_run(
    plotbot: Plotbot, project: Path, shard: WriteShard, merged: Callable[[], RunOnDisk], answers: Path
) -> None:
    parts = [shard(3), shard(1), shard(2, rows={DRAWN[1]: {"outcome": "failed", "category": "schema"}})]
    printed = plotbot("merge", *ids(*parts))
    assert printed.status == 1, printed.err
    run = merged()
    named = f"1/3 ({parts[1].run_id}), 2/3 ({parts[2].run_id}), 3/3 ({parts[0].run_id})\n"
    assert printed.out.startswith(f"run {run.folder.run_id}, merged from {named}")
    assert "planned 7 = 6 passed + 1 failed" in printed.out
    assert printed.err == ""
    assert [case.title.id for case in run.cases.values()] == DRAWN
    assert [item.case for item in run.items] == [f"m-{title}" for title in DRAWN]
    assert set(run.results) == {item.item for item in run.items}
    summary = summary_of(run)
    assert (summary["exit_status"], summary["complete"], summary["unfolded"]) == (1, True, {})
    assert sorted(path.stem for path in answers.glob("*.json")) == sorted(set(DRAWN) - {DRAWN[1]})
    assert (project / "reports" / "index.html").is_file()
    assert "6 of 7 passed" in (project / "reports" / "summary.md").read_text(encoding="utf-8")


def test_its_header_is_that_of_a_run_without_parts_and_names_them(
    plotbot: Plotbot, project: Path, shard: WriteShard, merged: Callable[[], RunOnDisk]
) -> None:
    there = "D:\\a\\work"
    paths = {"TITLES_PATH": f"{there}\\data\\titles_index.json", "RUNS_DIR": f"{there}\\data\\runs"}
    parts = [shard(number, **paths) for number in (1, 2, 3)]
    assert plotbot("merge", *ids(*parts)).status == 0
    header = merged().header
    assert (header["settings"]["SHARD"], header["origins"]["SHARD"]) == (None, "merge")
    assert header["settings"]["TITLES_PATH"] == str(project / "data" / "titles_index.json")
    assert header["settings"]["RUNS_DIR"] == str(project / "data" / "runs")
    assert header["merged"] == {"of": 3, "parts": [1, 2, 3], "runs": ids(*parts)}
    assert header["started"] == "2026-11-22T12:01:00+00:00"
    assert [server["url"] for server in header["servers"]] == [f"http://host-{number}:1234" for number in (1, 2, 3)]


def test_parts_that_version_0_1_left_are_merged_with_the_defaults_of_what_it_did_not_know(
    plotbot: Plotbot, shard: WriteShard
) -> None:
    (left,) = DATA_0_1.glob("data/runs/*/plan.json")
    known = json.loads(left.read_bytes())["header"]["settings"].keys()
    parts = [shard(number) for number in (1, 2, 3)]
    for part in parts:
        plan = json.loads(part.plan.read_bytes())
        plan["header"]["settings"] = {key: value for key, value in plan["header"]["settings"].items() if key in known}
        part.plan.write_text(json.dumps(plan), encoding="ascii")
    printed = plotbot("merge", *ids(*parts))
    assert (printed.status, printed.err) == (0, "")
    assert plotbot("report", "last").status == 0


def test_runs_that_came_as_folders_are_merged_and_their_answers_folded_here(
    plotbot: Plotbot, tmp_path: Path, shard: WriteShard, merged: Callable[[], RunOnDisk], answers: Path
) -> None:
    paths = []
    for number in (1, 2, 3):
        folded = {title: {"folded": True} for title in DRAWN}
        folder = shard(number, folder=tmp_path / "artefacts" / str(number), rows=folded)
        paths.append(str(folder.path.rename(folder.path.with_name("run"))))
    assert plotbot("merge", *paths).status == 0
    assert sorted(path.stem for path in answers.glob("*.json")) == sorted(DRAWN)
    assert merged().folded == {f"m-{title}" for title in DRAWN}
    shutil.rmtree(tmp_path / "artefacts")
    assert plotbot("verify").status == 0
    assert plotbot("report").status == 0
    assert summary_of(merged())["exit_status"] == 0
    assert [json.loads(line)["run"] for line in plotbot("export").out.splitlines()] == [merged().folder.run_id] * 7
    assert plotbot("baseline", "last").status == 0
    assert "complete" in plotbot("runs").out


def test_a_later_answer_in_a_title_file_stays(
    plotbot: Plotbot,
    shard: WriteShard,
    answers: Path,
    write_run: Callable[..., RunFolder],
    runs_dir: Path,
    row: MakeRow,
) -> None:
    write_run(runs_dir, row(DRAWN[0], said='[{"title": "Later"}]', at="2026-12-01T00:00:00+00:00"))
    assert plotbot("fold").status == 0
    assert plotbot("merge", *ids(*[shard(number) for number in (1, 2, 3)])).status == 0
    assert "Later" in (answers / f"{DRAWN[0]}.json").read_text(encoding="utf-8")
    assert plotbot("verify").status == 0


def test_a_missing_part_leaves_it_incomplete_and_is_named(
    plotbot: Plotbot, shard: WriteShard, merged: Callable[[], RunOnDisk]
) -> None:
    printed = plotbot("merge", *ids(shard(1), shard(3)))
    assert printed.status == 10
    assert "plotbot: incomplete: missing 2/3; merge the runs again when there is a run of it" in printed.err
    assert [case.title.id for case in merged().cases.values()] == [
        title for number, title in enumerate(DRAWN) if number % 3 != 1
    ]
    assert merged().header["merged"]["parts"] == [1, 3]
    for _ in ("as merged", "as reported again"):
        summary = summary_of(merged())
        assert (summary["exit_status"], summary["complete"], summary["total"]["planned"]) == (10, False, 5)
        assert plotbot("report").status == 0
    assert f"{merged().folder.run_id} incomplete" in plotbot("runs").out


@pytest.mark.parametrize(
    ("rows", "settings", "status"),
    [
        ({}, {}, 0),
        ({DRAWN[0]: {"outcome": "failed", "category": "schema"}}, {}, 1),
        ({DRAWN[0]: {"outcome": "failed", "category": "schema"}}, {"MIN_PASS_RATE": {"*": 0.5}}, 0),
        ({DRAWN[0]: {"outcome": "failed", "category": "schema"}}, {"MIN_PASS_RATE": {"*": 0.95}}, 1),
        ({DRAWN[0]: {"said": None, "outcome": "error", "category": "timeout"}}, {}, 10),
        ({DRAWN[0]: {"outcome": None}}, {}, 10),
        ({DRAWN[0]: {"said": "no JSON"}}, {}, 10),
    ],
    ids=["good", "a failure", "gate holds", "gate fails", "an error", "not run", "cannot be folded"],
)
def test_the_status_is_the_one_of_a_run_of_all_parts(
    plotbot: Plotbot, shard: WriteShard, rows: Mapping[str, Any], settings: Mapping[str, object], status: int
) -> None:
    assert plotbot("merge", *ids(*[shard(number, rows=rows, **settings) for number in (1, 2, 3)])).status == status


def test_a_part_whose_pinned_model_was_swapped_leaves_it_incomplete(
    plotbot: Plotbot, shard: WriteShard, merged: Callable[[], RunOnDisk]
) -> None:
    parts = [shard(number) for number in (1, 2, 3)]
    parts[1].summary.write_text(json.dumps({"wrong_models": ["m is not m any more"]}), encoding="ascii")
    assert plotbot("merge", *ids(*parts)).status == 10
    assert summary_of(merged())["wrong_models"] == ["m is not m any more"]


def test_damaged_lines_are_named_and_their_cases_count_as_not_run(
    plotbot: Plotbot, shard: WriteShard, merged: Callable[[], RunOnDisk]
) -> None:
    parts = [shard(number) for number in (1, 2, 3)]
    lines = parts[0].journal.read_bytes().splitlines(keepends=True)
    parts[0].journal.write_bytes(b"".join([b"{\n", *lines[1:]]))
    printed = plotbot("merge", *ids(*parts))
    assert printed.status == 10
    assert f"{parts[0].journal}: line 1: torn, or no JSON" in printed.err
    assert "6 passed + 0 failed + 0 error + 0 skipped + 1 not run" in printed.out
    assert plotbot("verify", merged().folder.run_id).status == 0


def test_another_number_of_slots_or_another_server_refuses_nothing(plotbot: Plotbot, shard: WriteShard) -> None:
    other = {"fingerprints": {"m": {**FINGERPRINT, "slots": 8, "server_version": "2"}}, "plotbot": "9"}
    printed = plotbot("merge", *ids(shard(1), shard(2), shard(3, header=other)))
    assert printed.status == 0
    assert [line.partition(": ")[2].partition(": ")[2] for line in printed.err.splitlines()] == [
        "plotbot is 0 in one, 9 in the other; they are merged all the same",
        "m: server_version is 1 in one, 2 in the other; they are merged all the same",
    ]


def test_of_very_many_missing_parts_some_are_named(plotbot: Plotbot, shard: WriteShard) -> None:
    printed = plotbot("merge", *ids(shard(1, of=9000), shard(2, of=9000)))
    assert printed.status == 10
    assert "22/9000 and 8978 more; merge" in printed.err


def test_a_reply_that_breaks_its_schema_is_not_kept_however_well_its_journal_speaks_of_it(
    plotbot: Plotbot, shard: WriteShard, merged: Callable[[], RunOnDisk], answers: Path
) -> None:
    parts = [shard(1, 2, rows={DRAWN[0]: {"said": '["FORGED, no schema"]'}}), shard(2, 2)]
    printed = plotbot("merge", *ids(*parts))
    assert printed.status == 10
    assert "stays in the journal: judged again, it breaks its schema: $[0]" in printed.err
    assert not (answers / f"{DRAWN[0]}.json").exists()
    assert (answers / f"{DRAWN[1]}.json").exists()
    assert list(summary_of(merged())["unfolded"]) == [f"m-{DRAWN[0]}"]


def test_what_a_part_did_not_need_stays_not_needed(
    plotbot: Plotbot, shard: WriteShard, merged: Callable[[], RunOnDisk]
) -> None:
    unneeded = {"outcome": "not_needed", "asked": False, "kept": False}
    parts = [shard(1, rows={DRAWN[3]: unneeded, DRAWN[6]: unneeded}), shard(2), shard(3)]
    printed = plotbot("merge", *ids(*parts))
    assert printed.status == 0, printed.err
    assert "planned 7 = 5 passed + 0 failed + 0 error + 0 skipped + 0 not run + 2 not needed" in _one_line(printed.out)
    summary = summary_of(merged())
    assert summary["complete"]
    assert (summary["total"]["planned"], summary["total"]["not_needed"]) == (7, 2)


def _one_line(text: str) -> str:
    return " ".join(text.split())
