"""`plotbot.testing`, used as its documentation shows it."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from plotbot.testing import StartMock, make_project, run_evals, scripted

pytest_plugins = ("pytester",)
PAGE = Path(__file__).parents[2] / "docs" / "mock.md"
OWN = """
def test_own(reply, judge):
    assert judge().ok
"""


def test_the_example_of_the_documentation_passes(pytester: pytest.Pytester) -> None:
    plugin, example = re.findall(r"```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    pytester.makeconftest(plugin)
    pytester.makepyfile(example)
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_replies_are_said_letter_for_letter_and_titles_keep_their_ids(plotbot_mock: StartMock, tmp_path: Path) -> None:
    said = "[1, (2]+ ünïcode"
    server = plotbot_mock(scripted({"a (b)+": said}, model="a/b"))
    project = make_project(tmp_path, titles={"x1": "A (b)+ a (b)+"}, evals={"test_own.py": textwrap.dedent(OWN)})
    done = run_evals(project, server, "--tb=short")
    assert done.returncode == 1, done.stdout + done.stderr
    assert said in done.stdout
    assert [path.name for path in (project / "evals").iterdir() if path.suffix == ".py"] == ["test_own.py"]
    assert "x1" in done.stdout
    assert server.stats().models["a/b"].utilisation >= 0


def test_settings_of_the_environment_do_not_reach_a_run(
    plotbot_mock: StartMock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLOTBOT_MODEL", "another")
    done = run_evals(make_project(tmp_path, titles=["Cow wins prize"]), plotbot_mock())
    assert done.returncode == 0, done.stdout + done.stderr
