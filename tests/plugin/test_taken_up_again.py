"""`--resume`, `--resume-run`, `--replay` and `--missing`."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from plotbot.commands import main
from plotbot.keep.filesystem import Disk
from plotbot.keep.journal import Journal
from plotbot.measure.tally import BOXES
from plotbot.mock import MockServer, ModelSpec, Rule

pytest_plugins = ("pytester",)

Evals = Callable[..., pytest.RunResult]
Mock = Callable[..., MockServer]


def _run_id(project: Path) -> str:
    return max(path.name for path in (project / "data" / "runs").iterdir())


def _runs(project: Path) -> list[str]:
    return sorted(path.name for path in (project / "data" / "runs").iterdir())


def _said(result: pytest.RunResult) -> str:
    return "\n".join([*result.outlines, *result.errlines])


@pytest.fixture
def broken(start_mock: Mock) -> MockServer:
    """The second and the third request end in a fault of the server's; each later one is answered."""
    return start_mock(rules=(Rule(status=400, body={"error": "Compute error."}, nth=(2, 3)),))


def test_resuming_asks_what_was_an_error_and_nothing_else(evals: Evals, project: Path, broken: MockServer) -> None:
    first = evals(broken, "--request-retry-limit=0")
    assert first.ret == 10
    asked = broken.stats().models["mock-model"].requests
    second = evals(broken, "--resume")
    assert second.ret == 0
    second.assert_outcomes(passed=4)
    assert broken.stats().models["mock-model"].requests == asked + 2
    assert len(_runs(project)) == 1
    summary = json.loads((project / "data" / "runs" / _run_id(project) / "summary.json").read_bytes())
    assert summary["total"] == {"planned": 4, "passed": 4, **dict.fromkeys(BOXES[1:], 0)}


def test_what_is_next_is_a_command_that_goes_on_with_this_run(
    pytester: pytest.Pytester, project: Path, start_mock: Mock, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of several evals one was run: `pytest evals --resume` would be refused."""
    story = project / "evals" / "test_story_seeds.py"
    (project / "evals" / "test_other.py").write_bytes(story.read_bytes())
    server = start_mock(rules=(Rule(reply="no JSON at all", headline="Headline", nth=(1,)),))
    url = f"--lm-studio-url={server.url}"
    given = ("-x", "--sample-seed=1", "--test-sample-size=4", "--max-in-flight=1", "-k", "story_seed and t0", url)
    result = pytester.runpytest_inprocess(str(story), *given)
    told = re.search(r"next: (pytest .*?) \(2 planned but not run", " ".join(line.strip() for line in result.outlines))
    assert told is not None, _said(result)
    command = shlex.split(told[1])
    assert command[1:5] == ["evals/test_story_seeds.py", "-k", "story_seed and t0", "--resume"]
    assert f"**Next:** `{told[1]}` (2 planned" in (project / "reports" / "summary.md").read_text(encoding="utf-8")
    # After another run it is named.
    pytester.runpytest_inprocess(str(story), "--test-sample-size=1", url)
    run = _runs(project)[0]
    capsys.readouterr()
    main(["report", run, f"--rootdir={project}"])
    shown = " ".join(capsys.readouterr().out.split())
    assert f"next: {told[1].replace('--resume', f'--resume-run {run}')} (2 planned" in shown
    command = [f"--resume-run={run}" if one == "--resume" else one for one in command]
    pytester.runpytest_inprocess(*command[1:]).assert_outcomes(passed=2, failed=1)


def test_a_resumed_run_needs_no_settings_of_its_own(evals: Evals, start_mock: Mock) -> None:
    server = start_mock()
    evals(server, "--temperature=0.1", "--repeats=2")
    result = evals(server, "--resume")
    result.assert_outcomes(passed=8)
    assert {request.json()["temperature"] for request in server.requests if request.method == "POST"} == {0.1}


@pytest.mark.parametrize(
    ("option", "named"),
    [
        ("--temperature=0.3", "TEMPERATURE was 0.8, is 0.3 (--temperature)"),
        ("--max-tokens=7", "MAX_TOKENS"),
        ("--model-seed=7", "MODEL_SEED"),
        ("--sample-seed=99", "SAMPLE_SEED was 1, is 99"),
        ("--test-sample-size=5", "TEST_SAMPLE_SIZE"),
        ("--response-format=json_schema", "RESPONSE_FORMAT"),
        ("--model=another", "MODEL was mock-model, is another"),
        ("--reasoning-effort=low", "REASONING_EFFORT"),
    ],
)
def test_resuming_with_another_setting_is_refused_by_its_name(
    evals: Evals, start_mock: Mock, option: str, named: str
) -> None:
    server = start_mock()
    evals(server)
    asked = len(server.requests)
    result = evals(server, "--resume", option)
    assert result.ret == 4
    assert named in _said(result)
    assert "Traceback" not in _said(result)
    assert len(server.requests) == asked


def test_an_option_of_the_run_stands_against_the_file_that_it_overruled(
    evals: Evals, project: Path, start_mock: Mock
) -> None:
    config = project / "config" / "config.json"
    config.parent.mkdir(exist_ok=True)
    config.write_text('{"MAX_TOKENS": 1024, "MODEL": "another"}', encoding="utf-8")
    server = start_mock(models=(ModelSpec("mock-model"), ModelSpec("another")), rules=(Rule(reply="No JSON."),))
    evals(server, "--max-tokens=512", "--model=mock-model", "-x")
    result = evals(server, "--resume")
    assert result.ret == 1, _said(result)
    evals(server, "--like=last")
    asked = [request.json() for request in server.requests if b"Headline" in request.body]
    assert {(case["model"], case["max_tokens"]) for case in asked} == {("mock-model", 512)}
    config.write_text('{"MAX_TOKENS": 1024, "MODEL": []}', encoding="utf-8")
    server = start_mock()
    evals(server, "--temperature=0.1")
    assert evals(server, "--resume").ret == 0
    config.write_text('{"MAX_TOKENS": 2048, "MODEL": []}', encoding="utf-8")
    assert "MAX_TOKENS was 1024, is 2048 (config/config.json)" in _said(evals(server, "--resume"))


@pytest.mark.parametrize(
    ("name", "change", "named"),
    [
        ("prompt.txt", lambda text: text + "Be brief.", "the prompt ("),
        ("story_seed.schema.json", lambda text: text.replace('"maxItems": 3', '"maxItems": 2'), "the schema ("),
    ],
)
def test_resuming_with_another_prompt_or_schema_is_refused(
    evals: Evals, project: Path, start_mock: Mock, name: str, change: Callable[[str], str], named: str
) -> None:
    server = start_mock()
    evals(server)
    file = project / "data" / name
    file.write_text(change(file.read_text(encoding="utf-8")), encoding="utf-8")
    result = evals(server, "--resume")
    assert result.ret == 4
    assert named in _said(result)
    assert "cannot be resumed" in _said(result)


def test_resuming_with_another_quantization_is_refused_by_field(evals: Evals, start_mock: Mock) -> None:
    server = start_mock(models=(ModelSpec("mock-model", quantization="Q4_K_M"),))
    evals(server)
    server.swap("mock-model", quantization="Q8_0")
    result = evals(server, "--resume")
    assert result.ret == 4
    assert "quantization was Q4_K_M, is Q8_0" in _said(result)


def test_a_run_that_still_runs_is_not_resumed(evals: Evals, project: Path, start_mock: Mock) -> None:
    server = start_mock()
    evals(server)
    journal = Journal.open(project / "data" / "runs" / _run_id(project) / "journal.jsonl", Disk())
    try:
        result = evals(server, "--resume")
    finally:
        journal.close()
    assert result.ret == 4
    assert "still runs" in _said(result)


def test_a_run_is_resumed_by_its_id(evals: Evals, project: Path, broken: MockServer) -> None:
    evals(broken, "--request-retry-limit=0")
    first = _run_id(project)
    evals(broken)
    result = evals(broken, "--resume-run", first)
    result.assert_outcomes(passed=4)
    assert f"data/runs/{first}" in _said(result)
    last = _run_id(project)
    assert f"data/runs/{last}" in _said(evals(broken, "--resume-run", "last"))


def test_resuming_where_nothing_has_run_says_so(evals: Evals, start_mock: Mock) -> None:
    result = evals(start_mock(), "--resume")
    assert result.ret == 4
    assert "there is no run yet" in _said(result)


def test_an_answer_removed_after_folding_stays_away_on_resuming(
    evals: Evals, project: Path, broken: MockServer
) -> None:
    evals(broken, "--request-retry-limit=0")
    removed = next(path for path in (project / "data" / "generated_data").glob("*.json"))
    removed.unlink()
    evals(broken, "--resume")
    assert not removed.exists()
    assert len(list((project / "data" / "generated_data").glob("*.json"))) == 3


def test_missing_asks_only_for_titles_without_an_answer(evals: Evals, project: Path, start_mock: Mock) -> None:
    server = start_mock()
    evals(server, "--test-sample-size=0")
    removed = project / "data" / "generated_data" / "t05.json"
    removed.unlink()
    asked = server.stats().models["mock-model"].requests
    result = evals(server, "--missing")
    result.assert_outcomes(passed=1)
    assert server.stats().models["mock-model"].requests == asked + 1
    assert removed.exists()
    assert len(_runs(project)) == 2


def test_nothing_missing_is_an_empty_plan(evals: Evals, start_mock: Mock) -> None:
    server = start_mock()
    evals(server, "--test-sample-size=0")
    assert evals(server, "--missing").ret == 5


def test_missing_is_asked_of_the_prompt_in_hand(evals: Evals, project: Path, start_mock: Mock) -> None:
    server = start_mock()
    evals(server, "--test-sample-size=0")
    prompt = project / "data" / "prompt.txt"
    prompt.write_text(prompt.read_text(encoding="utf-8") + "Be brief.", encoding="utf-8")
    evals(server, "--missing", "--test-sample-size=0").assert_outcomes(passed=12)


def test_a_replay_asks_no_server_and_keeps_nothing(evals: Evals, project: Path, start_mock: Mock) -> None:
    server = start_mock()
    evals(server)
    for file in (project / "data" / "generated_data").glob("*.json"):
        file.unlink()
    run = _run_id(project)
    before = (project / "data" / "runs" / run / "journal.jsonl").read_bytes()
    asked = len(server.requests)
    evals(server, "--replay", run).assert_outcomes(passed=4)
    result = evals(server, "--replay", "last")
    result.assert_outcomes(passed=4)
    assert "0 of 4 verdicts changed" in _said(result)
    assert len(server.requests) == asked
    assert (project / "data" / "runs" / run / "journal.jsonl").read_bytes() == before
    assert not list((project / "data" / "generated_data").glob("*.json"))


def test_a_replay_judges_by_todays_schema_and_says_what_moved(evals: Evals, project: Path, start_mock: Mock) -> None:
    server = start_mock()
    evals(server)
    file = project / "data" / "story_seed.schema.json"
    schema = json.loads(file.read_text(encoding="utf-8"))
    schema["items"]["properties"]["tone"]["maxLength"] = 3
    file.write_text(json.dumps(schema), encoding="utf-8")
    result = evals(server, "--replay", str(project / "data" / "runs" / _run_id(project)))
    assert result.ret == 1
    result.assert_outcomes(failed=4)
    assert "4 of 4 verdicts changed" in _said(result)
    assert "passed -> failed (schema)" in _said(result)


def test_a_replay_of_nothing_known_names_what_is_there(evals: Evals, project: Path, start_mock: Mock) -> None:
    server = start_mock()
    evals(server)
    result = evals(server, "--replay", "20200101-000000-0000")
    assert result.ret == 4
    assert _run_id(project) in _said(result)


@pytest.mark.parametrize(
    "pair", [("--resume", "--missing"), ("--resume", "--replay=x"), ("--resume-run=x", "--resume")]
)
def test_options_that_contradict_each_other_are_refused(evals: Evals, start_mock: Mock, pair: tuple[str, str]) -> None:
    result = evals(start_mock(), *pair)
    assert result.ret == 4
    assert "do not go together" in _said(result)
