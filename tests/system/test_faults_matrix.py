"""Every fault that servers are known for, met in one `pytest evals`: each is called by its name and harms no other."""

from __future__ import annotations

import json
import re
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from plotbot.keep.filesystem import Disk
from plotbot.keep.run_folder import last_run
from plotbot.keep.run_reading import RunOnDisk, read_run
from plotbot.mock import FAULTS, SHAPES, MockServer, Rule

MakeProject = Callable[[Path], Path]
StartMock = Callable[..., MockServer]
RunPytest = Callable[..., subprocess.CompletedProcess[str]]

TOKEN = "sk-lm-Qw3rTy5u:0123456789abcdefGHIJ"
GOOD = tuple(f"good{number:02}" for number in range(12))
# A case that takes a second attempt says so; each of these has one, REQUEST_RETRY_LIMIT being 1.
PASSED: Mapping[str, int] = dict.fromkeys(
    ("F15", "F24", "F26", "F30", "F30.zeros", "F30.extra", "F32", "F34"), 1
)  # fmt: skip
FAILED: Mapping[str, str] = {
    "F01": "json_in_reasoning",
    "F02": "truncated",
    "F03": "truncated",
    "F04": "thinking_leak",
    "F04.unclosed": "thinking_leak",
    "F04.newlines": "thinking_leak",
    "F05": "fenced",
    "F05.lead-in": "fenced",
    "F06": "not_json",
    "F07": "truncated",
    "F08": "truncated",
    "F09": "schema",
    "F20.silent": "empty",
    "F25.empty": "empty",
    "F27": "empty",
    "F33": "prose_around",
    "F33.echo": "prose_around",
    "F33.two": "prose_around",
}
REFUSED: Mapping[str, tuple[str, int]] = {
    "F10": ("bad_request", 1),
    "F11": ("bad_request", 1),
    "F11.grammar": ("bad_request", 1),
    "F11.type": ("bad_request", 1),
    "F12": ("http_error", 1),
    "F13": ("model_unavailable", 1),
    "F13.nested": ("model_unavailable", 1),
    "F14": ("model_unavailable", 1),
    "F14.404": ("model_unavailable", 1),
    "F14.other": ("wrong_model", 1),
    "F16": ("model_unavailable", 1),
    "F17": ("model_unavailable", 2),
    "F17.startup": ("model_unavailable", 2),
    "F19.channel": ("model_crashed", 2),
    "F19.fetch": ("model_crashed", 2),
    "F20": ("context_overflow", 1),
    "F20.older": ("context_overflow", 1),
    "F20.engine": ("context_overflow", 1),
    "F20.message": ("context_overflow", 1),
    "F23": ("unreachable", 2),
    "F25": ("timeout", 2),
    "F28": ("http_error", 1),
    "F29": ("auth", 1),
    "F29.malformed": ("auth", 1),
}
# These end what others are being told, so they are met one request at a time.
STRIKES: Mapping[str, tuple[str, int]] = {
    "F18": ("model_unloaded", 2),
    "F18.reloaded": ("model_unloaded", 2),
    "F21": ("context_overflow", 2),
}
# How bytes may travel, as the category that it comes to; None where the answer arrives all the same.
TRAVELS: Mapping[str, tuple[str, int] | None] = {
    # The server closes the connection of its own accord: each request asks it to.
    "head_only": ("unreachable", 2),
    "close": ("unreachable", 2),
    "reset": ("unreachable", 2),
    "hang": ("timeout", 2),
    "cut": ("unreachable", 2),
    "cut_quietly": ("protocol", 2),
    "slow_headers": ("timeout", 2),
    "trickle": ("timeout", 2),
    "trickle_until_close": ("timeout", 2),
    "chunked": None,
    "endless": ("too_large", 1),
    "huge_length": ("too_large", 1),
    "gzip": None,
    "gzip_bomb": ("too_large", 1),
    "gzip_torn": ("protocol", 1),
    "big_headers": ("protocol", 1),
    "garbage": ("protocol", 1),
    "not_utf8": ("protocol", 1),
}
QUICK = {"F15": 0.1, "F25.empty": 0.1, "F26": 0.1, "chunked": 0.001, "endless": 0.001}
"""Seconds that a fault takes, or that lie between a shape's pieces."""


@dataclass(frozen=True)
class Outcome:
    """What became of a title: outcome, category and number of attempts; and what its exchange says of the fault."""

    came: tuple[str, str, int]
    faults: tuple[str | None, ...]
    message: str


class Runs:
    """Whole runs in projects of their own."""

    def __init__(self, folder: Path, make_project: MakeProject, start_mock: StartMock, run_pytest: RunPytest) -> None:
        self.project = make_project(folder)
        self._start_mock = start_mock
        self._run_pytest = run_pytest

    def run(
        self, names: tuple[str, ...], rules: tuple[Rule, ...], *arguments: str, token: str | None = None
    ) -> tuple[subprocess.CompletedProcess[str], dict[str, Outcome]]:
        """Ask for each name as a title; what pytest said, and what became of each title."""
        titles = {f"x{number:03}": {"title": f"{name} and a goose"} for number, name in enumerate(names)}
        (self.project / "data" / "titles_index.json").write_text(json.dumps(titles), encoding="utf-8")
        server = self._start_mock(rules=rules, token=token)
        given = ("--lm-studio-url", server.url, "--test-sample-size=0", "--sample-seed=1", "--request-retry-limit=1")
        secret = {} if token is None else {"LM_API_TOKEN": token}
        result = self._run_pytest(self.project, "evals", *given, "--request-timeout=2", *arguments, **secret)
        return result, outcomes(self.project)


@pytest.fixture
def runs(tmp_path: Path, make_project: MakeProject, start_mock: StartMock, run_pytest: RunPytest) -> Runs:
    return Runs(tmp_path / "project", make_project, start_mock, run_pytest)


def outcomes(project: Path) -> dict[str, Outcome]:
    folder = last_run(project / "data" / "runs")
    assert folder is not None
    run = read_run(folder, Disk())
    return {run.cases[item.case].title.text.partition(" ")[0]: _outcome(run, item.item) for item in run.items}


def _outcome(run: RunOnDisk, item: str) -> Outcome:
    result = run.results[item]
    exchange = run.exchange(result.case)
    assert exchange is not None
    faults = tuple(None if attempt.fault is None else attempt.fault.category for attempt in exchange.attempts)
    return Outcome((result.outcome, result.category, len(exchange.attempts)), faults, result.message)


def playing(faults: Mapping[str, object]) -> tuple[Rule, ...]:
    return tuple(Rule(headline=f"^{re.escape(name)} ", fault=name, seconds=QUICK.get(name)) for name in faults)


def expected() -> dict[str, tuple[str, str, int]]:
    passed = {name: ("passed", "ok", attempts) for name, attempts in (*PASSED.items(), *((one, 1) for one in GOOD))}
    failed = {name: ("failed", category, 1) for name, category in FAILED.items()}
    refused = {name: ("error", *what) for name, what in REFUSED.items()}
    return {**passed, **failed, **refused}


def in_turn(names: Mapping[str, object]) -> tuple[str, ...]:
    """The names with good titles between them, so that there are others to be harmed."""
    bad = list(names)
    step = max(1, len(bad) // len(GOOD))
    for number, good in enumerate(GOOD):
        bad.insert(number * (step + 1), good)
    return tuple(bad)


def test_every_fault_that_a_plain_request_can_meet_is_in_these_tables() -> None:
    playable = {name for name, fault in FAULTS.items() if fault.act is not None}
    assert playable == {*PASSED, *FAILED, *REFUSED, *STRIKES, "F19", "F31"}
    assert set(SHAPES) == set(TRAVELS)


@pytest.mark.parametrize("workers", ["0", "2"])
def test_each_fault_has_its_category_on_its_side_and_harms_no_other_case(runs: Runs, workers: str) -> None:
    faults = {**PASSED, **FAILED, **REFUSED}
    result, found = runs.run(in_turn(faults), playing(faults), "-n", workers)
    assert {name: outcome.came for name, outcome in found.items()} == expected()
    assert result.returncode == 10
    planned = len(faults) + len(GOOD)
    passed, failed, error = len(PASSED) + len(GOOD), len(FAILED), len(REFUSED)
    assert f"planned {planned} = {passed} passed + {failed} failed + {error} error + 0 skipped" in result.stdout


def test_a_case_that_went_wrong_has_every_attempt_on_record(runs: Runs) -> None:
    rules = (Rule(headline="^twice ", fault="F19.channel"), Rule(headline="^once ", fault="F19.channel", nth=(1,)))
    _, found = runs.run(("twice", "once", "never"), rules, "-n", "0")
    assert found["twice"].faults == ("model_crashed", "model_crashed")
    assert found["once"].faults == ("model_crashed", None)
    assert found["never"].faults == (None,)


@pytest.mark.parametrize("workers", ["0", "2"])
def test_however_the_bytes_travel_the_run_ends_and_says_what_it_was(runs: Runs, workers: str) -> None:
    rules = tuple(Rule(headline=f"^{name} ", shape=name, seconds=QUICK.get(name, 0.5)) for name in TRAVELS)
    _, found = runs.run(in_turn(TRAVELS), rules, "-n", workers, "--max-in-flight=8")
    wanted = {name: ("passed", "ok", 1) if what is None else ("error", *what) for name, what in TRAVELS.items()}
    assert {name: outcome.came for name, outcome in found.items()} == {
        **wanted,
        **dict.fromkeys(GOOD, ("passed", "ok", 1)),
    }


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_model_that_goes_in_mid_answer_is_told_from_one_that_answers_badly(runs: Runs, workers: str) -> None:
    names = ("good00", *STRIKES, "good01", "good02")
    _, found = runs.run(names, playing(STRIKES), "-n", workers, "--max-in-flight=1")
    good = dict.fromkeys(GOOD[:3], ("passed", "ok", 1))
    assert {name: outcome.came for name, outcome in found.items()} == {
        **{name: ("error", *what) for name, what in STRIKES.items()},
        **good,
    }


def test_a_strike_on_all_in_flight_is_survived_by_asking_again(runs: Runs) -> None:
    rules = (Rule(headline="good", fault="F18", nth=(6,)), Rule(headline="good", latency=0.3))
    result, found = runs.run(GOOD, rules, "-n", "0")
    assert {outcome.came[:2] for outcome in found.values()} == {("passed", "ok")}
    assert result.returncode == 0
    struck = [name for name, outcome in found.items() if outcome.faults == ("model_unloaded", None)]
    assert 1 <= len(struck) <= 4


@pytest.mark.parametrize(("fault", "first", "later"), [
    ("F19", ("model_crashed", "model_unavailable"), "model_unavailable"),
    ("F31", ("unreachable", "unreachable"), "unreachable"),
])  # fmt: skip
@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_server_that_is_lost_for_good_ends_the_run_with_errors_alone(
    runs: Runs, workers: str, fault: str, first: tuple[str, ...], later: str
) -> None:
    names = (*GOOD, "struck")
    result, found = runs.run(names, (Rule(headline="^struck ", fault=fault),), "-n", workers, "--max-in-flight=1")
    errors = [name for name, outcome in found.items() if outcome.came[0] == "error"]
    assert result.returncode == 10
    assert found["struck"].faults == first
    assert {found[name].came[1] for name in errors} == {later}
    assert {found[name].came for name in GOOD if name not in errors} <= {("passed", "ok", 1)}
    assert f"{len(errors)} error + 0 skipped + 0 not run" in result.stdout


def test_an_error_says_what_to_do(runs: Runs) -> None:
    result, found = runs.run(("F20", "F29"), playing({"F20": 1, "F29": 1}), "-n", "0", "--junitxml=out/junit.xml")
    assert "Load the model with a larger one" in found["F20"].message
    assert "environment variable LM_API_TOKEN" in found["F29"].message
    assert found["F20"].message[:40] in result.stdout
    suite = ET.parse(runs.project / "out" / "junit.xml").getroot()[0]
    assert (suite.get("errors"), suite.get("failures")) == ("2", "0")


@pytest.mark.parametrize("workers", ["0", "2"])
def test_the_token_is_in_no_file_and_no_output(runs: Runs, workers: str) -> None:
    quoted = {"error": {"message": f"Malformed LM Studio API token provided: {TOKEN[:10]}... in {TOKEN}"}}
    rules = (
        Rule(headline="^quoted ", status=401, body=quoted),
        Rule(headline="^echoed ", status=500, body=f"Authorization: Bearer {TOKEN}"),
        Rule(headline="^plain ", status=200, body=f"Bearer {TOKEN}"),
        *playing({"F05": 1, "F19.fetch": 1, "F23": 1, "F29": 1}),
    )
    (runs.project / "evals" / "test_own.py").write_text(
        "def test_own(reply, results):\n    secret = reply.content\n    raise RuntimeError(secret)\n", encoding="utf-8"
    )
    result, found = runs.run(
        ("quoted", "echoed", "plain", "F05", "F19.fetch", "F23", "F29", "good00"), rules,
        "-n", workers, "--showlocals", "--tb=long", "-rA", "-vv", "--junitxml=out/junit.xml", "--show-replies",
        "-o", "log_file=out/log.txt", "-o", "log_file_level=DEBUG", "--log-cli-level=DEBUG", token=TOKEN,
    )  # fmt: skip
    assert found["quoted"].came[1] == "auth"
    assert result.stdout.count("RuntimeError: [{") >= 1, "the project's own eval shows its variables"
    files = [file for file in runs.project.rglob("*") if file.is_file()]
    assert {file.name for file in files} >= {"junit.xml", "journal.jsonl", "plan.json", "summary.json", "log.txt"}
    told = [result.stdout.encode(), result.stderr.encode(), *(file.read_bytes() for file in files)]
    assert not [what for what in told if TOKEN[:10].encode() in what]
