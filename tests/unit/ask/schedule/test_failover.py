"""What becomes of a case when its host fails: hosts that the test breaks, and a clock that it moves itself."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any

import pytest

from plotbot.ask.schedule.host_queue import HostLostError, HostQueue
from plotbot.ask.schedule.scheduler import Scheduler
from plotbot.ask.servers.discovery import ServerFacts
from plotbot.ask.servers.host import Host
from plotbot.ask.servers.host_client import TurnStart
from plotbot.ask.servers.model_listing import ModelFacts
from plotbot.errors import AskError, ServerProblem
from plotbot.records import Attempt, Case, Exchange, Fault, Reply
from tests.unit.ask.schedule.desk import case, settle

REFUSED = "connection refused"


class ByHand(Executor):
    """Runs a job when the test says so; jobs are named by case, or `enter`."""

    def __init__(self) -> None:
        self.jobs: dict[str, tuple[Future[Any], Callable[[], Any]]] = {}

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.jobs[args[0].id if isinstance(args[0], Case) else "enter"] = future, lambda: fn(*args, **kwargs)
        return future

    def run(self, *names: str) -> None:
        for name in names or tuple(self.jobs):
            settle(*self.jobs.pop(name))


@dataclass
class Place:
    """One host: `fault` is what its requests end in, `down` that it does not answer a probe either."""

    name: str
    hand: ByHand = field(default_factory=ByHand)
    fault: str | None = None
    down: bool = False
    closed: Exception | None = None
    lost: bool = False

    def __post_init__(self) -> None:
        facts = ServerFacts(f"http://{self.name}", "lmstudio", None, (ModelFacts("a", slots=2), ModelFacts("b")))
        self.host = Host(self.name, facts.url, facts, ["a"])
        self.host_queue = HostQueue(self.host, self.hand, self.ask, self.enter, self.probe, self.probe_in_vain)

    def ask(self, asked: Case) -> Exchange:
        if self.lost:
            raise HostLostError(f"the worker at {self.name} was killed")
        fault = None if self.fault is None else Fault(self.fault, f"{self.fault} at {self.name}")
        attempt = Attempt("now", 0.1, None, fault, self.name)
        reply = Reply(f"from {self.name}") if fault is None else None
        return Exchange(asked.id, asked.model, "now", 0.1, (attempt,), reply=reply, fault=fault)

    def enter(self, _model: str) -> TurnStart:
        if self.closed is not None:
            raise self.closed
        return TurnStart(self.host, None, ())

    def probe(self) -> None:
        if self.down:
            raise ServerProblem(f"Nothing answers at {self.name}.")

    def probe_in_vain(self) -> Host:
        raise AssertionError("only a pin wants that")


class Desk:
    """A scheduler on some hosts, with everything that it says and keeps, and its clock."""

    def __init__(self, *names: str, retry_limit: int = 3) -> None:
        self.places = {name: Place(name) for name in names}
        self.kept: list[Exchange] = []
        self.told: list[str] = []
        self.waiting: list[tuple[float, Callable[[], None]]] = []
        self.scheduler = Scheduler(
            [place.host_queue for place in self.places.values()],
            self,
            welcome=lambda *_: None,
            tell=self.told.append,
            retry_limit=retry_limit,
            later=lambda seconds, call: self.waiting.append((seconds, call)),
        )

    def keep(self, exchange: Exchange, /) -> Future[int]:
        self.kept.append(exchange)
        kept: Future[int] = Future()
        kept.set_result(len(self.kept) - 1)
        return kept

    def recall(self, offset: int, /) -> Exchange:
        return self.kept[offset]

    def start(self, *names: str) -> None:
        self.scheduler.look_ahead([case(name) for name in names])
        for place in self.places.values():
            place.hand.run("enter")

    def at(self, name: str) -> list[str]:
        return list(self.places[name].hand.jobs)

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


def test_each_host_gets_as_many_cases_as_it_has_slots() -> None:
    desk = Desk("x", "y")
    desk.start("a1", "a2", "a3", "a4", "a5")
    assert sorted(desk.at("x") + desk.at("y")) == ["a1", "a2", "a3", "a4"]
    assert len(desk.at("x")) == 2


def test_a_host_that_is_gone_is_set_aside_and_its_cases_are_asked_elsewhere() -> None:
    desk = Desk("x", "y", retry_limit=0)
    desk.start("a1", "a2", "a3", "a4")
    lost = desk.at("x")
    desk.places["x"].fault, desk.places["x"].down = "unreachable", True
    desk.places["x"].hand.run()
    assert desk.at("x") == [], "nothing more until it is known whether it is there"
    desk.let_time_pass()
    desk.places["y"].hand.run()
    assert desk.at("y") == lost
    desk.places["y"].hand.run()
    assert [desk.attempts(name) for name in lost] == [["x", "y"], ["x", "y"]]
    assert len(desk.kept) == 4
    assert desk.told == ["x is set aside, its cases are asked elsewhere: Nothing answers at x."]


def test_it_is_tried_again_after_pauses_that_grow_and_gets_cases_when_it_answers() -> None:
    desk = Desk("x", "y")
    desk.start(*(f"a{number}" for number in range(9)))
    desk.places["x"].fault, desk.places["x"].down = "unreachable", True
    desk.places["x"].hand.run()
    assert [desk.let_time_pass() for _ in range(4)] == [[0.0], [0.5], [1.0], [2.0]]
    desk.places["x"].fault, desk.places["x"].down = None, False
    desk.let_time_pass()
    assert desk.told[-1] == "x answers again."
    assert desk.at("x") == ["enter"], "it may have been started anew: its model is greeted again"
    desk.places["x"].hand.run("enter")
    assert len(desk.at("x")) == 2
    assert desk.scheduler.gone is None


def test_one_broken_request_does_not_make_a_broken_host() -> None:
    desk = Desk("x", "y")
    desk.start("a1", "a2", "a3", "a4")
    broken = desk.at("x")[0]
    desk.places["x"].fault = "unreachable"
    desk.places["x"].hand.run(broken)
    desk.places["x"].fault = None
    desk.let_time_pass()
    desk.places["y"].hand.run(*desk.at("y"))
    assert desk.at("y") == [broken], "elsewhere, where there is an elsewhere"
    desk.places["y"].hand.run()
    assert desk.attempts(broken) == ["x", "y"]
    assert desk.told == []


@pytest.mark.parametrize("category", ["unreachable", "timeout"])
def test_a_case_that_fails_everywhere_ends_after_its_tries(category: str) -> None:
    desk = Desk("x", "y", retry_limit=2)
    for place in desk.places.values():
        place.fault = category
    desk.start("a1")
    for _ in range(3):
        for place in desk.places.values():
            place.hand.run()
        desk.let_time_pass()
    exchange = desk.scheduler.exchange(case("a1"))
    assert exchange.fault is not None
    assert exchange.fault.category == category
    assert len(exchange.attempts) == 3
    assert set(desk.attempts("a1")) == {"x", "y"}


def test_what_a_host_says_of_itself_sets_it_aside_but_a_case_that_does_it_twice_is_at_fault() -> None:
    desk = Desk("x", "y")
    for place in desk.places.values():
        place.fault = "model_crashed"
    desk.start("a1")
    desk.places["x"].hand.run()
    assert (desk.at("x"), desk.at("y")) == ([], ["a1"])
    desk.places["y"].hand.run()
    assert len(desk.scheduler.exchange(case("a1")).attempts) == 2
    assert len(desk.told) == 1, "the second host keeps its place"


@pytest.mark.parametrize("category", ["bad_request", "context_overflow", "protocol", "too_large"])
def test_what_is_the_requests_own_fault_is_not_asked_elsewhere(category: str) -> None:
    desk = Desk("x", "y")
    for place in desk.places.values():
        place.fault = category
    desk.start("a1")
    for place in desk.places.values():
        place.hand.run()
    assert len(desk.scheduler.exchange(case("a1")).attempts) == 1
    assert desk.told == []


def test_when_every_host_is_gone_what_was_tried_is_kept_and_the_rest_is_left() -> None:
    desk = Desk("x", "y")
    desk.start("a1", "a2", "a3", "a4", "a5")
    for place in desk.places.values():
        place.fault, place.down = "unreachable", True
        place.hand.run()
    while desk.waiting:
        desk.let_time_pass()
    assert desk.scheduler.gone is not None
    assert "--resume" in desk.scheduler.gone
    assert sorted(exchange.case for exchange in desk.kept) == ["a1", "a2", "a3", "a4"]
    with pytest.raises(AskError, match="No host answers any more"):
        desk.scheduler.exchange(case("a5"))


def test_a_single_server_that_is_gone_ends_the_run_as_well() -> None:
    desk = Desk("x")
    desk.start("a1", "a2", "a3")
    place = desk.places["x"]
    place.fault, place.down = "unreachable", True
    place.hand.run()
    while desk.waiting:
        desk.let_time_pass()
    assert desk.scheduler.gone is not None
    assert sorted(exchange.case for exchange in desk.kept) == ["a1", "a2"]
    assert desk.told == [], "the end says it"


@pytest.mark.parametrize("category", ["unreachable", "timeout", "server_busy", "model_crashed"])
def test_a_single_server_that_is_there_is_believed(category: str) -> None:
    desk = Desk("x")
    desk.places["x"].fault = category
    desk.start("a1")
    desk.places["x"].hand.run()
    desk.let_time_pass()
    assert desk.scheduler.exchange(case("a1")).fault is not None
    assert desk.attempts("a1") == ["x"]
    assert desk.scheduler.gone is None


def test_a_lane_whose_process_is_gone_loses_no_case() -> None:
    desk = Desk("x", "y")
    desk.start("a1", "a2")
    assert desk.at("x") == ["a1", "a2"]
    desk.places["x"].lost = desk.places["x"].down = True
    desk.places["x"].hand.run()
    desk.places["y"].hand.run()
    assert [desk.attempts(name) for name in ("a1", "a2")] == [["x", "y"]] * 2
    assert "the worker at x was killed" in desk.told[0]


def test_a_model_that_cannot_be_entered_on_one_host_is_asked_on_the_others() -> None:
    desk = Desk("x", "y")
    desk.places["x"].closed = AskError("model_unavailable", "no room")
    desk.start("a1", "a2")
    desk.places["y"].hand.run()
    assert {exchange.reply and exchange.reply.content for exchange in desk.kept} == {"from y"}
    assert len(desk.kept) == 2


def test_a_model_that_cannot_be_entered_anywhere_fails_its_own_cases() -> None:
    desk = Desk("x", "y")
    for place in desk.places.values():
        place.closed = AskError("model_unavailable", "no room")
    desk.start("a1")
    with pytest.raises(AskError, match="no room"):
        desk.scheduler.exchange(case("a1"))


def test_a_model_whose_turn_finds_nobody_anywhere_leaves_its_cases_for_another_time() -> None:
    desk = Desk("x", "y")
    for place in desk.places.values():
        place.closed, place.down = AskError("unreachable", "connection refused"), True
    desk.start("a1", "a2")
    while desk.waiting:
        desk.let_time_pass()
    assert desk.scheduler.gone is not None
    assert desk.kept == []


def test_after_a_stop_no_host_is_tried_again() -> None:
    desk = Desk("x", "y")
    desk.start("a1", "a2", "a3")
    desk.places["x"].fault, desk.places["x"].down = "unreachable", True
    desk.places["x"].hand.run()
    desk.let_time_pass()
    desk.scheduler.stop()
    desk.let_time_pass()
    assert desk.waiting == []


def test_hosts_take_their_models_at_their_own_pace() -> None:
    desk = Desk("x", "y")
    desk.start("a1", "a2", "a3", "b1")
    desk.places["x"].hand.run()
    assert desk.at("x") == ["enter"], "it begins the next model"
    assert desk.at("y") == ["a3"], "while the other one still answers for the first"
