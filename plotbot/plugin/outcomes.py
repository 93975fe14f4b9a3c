"""From a test to its cases, and from an item to what became of it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from plotbot.errors import AskError, InputError
from plotbot.judge import explain, judge
from plotbot.plugin.process import ItemState, Process
from plotbot.records import OK, Case, ItemResult, PlannedItem, Verdict
from plotbot.run.eval_files import EvalFiles
from plotbot.safe import one_line, visible
from plotbot.settings import Settings

MESSAGE_CHARACTERS = 1_000
_PARAMETER = "reply"


STATE = pytest.StashKey[ItemState]()


def parametrize(metafunc: pytest.Metafunc, process: Process) -> None:
    """One item for each case of an eval, named by the case's slug. Raises `UsageProblem` where no plan can be made."""
    files = _eval_files(metafunc, process.settings)
    if files is not None:
        cases = process.run.cases(files)
        _parametrize(metafunc, files, cases)


def parametrize_with_nothing(metafunc: pytest.Metafunc) -> None:
    """No case at all: `is_empty` finds the stand-in that pytest makes of it."""
    _parametrize(metafunc, None, ())


def case_of(item: pytest.Item) -> Case | None:
    """The case of an eval's item; None for any other item, and for the stand-in of an eval without cases."""
    parameter = _parameter(item)
    return parameter[0] if isinstance(parameter, tuple) else None


def is_empty(item: pytest.Item) -> bool:
    """Whether the item stands for an eval that has no case at all: pytest would show it as a green skip."""
    return _PARAMETER in getattr(item, "fixturenames", ()) and case_of(item) is None


def in_order(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """The items with evals model by model, so that no model has to be loaded twice; otherwise as they were."""
    models = {item: case.model for item in items if (case := case_of(item)) is not None}
    turn = {model: number for number, model in enumerate(dict.fromkeys(models.values()))}
    evals = iter(sorted(models, key=lambda item: turn[models[item]]))
    return [next(evals) if item in models else item for item in items]


def planned(items: Sequence[pytest.Item]) -> list[PlannedItem]:
    return [PlannedItem(item.nodeid, case.id) for item in items if (case := case_of(item)) is not None]


def begin(item: pytest.Item) -> ItemState | None:
    """The item's state, fresh; None for an item that is no eval's."""
    parameter = _parameter(item)
    if not isinstance(parameter, tuple):
        return None
    state = item.stash[STATE] = ItemState(*parameter)
    return state


def result_of(item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport) -> ItemResult | None:
    """What became of an item, once a phase has decided it: a set-up that did not pass, the call, a bad teardown."""
    state = item.stash.get(STATE, None)
    if state is None or (report.when != "call" and report.passed):
        return None
    if report.skipped:
        return _result(state, report, "skipped", OK, _skip_reason(report))
    if report.passed:
        return _passed(state, report)
    return _not_passed(state, report, call.excinfo.value if call.excinfo is not None else None)


def add_junit_properties(item: pytest.Item, result: ItemResult) -> None:
    """What a JUnit reader wants to know of a case beside its outcome; a server that does not count tells no tokens."""
    state = item.stash[STATE]
    properties: dict[str, object] = {"model": visible(state.case.model), "category": result.category}
    if state.exchange is not None:
        reply = state.exchange.reply
        properties["seconds"] = round(state.exchange.seconds, 3)
        properties["attempts"] = len(state.exchange.attempts)
        properties["tokens"] = None if reply is None else reply.completion_tokens
    item.user_properties.extend((name, str(value)) for name, value in properties.items() if value is not None)


def words_of(item: pytest.Item) -> str | None:
    """The verdict's explanation for a reply that is not good enough; None where the verdict is not the reason."""
    state = item.stash[STATE]
    if state.verdict is None or state.verdict.ok:
        return None
    return explain(state.verdict, state.exchange.reply if state.exchange else None)


def _eval_files(metafunc: pytest.Metafunc, settings: Settings) -> EvalFiles | None:
    """The files of an eval; None where the test asks for no `reply` and is an ordinary one."""
    where, marker = metafunc.definition.nodeid, metafunc.definition.get_closest_marker("eval")
    if not _asks_a_model(metafunc):
        if marker is not None:
            raise InputError(f"{where}: marked as an eval, but it asks for no `reply` fixture")
        return None
    if marker is not None and marker.args:
        raise InputError(f"{where}: the eval marker takes its files by name: prompt=, schema=, titles=")
    return EvalFiles.of_marker({} if marker is None else marker.kwargs, settings, where)


def _asks_a_model(metafunc: pytest.Metafunc) -> bool:
    """Whether the test asks for our `reply`, and not for a parameter of its own that happens to have that name."""
    own: set[str] = set()
    for mark in metafunc.definition.iter_markers("parametrize"):
        names = mark.args[0] if mark.args else mark.kwargs.get("argnames", ())
        own.update(name.strip() for name in (names.split(",") if isinstance(names, str) else names))
    return _PARAMETER in metafunc.fixturenames and _PARAMETER not in own


def _parametrize(metafunc: pytest.Metafunc, files: EvalFiles | None, cases: Sequence[Case]) -> None:
    if _asks_a_model(metafunc):
        parameters = [(case, files) for case in cases]
        metafunc.parametrize(_PARAMETER, parameters, indirect=True, ids=[case.slug for case in cases])


def _parameter(item: pytest.Item) -> object:
    callspec = getattr(item, "callspec", None)
    return None if callspec is None else callspec.params.get(_PARAMETER)


def _is_about_the_reply(error: BaseException | None) -> bool:
    # Without an exception it is a strict xfail that passed: the eval's own claim did not hold.
    return error is None or isinstance(error, AssertionError | pytest.fail.Exception)


def _passed(state: ItemState, report: pytest.TestReport) -> ItemResult:
    verdict = state.verdict
    if verdict is None or not verdict.tolerated:
        return _result(state, report, "passed", OK, "")
    return _result(state, report, "passed", verdict.category, explain(verdict), verdict)


def _not_passed(state: ItemState, report: pytest.TestReport, error: BaseException | None) -> ItemResult:
    if isinstance(error, AskError):
        return _result(state, report, "error", error.category, error.message)
    if report.when != "call" or not _is_about_the_reply(error):
        return _result(state, report, "error", "eval_code", f"{type(error).__name__}: {error}")
    verdict = state.verdict or _own_verdict(state)
    if verdict is not None and not verdict.ok:
        return _result(state, report, "failed", verdict.category, explain(verdict), verdict)
    return _result(state, report, "failed", "assertion", str(error or report.longrepr))


def _own_verdict(state: ItemState) -> Verdict | None:
    """For an eval that judged by its own means: what the reply itself says against it."""
    if state.exchange is None or state.exchange.reply is None or state.schema is None:
        return None
    return judge(state.exchange.reply, state.schema, state.case.title)


def _result(
    state: ItemState,
    report: pytest.TestReport,
    outcome: str,
    category: str,
    message: str,
    verdict: Verdict | None = None,
) -> ItemResult:
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
    )


def _skip_reason(report: pytest.TestReport) -> str:
    reason = getattr(report, "wasxfail", None)
    if reason is None and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2]
    return str(reason or "")
