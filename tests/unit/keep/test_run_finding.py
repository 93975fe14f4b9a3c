"""How RUN arguments are resolved, and which runs `last` passes over."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plotbot.errors import InputError
from plotbot.keep.run_finding import find_run, newest_run
from plotbot.keep.run_folder import RunFolder, last_run, list_runs
from plotbot.settings import Settings, load_settings

OLDER = "20251122-121501-ffff01"


def _settings(runs_dir: Path, root: Path | None = None) -> Settings:
    return load_settings(root or runs_dir, {}, {"RUNS_DIR": str(runs_dir)})


def _run(path: Path, note: str = "", **header: Any) -> None:
    path.mkdir(parents=True)
    plan = {"header": {"settings": {"NOTE": note}, **header}, "questions": [], "cases": [], "items": []}
    (path / "plan.json").write_text(json.dumps(plan), encoding="utf-8")


@pytest.mark.parametrize("run_id", ["20270101-000000-000000", "../../etc", "", "\0"])
def test_an_unknown_run_is_named_beside_the_newest(tmp_path: Path, run_id: str) -> None:
    _run(tmp_path / "20261122-121501-7f3a01")
    with pytest.raises(InputError, match="the newest here: 20261122-121501-7f3a01"):
        find_run(run_id, _settings(tmp_path), tmp_path)


@pytest.mark.parametrize("name", ["last", OLDER, f"{OLDER}/", f"data/runs/{OLDER}", f"runs/{OLDER}", "../latest"])
def test_a_run_is_found_by_its_id_its_folder_or_as_the_last(tmp_path: Path, name: str) -> None:
    runs, here = tmp_path / "data" / "runs", tmp_path / "data"
    for run_id in ("20241122-121501-7f3a01", OLDER):
        _run(runs / run_id)
    (tmp_path / "latest").symlink_to(runs / OLDER)
    assert find_run(name, _settings(runs, root=tmp_path), here).path == runs / OLDER


def test_where_nothing_has_run_there_is_no_last_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no run yet: start one with pytest evals"):
        find_run("last", _settings(tmp_path / "none"), tmp_path)
    assert last_run(tmp_path / "none") is None
    assert list_runs(tmp_path) == ()


def _noted(path: Path, note: str, file: str = "plan.json") -> None:
    _run(path, note)
    if file == "summary.json":
        (path / file).write_text(json.dumps({"header": {"settings": {"NOTE": note}}}))


def _judges(path: Path, judged: str) -> None:
    _run(path, evals=[{"files": {"titles": f"data/runs/{judged}"}}])


HOSTILE = "\x1b[2J</script>" + "猫" * 180
NAMED = {
    "last": "20261123-223011-7f3a01",
    "last~0": "20261123-223011-7f3a01",
    "last~1": "20261122-223000-7f3a01",
    "last~2": OLDER,
    "20261122": "20261122-223000-7f3a01",
    "2025": OLDER,
    "shorter prompt": "20261122-223000-7f3a01",
    "shorter prompt, v1.2": "20261123-223011-7f3a01",
    "data": OLDER,
    HOSTILE: "20261121-223000-7f3a01",
}


@pytest.mark.parametrize("name", NAMED)
def test_a_run_is_found_by_how_long_ago_its_beginning_or_its_note(tmp_path: Path, name: str) -> None:
    runs = tmp_path / "data" / "runs"
    for run_id, note in ((OLDER, "data"), ("20261122-223000-7f3a01", "shorter prompt")):
        _noted(runs / run_id, note)
    _noted(runs / "20261123-223011-7f3a01", "shorter prompt, v1.2", "summary.json")
    if name == HOSTILE:
        _noted(runs / NAMED[name], HOSTILE)
    assert find_run(name, _settings(runs, root=tmp_path), tmp_path).run_id == NAMED[name]


def test_the_last_run_is_not_the_judge_s_which_its_id_names(tmp_path: Path) -> None:
    _noted(tmp_path / OLDER, "first")
    _noted(tmp_path / "20261122-223000-7f3a01", "second")
    _judges(tmp_path / "20261123-223011-7f3a01", "20261122-223000-7f3a01")
    settings = _settings(tmp_path)
    assert [find_run(name, settings, tmp_path).run_id for name in ("last", "last~1", "20261123")] == [
        "20261122-223000-7f3a01", OLDER, "20261123-223011-7f3a01",
    ]  # fmt: skip
    newest = last_run(tmp_path)
    assert newest is not None
    assert newest.run_id == "20261122-223000-7f3a01"
    with pytest.raises(InputError, match="no run last~2: the oldest is last~1"):
        find_run("last~2", settings, tmp_path)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("last~9", "no run last~9: the oldest is last~2"),
        ("2026", "2 runs have the id or the note '2026', or one that begins so: name one of them by its id"),
        ("twice", "2 runs have the id or the note 'twice'"),
        ("never", "no run 'never'"),
    ],
)
def test_a_run_that_is_not_there_or_not_the_only_one_is_told(tmp_path: Path, name: str, says: str) -> None:
    for run_id in (OLDER, "20261122-223000-7f3a01", "20261123-223011-7f3a01"):
        _noted(tmp_path / run_id, "" if run_id == OLDER else "twice")
    with pytest.raises(InputError, match=re.escape(says)):
        find_run(name, _settings(tmp_path), tmp_path)


NEWER = "20261122-121501-7f3a01"
PLAN = "plan.json"


def _cut(folder: Path) -> None:
    whole = (folder / PLAN).read_bytes()
    (folder / PLAN).write_bytes(whole[: len(whole) // 2])


DAMAGES: dict[str, Callable[[Path], object]] = {
    "cut short": _cut,
    "emptied": lambda folder: (folder / PLAN).write_bytes(b""),
    "no plan": lambda folder: (folder / PLAN).write_text("[1, 2]", encoding="utf-8"),
    "a case without its title": lambda folder: (folder / PLAN).write_text(
        json.dumps({"header": {}, "questions": [], "cases": [{"id": "a"}], "items": []}), encoding="utf-8"
    ),
    "a journal alone": lambda folder: (folder / PLAN).rename(folder / "journal.jsonl"),
    "a folder in the place of the journal": lambda folder: (folder / "journal.jsonl").mkdir(),
    "killed before its first reply": lambda folder: (folder / PLAN).unlink(),
    "killed while it was made": lambda folder: folder.rename(RunFolder(folder).hidden.path),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_newest_run_that_can_be_used_is_the_last_and_the_newer_one_is_named(tmp_path: Path, damage: str) -> None:
    for run_id in (OLDER, NEWER):
        _run(tmp_path / run_id)
    DAMAGES[damage](tmp_path / NEWER)
    told: list[str] = []
    assert find_run("last", _settings(tmp_path), tmp_path, told.append).run_id == OLDER
    (warning,) = told
    assert warning.startswith(f"run {OLDER} is taken, a newer one is passed over: ")
    assert NEWER in warning
    with pytest.raises(InputError, match="no run last~1: there is only last"):
        find_run("last~1", _settings(tmp_path), tmp_path)


def test_where_no_run_can_be_used_the_newest_is_named_with_the_reason(tmp_path: Path) -> None:
    _run(tmp_path / NEWER)
    _cut(tmp_path / NEWER)
    with pytest.raises(InputError, match=f"run {NEWER} cannot be used: .*damaged, no JSON"):
        newest_run(tmp_path, print)
