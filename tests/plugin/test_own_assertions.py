"""The reason of a failure is what failed: the verdict's only where the assertion is about it, in every output."""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plotbot.mock import MockServer, Rule

pytest_plugins = ("pytester",)

HEAD = """
import unittest
import pytest
from plotbot import explain, judge as judge_it, validate_entry

def require(ok, message='not good'):
    assert ok, message

def require_verdict(verdict, reply):
    if not verdict.ok:
        raise AssertionError

def short(reply, verdict):
    assert len(reply.content) < 3, 'MARK'

def few(entries):
    assert len(entries) > 99, 'MARK'

"""
# The end of an eval whose replies are fenced.
OWN = {
    "assert after judging": "judge()\n    assert len(reply.content) < 3, 'MARK'",
    "pytest.fail": "judge()\n    pytest.fail('MARK')",
    "raise AssertionError": "judge()\n    raise AssertionError('MARK')",
    "the judge is not used": "assert len(reply.content) < 3, 'MARK'",
    "an accepted fence": "v = judge()\n    assert v.ok or v.category == 'fenced'\n    assert len(v.value) > 99, 'MARK'",
    "an accepted fence in one": "v = judge()\n    assert (v.ok or v.category == 'fenced') and len(v.value) > 9, 'MARK'",
    "a helper that has the verdict too": "short(reply, judge())",
    "a helper that is given the value": "v = judge()\n    few(v.value)",
    "a name made of the value": "v = judge()\n    n = len(v.value)\n    assert n > 99, 'MARK'",
    "a message that no terminal may see": "judge()\n    assert 0, 'MARK \\x1b[31m \\ud800'",
    "the good one of two": "v, w = judge(), judge_it(reply, schema, tolerate=['fenced'])\n    assert not w.ok, 'MARK'",
    "under an if about a good one": "v = judge_it(reply, schema, tolerate=['fenced'])\n    judge()\n"
    "    if v.ok:\n        pytest.fail('MARK')",
}
IN_A_WORKER = ("assert after judging", "a message that no terminal may see")
ABOUT = {
    "assert with the explanation": "v = judge()\n    assert v.ok, explain(v, reply)",
    "assert alone": "v = judge()\n    assert v.ok",
    "assert of the call, before more on its line": "assert judge().ok; str(reply)",
    "assert of the call, judged otherwise": "assert judge_it(reply, schema).ok",
    "assert of the category": "v = judge()\n    assert v.category == 'ok'",
    "assert of a name": "ok = judge().ok\n    assert ok",
    "assert with words of its own": "v = judge()\n    assert v.ok, f'seed {v.category} WORDS'",
    "pytest.fail with the explanation": "v = judge()\n    pytest.fail(f'sorry: {explain(v)}')",
    "pytest.fail under an if": "v = judge()\n    if not v.ok:\n        pytest.fail('WORDS')",
    "a helper that is given ok": "v = judge()\n    require(v.ok)",
    "a helper that is given ok by name": "v = judge()\n    require(message='WORDS', ok=v.ok)",
    "a helper that is given the verdict": "require_verdict(judge(), reply)",
    "unittest": "v = judge()\n    unittest.TestCase().assertTrue(v.ok)",
    "in a list": "all_of = [judge()]\n    assert all_of[0].ok",
    "in a generator": "all_of = [judge()]\n    assert all(v.ok for v in all_of)",
    "a bad one of two": "v, w = judge(), judge_it(reply, schema, tolerate=['fenced'])\n    assert v.ok and w.ok",
}
PACKED = re.compile(r'<script[^>]* id="chunk-?\d+"[^>]*>([A-Za-z0-9+/=]+)</script>')
FENCED = (Rule(fault="F05"),)


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """In its list of failures pytest leaves the message out if the node id fills the line."""
    monkeypatch.setenv("COLUMNS", "200")


def eval_of(ending: str) -> str:
    return f"{HEAD}def test_own(reply, schema, judge, request):\n    {ending}\n"


def items_on(page: Path) -> list[dict[str, Any]]:
    """What a page knows of its items."""
    chunks = PACKED.findall(page.read_text(encoding="utf-8"))
    payloads = [payload for chunk in chunks for payload in json.loads(zlib.decompress(base64.b64decode(chunk)))]
    return [item for payload in payloads if isinstance(payload, dict) for item in payload.get("items", {}).values()]


@pytest.mark.parametrize(
    ("ending", "more"),
    [*((ending, ()) for ending in OWN.values()), *((OWN[name], ("-n", "2")) for name in IN_A_WORKER)],
    ids=[*OWN, *(f"{name}, in a worker" for name in IN_A_WORKER)],
)
def test_an_assertion_about_something_else_keeps_its_own_words_in_every_output(
    evals: Callable[..., pytest.RunResult],
    write_eval: Callable[[str], None],
    start_mock: Callable[..., MockServer],
    project: Path,
    verdicts: Callable[[], list[dict[str, Any]]],
    ending: str,
    more: tuple[str, ...],
) -> None:
    write_eval(eval_of(ending))
    result = evals(start_mock(rules=FENCED), "--test-sample-size=1", "--junitxml=junit.xml", "-rf", *more)
    assert result.ret == 1
    (verdict,) = verdicts()
    assert (verdict["outcome"], verdict["category"], verdict["verdict"]) == ("failed", "assertion", "fenced")
    assert "MARK" in verdict["message"]
    body, _, short = result.stdout.str().partition("short test summary info")
    assert "MARK" in body
    assert "verdict on the reply" in body
    assert "MARK" in short.partition("\n")[2].partition("\n")[0]
    pages = [project / "reports" / name for name in ("summary.md", "mock-model.html")]
    for page in [project / "junit.xml", *pages]:
        assert "MARK" in page.read_text(encoding="utf-8"), page
    (item,) = items_on(project / "reports" / "index.html")
    assert "MARK" in item["message"]["parts"][0][1]
    assert (item["category"], item["verdict"]) == ("assertion", "fenced")
    result.stdout.fnmatch_lines(["  failures: assertion 1"])


@pytest.mark.parametrize(
    ("ending", "more"),
    [*((ending, ()) for ending in ABOUT.values()), (ABOUT["a helper that is given ok by name"], ("-n", "2"))],
    ids=[*ABOUT, "in a worker"],
)
def test_an_assertion_about_the_verdict_has_its_category(
    evals: Callable[..., pytest.RunResult],
    write_eval: Callable[[str], None],
    start_mock: Callable[..., MockServer],
    verdicts: Callable[[], list[dict[str, Any]]],
    ending: str,
    more: tuple[str, ...],
) -> None:
    write_eval(eval_of(ending))
    result = evals(start_mock(rules=FENCED), "--test-sample-size=1", "-rf", *more)
    (verdict,) = verdicts()
    assert (verdict["outcome"], verdict["category"], verdict["verdict"]) == ("failed", "fenced", "fenced")
    assert "fenced: the answer stands in a code fence" in verdict["message"]
    assert ("WORDS" in verdict["message"]) == ("WORDS" in ending)
    result.stdout.fnmatch_lines(["FAILED *::test_own* - *fenced: *"])
