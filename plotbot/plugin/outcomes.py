"""From an item's reports to its result, and what such a report carries to the main process and shows there."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from plotbot.categories import OK
from plotbot.errors import AskError, DiskError, PlotbotError, TooCostlyError
from plotbot.judge import explain, judge
from plotbot.judge.explanations import MAX_FIELD, headline
from plotbot.plugin.assertions import asserted_verdict, own_frames, own_message
from plotbot.plugin.collection import STATE
from plotbot.plugin.exceptions import text_of
from plotbot.plugin.failure_text import failure_text, make_traceback, retell, visible_failure
from plotbot.records import NOT_NEEDED, Exchange, ItemResult, Reply, Verdict
from plotbot.run.process import ItemState
from plotbot.safe import one_line, plural, visible

MESSAGE_CHARACTERS = 1_000
SHOWN_CHARACTERS = 20_000
REPEATED: str = "rerun"
"""The outcome of a report whose item pytest-rerunfailures runs again."""
_RESULT = "plotbot_result"
_ASKED = "plotbot_asked"
_OF_EVAL = "plotbot_eval"
_REPLY = "model's reply"


def complete(item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport) -> None:
    """Put the item's result on its report, once a phase has decided it, and make the report readable."""
    state = item.stash.get(STATE, None)
    if state is None:
        return
    setattr(report, _OF_EVAL, True)
    if call.excinfo is not None and isinstance(call.excinfo.value, DiskError):
        # The run's journal cannot be written: nothing is recorded, so the item counts as not run.
        report.longrepr = visible(str(call.excinfo.value))
        return
    result = _result_of(state, call, report)
    if call.when == "teardown":
        # The items live as long as the session. Their replies must not.
        del item.stash[STATE]
    if result is None:
        return
    attach(report, result, asked=state.exchange is not None)
    state.failed = state.failed or report.failed
    if item.config.getoption("xmlpath", default=None):
        _add_junit_properties(item, state, result)
    if call.excinfo is None:
        return
    if state.asserted is None:
        make_traceback(item, call, report)
    _make_readable(report, call.excinfo, state, item.path if has_own_view(item, call) else None)


def has_own_view(item: pytest.Item, call: pytest.CallInfo[None]) -> bool:
    """Whether a call is one of an eval that asserts, and may be shown by its verdict: `--tb` asks for no traceback."""
    if call.excinfo is None or call.when != "call" or STATE not in item.stash:
        return False
    error = call.excinfo.value
    # pytest's skips and xfails are kinds of its `fail.Exception`.
    asserts = isinstance(error, AssertionError) or type(error) is pytest.fail.Exception
    return asserts and bool(item.config.getoption("tbstyle", "auto") == "auto")


def attach(report: pytest.TestReport, result: ItemResult, *, asked: bool = False) -> None:
    """Put a result on a report, and whether the item *asked* for its exchange. Both reach the main process with it."""
    setattr(report, _RESULT, result)
    setattr(report, _ASKED, asked)


def result_on(report: pytest.TestReport) -> ItemResult | None:
    """The result on a report, None for a test that is no eval. A worker sends it as JSON; it is read once."""
    result: ItemResult | dict[str, Any] | None = getattr(report, _RESULT, None)
    if isinstance(result, dict):
        result = ItemResult.from_json(result)
        setattr(report, _RESULT, result)
    return result


def is_subtest(report: pytest.TestReport) -> bool:
    """Whether the report is on a part of a test that goes on: pytest's `subtests`, or the plugin of that name."""
    return hasattr(report, "context")


def as_shown(report: pytest.TestReport, result: ItemResult, config: pytest.Config) -> ItemResult:
    """A result that is no better than what the terminal counts: a plugin may turn a report when it asks for its status.

    The report stays as it is, because pytest asks again.
    """
    if result.outcome != "passed" or not _may_be_turned(config):
        return result
    before = report.outcome, report.longrepr
    status = config.hook.pytest_report_teststatus(report=report, config=config)
    message = report.longreprtext
    report.outcome, report.longrepr = before
    if not status or status[0] not in {"failed", "error"}:
        return result
    category = "assertion" if status[0] == "failed" else "eval_code"
    return replace(result, outcome=status[0], category=category, message=one_line(message, MESSAGE_CHARACTERS))


def _may_be_turned(config: pytest.Config) -> bool:
    """Whether a plugin that is neither pytest's own nor plotbot's has a say in a report's status."""
    plugins = (impl.plugin for impl in config.hook.pytest_report_teststatus.get_hookimpls())
    modules = (getattr(plugin, "__name__", type(plugin).__module__) for plugin in plugins)
    return not all(module.startswith(("_pytest.", "plotbot.")) for module in modules)


def turn(report: pytest.TestReport, result: ItemResult) -> None:
    """Have a report carry another result than the one that its phase decided.

    An item that is not needed is skipped for pytest too, and so in a JUnit file, although it has been asked.
    """
    setattr(report, _RESULT, result)
    if result.outcome == NOT_NEEDED and report.when != "teardown" and not report.skipped:
        path, line, _ = report.location
        report.outcome, report.longrepr = "skipped", (path, line or 0, f"Skipped: {result.message}")


def has_asked(report: pytest.TestReport) -> bool:
    """Whether the item asked for its exchange: one that was skipped may not have."""
    return getattr(report, _ASKED, False)


def is_of_eval(report: pytest.TestReport) -> bool:
    """Whether the report is on an item of an eval, in whichever phase."""
    return hasattr(report, _OF_EVAL)


def show_reply(report: pytest.TestReport, exchange: Exchange, limit: int = SHOWN_CHARACTERS) -> None:
    """Put the raw reply under a failing test, cut to *limit* characters."""
    report.sections.append((_REPLY, reply_text(exchange, limit)))


def hide_reply(report: pytest.TestReport) -> None:
    """Take away what `show_reply` has added: the texts of all failures are too much to hold in memory."""
    if report.sections and report.sections[-1][0] == _REPLY:
        report.sections.pop()


def reply_text(exchange: Exchange, limit: int | None = None) -> str:
    """What came back, with control characters made visible; cut to *limit* characters where one is given."""
    reply = exchange.reply
    if reply is None:
        body = exchange.raw.decode("utf-8", "backslashreplace")
        parts = [("no reply", exchange.fault.message if exchange.fault else ""), ("body", body)]
    else:
        parts = [("reasoning", reply.reasoning), ("", reply.content)]
    text = "\n".join(f"{label}: {part}" if label else part for label, part in parts if part) or "(empty)"
    cut = (
        text
        if limit is None or len(text) <= limit
        else f"{text[:limit]}\n… {plural(len(text) - limit, 'more character')}"
    )
    return visible(cut)


def serializable(data: Any) -> Any:
    """The same data in builtin types and encodable text. One lone surrogate or foreign object ends a whole `-n` run."""
    if isinstance(data, str):
        return data.encode("utf-8", "backslashreplace").decode("utf-8")
    if data is None or isinstance(data, bool | int | float | bytes):
        return data
    if isinstance(data, dict):
        return {serializable(key): serializable(value) for key, value in data.items()}
    if isinstance(data, ItemResult):
        return serializable(data.to_json())
    if isinstance(data, list | tuple):
        kind = tuple if isinstance(data, tuple) else list
        return kind(serializable(value) for value in data)
    return serializable(repr(data))


def _result_of(state: ItemState, call: pytest.CallInfo[None], report: pytest.TestReport) -> ItemResult | None:
    """The result that this phase has decided: a set-up that did not pass, the call, or a teardown that failed."""
    if report.when != "call" and report.passed:
        return None
    if report.skipped:
        return _result(state, report, "skipped", OK, _skip_reason(report))
    if report.passed:
        return _passed(state, report)
    return _not_passed(state, report, call)


def _passed(state: ItemState, report: pytest.TestReport) -> ItemResult:
    verdict = state.verdict
    if verdict is None or not verdict.tolerated:
        return _result(state, report, "passed", OK, "")
    return _result(state, report, "passed", verdict.category, headline(verdict))


def _not_passed(state: ItemState, report: pytest.TestReport, call: pytest.CallInfo[None]) -> ItemResult:
    failed, error = call.excinfo, None if call.excinfo is None else call.excinfo.value
    if isinstance(error, AskError | TooCostlyError):
        return _result(state, report, "error", error.category, error.message)
    text = report.longreprtext if error is None else text_of(error)
    if report.when != "call" or not _is_about_the_reply(failed):
        return _result(state, report, "error", "eval_code", f"{type(error).__name__}: {text}{_place_of(failed)}")
    if not state.verdicts:
        state.verdicts.extend(_own_verdict(state))
    reply = None if state.exchange is None else state.exchange.reply
    state.asserted = None if failed is None else asserted_verdict(text, failed, state.verdicts, reply)
    if failed is None or state.asserted is None:
        return _result(state, report, "failed", "assertion", text)
    message = "\n".join([*_own_words(state.asserted, text, failed), headline(state.asserted)])
    return _result(state, report, "failed", state.asserted.category, message)


def _place_of(failed: pytest.ExceptionInfo[BaseException] | None) -> str:
    """The innermost line of the user's own code in a traceback: ` (evals/test_haiku.py:12)`; empty if there is none."""
    here = Path.cwd()
    for frame, line in reversed([] if failed is None else list(own_frames(failed))):
        path, module = Path(frame.f_code.co_filename), str(frame.f_globals.get("__name__", ""))
        if path.is_relative_to(here) and "site-packages" not in path.parts and not module.startswith("plotbot."):
            return f" ({path.relative_to(here).as_posix()}:{line})"
    return ""


def _words_of(
    verdict: Verdict, text: str, failed: pytest.ExceptionInfo[BaseException], reply: Reply | None = None
) -> str:
    """A failed verdict in words, after the message that the eval's author wrote, if it is another one."""
    return "\n".join([*_own_words(verdict, text, failed), explain(verdict, reply)])


def _own_words(verdict: Verdict, text: str, failed: pytest.ExceptionInfo[BaseException]) -> list[str]:
    """The message that the eval's author wrote, none where it is the verdict's explanation."""
    own = "" if headline(verdict) in text else own_message(text, failed)
    return [own] if own else []


def _is_about_the_reply(failed: pytest.ExceptionInfo[BaseException] | None) -> bool:
    # A failed report without an exception is a strict xfail that passed: the eval's own claim did not hold. pytest
    # itself fails a test that it cannot run, such as `async def` without a plugin.
    if failed is None or isinstance(failed.value, AssertionError):
        return True
    if isinstance(failed.value, BaseExceptionGroup):
        # Several claims that an eval has collected.
        return failed.value.split(AssertionError)[1] is None
    return isinstance(failed.value, pytest.fail.Exception) and any(own_frames(failed)) and not _is_by_plugin(failed)


def _is_by_plugin(failed: pytest.ExceptionInfo[BaseException]) -> bool:
    """Whether another plugin failed the test in the middle of the eval's own code, as pytest-timeout does."""
    names = [str(entry.frame.f_globals.get("__name__", "")) for entry in failed.traceback]
    callers = [name for name in names if not name.startswith("_pytest.")]
    return bool(callers) and callers[-1].startswith("pytest_")


def _own_verdict(state: ItemState) -> list[Verdict]:
    """The reply's own verdict, for an eval that did not use the `judge` fixture; empty where nothing can be judged."""
    if state.exchange is None or state.exchange.reply is None or state.schema is None:
        return []
    try:
        return [judge(state.exchange.reply, state.schema, state.case.title)]
    except TooCostlyError:
        return []


def _result(state: ItemState, report: pytest.TestReport, outcome: str, category: str, message: str) -> ItemResult:
    verdict = state.asserted or state.verdict
    return ItemResult(
        case=state.case.id,
        item=report.nodeid,
        outcome=outcome,
        category=category,
        message=one_line(message, MESSAGE_CHARACTERS),
        violations=verdict.violations if verdict else (),
        findings=verdict.findings if verdict else (),
        recoverable=verdict is not None and verdict.recoverable,
        tolerated=verdict is not None and verdict.tolerated,
        kept=state.kept,
        seconds=report.duration,
        phase=report.when or "",
        verdict=verdict.category if verdict else "",
        expected=one_line(verdict.expected, MAX_FIELD) if verdict else "",
        came=one_line(verdict.came, MAX_FIELD) if verdict else "",
        where=one_line(verdict.where, MAX_FIELD) if verdict else "",
    )


def _skip_reason(report: pytest.TestReport) -> str:
    reason = getattr(report, "wasxfail", None)
    if reason is None and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2]
    return str(reason or "")


def _add_junit_properties(item: pytest.Item, state: ItemState, result: ItemResult) -> None:
    """Add what a JUnit reader wants to know beside the outcome. A server that does not count gives no tokens."""
    properties: dict[str, object] = {
        "model": visible(state.case.model),
        "category": result.category,
        "verdict": result.verdict if result.verdict not in {"", result.category} else None,
        "variant": visible(state.case.variant) or None,
        **{f"field.{visible(name)}": _field(value) for name, value in state.case.title.fields.items()},
    }
    if state.exchange is not None:
        reply = state.exchange.reply
        properties["seconds"] = round(state.exchange.seconds, 3)
        properties["attempts"] = len(state.exchange.attempts)
        properties["tokens"] = None if reply is None else reply.completion_tokens
    others = [(name, value) for name, value in item.user_properties if name not in properties]
    own = [(name, str(value)) for name, value in properties.items() if value is not None]
    # A subtest or an earlier phase may have added them before.
    item.user_properties[:] = [*others, *own]


def _field(value: object) -> str:
    """A field of a title: a text as it is, any other value as JSON; one line of at most 1,000 characters."""
    return one_line(value if isinstance(value, str) else json.dumps(value), MESSAGE_CHARACTERS)


def _make_readable(
    report: pytest.TestReport, excinfo: pytest.ExceptionInfo[BaseException], state: ItemState, path: Path | None
) -> None:
    """Have a failing eval show what a person needs to know, and nothing that could harm a terminal.

    An error of the server or of a title file is shown without the harness's traceback. A bad reply is shown by its
    verdict, at the last line of the eval's file *path* that ran: the eval's source and pytest's view of its variables
    add nothing; without *path* they are shown, as `--tb` asks. An assertion about something else is shown as pytest
    shows it, with the verdict beside it. All else may quote the model, so it is made visible where it holds anything
    that is not.
    """
    error, reply = excinfo.value, None if state.exchange is None else state.exchange.reply
    if isinstance(error, BaseExceptionGroup):
        retell(report, f"{type(error).__name__}: {one_line(text_of(error), MESSAGE_CHARACTERS)}")
    if isinstance(error, PlotbotError):
        report.longrepr = visible(str(error))
    elif state.asserted is not None and path is not None:
        words = _words_of(state.asserted, text_of(error), excinfo, reply)
        # pytest's list of failures quotes the message: the category, not the exception's name.
        message = _headed(state.asserted.category, words.partition("\n")[0])
        report.longrepr = failure_text(words, message, path, excinfo.tb)
    elif (visible_text := visible(text := report.longreprtext)) != text:
        report.longrepr = visible_failure(visible_text, report.longrepr)
    if report.failed and state.asserted is None and state.verdict is not None and not state.verdict.ok:
        report.sections.append(("verdict on the reply", explain(state.verdict, reply)))


def _headed(category: str, line: str) -> str:
    return line if line.startswith(f"{category}: ") else f"{category}: {line}"
