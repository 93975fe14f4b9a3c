"""What an eval asks for by name: `reply`, `title`, `schema`, `judge`, `results`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from plotbot.errors import AskError
from plotbot.judge import Check, Schema
from plotbot.judge import judge as judge_reply
from plotbot.plugin.items import STATE
from plotbot.plugin.process import ItemState, process_of
from plotbot.plugin.results import Results
from plotbot.records import Reply, Title, Verdict


@pytest.fixture
def reply(request: pytest.FixtureRequest) -> Reply:
    """What the model said to this case. Where no usable answer arrived, the item is an error, not a failure."""
    __tracebackhide__ = True
    state = _state(request)
    state.exchange = exchange = process_of(request.config).run.exchange(state.case.id)
    if exchange.reply is None:
        assert exchange.fault is not None
        raise AskError(exchange.fault.category, exchange.fault.message)
    return exchange.reply


@pytest.fixture
def title(request: pytest.FixtureRequest) -> Title:
    """The headline that this case is about."""
    return _state(request).case.title


@pytest.fixture
def schema(request: pytest.FixtureRequest) -> Schema:
    """The compiled schema that this case's answer must satisfy."""
    state = _state(request)
    state.schema = process_of(request.config).schema(state.files.schema)
    return state.schema


@pytest.fixture
def judge(request: pytest.FixtureRequest) -> Callable[..., Verdict]:
    """`plotbot.judge.judge` for this case: it knows the title and what is tolerated, and reports show its verdict."""
    state = _state(request)
    tolerate = process_of(request.config).settings.tolerate

    def verdict_on(reply: Reply, schema: Schema, *, check: Check | None = None) -> Verdict:
        state.schema = schema
        state.verdict = judge_reply(reply, schema, state.case.title, check=check, tolerate=tolerate)
        return state.verdict

    return verdict_on


@pytest.fixture(scope="session")
def results(request: pytest.FixtureRequest) -> Iterator[Results]:
    """Owns the writer: `results.keep(reply)` keeps a good answer in its title file. One in every worker."""
    process = process_of(request.config)
    results = Results(process)
    yield results
    results.close()


def _state(request: pytest.FixtureRequest) -> ItemState:
    state = request.node.stash.get(STATE, None)
    if state is None:
        raise pytest.UsageError(f"{request.node.nodeid}: this fixture is for evals, which ask for `reply`")
    assert isinstance(state, ItemState)
    return state
