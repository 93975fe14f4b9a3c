"""Test reports on their way: what plotbot adds to them, and what it takes the sting out of."""

from __future__ import annotations

from typing import Any

import pytest

from plotbot.errors import PlotbotError
from plotbot.records import Exchange, ItemResult
from plotbot.safe import visible

_RESULT = "plotbot_result"
SHOWN_CHARACTERS = 20_000


def attach(report: pytest.TestReport, result: ItemResult) -> None:
    """Put the result on the report, so that it reaches the main process with it."""
    report.__dict__[_RESULT] = result


def result_on(report: pytest.TestReport) -> ItemResult | None:
    """The result of an eval's report; it came from a worker as JSON, and is read once however many hooks ask."""
    result: ItemResult | dict[str, Any] | None = report.__dict__.get(_RESULT)
    if isinstance(result, dict):
        result = report.__dict__[_RESULT] = ItemResult.from_json(result)
    return result


def tidy(report: pytest.TestReport, call: pytest.CallInfo[None], result: ItemResult, words: str | None) -> None:
    """Let a failing eval say what a person needs to know, and nothing that could hurt a terminal.

    A fault of the server or of the keeping speaks for itself, without the harness's traceback. A bad reply is explained
    by its verdict, *words*: the eval's source and pytest's view of its variables add nothing, unless `--tb` asks for
    them. Whatever else is printed may quote the model, so it is made visible when it holds anything that is not.
    """
    if call.excinfo is None:
        return
    error = call.excinfo.value
    if isinstance(error, PlotbotError):
        report.longrepr = visible(str(error))
    elif words is not None and result.outcome == "failed":
        error.args = (words,)
        shown = call.excinfo.getrepr(style="value")
        if shown.reprcrash is not None:
            # What pytest's list of failures quotes: the category, not the exception's name.
            shown.reprcrash.message = words.partition("\n")[0]
        report.longrepr = shown
    elif (harmless_text := visible(text := report.longreprtext)) != text:
        report.longrepr = harmless_text


def show_reply(report: pytest.TestReport, exchange: Exchange) -> None:
    """Put the raw reply under a failing test."""
    report.sections.append(("model's reply", reply_text(exchange, SHOWN_CHARACTERS)))


def reply_text(exchange: Exchange, limit: int | None = None) -> str:
    """What came back, with control characters made visible; cut to *limit* characters where one is given."""
    reply = exchange.reply
    if reply is None:
        body = exchange.raw.decode("utf-8", "backslashreplace")
        parts = [("no reply", exchange.fault.message if exchange.fault else ""), ("body", body)]
    else:
        parts = [("reasoning", reply.reasoning), ("", reply.content)]
    text = "\n".join(f"{label}: {part}" if label else part for label, part in parts if part) or "(empty)"
    cut = text if limit is None or len(text) <= limit else f"{text[:limit]}\n… {len(text) - limit} characters more"
    return visible(cut)


def harmless(data: Any) -> Any:
    """Builtin values only, and text that can be encoded: one lone surrogate or foreign object ends a whole `-n` run."""
    if isinstance(data, str):
        return data.encode("utf-8", "backslashreplace").decode("utf-8")
    if data is None or isinstance(data, bool | int | float | bytes):
        return data
    if isinstance(data, dict):
        return {harmless(key): harmless(value) for key, value in data.items()}
    if isinstance(data, ItemResult):
        return harmless(data.to_json())
    if isinstance(data, list | tuple):
        kind = tuple if isinstance(data, tuple) else list
        return kind(harmless(value) for value in data)
    return harmless(repr(data))
