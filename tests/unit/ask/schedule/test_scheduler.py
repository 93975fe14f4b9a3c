"""The order of asking, seen through an executor whose jobs the test runs by hand, one by one."""

from __future__ import annotations

import random
import threading
from concurrent.futures import CancelledError

import pytest

from plotbot.ask.schedule import scheduler as module
from plotbot.ask.schedule.host_queue import HostQueue
from plotbot.ask.schedule.scheduler import Scheduler, Stopped
from plotbot.ask.schedule.thread_executor import ThreadExecutor
from plotbot.ask.servers.host_client import TurnStart
from plotbot.errors import AskError, KeepError
from plotbot.records import Case, Exchange
from tests.unit.ask.schedule.desk import PATIENCE, Desk, Recorder, case, exchange_of, fetching, host, never, welcomed


def test_it_asks_in_the_order_of_the_items_and_never_more_than_the_window() -> None:
    desk = Desk(window=2)
    desk.look_ahead("a1", "a2", "a3", "a4")
    assert desk.hand.waiting == ["enter a"]
    desk.hand.run("enter a")
    assert desk.hand.waiting == ["a1", "a2"]
    assert desk.scheduler.in_flight == 2
    desk.hand.run("a2")
    assert desk.hand.waiting == ["a1", "a3"]
    desk.hand.run("a1", "a3", "a4")
    assert desk.scheduler.in_flight == 0
    assert desk.hand.submitted == ["enter a", "a1", "a2", "a3", "a4"]
    assert [desk.fetch(name) for name in ("a1", "a4")] == ["reply to a1", "reply to a4"]


def test_a_case_that_two_items_want_is_asked_once() -> None:
    desk = Desk(window=4)
    desk.look_ahead("a1", "a1", "a2")
    desk.look_ahead("a2", "a1")
    desk.hand.run("enter a", "a1", "a2")
    assert desk.hand.submitted == ["enter a", "a1", "a2"]


def test_what_somebody_waits_for_goes_first() -> None:
    desk = Desk(window=1)
    desk.look_ahead("a1", "a2", "a3")
    desk.hand.run("enter a")
    with desk.somebody_waits_for("a3") as outcome:
        desk.hand.run("a1")
        assert desk.hand.waiting == ["a3"]
        desk.hand.run("a3")
    assert outcome.result().case == "a3"
    assert desk.hand.waiting == ["a2"]


def test_a_model_is_drained_before_the_next_one_enters() -> None:
    desk = Desk(window=2)
    desk.look_ahead("a1", "a2", "b1", "b2")
    desk.hand.run("enter a", "a2")
    assert desk.hand.waiting == ["a1"], "a slot stays free rather than serving two models at once"
    desk.hand.run("a1")
    assert desk.hand.waiting == ["enter b"]
    desk.hand.run("enter b")
    assert desk.hand.waiting == ["b1", "b2"]
    assert desk.entered == ["a", "b"]


def test_who_waits_for_a_later_model_does_not_cut_the_present_one_short() -> None:
    desk = Desk(window=1)
    desk.look_ahead("a1", "a2", "b1", "c1")
    desk.hand.run("enter a")
    with desk.somebody_waits_for("c1"):
        desk.hand.run("a1", "a2")
        assert desk.hand.waiting == ["enter c"], "but that model is the next one"
        desk.hand.run("enter c", "c1")
    desk.hand.run("enter b", "b1")
    assert desk.entered == ["a", "c", "b"]


def test_with_a_bound_it_asks_no_further_ahead_than_what_is_fetched() -> None:
    desk = Desk(window=2, ahead=2)
    desk.look_ahead("a1", "a2", "a3", "a4")
    desk.hand.run("enter a", "a1", "a2")
    assert desk.hand.waiting == []
    assert desk.fetch("a1") == "reply to a1"
    assert desk.hand.waiting == ["a3"]
    desk.fetch("a1")
    assert desk.hand.waiting == ["a3"], "who fetches it again makes no more room"


def test_a_bound_keeps_nobody_waiting_for_the_next_model() -> None:
    desk = Desk(window=1, ahead=1)
    desk.look_ahead("a1", "a2", "b1")
    desk.hand.run("enter a", "a1")
    assert desk.hand.waiting == []
    with desk.somebody_waits_for("b1"):
        desk.hand.run("a2", "enter b", "b1")


def test_an_answer_is_handed_out_only_when_it_is_kept_and_its_slot_is_free_before() -> None:
    desk = Desk(window=1)
    desk.recorder.hold.add("a1")
    desk.look_ahead("a1", "a2")
    desk.hand.run("enter a")
    with fetching(desk, "a1") as got:
        desk.hand.run("a1")
        assert not got.done()
        assert desk.hand.waiting == ["a2"], "the disk's time is not the slot's time"
        desk.recorder.held["a1"].set_result(0)
    assert got.result().case == "a1"


def test_after_a_stop_nothing_is_asked_and_what_is_under_way_still_arrives() -> None:
    desk = Desk(window=1)
    desk.look_ahead("a1", "a2", "a3")
    desk.hand.run("enter a")
    with desk.somebody_waits_for("a2") as outcome:
        desk.scheduler.stop()
    assert isinstance(outcome.exception(), Stopped)
    desk.hand.run("a1")
    assert desk.hand.waiting == []
    assert desk.fetch("a1") == "reply to a1"
    for name in ("a3", "a9"):
        with pytest.raises(Stopped, match=f"stopped before {name} was asked"):
            desk.fetch(name)


def test_a_model_that_cannot_be_entered_fails_its_own_cases_alone() -> None:
    desk = Desk(window=2)
    desk.closed["a"] = AskError("model_unavailable", "no such model")
    desk.look_ahead("a1", "a2", "b1")
    desk.hand.run("enter a")
    for name in ("a1", "a2"):
        with pytest.raises(AskError, match="no such model"):
            desk.fetch(name)
    desk.hand.run("enter b", "b1")
    assert desk.fetch("b1") == "reply to b1"


def test_a_harness_fault_reaches_the_one_who_waits_and_nobody_else() -> None:
    desk = Desk(window=1)
    desk.broken["a1"] = ZeroDivisionError("a bug")
    desk.look_ahead("a1", "a2")
    desk.hand.run("enter a", "a1", "a2")
    with pytest.raises(ZeroDivisionError, match="a bug"):
        desk.fetch("a1")
    assert desk.fetch("a2") == "reply to a2"


def test_what_is_cancelled_is_told_to_the_one_who_waits() -> None:
    desk = Desk(window=1)
    desk.look_ahead("a1", "a2")
    desk.hand.run("enter a")
    with fetching(desk, "a1") as got:
        desk.hand.cancel("a1")
    assert isinstance(got.exception(), CancelledError)
    assert desk.hand.waiting == ["a2"]


@pytest.mark.parametrize("at_once", [True, False])
def test_an_answer_that_cannot_be_kept_is_an_error_and_not_shown(at_once: bool) -> None:
    desk = Desk(window=1)
    full = KeepError("the disk is full")
    if at_once:
        desk.recorder.refuse["a1"] = full
    else:
        desk.recorder.hold.add("a1")
    desk.look_ahead("a1", "a2")
    desk.hand.run("enter a")
    with fetching(desk, "a1") as got:
        desk.hand.run("a1")
        if not at_once:
            desk.recorder.held["a1"].set_exception(full)
    assert got.exception() is full
    desk.hand.run("a2")
    assert desk.fetch("a2") == "reply to a2"


def test_answers_too_many_to_hold_are_read_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HELD_CHARACTERS", 15)
    desk = Desk(window=3)
    desk.look_ahead("a1", "a2", "a3")
    desk.hand.run("enter a", "a1", "a2", "a3")
    assert [desk.fetch(name) for name in ("a1", "a2", "a3")] == ["reply to a1", "reply to a2", "reply to a3"]
    assert desk.recorder.recalled == [2]


def test_what_has_been_fetched_makes_room_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HELD_CHARACTERS", 1)
    desk = Desk(window=1)
    desk.look_ahead("a1", "a2", "a3")
    desk.hand.run("enter a", "a1")
    desk.fetch("a1")
    desk.hand.run("a2")
    desk.fetch("a2")
    assert desk.recorder.recalled == []


def test_everybody_who_waits_for_one_case_gets_it_and_it_is_asked_once() -> None:
    desk = Desk(window=1)
    desk.look_ahead("a1", "a2")
    desk.hand.run("enter a")
    with desk.somebody_waits_for("a2") as first, fetching(desk, "a2") as second, fetching(desk, "a2") as third:
        desk.hand.run("a1", "a2")
    assert {outcome.result().case for outcome in (first, second, third)} == {"a2"}
    assert desk.hand.submitted.count("a2") == 1


def test_what_was_answered_before_is_read_back_and_not_asked() -> None:
    desk = Desk(window=1)
    desk.recorder.keep(exchange_of(case("a1")))
    desk.scheduler.already(case("a1"), 0)
    desk.look_ahead("a1", "a2")
    assert desk.fetch("a1") == "reply to a1"
    desk.hand.run("enter a", "a2")
    assert desk.hand.submitted == ["enter a", "a2"]


def test_a_case_that_nobody_announced_is_asked_all_the_same() -> None:
    desk = Desk(window=1)
    with desk.somebody_waits_for("z1") as outcome:
        desk.hand.run("enter z", "z1")
    assert outcome.result().case == "z1"


@pytest.mark.parametrize("ahead", [None, 3])
def test_with_many_threads_neither_the_window_nor_the_model_is_ever_exceeded(ahead: int | None) -> None:
    """Thirty cases of three models on three real slots, fetched by four threads in an order of their own."""
    watching, busy, peaks = threading.Lock(), [], set()

    def ask(asked: Case) -> Exchange:
        with watching:
            busy.append(asked.model)
            peaks.add((len(busy), len(set(busy))))
        with watching:
            busy.remove(asked.model)
        return exchange_of(asked)

    three = host(3)

    def enter(model: str) -> TurnStart:
        with watching:
            peaks.add((len(busy), 9 if busy else 1))
        return TurnStart(three, None, ())

    everything = [case(f"{model}{number}") for model in "abc" for number in range(10)]
    recorder = Recorder()
    executor = ThreadExecutor()
    host_queue = HostQueue(three, executor, ask, enter, never, never)
    scheduler = Scheduler([host_queue], recorder, welcome=welcomed, tell=never, ahead=ahead)
    scheduler.look_ahead(everything)
    fetched: list[str] = []

    def fetch(seed: int) -> None:
        own = everything[seed::4]
        random.Random(seed).shuffle(own)
        fetched.extend(scheduler.exchange(asked).case for asked in own)

    threads = [threading.Thread(target=fetch, args=(seed,), daemon=True) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    executor.shutdown()
    assert sorted(fetched) == sorted(asked.id for asked in everything)
    assert max(in_flight for in_flight, _ in peaks) <= 3
    assert {models for _, models in peaks} == {1}
    assert sorted(kept.case for kept in recorder.kept) == sorted(fetched)
