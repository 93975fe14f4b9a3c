"""`--like RUN`, and the line about what has moved since the titles were run before."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from plotbot.keep.filesystem import Disk
from plotbot.keep.run_folder import list_runs
from plotbot.keep.run_reading import RunOnDisk, read_run
from plotbot.mock import MockServer, Rule

pytest_plugins = ("pytester",)

Mock = Callable[..., MockServer]
Run = Callable[..., pytest.RunResult]
BAD = Rule(headline="Headline 0[1-6]", reply="no JSON at all")


@pytest.fixture
def run(pytester: pytest.Pytester, project: Path) -> Run:
    """Run the evals without a seed, so that each run draws titles of its own."""

    def evals(server: MockServer, *arguments: str) -> pytest.RunResult:
        return pytester.runpytest_inprocess("evals", f"--lm-studio-url={server.url}", *arguments)

    return evals


def _runs(project: Path) -> list[RunOnDisk]:
    return [read_run(folder, Disk()) for folder in list_runs(project / "data" / "runs")]


def _asked(run: RunOnDisk) -> list[tuple[str, str, int]]:
    return [(case.title.id, case.title.text, case.seed) for case in run.cases.values()]


def _said(result: pytest.RunResult) -> str:
    return "\n".join([*result.outlines, *result.errlines])


def test_a_run_like_another_has_its_titles_seeds_and_settings_but_for_what_is_set(
    run: Run, project: Path, start_mock: Mock
) -> None:
    server = start_mock()
    run(server, "--test-sample-size=5", "--temperature=0.1", "--model-seed=7", "--tolerate=fenced", "--note=first")
    titles = project / "data" / "titles_index.json"
    first = _asked(_runs(project)[0])
    index = json.loads(titles.read_bytes())
    reworded, gone = first[0][0], first[1][0]
    index |= {f"new{number}": {"title": f"New {number}"} for number in range(40)}
    index[reworded] = {"title": "Headline reworded"}
    del index[gone]
    titles.write_text(json.dumps(index), encoding="utf-8")
    result = run(server, "--like=first", "--top-k=9")
    assert "plotbot: like run" in _said(result)
    assert "'first', but for TOP_K 40 -> 9" in _said(result)
    like = _runs(project)[1]
    wanted = [(one, "Headline reworded" if one == reworded else text, seed) for one, text, seed in first]
    assert _asked(like) == wanted
    sent = server.requests[-1].json()
    assert (sent["temperature"], sent["top_k"]) == (0.1, 9)
    assert like.header["settings"]["TOLERATE"] == ["fenced"]
    assert like.header["settings"]["NOTE"] is None
    run(server, "--like=first", "--test-sample-size=3")
    assert len(_runs(project)[2].cases) == 3
    # A value of the configuration file did not count then, and does not count in a run that is like this one in turn.
    (project / "config").mkdir(exist_ok=True)
    (project / "config" / "config.json").write_text('{"TEMPERATURE": 0.9, "TOP_P": 0.5}', encoding="utf-8")
    for _ in range(2):
        result = run(server, "--like=last")
        sent = server.requests[-1].json()
        assert (sent["temperature"], sent["top_p"]) == (0.1, 0.5), _said(result)


@pytest.mark.parametrize("other", ["--resume", "--missing", "--replay=last"])
def test_like_goes_with_nothing_that_names_another_plan(run: Run, start_mock: Mock, other: str) -> None:
    result = run(start_mock(), "--like=last", other)
    assert result.ret == 4
    assert "do not go together" in _said(result)


def test_after_a_changed_prompt_one_line_says_what_broke_and_whether_that_is_chance(
    run: Run, project: Path, start_mock: Mock
) -> None:
    good, bad = start_mock(), start_mock(rules=(BAD,))
    first = run(good, "--test-sample-size=0", "--note=the first <b>")
    assert "since" not in _said(first)
    (project / "data" / "prompt.txt").write_text("Be brief.", encoding="utf-8")
    second = run(bad, "--like=last")
    name = "'the first <b>', same 12 titles: "
    assert f"{name}6 broken, 0 fixed: more than chance, p 0.031" in _said(second)
    third = run(bad, "--like=last", "-n1")
    assert "same 12 titles: nothing broken, nothing fixed" in _said(third)
    few = run(good, "--test-sample-size=3", "--sample-seed=1")
    assert "same 3 titles: 0 broken" in _said(few)
    assert "not more than chance" in _said(few)
    # The newest run of most of the titles is compared with, not the newest run.
    assert "same 12 titles: 0 broken, 6 fixed: more than chance" in _said(run(good, "--test-sample-size=0"))


def test_a_run_like_one_that_is_not_the_newest_is_compared_with_that_one(
    run: Run, project: Path, start_mock: Mock
) -> None:
    good, bad = start_mock(), start_mock(rules=(BAD,))
    run(good, "--test-sample-size=0", "--note=long ago")
    run(bad, "--test-sample-size=0", "--note=newest")
    again = _said(run(bad, "--like=long ago"))
    assert "'long ago', same 12 titles: 6 broken, 0 fixed" in again
    assert "'newest'" not in again
    (project / "data" / "titles_index.json").write_text('{"other": "Another"}', encoding="utf-8")
    assert "since " not in _said(run(good, "--like=long ago"))


def test_each_variant_has_its_line_and_a_run_of_other_titles_has_none(
    run: Run, project: Path, start_mock: Mock
) -> None:
    (project / "data" / "short.txt").write_text("Short.", encoding="utf-8")
    both = "--prompt-path=data/prompt.txt,data/short.txt"
    run(start_mock(), both, "--test-sample-size=0")
    again = _said(run(start_mock(rules=(BAD,)), "--like=last"))
    lines = [line for line in again.splitlines() if line.startswith("since ")]
    assert {line.split(", ")[1] for line in lines} == {"mock-model prompt.txt", "mock-model short.txt"}
    assert all("6 broken, 0 fixed: not more than chance, p 0.062" in line for line in lines), "corrected for two rows"
    (project / "data" / "titles_index.json").write_text('{"other": "Another"}', encoding="utf-8")
    assert "since " not in _said(run(start_mock(), "--test-sample-size=0"))
