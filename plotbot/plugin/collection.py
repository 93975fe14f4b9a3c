"""From a test to its items: which tests are evals, which cases each has, and the order in which its items run."""

from __future__ import annotations

import linecache
from collections.abc import Iterable, Mapping, Sequence

import pytest

from plotbot.errors import InputError
from plotbot.plan.plan import former_slugs
from plotbot.records import Case, PlannedItem
from plotbot.run.eval_files import EvalFiles
from plotbot.run.groups import Grouping, grouping
from plotbot.run.process import ItemState, Process
from plotbot.settings import Settings

MARKER = (
    "eval(prompt=, schema=, titles=, template=, group_by=): the files that an eval of plotbot asks with, and "
    "by what reports group its titles. The settings name the files that it does not"
)
STATE = pytest.StashKey[ItemState]()
_PARAMETER = "reply"
_OF_CALLSPECS = ("_arg2scope", "marks", "indices")
"""What is the same in all items with the one parameter, or, as its index, of no use once they are in order."""
_PHASES = "tmppath_result_key"
"""Under which pytest's plugin `tmpdir` keeps an item's phases, for the fixture `tmp_path`."""


def parametrize(metafunc: pytest.Metafunc, process: Process) -> None:
    """Make an item of each case of an eval, named by the case's slug. Raises `UsageProblem` where there is no plan."""
    files = _eval_files(metafunc, process.settings)
    if files is not None:
        cases = process.run.cases(files)
        rename_last_failures(metafunc.config, metafunc.definition.nodeid, cases)
        _parametrize(metafunc, files, cases)


def rename_last_failures_of_run(config: pytest.Config, items: Iterable[PlannedItem], cases: Mapping[str, Case]) -> None:
    """Rename the last failures among a run's *items*; *cases* are by id."""
    by_test: dict[str, list[Case]] = {}
    for planned in items:
        by_test.setdefault(planned.item.partition("[")[0], []).append(cases[planned.case])
    for test, some in by_test.items():
        rename_last_failures(config, test, some)


def parametrize_with_nothing(metafunc: pytest.Metafunc) -> None:
    """Give an eval no case. pytest makes a placeholder item of it, which `is_empty` finds."""
    _parametrize(metafunc, None, ())


def is_empty(item: pytest.Item) -> bool:
    """Whether the item is the placeholder of an eval without cases, which pytest would show as a green skip."""
    return _PARAMETER in getattr(item, "fixturenames", ()) and _case_of(item) is None


def is_broken(session: pytest.Session) -> bool:
    """Whether pytest runs no item, because a file could not be collected."""
    return session.testsfailed > 0 and not session.config.option.continue_on_collection_errors


def in_order(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """The items with evals model by model, so that no model is loaded twice. Other tests keep their places."""
    models = {item: case.model for item in items if (case := _case_of(item)) is not None}
    turn = {model: number for number, model in enumerate(dict.fromkeys(models.values()))}
    evals = iter(sorted(models, key=lambda item: turn[models[item]]))
    return [next(evals) if item in models else item for item in items]


def refuse_copies(session: pytest.Session) -> None:
    """Raise `InputError` for evals that pytest-forked would run in a copy of this process: no thread asks there."""
    config = session.config
    if not config.pluginmanager.has_plugin("pytest_forked"):
        return
    evals = [item for item in session.items if _case_of(item) is not None]
    if evals and (config.getoption("forked") or any(item.get_closest_marker("forked") for item in evals)):
        raise InputError(
            "pytest-forked (--forked, or the marker `forked`) runs each test in a copy of this process, which cannot "
            "ask a model: leave it out for evals. With -n 2, xdist runs them in processes of their own."
        )


def planned(items: Sequence[pytest.Item]) -> list[PlannedItem]:
    """The items of evals, each with the group of its title. Raises `InputError` for a `group_by=` that gives none."""
    tests: dict[str, list[tuple[pytest.Item, Case]]] = {}
    for item in items:
        if (case := _case_of(item)) is not None:
            tests.setdefault(_test_of(item), []).append((item, case))
    groupings = {test: _grouping(some) for test, some in tests.items()}
    return [_planned(item, case, groupings[_test_of(item)]) for item in items if (case := _case_of(item)) is not None]


def begin_item(item: pytest.Item) -> ItemState | None:
    """The fresh state of an eval's item; None for any other item."""
    parameter = _parameter(item)
    if not isinstance(parameter, tuple):
        return None
    state = item.stash[STATE] = ItemState(*parameter)
    return state


def share_equal_parts(items: Iterable[pytest.Item]) -> None:
    """Have the items of evals share what pytest has made for each of them and reads only while it collects.

    It is a fifth of what an item takes, and a run may have 100,000.
    """
    no_words: set[str] = set()
    first: dict[str, object] = {}
    places: dict[tuple[object, str], pytest.Item] = {}
    for item in items:
        if _case_of(item) is None:
            continue
        _share_place(item, places)
        item.extra_keyword_matches = item.extra_keyword_matches or no_words
        callspec = item.callspec  # type: ignore[attr-defined]
        for name in _OF_CALLSPECS if len(callspec.params) == 1 else ():
            value = getattr(callspec, name, None)
            shared = first.setdefault(name, value)
            if name == "indices" or value == shared:
                # A frozen object, which pytest has handed over.
                object.__setattr__(callspec, name, shared)


def _share_place(item: pytest.Item, first: dict[tuple[object, str], pytest.Item]) -> None:
    """Give an item the place in its file of the *first* item of its function: pytest looks it up anew for each."""
    if type(item) is not pytest.Function:
        # A plugin's own kind of item may have its own idea of a place.
        return
    same = first.setdefault((item.parent, item.originalname), item)
    if same is not item:
        path, line, _ = same.location
        # Where pytest keeps what it has looked up.
        vars(item)["location"] = path, line, item.getmodpath()


def let_go(item: pytest.Item) -> None:
    """Forget what pytest remembers of an item's phases, once the item has run."""
    key = getattr(item.config.pluginmanager.get_plugin("tmpdir"), _PHASES, None)
    if key is not None and key in item.stash:
        del item.stash[key]


def _case_of(item: pytest.Item) -> Case | None:
    """The case of an eval's item; None for any other item, and for the placeholder of an eval without cases."""
    parameter = _parameter(item)
    return parameter[0] if isinstance(parameter, tuple) else None


def _parameter(item: pytest.Item) -> object:
    # pytest has no public way from an item to its parameters.
    callspec = getattr(item, "callspec", None)
    return None if callspec is None else callspec.params.get(_PARAMETER)


def _eval_files(metafunc: pytest.Metafunc, settings: Settings) -> EvalFiles | None:
    """The files of an eval; None for a test that asks for no `reply`."""
    marker, asks = metafunc.definition.get_closest_marker("eval"), _asks_a_model(metafunc)
    if marker is None and not asks:
        return None
    where = _place(metafunc.definition)
    args, kwargs = ((), {}) if marker is None else (marker.args, marker.kwargs)
    files = EvalFiles.of_marker(args, kwargs, settings, where)
    if not asks:
        raise InputError(f"{where}: marked as an eval, but it asks for no `reply` fixture")
    return files


def _test_of(item: pytest.Item) -> str:
    return item.nodeid.partition("[")[0]


def _grouping(items: Sequence[tuple[pytest.Item, Case]]) -> Grouping | None:
    """How a test groups its titles, by its marker; *items* are all of that test."""
    marker = items[0][0].get_closest_marker("eval")
    by = None if marker is None else marker.kwargs.get("group_by")
    return grouping(by, [case.title for _, case in items], _place(items[0][0]))


def _planned(item: pytest.Item, case: Case, grouping: Grouping | None) -> PlannedItem:
    if grouping is None:
        return PlannedItem(item.nodeid, case.id)
    return PlannedItem(item.nodeid, case.id, grouping.name, grouping.group_of(case.title))


def _place(definition: pytest.Item) -> str:
    """A test with the line of its eval marker, or of itself without one: `evals/test_a.py:7: test_a`."""
    path, first, _ = definition.location
    line = (first or 0) + 1
    # pytest gives the line of the first decorator; the marker may be a later one, or stand elsewhere.
    for number in range(line, line + 50):
        text = linecache.getline(str(definition.path), number)
        if ".eval(" in text or text.lstrip().startswith(("def ", "async def ")):
            line = number if ".eval(" in text else line
            break
    return f"{path}:{line}: {definition.name}"


def _asks_a_model(metafunc: pytest.Metafunc) -> bool:
    """Whether the test asks for plotbot's `reply`, and not for a parameter of its own that has the same name."""
    own: set[str] = set()
    for mark in metafunc.definition.iter_markers("parametrize"):
        names = mark.args[0] if mark.args else mark.kwargs.get("argnames", ())
        own.update(name.strip() for name in (names.split(",") if isinstance(names, str) else names))
    return _PARAMETER in metafunc.fixturenames and _PARAMETER not in own


def rename_last_failures(config: pytest.Config, test: str, cases: Sequence[Case]) -> None:
    """Have pytest know the failed items of an eval by the names that they get now, before it looks for them.

    *test* is the eval's node id. pytest keeps the names of the last failures in its cache and has no public way to
    rename one. With xdist each worker needs that for its items, and the main process for those that it puts into the
    cache.
    """
    last_failures = getattr(config.pluginmanager.getplugin("lfplugin"), "lastfailed", None) or {}
    # Texts up to pytest 9.1, then objects of pytest's own that are made from texts.
    remembered = {name: key for key in last_failures if (name := str(key)).startswith(f"{test}[")}
    if not remembered:
        return
    for former, slug in former_slugs(cases).items():
        key = remembered.get(f"{test}[{former}]")
        if key is not None:
            make = getattr(type(key), "parse", str)
            last_failures[make(f"{test}[{slug}]")] = last_failures.pop(key)


def _parametrize(metafunc: pytest.Metafunc, files: EvalFiles | None, cases: Sequence[Case]) -> None:
    if _asks_a_model(metafunc):
        parameters = [(case, files) for case in cases]
        metafunc.parametrize(_PARAMETER, parameters, indirect=True, ids=[case.slug for case in cases])
