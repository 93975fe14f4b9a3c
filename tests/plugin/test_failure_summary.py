"""The end of a run with more failures than are shown: one of each kind, and everything else knows every case."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from plotbot.mock import MockServer, ModelSpec, Rule

pytest_plugins = ("pytester",)

Evals = Callable[..., pytest.RunResult]
StartMock = Callable[..., MockServer]

NOT_JSON, FENCED, MISSING = "no JSON \x1b[2J", "```json\n[]\n```", '[{"title": "x"}]'
RULES = (
    Rule(headline="Headline 01", model="alpha", status=400, body='{"error": "refused"}'),
    Rule(headline="Headline 0[1-5]", reply=NOT_JSON),
    Rule(headline="Headline 0[678]", reply=FENCED),
    Rule(headline="Headline 09", reply=MISSING),
)
ALL = ("--test-sample-size=0", "--model=alpha,beta", "--confirm=skip", "--show-failures=3")
CONFTEST = """
def pytest_terminal_summary(terminalreporter):
    stats = terminalreporter.stats
    terminalreporter.write_line(f"others see {len(stats.get('failed', ()))} and {len(stats.get('error', ()))}")
"""


@pytest.fixture
def server(start_mock: StartMock) -> MockServer:
    return start_mock(models=(ModelSpec("alpha"), ModelSpec("beta")), rules=RULES)


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")


def blocks(output: str) -> list[str]:
    """The items that pytest shows in full."""
    return re.findall(r"^_{2,} (?:ERROR at setup of )?(\S+) _{2,}$", output, re.MULTILINE)


def short(output: str) -> list[str]:
    return re.findall(r"^(?:FAILED|ERROR) \S+::(\S+)", output, re.MULTILINE)


@pytest.mark.parametrize("workers", [(), ("-n2",)])
def test_one_of_each_kind_is_shown_and_all_are_counted(evals: Evals, server: MockServer, workers: list[str]) -> None:
    result = evals(server, *ALL, *workers)
    output = result.stdout.str()
    assert result.ret == 10
    result.assert_outcomes(passed=6, failed=17, errors=1)
    assert len(blocks(output)) == 3 == output.count("model's reply") - output.count("Captured"), output
    assert "18 failures of 4 kinds" in output
    for line in (
        " 9 not_json               (alpha 4, beta 5)  e.g. Headline ",
        " 6 fenced                 (alpha 3, beta 3)  e.g. Headline ",
        " 2 schema: core_event required  (alpha 1, beta 1)  e.g. Headline 09: a goose is elected",
        " 1 bad_request",
    ):
        assert re.search(re.sub(r" +", " +", re.escape(line).replace("\\ ", " ")), output), (line, output)
    assert "all of them: reports/index.html#show=bad\n" in output.replace("\\", "/")
    assert "one by one: pytest evals --lf -x\n" in output
    assert "\x1b[2J" not in output


def test_the_short_summary_ends_with_the_number_of_the_rest(evals: Evals, server: MockServer) -> None:
    output = evals(server, *ALL, "--repeats=2").stdout.str()
    assert len(short(output)) == 20
    assert "\n… and 16 more\n" in output


def test_what_the_user_asks_for_is_shown_whole(evals: Evals, server: MockServer) -> None:
    for asked, in_full, in_short in (
        (("--show-failures=all",), 18, 18), (("--tb=short",), 18, 18), (("-rfE",), 3, 18), (("-rA",), 3, 24),
        (("--show-failures=18",), 18, 18), (("--show-failures=0",), 0, 18),
    ):  # fmt: skip
        output = evals(server, *ALL, *asked).stdout.str()
        lines = len(short(output)) + output.count("PASSED ")
        assert (len(blocks(output)), lines) == (in_full, in_short), asked


def test_other_plugins_and_the_next_run_know_every_case(
    pytester: pytest.Pytester, project: Path, evals: Evals, server: MockServer
) -> None:
    (project / "evals" / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    (project / "evals" / "test_plain.py").write_text("def test_plain():\n    assert 1 == 2\n", encoding="utf-8")
    output = evals(server, *ALL, "--repeats=2", "--junitxml=junit.xml").stdout.str()
    assert "others see 35 and 2" in output
    assert "test_plain" in blocks(output), "an ordinary test's failure is always shown"
    assert "… and 16 more" in output
    suite = ET.parse(pytester.path / "junit.xml").getroot().find("testsuite")
    assert suite is not None
    assert (suite.get("failures"), suite.get("errors"), suite.get("tests")) == ("35", "2", "49")
    again = evals(server, *ALL, "--repeats=2", "--lf", "--collect-only", "-q").stdout.str()
    assert again.count("::test_story_seed[") == 36


def test_a_run_that_stops_early_counts_what_ran(evals: Evals, server: MockServer) -> None:
    result = evals(server, *ALL, "--maxfail=5", "-k", "beta")
    assert result.ret == 1
    assert "5 failures of " in result.stdout.str()


@pytest.mark.parametrize("columns", [40, 20])
def test_a_narrow_terminal_holds_all_that_plotbot_prints_but_for_single_words(
    evals: Evals, server: MockServer, monkeypatch: pytest.MonkeyPatch, project: Path, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    evals(server, *ALL, "--note=a note", "--min-pass-rate=0.9")
    (project / "data" / "runs" / ".20991231-000000-000000.new").mkdir()
    output = evals(server, *ALL, "--resume").stdout.str()
    header = output.partition("plotbot: sample seed")[2].partition("rootdir:")[0]
    parts = dict(re.findall(r"^=+ (.*?) =+\n(.*?)(?=^=)", output, re.MULTILINE | re.DOTALL))
    lines = "\n".join([header, parts["18 failures of 4 kinds"], parts["plotbot"]]).splitlines()
    assert [line for line in lines if len(line) > columns and " " in line.strip()] == []
    assert "before its first reply" in " ".join(parts["plotbot"].split())
