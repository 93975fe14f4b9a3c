"""What an eval asks for by name: `reply`, `title`, `schema`, `judge`, `results`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from plotbot.errors import AskError
from plotbot.judge import Check, Schema
from plotbot.judge import judge as judge_reply
from plotbot.plugin.process import ItemState, Process
from plotbot.records import Reply, Title, Verdict

if TYPE_CHECKING:
    from plotbot.run.results import Results


def results_plugin(process: Process) -> ModuleType:
    """The session's `results`, as a plugin of its own.

    For a session's fixture pytest wants a function, and one that asks for nothing: whatever asks for `request`, as
    `pytestconfig` does, is set up anew for every item.
    """

    @pytest.fixture(scope="session")
    def results() -> Iterator[Results]:
        """Owns the writer: `results.keep(reply)` keeps a good answer in its title file. One in every worker."""
        # A worker that has not loaded this yet asks for its cases sooner.
        from plotbot.run.results import Results  # noqa: PLC0415  see above

        results = Results(process)
        yield results
        results.close()

    plugin = ModuleType("plotbot-results")
    vars(plugin)["results"] = results
    return plugin


class Fixtures:
    """What a case asks for, registered as a plugin of its own. Being methods, these need none of pytest's fixtures."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def pytest_keyboard_interrupt(self) -> None:
        """Whoever interrupts does not wait for what `results` has still to do."""
        self._process.hurried = True

    @pytest.fixture
    def reply(self) -> Reply:
        """What the model said to this case. Where no usable answer arrived, the item is an error, not a failure."""
        __tracebackhide__ = True
        state = self._state()
        state.exchange = exchange = self._process.run.exchange(state.case.id)
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
        state = self._state()
        state.schema = self._process.schemas.of(state.files.schema)
        return state.schema

    @pytest.fixture
    def judge(self) -> Callable[..., Verdict]:
        """`plotbot.judge.judge` for this case: it knows the title and what is tolerated; reports show its verdict."""
        state = self._state()
        tolerate = self._process.settings.tolerate

        def verdict_on(reply: Reply, schema: Schema, *, check: Check | None = None) -> Verdict:
            state.schema = schema
            state.verdict = judge_reply(reply, schema, state.case.title, check=check, tolerate=tolerate)
            return state.verdict

        return verdict_on

    def _state(self) -> ItemState:
        state = self._process.current
        if state is None:
            raise pytest.UsageError("this fixture is for evals, which ask for `reply`")
        return state
