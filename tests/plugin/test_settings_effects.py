"""Every setting changes what it says it changes, seen from outside: what the server got, which files there are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from plotbot.keep import title_files
from plotbot.keep.journal_reading import read_journal
from plotbot.keep.locks import TitleLocks
from plotbot.mock import Latency, MockServer, ModelSpec, Rule
from plotbot.settings.keys import BY_NAME, keys_deciding

pytest_plugins = ("pytester",)

Evals = Callable[..., pytest.RunResult]
StartMock = Callable[..., MockServer]
RunFile = Callable[[Path, str], Any]

# What one run can show at once; the values have the form of the configuration file.
MANY: dict[str, Any] = {
    "GENERATED_DIR": "other/answers",
    "REPORT_DIR": "other/reports",
    "RUNS_DIR": "other/runs",
    "TITLES_PATH": "other/titles.json",
    "PROMPT_PATH": "other/prompt.txt",
    "SCHEMA_PATH": "other/schema.json",
    "MODEL": ["b", "a"],
    "TEST_SAMPLE_SIZE": 2,
    "SAMPLE_SEED": 5,
    "REPEATS": 2,
    "RESPONSE_FORMAT": ["json_schema", "none"],
    "WRITE_STRATEGY": "batch",
    "TEMPERATURE": 0.25,
    "TOP_P": 0.5,
    "TOP_K": 7,
    "MIN_P": 0.125,
    "REPEAT_PENALTY": 1.5,
    "MAX_TOKENS": 900,
    "MODEL_SEED": 99,
    "REASONING_EFFORT": "low",
}
SENT = tuple(key.field for key in keys_deciding("request"))
SCHEMA = {"type": "array", "items": {"type": "object", "properties": {"owl": {"type": "string"}}, "required": ["owl"]}}


def as_text(value: Any) -> str:
    return ",".join(value) if isinstance(value, list) else str(value)


def given_by(source: str, project: Path, monkeypatch: pytest.MonkeyPatch, values: dict[str, Any]) -> list[str]:
    """Give the values by one of the three sources; the arguments that it takes."""
    if source == "file":
        (project / "config").mkdir()
        (project / "config" / "config.json").write_text(json.dumps(values), encoding="utf-8")
        return []
    if source == "environment":
        for name, value in values.items():
            monkeypatch.setenv(f"PLOTBOT_{name}", as_text(value))
        return []
    return [f"{BY_NAME[name].option}={as_text(value)}" for name, value in values.items()]


def asked(server: MockServer) -> list[dict[str, Any]]:
    """The bodies of all chat completions but the handshakes, in the order in which they came."""
    bodies = [request.json() for request in server.requests if request.method == "POST"]
    return [body for body in bodies if "CONFIRM" not in body["messages"][-1]["content"]]


@pytest.mark.parametrize("source", ["file", "environment", "command line"])
def test_a_setting_works_from_each_of_its_sources(
    pytester: pytest.Pytester, project: Path, start_mock: StartMock, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    server = start_mock(models=(ModelSpec("a"), ModelSpec("b")))
    other = project / "other"
    other.mkdir()
    (other / "titles.json").write_text('{"o1": "Owl one", "o2": "Owl two", "o3": "Owl three"}', encoding="utf-8")
    (other / "prompt.txt").write_text("You count owls.", encoding="utf-8")
    (other / "schema.json").write_text(json.dumps(SCHEMA), encoding="utf-8")
    (project / "evals" / "test_story_seeds.py").write_text(
        "def test_owls(reply, results):\n    results.keep(reply)\n", encoding="utf-8"
    )
    arguments = given_by(source, project, monkeypatch, {**MANY, "LM_STUDIO_URL": server.url})
    result = pytester.runpytest_inprocess("evals", *arguments)
    assert result.ret == 0, result.stdout.str() + result.stderr.str()
    bodies = asked(server)
    assert len(bodies) == 16, "two models, two formats, two titles, two repeats"
    for body in bodies:
        assert {name: body[name] for name in SENT} == {
            name: MANY.get(name.upper(), BY_NAME[name.upper()].default) for name in SENT
        }
        assert body["messages"][0]["content"] == "You count owls."
        assert "- owl (string)" in body["messages"][1]["content"]
    assert [body["model"] for body in bodies] == ["b"] * 8 + ["a"] * 8
    assert sum("response_format" in body for body in bodies) == 8
    assert len({body["seed"] for body in bodies}) == 4, "one for each title and repeat"
    run = max((other / "runs").iterdir())
    plan = json.loads((run / "plan.json").read_bytes())
    assert {case["title"]["id"] for case in plan["cases"]} < {"o1", "o2", "o3"}
    assert plan["header"]["sample_seed"] == 5
    assert {path.stem for path in (other / "reports").glob("*.html")} >= {"a", "b"}
    assert len(list((other / "answers").glob("*.json"))) == 2
    folded = [line.data["cases"] for line in read_journal(run / "journal.jsonl").lines if line.kind == "folded"]
    assert len(folded) < 16, "batches, not single answers"
    assert not (project / "data" / "runs").exists()
    assert not (project / "reports").exists()


def test_the_seeds_decide_what_is_drawn_and_what_is_sent(
    evals: Evals, start_mock: StartMock, project: Path, run_file: RunFile
) -> None:
    drawn = {}
    for seed in ("1", "2"):
        assert evals(start_mock(), f"--sample-seed={seed}").ret == 0
        drawn[seed] = {case["title"]["id"] for case in run_file(project, "plan.json")["cases"]}
    assert drawn["1"] != drawn["2"]
    server, other = start_mock(), start_mock()
    evals(server)
    evals(other, "--model-seed=2")
    assert {body["seed"] for body in asked(server)}.isdisjoint(body["seed"] for body in asked(other))


def test_max_in_flight_bounds_the_requests(evals: Evals, start_mock: StartMock) -> None:
    peaks = {}
    for limit in ((), ("--max-in-flight=1",), ("--max-in-flight=3",)):
        server = start_mock(latency=Latency(0.1))
        assert evals(server, "--test-sample-size=8", *limit).ret == 0
        peaks[limit] = server.stats().models["mock-model"].peak_in_flight
    assert list(peaks.values()) == [4, 1, 3], "without a limit: the server's four slots"


def test_several_hosts_share_the_work(pytester: pytest.Pytester, project: Path, start_mock: StartMock) -> None:
    servers = [start_mock(latency=Latency(0.05)), start_mock(latency=Latency(0.05))]
    urls = [f"--lm-studio-url={server.url}" for server in servers]
    assert pytester.runpytest_inprocess("evals", *urls, "--test-sample-size=12").ret == 0
    requests = [server.stats().models["mock-model"].requests for server in servers]
    assert sum(requests) == 12
    assert min(requests) >= 3


def test_request_timeout_ends_a_request_that_hangs(
    evals: Evals, start_mock: StartMock, verdicts: Callable[[], list[dict[str, Any]]]
) -> None:
    server = start_mock(rules=(Rule(headline="Headline", shape="hang"),))
    assert evals(server, "--test-sample-size=1", "--request-timeout=1", "--request-retry-limit=0").ret == 10
    assert [verdict["category"] for verdict in verdicts()] == ["timeout"]
    assert "1 s" in verdicts()[0]["message"]


def test_load_timeout_ends_a_handshake_that_hangs(evals: Evals, start_mock: StartMock) -> None:
    server = start_mock(rules=(Rule(handshake=True, shape="hang"),))
    result = evals(server, "--load-timeout=0.5", "--request-retry-limit=0")
    assert result.ret == 4
    assert "(timeout)" in result.stderr.str()


@pytest.mark.parametrize("limit", [0, 1])
def test_request_retry_limit_counts_further_tries(
    evals: Evals, start_mock: StartMock, project: Path, run_file: RunFile, limit: int
) -> None:
    server = start_mock(rules=(Rule(headline="Headline", status=503, body="busy"),))
    assert evals(server, "--test-sample-size=1", f"--request-retry-limit={limit}").ret == 10
    assert len(asked(server)) == 1 + limit
    assert run_file(project, "summary.json")["models"][0]["extra_attempts"] == limit


@pytest.mark.parametrize(
    ("arguments", "batches"),
    [
        (("--write-strategy=immediate",), [1] * 8),
        (("--write-strategy=batch", "--write-batch-size=4", "--write-batch-seconds=600"), [4, 4]),
        (("--write-strategy=batch", "--write-batch-size=100", "--write-batch-seconds=600"), [8]),
    ],
)
def test_the_write_strategy_decides_how_many_answers_are_folded_at_once(
    evals: Evals, start_mock: StartMock, project: Path, arguments: tuple[str, ...], batches: list[int]
) -> None:
    assert evals(start_mock(latency=Latency(0.02)), "--test-sample-size=8", *arguments).ret == 0
    lines = read_journal(max((project / "data" / "runs").iterdir()) / "journal.jsonl").lines
    folded = [len(line.data["cases"]) for line in lines if line.kind == "folded"]
    assert sum(folded) == 8
    assert max(folded) == max(batches) if len(batches) != 2 else len(folded) <= 3


def test_an_answer_gets_no_older_in_the_queue_than_write_batch_seconds(
    evals: Evals, start_mock: StartMock, project: Path
) -> None:
    server = start_mock(rules=(Rule(headline="Headline (0[1-9]|10|11)", latency=0.0), Rule(latency=1.5)))
    given = ("--write-strategy=batch", "--write-batch-size=100", "--write-batch-seconds=0.01")
    assert evals(server, "--test-sample-size=0", "--max-in-flight=1", *given).ret == 0
    lines = read_journal(max((project / "data" / "runs").iterdir()) / "journal.jsonl").lines
    assert sum(line.kind == "folded" for line in lines) >= 2, "the slow answer came after the others were folded"


def test_a_lock_that_is_held_is_waited_for_as_long_as_it_is_set(
    evals: Evals, start_mock: StartMock, project: Path, run_file: RunFile
) -> None:
    server = start_mock()
    assert evals(server, "--test-sample-size=1").ret == 0
    locks = sorted((project / "data" / "generated_data" / ".locks").iterdir())
    held = [FileLock(lock) for lock in locks]
    for lock in held:
        lock.acquire()
    given = ("--test-sample-size=1", "--file-lock-timeout=0.05", "--write-batch-retry-limit=0")
    result = evals(server, *given)
    for lock in held:
        lock.release()
    assert result.ret == 10
    reasons = list(run_file(project, "summary.json")["unfolded"].values())
    assert len(reasons) == 1
    assert "0.05" in reasons[0]
    result.stdout.fnmatch_lines(["plotbot: kept in the journal, not in its title file:*"])


def test_the_locks_poll_interval_and_stale_age_reach_the_locks(
    evals: Evals, start_mock: StartMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[dict[str, Any]] = []

    def spy(*places: Any, **given: Any) -> Any:
        told.append(given)
        return TitleLocks(*places, **given)

    monkeypatch.setattr(title_files, "TitleLocks", spy)
    given = ("--file-lock-poll-interval=0.5", "--file-lock-stale-seconds=60", "--file-lock-timeout=7")
    assert evals(start_mock(), *given).ret == 0
    assert {(one["timeout"], one["poll_interval"], one["stale_seconds"]) for one in told} == {(7.0, 0.5, 60.0)}


@pytest.mark.parametrize(("token", "status"), [("sk-right", 0), ("sk-wrong", 4), (None, 4)])
def test_the_token_is_sent_and_never_shown(
    evals: Evals, start_mock: StartMock, project: Path, monkeypatch: pytest.MonkeyPatch, token: str | None, status: int
) -> None:
    if token is not None:
        monkeypatch.setenv("LM_API_TOKEN", token)
    result = evals(start_mock(token="sk-right"), "--show-replies")
    assert result.ret == status
    written = [path.read_bytes() for path in project.rglob("*") if path.is_file()]
    assert not any(b"sk-right" in content or b"sk-wrong" in content for content in written)
    assert "sk-" not in result.stdout.str() + result.stderr.str()
