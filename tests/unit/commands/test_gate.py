from __future__ import annotations

from pathlib import Path

import pytest

from plotbot.commands import main
from plotbot.commands.gate import plan_lines
from plotbot.measure.sequential import design


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("project")
def test_the_plan_tells_titles_and_chances_for_each_threshold(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gate", "--plan", "--min-pass-rate", "a=0.9,b=0.8", "--titles", "200"]) == 0
    out = capsys.readouterr().out
    assert "at least 90% of 200 titles, looks after 20, 40, 60, …, 200" in out
    assert "at least 80% of 200 titles" in out
    assert "      98%                74.0    99.9%    0.0%           0.1%\n" in out
    assert "      90%               190.2     4.2%    4.9%          90.9%  <- the threshold\n" in out


@pytest.mark.usefixtures("project")
def test_the_plan_of_repeats_is_one_of_titles_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gate", "--plan", "--min-pass-rate", "0.9", "--titles", "200", "--repeats", "3"]) == 0
    out = capsys.readouterr().out
    assert "A title is asked 3 times and counts once, by its share of good answers." in out
    assert "those whose answers differ decide sooner" in out
    assert "      98%                93.0    99.4%    0.0%           0.6%\n" in out
    assert "      90%               198.3     1.2%    0.5%          98.3%  <- the threshold\n" in out


def test_a_plan_too_small_to_pass_says_so() -> None:
    assert (
        "PASS is out of reach: not even 20 passed titles of 20 would prove it." in plan_lines(design(0.9, 20, 20))[-1]
    )


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "no threshold to plan for: give one with --min-pass-rate 0.9"),
        (["--min-pass-rate", "1"], "cannot prove a pass rate of 1: choose a MIN_PASS_RATE between 0 and 1"),
        (["--min-pass-rate", "0.9", "--titles", "0"], "needs from 1 to 20,000 titles, not 0"),
        (["--min-pass-rate", "0.9", "--titles", "1000000"], "not 1,000,000"),
        (["--min-pass-rate", "0.9", "--titles", "1000000", "--repeats", "2"], "not 1,000,000"),
        (["--min-pass-rate", "0.9", "--test-sample-size", "0"], "is 0, all: say how many, --titles N"),
    ],
)
def test_what_no_test_can_have_is_refused(
    arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["gate", "--plan", *arguments]) == 4
    assert problem in capsys.readouterr().err
