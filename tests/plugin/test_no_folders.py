"""Reports are shared, and folders name people and machines: what evals say of files is shown without them."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from plotbot.mock import MockServer
from plotbot.run.artifacts import page_name
from tests.plugin.test_own_assertions import PACKED

pytest_plugins = ("pytester",)

EVAL = r"""
from pathlib import Path

import pytest

from plotbot import Finding

ROOT = Path(__file__).resolve().parents[1]
TITLES = [f"t{number:02}" for number in range(1, 13)]


@pytest.fixture
def image(title):
    if title.id == "t07":
        raise FileNotFoundError(f"{ROOT}/data/set-up.json")


def found(entry, title):
    return [Finding("$", "image", f"{ROOT}/data/found.json is not there")]


def test_own(reply, judge, title, image):
    print("from", ROOT / "data" / "printed.json", Path.home() / "printed.json")
    match TITLES.index(title.id):
        case 0:
            open(ROOT / "data" / "nothing.json")
        case 1:
            raise FileNotFoundError(str(Path.home() / "at-home.json"))
        case 2:
            assert not ROOT, f"read:\n{ROOT}/data/asserted.json"
        case 3:
            pytest.skip(f"no {ROOT}/data/skipped.json")
        case 4:
            assert judge(check=found).ok
        case _:
            raise ValueError(f"{ROOT} and {[str(ROOT / 'data')]} and {ROOT.as_uri()}/x and -I{ROOT}/y")
"""


def _all_of(page: Path) -> str:
    """The text of a page, with what is packed in it."""
    source = page.read_text(encoding="utf-8")
    chunks = (zlib.decompress(base64.b64decode(chunk)).decode() for chunk in PACKED.findall(source))
    return "\n".join([source, *chunks])


@pytest.mark.parametrize("more", [(), ("-n", "2")], ids=["one process", "workers"])
def test_no_report_names_the_folders_of_the_machine(
    evals: Callable[..., pytest.RunResult],
    write_eval: Callable[[str], None],
    start_mock: Callable[..., MockServer],
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    more: tuple[str, ...],
) -> None:
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(project.parent / "ada"))
    write_eval(EVAL)
    evals(start_mock(), "--test-sample-size=0", *more)
    reports, (run,) = project / "reports", (project / "data" / "runs").iterdir()
    written = {
        "index": _all_of(reports / "index.html"),
        "own": _all_of(run / "index.html"),
        "model": (reports / page_name("mock-model")).read_text(encoding="utf-8"),
        "summary": (reports / "summary.md").read_text(encoding="utf-8"),
        "history": (reports / "history.html").read_text(encoding="utf-8"),
    }
    for name, text in written.items():
        for folder in (project, Path.home()):
            at = text.find(str(folder))
            assert at < 0, f"{name}: {text[at - 200 : at + 200]}"
    for name in ("data/nothing.json", "~/at-home.json", "data/asserted.json", "data/set-up.json", "data/found.json"):
        assert name in written["index"], name
        assert name in written["model"], name
