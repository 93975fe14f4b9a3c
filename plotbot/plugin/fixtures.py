"""What an eval asks for by name: `reply`, `title`, `schema`, `judge`, `results`.

All ask for `pytestconfig`, which pytest makes once a session, and not for `request`, which it makes anew for every item
and every fixture that wants it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from plotbot.errors import AskError
from plotbot.judge import Check, Schema
from plotbot.judge import judge as judge_reply
from plotbot.plugin.process import ItemState, process_of
from plotbot.plugin.results import Results
from plotbot.records import Reply, Title, Verdict


@pytest.fixture
def reply(pytestconfig: pytest.Config) -> Reply:
    """What the model said to this case. Where no usable answer arrived, the item is an error, not a failure."""
    __tracebackhide__ = True
    state = _state(pytestconfig)
    state.exchange = exchange = process_of(pytestconfig).run.exchange(state.case.id)
    if exchange.reply is None:
        assert exchange.fault is not None
        raise AskError(exchange.fault.category, exchange.fault.message)
    return exchange.reply


@pytest.fixture
def title(pytestconfig: pytest.Config) -> Title:
    """The headline that this case is about."""
    return _state(pytestconfig).case.title


@pytest.fixture
def schema(pytestconfig: pytest.Config) -> Schema:
    """The compiled schema that this case's answer must satisfy."""
    state = _state(pytestconfig)
    state.schema = process_of(pytestconfig).schema(state.files.schema)
    return state.schema


@pytest.fixture
def judge(pytestconfig: pytest.Config) -> Callable[..., Verdict]:
    """`plotbot.judge.judge` for this case: it knows the title and what is tolerated, and reports show its verdict."""
    state = _state(pytestconfig)
    tolerate = process_of(pytestconfig).settings.tolerate

    def verdict_on(reply: Reply, schema: Schema, *, check: Check | None = None) -> Verdict:
        state.schema = schema
        state.verdict = judge_reply(reply, schema, state.case.title, check=check, tolerate=tolerate)
        return state.verdict

    return verdict_on


@pytest.fixture(scope="session")
def results(pytestconfig: pytest.Config) -> Iterator[Results]:
    """Owns the writer: `results.keep(reply)` keeps a good answer in its title file. One in every worker."""
    results = Results(process_of(pytestconfig))
    yield results
    results.close()


def _state(config: pytest.Config) -> ItemState:
    state = process_of(config).current
    if state is None:
        raise pytest.UsageError("this fixture is for evals, which ask for `reply`")
    return state
