"""Names with words of the headline: `-k` finds them, and what is remembered under the former names is found too."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from plotbot.mock import MockServer, Rule

pytest_plugins = ("pytester",)


def test_k_selects_by_words_of_the_headline(
    evals: Callable[..., pytest.RunResult], project: Path, start_mock: Callable[..., MockServer]
) -> None:
    index = {"a1": {"title": "Goose sues town"}, "b2": {"title": "Mayor is a cat"}, "c3": {"title": "鹅起诉小镇"}}
    (project / "data" / "titles_index.json").write_text(json.dumps(index), encoding="utf-8")
    done = evals(start_mock(), "-k", "goose", "--test-sample-size=3", "-v")
    done.assert_outcomes(passed=1, deselected=2)
    done.stdout.fnmatch_lines(["*::test_story_seed[[]mock-model-goose-sues-town-a1-r1[]] *PASSED*"])


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_last_failures_of_an_earlier_version_are_run_again(
    evals: Callable[..., pytest.RunResult],
    project: Path,
    start_mock: Callable[..., MockServer],
    workers: str,
) -> None:
    server = start_mock(rules=(Rule(headline="Headline 0[1-9]", reply="no JSON"),))
    first = evals(server, "--test-sample-size=12")
    first.assert_outcomes(passed=3, failed=9)
    cache = project / ".pytest_cache" / "v" / "cache" / "lastfailed"
    remembered = json.loads(cache.read_bytes())
    assert len(remembered) == 9
    former = {
        "-".join(part for part in item.split("-") if part not in _WORDS and not part.isdigit()) for item in remembered
    }
    assert "evals/test_story_seeds.py::test_story_seed[mock-model-t01-r1]" in former
    cache.write_text(json.dumps(dict.fromkeys(former, True)), encoding="ascii")
    again = evals(server, "--lf", "--test-sample-size=12", workers)
    again.assert_outcomes(failed=9)
    assert remembered.keys() == json.loads(cache.read_bytes()).keys()
    evals(start_mock(), "--lf", "--test-sample-size=12", workers).assert_outcomes(passed=9)
    assert not cache.exists() or json.loads(cache.read_bytes()) == {}


_WORDS = {"headline", "goose", "elected"}
