"""What an eval asks for by name: `reply`, `title`, `schema`, `judge`, `results`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import EllipsisType, ModuleType
from typing import TYPE_CHECKING

import pytest

from plotbot.errors import AskError, NotNeededError
from plotbot.judge import Check, Schema
from plotbot.judge import judge as judge_reply
from plotbot.judge.helper import prepare_helper
from plotbot.records import Reply, Title, Verdict
from plotbot.run.process import ItemState, Process

if TYPE_CHECKING:
    from plotbot.run.results import Results

PROCESS = pytest.StashKey[Process]()


def session_fixtures(process: Process) -> ModuleType:
    """A plugin with the fixtures of a session: a module, because pytest is about to refuse methods for a session.

    They need none of pytest's own fixtures: pytest makes a definition of `request`, signature and all, for each item
    with a fixture that asks for it, as `pytestconfig` does.
    """

    @pytest.fixture(scope="session")
    def results() -> Iterator[Results]:
        """The writer: `results.keep()` keeps a good answer in its title file. Every worker has one."""
        # A worker that has not loaded this yet asks for its cases sooner.
        from plotbot.run.results import Results  # noqa: PLC0415  see above

        results = Results(process)
        yield results
        results.close()

    plugin = ModuleType(f"{__name__}.session")
    vars(plugin)["results"] = results
    return plugin


class ItemFixtures:
    """The fixtures of one item, registered as a plugin. As methods they need none of pytest's own fixtures."""

    def __init__(self, process: Process, *, lists: bool) -> None:
        self._process = process
        self._lists = lists

    def pytest_keyboard_interrupt(self) -> None:
        """A person who interrupts the run does not wait long for what `results` has still to fold."""
        self._process.hurried = True

    @pytest.fixture
    def reply(self) -> Reply:
        """What the model said to this case. Where no usable answer arrived, the item is an error, not a failure."""
        __tracebackhide__ = True
        state = self._state()
        if self._lists:
            pytest.skip("nothing is asked where only fixtures are set up")
        try:
            state.exchange = exchange = self._process.run.exchange(state.case.id)
        except NotNeededError as why:
            pytest.skip(str(why))
        if exchange.reply is None:
            assert exchange.fault is not None
            raise AskError(exchange.fault.category, exchange.fault.message)
        return exchange.reply

    @pytest.fixture
    def title(self) -> Title:
        """The headline that this case is about."""
        return self._state().case.title

    @pytest.fixture
    def schema(self) -> Schema:
        """The compiled schema that this case's answer must satisfy."""
        return self._schema(self._state())

    @pytest.fixture
    def judge(self) -> Callable[..., Verdict]:
        """`plotbot.judge` for this case: it knows the title and what is tolerated, and reports show its verdict.

        Without arguments it judges the item's own reply by the item's own schema.
        """
        state = self._state()
        tolerate = self._process.settings.tolerate

        def verdict_on(
            reply: Reply | EllipsisType = ..., schema: Schema | EllipsisType = ..., *, check: Check | None = None
        ) -> Verdict:
            asked = _own_reply(state) if reply is ... else reply
            state.schema = self._schema(state) if schema is ... else schema
            state.verdicts.append(judge_reply(asked, state.schema, state.case.title, check=check, tolerate=tolerate))
            return state.verdicts[-1]

        return verdict_on

    def _schema(self, state: ItemState) -> Schema:
        state.schema = self._process.schemas.of(state.files.schema)
        if state.schema.warnings:
            prepare_helper()
        return state.schema

    def _state(self) -> ItemState:
        state = self._process.current
        if state is None:
            raise pytest.UsageError("this fixture is for evals, which ask for `reply`")
        return state


def _own_reply(state: ItemState) -> Reply:
    if state.exchange is None or state.exchange.reply is None:
        raise pytest.UsageError("judge() judges the reply that the `reply` fixture has given: ask for `reply` first")
    return state.exchange.reply
