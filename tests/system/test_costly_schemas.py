"""A schema with which a reply could hold up the run: an error in time, by name, with workers and without."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from plotbot.errors import TooCostlyError
from plotbot.judge import compile_schema, helper, parse_strict
from plotbot.judge.helper import violations_in_helper
from plotbot.mock import MockServer, Rule

LIMIT = 6
"""Seconds. Without a time limit each of these takes longer; the limit here is 0.3, on a machine that may be busy."""


def strings(pattern: str) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "string", "pattern": pattern}}


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"c": value}
    return value


def branch(**keywords: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"c": {"$ref": "#"}}, "required": ["c"], **keywords}


ALL_TWICE = {f"e{i}": {"allOf": [{"$ref": f"#/$defs/e{i - 1}"}] * 2} for i in range(1, 31)}
COMMAS = "," * 1_990
COSTLY: Mapping[str, tuple[dict[str, Any], Any, str]] = {
    "repeats side by side": (strings("^.*,.*,.*,.*;$"), [COMMAS], "$.items.pattern"),
    "a group repeated": (strings("^(a+)+$"), ["a" * 40 + "!"], "$.items.pattern"),
    "choices side by side": (strings("(a|a)" * 30 + "$"), ["a" * 30 + "!"], "$.items.pattern"),
    "backreferences": (strings(r"^(.*)(.*)(.*)\1\2\3x$"), ["a" * 1_990], "$.items.pattern"),
    "names of members": (
        {"type": "object", "patternProperties": {"^.*,.*,.*,.*;$": {}}}, {COMMAS: 1}, "$.patternProperties",
    ),
    "names, unevaluated": (
        {"allOf": [{"patternProperties": {"^(a|a)*b$": {}}}], "unevaluatedProperties": False}, {"a" * 40: 1},
        "$.allOf[0].patternProperties",
    ),
    "recursive oneOf": ({"oneOf": [branch(), branch(maxProperties=5), {"type": "integer"}]}, nested(28), "$.oneOf"),
    "recursive oneOf of a named dialect": (
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "oneOf": [branch(), branch(maxProperties=5)]},
        nested(28), "$.oneOf",
    ),
    "2^30 references": ({"$defs": {"e0": {"type": "integer"}, **ALL_TWICE}, "$ref": "#/$defs/e30"}, 1, "allOf"),
    "many choices for many items": (
        {"items": {"oneOf": [{"const": number} for number in range(900)]}}, [-1] * 20_000, "$.items.oneOf",
    ),
    "expressions to compile": (
        {"items": {"type": "string", "format": "regex"}}, ["[Ā-\uffff]" * 3_000], "$.items.format",
    ),
    "items looked at one by one": (
        {"contains": {"type": "string"}}, [1] * 300_000, "$.contains",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("schema", "value", "keyword"), COSTLY.values(), ids=COSTLY)
def test_judging_ends_in_time_and_names_the_keyword(schema: dict[str, Any], value: Any, keyword: str) -> None:
    compiled, began = compile_schema(schema, "s.json"), time.monotonic()
    with pytest.raises(TooCostlyError) as caught:
        compiled.violations(parse_strict(json.dumps(value)), until=began + 0.3)
    assert time.monotonic() - began < LIMIT
    assert caught.value.keyword.endswith(keyword)


def test_a_helper_that_was_ended_is_replaced_and_agrees_with_the_referee() -> None:
    schema = strings("^(a+)+$")
    with pytest.raises(TooCostlyError):
        violations_in_helper(schema, ["a" * 40 + "!"], time.monotonic())
    assert violations_in_helper(schema, ["a" * 40], time.monotonic() + LIMIT) == ()
    (violation,) = compile_schema(schema, "s.json").violations(["aaa", "b\ud800\x1b"])
    assert (violation.path, violation.keyword) == ("$[1]", "pattern")


def test_no_reply_waits_for_a_helper_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[object] = []

    def start(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        started.append(arguments)
        return popen(*arguments, **options)

    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", start)
    own, schema = helper._Helper(), strings("^(a+)+$")
    own.prepare()
    own.prepare()
    assert len(started) == 1
    assert own.violations(schema, ["aaa"], LIMIT) == ()
    with pytest.raises(TooCostlyError):
        own.violations(schema, ["a" * 40 + "!"], 1.5)
    # The spare has started beside the request that was too costly, and takes the next one.
    assert len(started) == 2
    assert own.violations(schema, ["aaa"], LIMIT) == ()
    assert len(started) == 2
    own.end()


@pytest.mark.skipif(sys.platform == "win32", reason="SIGSTOP and SIGKILL")
@pytest.mark.parametrize("deaths", [1, 2])
def test_a_helper_that_is_killed_from_outside_is_replaced_once(monkeypatch: pytest.MonkeyPatch, deaths: int) -> None:
    own, schema = helper._Helper(), strings("^(a+)+$")
    left, running = [deaths], own._running

    def then_killed() -> Any:
        process = running()
        if left[0] > 0:
            left[0] -= 1
            # It cannot answer before it is killed, in the midst of the request.
            os.kill(process._process.pid, signal.SIGSTOP)
            threading.Timer(0.05, process._process.kill).start()
        return process

    monkeypatch.setattr(own, "_running", then_killed)
    if deaths == 1:
        assert own.violations(schema, ["aaa"], LIMIT) == ()
    else:
        with pytest.raises(TooCostlyError, match=r"ended twice before its time was up \(SIGKILL\)"):
            own.violations(schema, ["aaa"], LIMIT)
    own.end()


@pytest.mark.parametrize(
    ("start", "left"), [(0.0, 1.0), (0.2, 1.0), (0.8, 0.5), (9.0, 0.3)], ids=["ready", "quick", "slow", "very slow"]
)
def test_only_a_short_start_of_a_helper_is_no_part_of_the_time_limit(
    monkeypatch: pytest.MonkeyPatch, start: float, left: float
) -> None:
    own = helper._Helper()
    process: Any = SimpleNamespace(
        is_usable=True, wait_until_ready=lambda: None, into=io.BytesIO(), out=io.BytesIO(b'{"violations": []}\n')
    )
    own._process = process
    ticks = iter([0.0, start])
    monkeypatch.setattr(helper, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
    assert own.violations({}, 1, 1.0) == ()
    assert float(process.into.getvalue().split(b"\n")[1]) == pytest.approx(left)


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["one process", "two workers"])
def test_a_run_goes_on_after_a_reply_that_cannot_be_judged(
    make_project: Callable[[Path], Path],
    run_pytest: Callable[..., subprocess.CompletedProcess[str]],
    start_mock: Callable[..., MockServer],
    tmp_path: Path,
    workers: tuple[str, ...],
) -> None:
    project = make_project(tmp_path)
    schema = strings("^.*,.*,.*,.*;$")
    (project / "data" / "story_seed.schema.json").write_text(json.dumps(schema), encoding="utf-8")
    rules = (Rule(nth=(2,), reply=json.dumps([COMMAS])), Rule(reply='["a,b,c,d;"]'))
    server = start_mock(rules=rules)
    given = ("--lm-studio-url", server.url, "--sample-seed=1", "--test-sample-size=4", "--max-in-flight=1")
    ended = run_pytest(project, "evals", *given, *workers)
    assert ended.returncode == 10, ended.stdout
    assert "planned 4 = 3 passed + 0 failed + 1 error" in ended.stdout
    assert "errors: too_costly 1" in ended.stdout
    assert ended.stdout.count("may take very long on some texts") == 1
    assert "at $.items.pattern: that is the schema's doing, not the model's" in " ".join(ended.stdout.split())
