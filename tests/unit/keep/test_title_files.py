import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plotbot.errors import ForeignFileError, LockBusyError
from plotbot.keep.filesystem import Disk
from plotbot.keep.locks import TitleLocks
from plotbot.keep.title_files import FoldOutcome, fold, sweep_temps, title_path
from plotbot.records import Answer

Make = Callable[..., Answer]
Save = Callable[..., FoldOutcome]
Hooked = Callable[[Callable[[str, tuple[Any, ...]], None]], Disk]
WAIT = 30


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def _load(path: Path) -> Any:
    return json.loads(path.read_bytes())


def _files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".locks")


def test_a_title_file_is_written_as_the_design_shows_it(save: Save, answer: Make, data: Path) -> None:
    save(answer(text="Ein Schloß", response=[{"title": "猫", "themes": ["sun", "moon"]}]))
    assert (data / "1abc2d.json").read_text("utf-8") == (
        '{\n  "title_id": "1abc2d",\n  "title": "Ein Schloß",\n  "llm_models": {\n    "qwen/qwen3-4b": {\n'
        '      "9f2c41d0ab37": {\n        "response": [\n'
        '          {\n            "title": "猫",\n            "themes": ["sun", "moon"]\n          }\n        ],\n'
        '        "meta": {"run": "r1", "case": "c1", "at": "2026-11-22T12:00:00Z"}\n'
        "      }\n    }\n  }\n}\n"
    )
    assert _files(data) == ["1abc2d.json"]


def test_answers_of_two_models_share_the_file_and_one_write(save: Save, answer: Make, data: Path) -> None:
    outcome = save(answer(model="b"), answer(model="a"), answer(model="a", prompt_hash="other"))
    assert outcome.files_written == 1
    assert len(outcome.folded) == 3
    assert list(_load(data / "1abc2d.json")["llm_models"]) == ["a", "b"]


def test_the_order_of_folding_does_not_change_the_bytes(save: Save, answer: Make, tmp_path: Path) -> None:
    answers = [answer(model=model, at=f"2026-11-22T12:00:0{n}Z") for n, model in enumerate("abc")]
    for one in answers:
        save(one, folder=tmp_path / "forward")
    for one in reversed(answers):
        save(one, folder=tmp_path / "backward")
    assert (tmp_path / "forward/1abc2d.json").read_bytes() == (tmp_path / "backward/1abc2d.json").read_bytes()


def test_folding_the_same_answer_again_writes_nothing_but_flushes_the_folder(
    save: Save, answer: Make, data: Path, hooked: Hooked
) -> None:
    same = answer(meta={"params": {"stop": ("a", "b")}})
    save(same)
    before = (data / "1abc2d.json").stat()
    calls: list[str] = []
    outcome = save(same, disk=hooked(lambda name, _: calls.append(name)))
    assert (outcome.folded, outcome.files_written) == ((same,), 0)
    assert (data / "1abc2d.json").stat().st_mtime_ns == before.st_mtime_ns
    assert "replace" not in calls
    assert calls[-1] == "sync_folder"


LATER = [
    ("a later time wins", {"at": "2026-11-22T12:00:01Z"}, {"at": "2026-11-22T12:00:00Z"}),
    ("fractions count", {"at": "2026-11-22T12:00:00.5+00:00"}, {"at": "2026-11-22T12:00:00Z"}),
    ("zones count", {"at": "2026-11-22T12:00:00Z"}, {"at": "2026-11-22T12:59:00+01:00"}),
    ("then the run", {"meta": {"run": "r2"}}, {"meta": {"run": "r1"}}),
    ("then the case", {"meta": {"case": "c2"}}, {"meta": {"case": "c1"}}),
    ("an undated one is oldest", {}, {"at": "yesterday"}),
]


@pytest.mark.parametrize(("later", "earlier"), [row[1:] for row in LATER], ids=[row[0] for row in LATER])
@pytest.mark.parametrize("order", ["later first", "later last", "together"])
def test_a_later_answer_is_never_overwritten_by_an_earlier_one(
    save: Save, answer: Make, data: Path, later: dict[str, Any], earlier: dict[str, Any], order: str
) -> None:
    new, old = answer(text="new", **later), answer(text="old", **earlier)
    batches = {"later first": [[new], [old]], "later last": [[old], [new]], "together": [[new, old]]}[order]
    folded = [one for batch in batches for one in save(*batch).folded]
    document = _load(data / "1abc2d.json")
    assert len(folded) == 2
    assert document["llm_models"]["qwen/qwen3-4b"]["9f2c41d0ab37"]["response"] == [{"title": "new"}]
    assert document["title"] == "new"


def test_an_earlier_answer_of_another_model_is_added_without_its_older_headline(
    save: Save, answer: Make, data: Path
) -> None:
    save(answer(text="new", at="2026-11-22T13:00:00Z"))
    save(answer(text="old", model="other"))
    assert _load(data / "1abc2d.json")["title"] == "new"
    assert set(_load(data / "1abc2d.json")["llm_models"]) == {"qwen/qwen3-4b", "other"}


def test_keys_that_a_user_added_are_kept(save: Save, answer: Make, data: Path) -> None:
    save(answer())
    document = _load(data / "1abc2d.json")
    document["notes"] = "mine"
    document["llm_models"]["qwen/qwen3-4b"]["9f2c41d0ab37"]["rating"] = 5
    document["llm_models"]["by hand"] = {"x": "not even an object"}
    (data / "1abc2d.json").write_text(json.dumps(document))
    save(answer(model="another"))
    after = _load(data / "1abc2d.json")
    assert after["notes"] == "mine"
    assert after["llm_models"]["by hand"] == {"x": "not even an object"}
    assert after["llm_models"]["qwen/qwen3-4b"] == document["llm_models"]["qwen/qwen3-4b"]


DAMAGED = {
    "torn": b'{"title_id": "1abc2d", "llm_mo',
    "empty": b"",
    "zeros": b"\0" * 100,
    "not UTF-8": b'{"title_id": "\xff"}',
    "a list": b"[]",
    "no id": b'{"llm_models": {}}',
    "models of a wrong type": b'{"title_id": "1abc2d", "llm_models": []}',
    "answers of a wrong type": b'{"title_id": "1abc2d", "llm_models": {"m": 1}}',
    "nested too deep": b"[" * 100_000,
    "a number past the cap": b'{"title_id": ' + b"1" * 5000 + b"}",
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_file_is_moved_aside_whole_and_named(save: Save, answer: Make, data: Path, content: bytes) -> None:
    data.mkdir()
    (data / "1abc2d.json").write_bytes(content)
    outcome = save(answer())
    (moved,) = outcome.damaged
    assert moved.path == data / "1abc2d.json"
    assert moved.moved_to.name.startswith("1abc2d.json.damaged-")
    assert moved.moved_to.read_bytes() == content
    assert moved.reason
    assert len(outcome.folded) == 1
    assert _load(data / "1abc2d.json")["title_id"] == "1abc2d"


def test_a_file_of_another_title_is_refused_and_left_alone(save: Save, answer: Make, data: Path) -> None:
    save(answer("other"))
    (data / "other.json").rename(data / "1abc2d.json")
    before = (data / "1abc2d.json").read_bytes()
    outcome = save(answer(), answer("fine"))
    (refused,) = outcome.unfolded
    assert isinstance(refused.error, ForeignFileError)
    assert not refused.passing
    assert "1abc2d.json" in str(refused.error)
    assert "'other'" in str(refused.error)
    assert (data / "1abc2d.json").read_bytes() == before
    assert [folded.title.id for folded in outcome.folded] == ["fine"]


HOSTILE_IDS = [
    "../../x", "/etc/passwd", "CON", "con", "nul.json", "a/b", "a\\b", "C:x", "x" * 300, "a\0b", ".", "..", ".locks",
    "ends.", " ", "abc", "ABC", "Abc", "caf\u00e9", "cafe\u0301", "\ud800", "\u202eabc", "猫",
]  # fmt: skip


def test_hostile_ids_each_get_a_file_of_their_own_inside_the_folder(save: Save, answer: Make, data: Path) -> None:
    outcome = save(*[answer(title_id) for title_id in HOSTILE_IDS])
    assert len(outcome.folded) == len(HOSTILE_IDS)
    names = _files(data)
    assert len({name.lower() for name in names}) == len(HOSTILE_IDS)
    assert all(name.isascii() and len(name) < 100 for name in names)
    assert {_load(data / name)["title_id"] for name in names} == set(HOSTILE_IDS)
    assert [path.name for path in data.parent.iterdir()] == ["data"]


def test_an_empty_id_is_refused(save: Save, answer: Make, data: Path) -> None:
    (refused,) = save(answer("")).unfolded
    assert "without an id" in str(refused.error)
    assert _files(data) == []


@pytest.mark.parametrize("text", ["a\ud800b", "\0\x1b[2J\r\n", "x" * 10_000_000, "猫\u2028\ufeff"])
def test_hostile_text_comes_back_as_it_went_in(save: Save, answer: Make, data: Path, text: str) -> None:
    assert save(answer(text=text, response=[{text[:20]: text}])).unfolded == ()
    document = _load(data / "1abc2d.json")
    assert document["title"] == text
    assert document["llm_models"]["qwen/qwen3-4b"]["9f2c41d0ab37"]["response"] == [{text[:20]: text}]


def test_an_answer_that_is_no_json_is_refused_for_good(save: Save, answer: Make) -> None:
    (refused,) = save(answer(response=[object()])).unfolded
    assert not refused.passing
    assert "no JSON" in str(refused.error)


def test_the_lock_is_held_from_the_read_to_the_rename(save: Save, answer: Make, data: Path, hooked: Hooked) -> None:
    locks = TitleLocks(data / ".locks", Disk(), timeout=0.0)
    guarded: list[str] = []

    def try_the_lock(name: str, _: tuple[Any, ...]) -> None:
        if name in {"read", "create", "sync", "replace"}:
            with pytest.raises(LockBusyError), locks.hold(locks.shard("1abc2d")):
                pass
            guarded.append(name)

    assert save(answer(), disk=hooked(try_the_lock)).unfolded == ()
    assert guarded == ["read", "create", "sync", "replace"]


def test_a_busy_lock_is_a_refusal_that_may_pass(save: Save, answer: Make, data: Path) -> None:
    locks = TitleLocks(data / ".locks", Disk())
    with locks.hold(locks.shard("1abc2d")):
        outcome = save(answer(), answer("other"))
    (refused,) = outcome.unfolded
    assert isinstance(refused.error, LockBusyError)
    assert refused.passing
    assert f"process {os.getpid()}" in str(refused.error)
    assert [folded.title.id for folded in outcome.folded] == ["other"]


def test_a_busy_lock_holds_up_its_own_title_only(answer: Make, data: Path, hooked: Hooked) -> None:
    renamed: list[str] = []
    all_but_one = threading.Event()

    def count(name: str, arguments: tuple[Any, ...]) -> None:
        if name == "replace":
            renamed.append(arguments[1].name)
        if len(renamed) == 3:
            all_but_one.set()

    disk = hooked(count)
    locks = TitleLocks(data / ".locks", disk, timeout=WAIT, poll_interval=0.001)
    outcomes: list[FoldOutcome] = []
    answers = [answer(title) for title in "abcd"]
    thread = threading.Thread(target=lambda: outcomes.append(fold(answers, data, locks=locks, disk=disk)))
    with TitleLocks(data / ".locks", Disk()).hold(locks.shard("b")):
        thread.start()
        assert all_but_one.wait(WAIT)
        assert thread.is_alive(), "b is waited for"
    thread.join(WAIT)
    assert sorted(renamed[:3]) == ["a.json", "c.json", "d.json"]
    assert outcomes[0].folded == tuple(answers)


def test_a_caller_that_gives_up_begins_no_further_file(answer: Make, data: Path) -> None:
    locks = TitleLocks(data / ".locks", Disk())
    outcome = fold([answer()], data, locks=locks, disk=Disk(), give_up=lambda: True)
    assert [refused.passing for refused in outcome.unfolded] == [True]
    assert _files(data) == []


def test_old_temporary_files_are_swept_and_young_or_guarded_ones_are_not(tmp_path: Path) -> None:
    locks = TitleLocks(tmp_path / ".locks", Disk())
    old, young, guarded = (tmp_path / f".{stem}.1-ab.tmp" for stem in ("old", "young", "guarded"))
    for path in (old, young, guarded, tmp_path / "mine.tmp"):
        path.write_bytes(b"x")
    for path in (old, guarded, tmp_path / "mine.tmp"):
        os.utime(path, (1, 1))
    with locks.hold(locks.shard("guarded")):
        swept = sweep_temps(tmp_path, 300, locks=locks, disk=Disk())
    assert swept == (old,)
    assert _files(tmp_path) == [guarded.name, young.name, "mine.tmp"]


def test_sweeping_a_folder_that_is_not_there_finds_nothing(tmp_path: Path) -> None:
    assert sweep_temps(tmp_path / "none", 0, locks=TitleLocks(tmp_path / "l", Disk()), disk=Disk()) == ()


def test_a_title_file_lies_in_the_folder_under_its_own_id(tmp_path: Path) -> None:
    assert title_path(tmp_path, "1abc2d") == tmp_path / "1abc2d.json"
    assert title_path(tmp_path, "../x").parent == tmp_path


def test_an_answer_whose_fold_breaks_off_is_not_taken_for_folded(save: Save, answer: Make, hooked: Hooked) -> None:
    def out_of_memory(name: str, _: tuple[Any, ...]) -> None:
        if name == "read":
            raise MemoryError

    (refused,) = save(answer(), disk=hooked(out_of_memory)).unfolded
    assert "broke off" in str(refused.error)


def test_a_file_without_a_headline_gets_one_from_an_older_answer_too(save: Save, answer: Make, data: Path) -> None:
    save(answer(at="2026-11-22T13:00:00Z"))
    document = _load(data / "1abc2d.json")
    del document["title"]
    (data / "1abc2d.json").write_text(json.dumps(document))
    assert save(answer(model="older", text="older")).unfolded == ()
    assert _load(data / "1abc2d.json")["title"] == "older"
