"""What an eval's own code does to its verdict: exceptions, asserts, skips, xfails, and what may be kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plotbot.mock import MockServer, Rule

pytest_plugins = ("pytester",)

HOSTILE = """
def bad(raised, base=Exception, **more):
    def tell(self):
        raise raised
    return type("Bad", (base,), {"__str__": tell, **more})

Unspeakable = bad(ZeroDivisionError, __repr__=lambda self: 1 / 0)
UnspeakableClaim = bad(SystemExit(7), AssertionError)
Interrupting = bad(KeyboardInterrupt)
Closing = bad(GeneratorExit)
Hidden = bad(SystemExit, AssertionError, __repr__=lambda self: sys.exit(7))

class Numbered(Exception):
    def __str__(self):
        return 7

class Endless(Exception):
    def __str__(self):
        return str(self)
"""

# The end of an eval, and what becomes of it: outcome, category, words of its message, exit status.
ENDINGS = [
    ("assert len(reply.content) < 3, 'too long for me'", "failed", "assertion", "too long for me", 1),
    ("pytest.fail('I do not like it')", "failed", "assertion", "I do not like it", 1),
    ("raise ValueError('my \\x1b[31m bug \\ud800')", "error", "eval_code", "ValueError: my \\x1b[31m bug \\ud800", 10),
    ("pytest_pretended_timeout()", "error", "eval_code", "Failed: Timeout of another plugin", 10),
    ("with pytest.raises(ValueError):\n        reply.content", "failed", "assertion", "DID NOT RAISE", 1),
    ("{}['gone']", "error", "eval_code", "KeyError: 'gone'", 10),
    ("raise Unspeakable", "error", "eval_code", "Bad: <its text cannot be shown: ZeroDivisionError>", 10),
    ("raise UnspeakableClaim", "failed", "assertion", "<its text cannot be shown: SystemExit>", 1),
    ("raise Interrupting", "error", "eval_code", "Bad: <its text cannot be shown: KeyboardInterrupt>", 10),
    ("raise Closing", "error", "eval_code", "Bad: <its text cannot be shown: GeneratorExit>", 10),
    ("raise Numbered", "error", "eval_code", "Numbered: <its text cannot be shown: TypeError>", 10),
    ("raise Endless", "error", "eval_code", "Endless: <its text cannot be shown: RecursionError>", 10),
    ("raise ValueError('outer') from Hidden()", "error", "eval_code", "ValueError: outer", 10),
    (
        "raise ExceptionGroup('both', [ValueError('a'), KeyError('b')])",
        "error",
        "eval_code",
        "ExceptionGroup: both (2 sub-exceptions), first ValueError: a (evals",
        10,
    ),
    (
        "raise ExceptionGroup('x', [Interrupting(), ValueError('b')])",
        "error",
        "eval_code",
        "x (2 sub-exceptions), first Bad: <its text",
        10,
    ),
    (
        "raise ExceptionGroup('x', [Unspeakable()])",
        "error",
        "eval_code",
        "ExceptionGroup: x (1 sub-exception), first",
        10,
    ),
    (
        "raise ExceptionGroup('claims', [AssertionError('too sad')])",
        "failed",
        "assertion",
        "claims (1 sub-exception), first AssertionError: too sad",
        1,
    ),
    ("pytest.skip('not today')", "skipped", "ok", "not today", 0),
    ("pytest.xfail('known')", "skipped", "ok", "known", 0),
    ("results.keep(dataclasses.replace(reply))", "error", "eval_code", "takes the very reply that the `reply`", 10),
    ("results.keep(reply.content)", "error", "eval_code", "takes the very reply that the `reply`", 10),
    ("results.keep(None)", "error", "eval_code", "takes the very reply that the `reply`", 10),
    ("judge(reply, 'a schema')", "error", "eval_code", "AttributeError", 10),
    ("request.getfixturevalue('gone')", "error", "eval_code", "FixtureLookupError: ('gone'", 10),
    ("results.keep(reply)", "passed", "ok", "", 0),
    ("results.keep()", "passed", "ok", "", 0),
    (
        "assert judge() == judge(reply) == judge(reply, schema) == judge(schema=schema); results.keep()",
        "passed",
        "ok",
        "",
        0,
    ),
]


@pytest.mark.parametrize("ending", ENDINGS, ids=[ending[0] for ending in ENDINGS])
def test_an_evals_own_code_decides(
    evals: Callable[..., pytest.RunResult],
    write_eval: Callable[[str], None],
    start_mock: Callable[..., MockServer],
    project: Path,
    verdicts: Callable[[], list[dict[str, Any]]],
    ending: tuple[str, str, str, str, int],
) -> None:
    code, outcome, category, message, status = ending
    write_eval(
        "import dataclasses\nimport pytest\nimport sys\n\n"
        f"{HOSTILE}\n\n"
        "plugin = {'__name__': 'pytest_pretended', 'pytest': pytest}\n"
        "exec(\"def pytest_pretended_timeout(): pytest.fail('Timeout of another plugin')\", plugin)\n"
        "pytest_pretended_timeout = plugin['pytest_pretended_timeout']\n\n"
        f"def test_own(reply, schema, judge, results, request):\n    assert judge(reply, schema).ok\n    {code}\n"
    )
    result = evals(start_mock(), "--test-sample-size=1")
    assert result.ret == status
    (verdict,) = verdicts()
    assert (verdict["outcome"], verdict["category"]) == (outcome, category)
    assert message in verdict["message"]
    kept = list((project / "data" / "generated_data").glob("*.json"))
    assert len(kept) == (1 if outcome == "passed" else 0)
    plural = {"error": "errors", "skipped": "xfailed" if "xfail" in code else "skipped"}.get(outcome, outcome)
    result.assert_outcomes(**{plural: 1})
    assert "INTERNALERROR" not in result.stdout.str()


@pytest.mark.parametrize(
    ("judged", "message"),
    [
        ("judge(reply, schema)", "this one was judged fenced"),
        ("judge()", "this one was judged fenced"),
        ("", "this reply is no JSON"),
    ],
)
def test_a_bad_reply_is_not_kept_by_an_eval_that_forgets_to_assert(
    evals: Callable[..., pytest.RunResult],
    write_eval: Callable[[str], None],
    start_mock: Callable[..., MockServer],
    project: Path,
    verdicts: Callable[[], list[dict[str, Any]]],
    judged: str,
    message: str,
) -> None:
    write_eval(f"def test_own(reply, schema, judge, results):\n    {judged}\n    results.keep(reply)\n")
    assert evals(start_mock(rules=(Rule(fault="F05"),)), "--test-sample-size=1").ret == 10
    assert message in verdicts()[0]["message"]
    assert verdicts()[0]["kept"] is False
    assert not list((project / "data" / "generated_data").glob("*.json"))


def test_a_broken_teardown_is_an_error_of_a_case_that_had_passed(
    evals: Callable[..., pytest.RunResult],
    write_eval: Callable[[str], None],
    start_mock: Callable[..., MockServer],
    project: Path,
    run_file: Callable[[Path, str], Any],
) -> None:
    write_eval(
        "import pytest\n\n@pytest.fixture\ndef untidy():\n    yield\n    raise OSError('cannot tidy up')\n\n"
        "def test_own(reply, untidy):\n    assert reply\n"
    )
    assert evals(start_mock(), "--test-sample-size=2").ret == 10
    total = run_file(project, "summary.json")["total"]
    assert (total["planned"], total["passed"], total["error"]) == (2, 0, 2)


def test_an_async_eval_that_pytest_cannot_run_is_an_error_of_the_eval(
    evals: Callable[..., pytest.RunResult],
    write_eval: Callable[[str], None],
    start_mock: Callable[..., MockServer],
    verdicts: Callable[[], list[dict[str, Any]]],
) -> None:
    write_eval("async def test_own(reply, schema):\n    assert reply\n")
    assert evals(start_mock(rules=(Rule(fault="F05"),)), "--test-sample-size=2").ret == 10
    assert [(one["outcome"], one["category"]) for one in verdicts()] == [("error", "eval_code")] * 2
    assert "async def functions are not natively supported" in verdicts()[0]["message"]


def test_a_strict_xfail_that_passes_is_a_failure(
    evals: Callable[..., pytest.RunResult],
    write_eval: Callable[[str], None],
    start_mock: Callable[..., MockServer],
    verdicts: Callable[[], list[dict[str, Any]]],
) -> None:
    write_eval("import pytest\n\n@pytest.mark.xfail(reason='never')\ndef test_own(reply, judge):\n    judge()\n")
    assert evals(start_mock(rules=(Rule(fault="F05"),)), "--test-sample-size=1").ret == 1
    (verdict,) = verdicts()
    assert (verdict["outcome"], verdict["category"], verdict["verdict"]) == ("failed", "assertion", "fenced")
    assert "never" in verdict["message"]


def test_an_eval_without_the_judge_fails_by_its_own_assertion_beside_the_replys_verdict(
    evals: Callable[..., pytest.RunResult],
    write_eval: Callable[[str], None],
    start_mock: Callable[..., MockServer],
    verdicts: Callable[[], list[dict[str, Any]]],
) -> None:
    write_eval("import json\n\ndef test_own(reply, schema):\n    assert reply.content.startswith('[')\n")
    assert evals(start_mock(rules=(Rule(fault="F05"),)), "--test-sample-size=1").ret == 1
    (verdict,) = verdicts()
    assert (verdict["outcome"], verdict["category"], verdict["verdict"]) == ("failed", "assertion", "fenced")


@pytest.mark.parametrize("fixture", ["title", "schema", "judge"])
def test_a_fixture_for_evals_says_so_to_any_other_test(
    evals: Callable[..., pytest.RunResult],
    write_eval: Callable[[str], None],
    start_mock: Callable[..., MockServer],
    fixture: str,
) -> None:
    write_eval(f"def test_plain({fixture}):\n    pass\n")
    result = evals(start_mock())
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*this fixture is for evals, which ask for `reply`*"])


def test_the_judge_needs_to_be_handed_its_check_only(
    evals: Callable[..., pytest.RunResult],
    write_eval: Callable[[str], None],
    start_mock: Callable[..., MockServer],
    verdicts: Callable[[], list[dict[str, Any]]],
) -> None:
    write_eval(
        "from plotbot import Finding, explain\n\n"
        "def grumble(entry, title):\n    return [Finding('$', 'grumble', title)]\n\n"
        "def test_own(reply, judge, results):\n"
        "    verdict = judge(check=grumble)\n    assert verdict.ok, explain(verdict, reply)\n    results.keep()\n"
    )
    assert evals(start_mock(), "--test-sample-size=1").ret == 1
    (verdict,) = verdicts()
    assert (verdict["category"], verdict["findings"][0]["check"], verdict["kept"]) == ("content", "grumble", False)


def test_a_fixture_that_judges_before_there_is_a_reply_is_told_to_ask_for_it(
    evals: Callable[..., pytest.RunResult],
    write_eval: Callable[[str], None],
    start_mock: Callable[..., MockServer],
) -> None:
    write_eval(
        "import pytest\n\n@pytest.fixture\ndef early(judge):\n    return judge()\n\n"
        "def test_own(early, reply):\n    assert reply\n"
    )
    result = evals(start_mock(), "--test-sample-size=1")
    assert result.ret == 10
    result.stdout.fnmatch_lines(["*UsageError: *ask for `reply` first*"])


def test_a_tolerated_category_passes_is_kept_and_is_recorded(
    evals: Callable[..., pytest.RunResult],
    start_mock: Callable[..., MockServer],
    project: Path,
    verdicts: Callable[[], list[dict[str, Any]]],
) -> None:
    server = start_mock(rules=(Rule(fault="F05"),))
    assert evals(server, "--test-sample-size=1").ret == 1
    assert not list((project / "data" / "generated_data").glob("*.json"))
    assert evals(server, "--test-sample-size=1", "--tolerate=fenced").ret == 0
    (verdict,) = verdicts()
    assert (verdict["outcome"], verdict["category"], verdict["tolerated"]) == ("passed", "fenced", True)
    assert len(list((project / "data" / "generated_data").glob("*.json"))) == 1
