"""What becomes of a case when its host fails: hosts that the test breaks, and a clock that it moves itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from plotbot.ask.schedule.failover import Decision, Failover
from plotbot.ask.schedule.host_queue import HostLostError, HostQueue, ScheduledCase
from plotbot.ask.schedule.scheduler import Scheduler
from plotbot.ask.servers.discovery import ServerFacts
from plotbot.ask.servers.host import Host
from plotbot.ask.servers.host_client import TurnStart
from plotbot.ask.servers.model_listing import ModelFacts
from plotbot.errors import AskError, ServerProblem
from plotbot.records import Attempt, Case, Exchange, Fault, Reply
from tests.unit.ask.schedule.harness import FakeStore, ManualExecutor, accept, case, cases, never


@dataclass
class FakeHost:
    """One host: `fault` is what its requests end in; if it is `down`, it does not answer a probe either.

    `refusing` is what the start of a model's turn raises; a `lost` host's process is gone.
    """

    name: str
    executor: ManualExecutor = field(default_factory=ManualExecutor)
    fault: str | None = None
    down: bool = False
    refusing: Exception | None = None
    lost: bool = False

    def __post_init__(self) -> None:
        facts = ServerFacts(f"http://{self.name}", "lmstudio", None, (ModelFacts("a", slots=2), ModelFacts("b")))
        self.host = Host(self.name, facts.url, facts, ["a"])
        self.queue = HostQueue(self.host, self.executor, self.ask, self.start_turn, self.probe, never)

    def ask(self, asked: Case) -> Exchange:
        if self.lost:
            raise HostLostError(f"the worker at {self.name} was killed")
        fault = None if self.fault is None else Fault(self.fault, f"{self.fault} at {self.name}")
        attempt = Attempt("now", 0.1, None, fault, self.name)
        reply = Reply(f"from {self.name}") if fault is None else None
        return Exchange(asked.id, asked.model, "now", 0.1, (attempt,), reply=reply, fault=fault)

    def start_turn(self, _model: str) -> TurnStart:
        if self.refusing is not None:
            raise self.refusing
        return TurnStart(self.host, None, ())

    def probe(self) -> None:
        if self.down:
            raise ServerProblem(f"Nothing answers at {self.name}.")


class Harness:
    """A scheduler on some hosts, with everything that it says and keeps, and its clock."""

    def __init__(self, *names: str, retry_limit: int = 3) -> None:
        self.hosts = {name: FakeHost(name) for name in names}
        self.store = FakeStore()
        self.told: list[str] = []
        self.waiting: list[tuple[float, Callable[[], None]]] = []
        self.scheduler = Scheduler(
            [host.queue for host in self.hosts.values()],
            self.store,
            on_turn_start=accept,
            tell=self.told.append,
            retry_limit=retry_limit,
            later=lambda seconds, call: self.waiting.append((seconds, call)),
        )

    @property
    def kept(self) -> list[Exchange]:
        return self.store.kept

    def start(self, *names: str) -> None:
        self.scheduler.look_ahead(cases(*names))
        for host in self.hosts.values():
            host.executor.run("start a")

    def at(self, name: str) -> list[str]:
        return self.hosts[name].executor.waiting

    def let_time_pass(self) -> list[float]:
        """Everything that was put off happens; gives how long it was put off."""
        due, self.waiting = self.waiting, []
        for _, call in due:
            call()
        return [seconds for seconds, _ in due]

    def attempts(self, name: str) -> list[str]:
        """The hosts on which a case was tried, as its one kept exchange has them."""
        [kept] = [exchange for exchange in self.kept if exchange.case == name]
        return [attempt.host for attempt in kept.attempts]


def test_a_failing_host_is_probed_once_and_the_decision_is_data() -> None:
    x, y = FakeHost("x", fault="timeout"), FakeHost("y")
    failover = Failover([x.queue, y.queue], retry_limit=1)
    first, second = (ScheduledCase(asked, asked=True) for asked in cases("a1", "a2"))
    fault = Fault("timeout", "too late")
    assert failover.after_fault(x.queue, first, x.ask(first.case), fault) == Decision(probe=x.queue)
    assert failover.after_fault(x.queue, second, x.ask(second.case), fault) == Decision()
    assert failover.after_probe(x.queue, None) == Decision(ask_again=[first, second], settle=[])


def test_each_host_gets_as_many_cases_as_it_has_slots() -> None:
    harness = Harness("x", "y")
    harness.start("a1", "a2", "a3", "a4", "a5")
    assert sorted(harness.at("x") + harness.at("y")) == ["a1", "a2", "a3", "a4"]
    assert len(harness.at("x")) == 2


def test_a_host_that_is_gone_is_set_aside_and_its_cases_are_asked_elsewhere() -> None:
    harness = Harness("x", "y", retry_limit=0)
    harness.start("a1", "a2", "a3", "a4")
    lost = harness.at("x")
    harness.hosts["x"].fault, harness.hosts["x"].down = "unreachable", True
    harness.hosts["x"].executor.run()
    assert harness.at("x") == [], "nothing more until it is known whether it is there"
    harness.let_time_pass()
    harness.hosts["y"].executor.run()
    assert harness.at("y") == lost
    harness.hosts["y"].executor.run()
    assert [harness.attempts(name) for name in lost] == [["x", "y"], ["x", "y"]]
    assert len(harness.kept) == 4
    assert harness.told == ["x is set aside, its cases are asked elsewhere: Nothing answers at x."]


def test_it_is_tried_again_after_pauses_that_grow_and_gets_cases_when_it_answers() -> None:
    harness = Harness("x", "y")
    harness.start(*(f"a{number}" for number in range(9)))
    harness.hosts["x"].fault, harness.hosts["x"].down = "unreachable", True
    harness.hosts["x"].executor.run()
    assert [harness.let_time_pass() for _ in range(4)] == [[0.0], [0.5], [1.0], [2.0]]
    harness.hosts["x"].fault, harness.hosts["x"].down = None, False
    harness.let_time_pass()
    assert harness.told[-1] == "x answers again."
    assert harness.at("x") == ["start a"], "it may have been started anew: its model gets another handshake"
    harness.hosts["x"].executor.run("start a")
    assert len(harness.at("x")) == 2
    assert harness.scheduler.gone is None


def test_one_broken_request_does_not_make_a_broken_host() -> None:
    harness = Harness("x", "y")
    harness.start("a1", "a2", "a3", "a4")
    broken = harness.at("x")[0]
    harness.hosts["x"].fault = "unreachable"
    harness.hosts["x"].executor.run(broken)
    harness.hosts["x"].fault = None
    harness.let_time_pass()
    harness.hosts["y"].executor.run(*harness.at("y"))
    assert harness.at("y") == [broken], "elsewhere, where there is an elsewhere"
    harness.hosts["y"].executor.run()
    assert harness.attempts(broken) == ["x", "y"]
    assert harness.told == []


@pytest.mark.parametrize("category", ["unreachable", "timeout"])
def test_a_case_that_fails_everywhere_ends_after_its_tries(category: str) -> None:
    harness = Harness("x", "y", retry_limit=2)
    for host in harness.hosts.values():
        host.fault = category
    harness.start("a1")
    for _ in range(3):
        for host in harness.hosts.values():
            host.executor.run()
        harness.let_time_pass()
    exchange = harness.scheduler.exchange(case("a1"))
    assert exchange.fault is not None
    assert exchange.fault.category == category
    assert len(exchange.attempts) == 3
    assert set(harness.attempts("a1")) == {"x", "y"}


def test_what_a_host_says_of_itself_sets_it_aside_but_a_case_that_does_it_twice_is_at_fault() -> None:
    harness = Harness("x", "y")
    for host in harness.hosts.values():
        host.fault = "model_crashed"
    harness.start("a1")
    harness.hosts["x"].executor.run()
    assert (harness.at("x"), harness.at("y")) == ([], ["a1"])
    harness.hosts["y"].executor.run()
    assert len(harness.scheduler.exchange(case("a1")).attempts) == 2
    assert len(harness.told) == 1, "the second host keeps its host"


@pytest.mark.parametrize("category", ["protocol", "http_error", "too_large", "auth"])
def test_a_host_that_answers_the_probe_and_nothing_else_returns_after_growing_pauses(category: str) -> None:
    harness = Harness("x", "y")
    sick, healthy = harness.hosts["x"], harness.hosts["y"]
    sick.fault = category
    harness.start(*(f"a{number}" for number in range(1, 10)))
    pauses = []
    for _ in range(3):
        sick.executor.run(*(name for name in harness.at("x") if name.startswith("a")))
        pauses += harness.let_time_pass()
        sick.executor.run(*(name for name in harness.at("x") if name.startswith("start")))
    assert pauses == [0.5, 1.0, 2.0]
    assert len(harness.told) == 2, "set aside and answering again, once"
    healthy.executor.run()
    while harness.at("y"):
        healthy.executor.run()
    assert all(exchange.reply is not None for exchange in harness.kept)


@pytest.mark.parametrize("category", ["bad_request", "context_overflow"])
def test_what_may_be_the_cases_own_fault_is_asked_once_on_each_host_and_sets_none_aside(category: str) -> None:
    harness = Harness("x", "y", "z")
    for host in harness.hosts.values():
        host.fault = category
    harness.start("a1")
    for _ in range(3):
        for host in harness.hosts.values():
            host.executor.run()
    assert sorted(harness.attempts("a1")) == ["x", "y", "z"]
    assert harness.told == []


def test_when_every_host_is_gone_what_was_tried_is_kept_and_the_rest_is_left() -> None:
    harness = Harness("x", "y")
    harness.start("a1", "a2", "a3", "a4", "a5")
    for host in harness.hosts.values():
        host.fault, host.down = "unreachable", True
        host.executor.run()
    while harness.waiting:
        harness.let_time_pass()
    assert harness.scheduler.gone is not None
    assert "--resume" in harness.scheduler.gone
    assert sorted(exchange.case for exchange in harness.kept) == ["a1", "a2", "a3", "a4"]
    with pytest.raises(AskError, match="No host answers any more"):
        harness.scheduler.exchange(case("a5"))


def test_a_single_server_that_is_gone_ends_the_run_as_well() -> None:
    harness = Harness("x")
    harness.start("a1", "a2", "a3")
    host = harness.hosts["x"]
    host.fault, host.down = "unreachable", True
    host.executor.run()
    while harness.waiting:
        harness.let_time_pass()
    assert harness.scheduler.gone is not None
    assert sorted(exchange.case for exchange in harness.kept) == ["a1", "a2"]
    assert harness.told == [], "the end says it"


@pytest.mark.parametrize("category", ["unreachable", "timeout", "server_busy", "model_crashed"])
def test_a_single_server_that_is_there_is_believed(category: str) -> None:
    harness = Harness("x")
    harness.hosts["x"].fault = category
    harness.start("a1")
    harness.hosts["x"].executor.run()
    harness.let_time_pass()
    assert harness.scheduler.exchange(case("a1")).fault is not None
    assert harness.attempts("a1") == ["x"]
    assert harness.scheduler.gone is None


def test_a_host_whose_process_is_gone_loses_no_case() -> None:
    harness = Harness("x", "y")
    harness.start("a1", "a2")
    assert harness.at("x") == ["a1", "a2"]
    harness.hosts["x"].lost = harness.hosts["x"].down = True
    harness.hosts["x"].executor.run()
    harness.hosts["y"].executor.run()
    assert [harness.attempts(name) for name in ("a1", "a2")] == [["x", "y"]] * 2
    assert "the worker at x was killed" in harness.told[0]


def test_a_model_whose_turn_cannot_start_on_one_host_is_asked_on_the_others() -> None:
    harness = Harness("x", "y")
    harness.hosts["x"].refusing = AskError("model_unavailable", "no room")
    harness.start("a1", "a2")
    harness.hosts["y"].executor.run()
    assert {exchange.reply and exchange.reply.content for exchange in harness.kept} == {"from y"}
    assert len(harness.kept) == 2


def test_a_model_whose_turn_cannot_start_anywhere_fails_its_own_cases() -> None:
    harness = Harness("x", "y")
    for host in harness.hosts.values():
        host.refusing = AskError("model_unavailable", "no room")
    harness.start("a1")
    with pytest.raises(AskError, match="no room"):
        harness.scheduler.exchange(case("a1"))


def test_a_model_whose_turn_finds_no_server_anywhere_leaves_its_cases_for_another_time() -> None:
    harness = Harness("x", "y")
    for host in harness.hosts.values():
        host.refusing, host.down = AskError("unreachable", "connection refused"), True
    harness.start("a1", "a2")
    while harness.waiting:
        harness.let_time_pass()
    assert harness.scheduler.gone is not None
    assert harness.kept == []


def test_after_a_stop_no_host_is_tried_again() -> None:
    harness = Harness("x", "y")
    harness.start("a1", "a2", "a3")
    harness.hosts["x"].fault, harness.hosts["x"].down = "unreachable", True
    harness.hosts["x"].executor.run()
    harness.let_time_pass()
    harness.scheduler.stop()
    harness.let_time_pass()
    assert harness.waiting == []


def test_hosts_take_their_models_at_their_own_pace() -> None:
    harness = Harness("x", "y")
    harness.start("a1", "a2", "a3", "b1")
    harness.hosts["x"].executor.run()
    assert harness.at("x") == ["start b"], "it begins the next model"
    assert harness.at("y") == ["a3"], "while the other one still answers for the first"
