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
from plotbot.errors import AskError, KeepError, NotNeededError
from plotbot.records import Case, Exchange
from tests.unit.ask.schedule.harness import (
    PATIENCE,
    FakeStore,
    Harness,
    accept,
    case,
    exchange_of,
    fetching,
    host,
    never,
)


def test_it_asks_in_the_order_of_the_items_and_never_more_than_the_window() -> None:
    harness = Harness(window=2)
    harness.look_ahead("a1", "a2", "a3", "a4")
    assert harness.executor.waiting == ["start a"]
    harness.executor.run("start a")
    assert harness.executor.waiting == ["a1", "a2"]
    assert harness.scheduler.in_flight == 2
    harness.executor.run("a2")
    assert harness.executor.waiting == ["a1", "a3"]
    harness.executor.run("a1", "a3", "a4")
    assert harness.scheduler.in_flight == 0
    assert harness.executor.submitted == ["start a", "a1", "a2", "a3", "a4"]
    assert [harness.fetch(name) for name in ("a1", "a4")] == ["reply to a1", "reply to a4"]


def test_a_case_that_two_items_want_is_asked_once() -> None:
    harness = Harness(window=4)
    harness.look_ahead("a1", "a1", "a2")
    harness.look_ahead("a2", "a1")
    harness.executor.run("start a", "a1", "a2")
    assert harness.executor.submitted == ["start a", "a1", "a2"]


def test_what_awaiting_goes_first() -> None:
    harness = Harness(window=1)
    harness.look_ahead("a1", "a2", "a3")
    harness.executor.run("start a")
    with harness.awaiting("a3") as outcome:
        harness.executor.run("a1")
        assert harness.executor.waiting == ["a3"]
        harness.executor.run("a3")
    assert outcome.result().case == "a3"
    assert harness.executor.waiting == ["a2"]


def test_a_model_is_drained_before_the_next_ones_turn() -> None:
    harness = Harness(window=2)
    harness.look_ahead("a1", "a2", "b1", "b2")
    harness.executor.run("start a", "a2")
    assert harness.executor.waiting == ["a1"], "a slot stays free rather than serving two models at once"
    harness.executor.run("a1")
    assert harness.executor.waiting == ["start b"]
    harness.executor.run("start b")
    assert harness.executor.waiting == ["b1", "b2"]
    assert harness.turns == ["a", "b"]


def test_a_models_turn_ends_when_its_last_answer_is_durable() -> None:
    """A run that is killed in the next turn has all answers of this model on record, and never loads it again."""
    harness = Harness(window=2)
    harness.store.hold.update({"a1", "a2"})
    harness.look_ahead("a1", "a2", "a3", "b1")
    harness.executor.run("start a", "a1", "a2")
    assert harness.executor.waiting == ["a3"], "the slots stay busy meanwhile"
    harness.executor.run("a3")
    harness.store.held["a1"].set_result(0)
    assert harness.executor.waiting == []
    harness.store.held["a2"].set_result(1)
    assert harness.executor.waiting == ["start b"]


def test_waiting_for_a_later_model_does_not_cut_the_present_one_short() -> None:
    harness = Harness(window=1)
    harness.look_ahead("a1", "a2", "b1", "c1")
    harness.executor.run("start a")
    with harness.awaiting("c1"):
        harness.executor.run("a1", "a2")
        assert harness.executor.waiting == ["start c"], "but that model is the next one"
        harness.executor.run("start c", "c1")
    harness.executor.run("start b", "b1")
    assert harness.turns == ["a", "c", "b"]


def test_with_a_bound_it_asks_no_further_ahead_than_what_is_fetched() -> None:
    harness = Harness(window=2, ahead=2)
    harness.look_ahead("a1", "a2", "a3", "a4")
    harness.executor.run("start a", "a1", "a2")
    assert harness.executor.waiting == []
    assert harness.fetch("a1") == "reply to a1"
    assert harness.executor.waiting == ["a3"]
    harness.fetch("a1")
    assert harness.executor.waiting == ["a3"], "fetching it again makes no more room"


def test_with_a_bound_waiting_for_the_next_model_comes_to_an_end() -> None:
    harness = Harness(window=1, ahead=1)
    harness.look_ahead("a1", "a2", "b1")
    harness.executor.run("start a", "a1")
    assert harness.executor.waiting == []
    with harness.awaiting("b1"):
        for job in ("a2", "start b", "b1"):
            # The thread that waits may be the one that submits it.
            harness.executor.submitted_in_time(job)
            harness.executor.run(job)


def test_what_is_held_back_waits_with_its_models_turn_until_it_may_be_asked() -> None:
    harness, allowed = Harness(window=2), {"a1", "b1"}
    harness.scheduler.hold_back(lambda asked: asked.id in allowed)
    harness.look_ahead("a1", "a2", "b1")
    harness.executor.run("start a")
    assert harness.executor.waiting == ["a1"]
    with harness.awaiting("a2") as outcome:
        harness.executor.run("a1")
        assert harness.executor.waiting == [], "neither the case nor another model's turn"
        allowed.add("a2")
        harness.scheduler.refill()
        harness.executor.run("a2")
    assert outcome.result().case == "a2"
    harness.executor.run("start b", "b1")
    assert harness.turns == ["a", "b"]


def test_what_is_left_out_is_never_asked_and_what_is_in_flight_still_arrives() -> None:
    harness = Harness(window=1)
    harness.look_ahead("a1", "a2", "a3")
    harness.executor.run("start a")
    with harness.awaiting("a2") as second:
        harness.scheduler.leave_out(["a1", "a2", "a3"], "decided")
    harness.executor.run("a1")
    assert harness.fetch("a1") == "reply to a1"
    assert isinstance(second.exception(), NotNeededError)
    with pytest.raises(NotNeededError, match="decided"):
        harness.scheduler.exchange(case("a3"))
    assert harness.executor.submitted == ["start a", "a1"]


def test_a_test_that_waits_in_vain_for_a_case_that_is_held_back_gets_it_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # As after the crash of a worker, whose tests are queued again behind the one that waits.
    monkeypatch.setattr(module, "HELD_SECONDS", 0.01)
    harness = Harness(window=1)
    harness.scheduler.hold_back(lambda asked: asked.id == "a1")
    harness.look_ahead("a1", "a2", "b1", "b2")
    harness.executor.run("start a", "a1")
    with harness.awaiting("b2") as outcome:
        for job in ("start b", "b2"):
            harness.executor.submitted_in_time(job)
            harness.executor.run(job)
    assert outcome.result().case == "b2"


def test_a_case_stays_held_back_while_a_worker_starts_that_may_release_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HELD_SECONDS", 0.001)
    harness, looked = Harness(window=1), threading.Event()
    starting = iter([True] * 5)

    def more_to_come() -> bool:
        assert harness.executor.submitted == ["start a", "a1"], "nothing is let go while a worker starts"
        if next(starting, None) is None:
            looked.set()
            return False
        return True

    harness.scheduler.hold_back(lambda asked: asked.id == "a1", more_to_come)
    harness.look_ahead("a1", "a2")
    harness.executor.run("start a", "a1")
    with harness.awaiting("a2"):
        assert looked.wait(10)
        harness.executor.submitted_in_time("a2")
        harness.executor.run("a2")


def test_an_answer_is_handed_out_only_when_it_is_kept_and_its_slot_is_free_before() -> None:
    harness = Harness(window=1)
    harness.store.hold.add("a1")
    harness.look_ahead("a1", "a2")
    harness.executor.run("start a")
    with fetching(harness, "a1") as got:
        harness.executor.run("a1")
        assert not got.done()
        assert harness.executor.waiting == ["a2"], "the disk's time is not the slot's time"
        harness.store.held["a1"].set_result(0)
    assert got.result().case == "a1"


def test_after_a_stop_nothing_is_asked_and_what_is_under_way_still_arrives() -> None:
    harness = Harness(window=1)
    harness.look_ahead("a1", "a2", "a3")
    harness.executor.run("start a")
    with harness.awaiting("a2") as outcome:
        harness.scheduler.stop()
    assert isinstance(outcome.exception(), Stopped)
    harness.executor.run("a1")
    assert harness.executor.waiting == []
    assert harness.fetch("a1") == "reply to a1"
    for name in ("a3", "a9"):
        with pytest.raises(Stopped, match=f"stopped before {name} was asked"):
            harness.fetch(name)


def test_a_model_whose_turn_cannot_start_fails_its_own_cases_alone() -> None:
    harness = Harness(window=2)
    harness.refusing["a"] = AskError("model_unavailable", "no such model")
    harness.look_ahead("a1", "a2", "b1")
    harness.executor.run("start a")
    for name in ("a1", "a2"):
        with pytest.raises(AskError, match="no such model"):
            harness.fetch(name)
    harness.executor.run("start b", "b1")
    assert harness.fetch("b1") == "reply to b1"


def test_a_harness_fault_reaches_the_test_that_waits_and_no_other() -> None:
    harness = Harness(window=1)
    harness.broken["a1"] = ZeroDivisionError("a bug")
    harness.look_ahead("a1", "a2")
    harness.executor.run("start a", "a1", "a2")
    with pytest.raises(ZeroDivisionError, match="a bug"):
        harness.fetch("a1")
    assert harness.fetch("a2") == "reply to a2"


def test_a_cancelled_case_is_told_to_the_test_that_waits() -> None:
    harness = Harness(window=1)
    harness.look_ahead("a1", "a2")
    harness.executor.run("start a")
    with fetching(harness, "a1") as got:
        harness.executor.cancel("a1")
    assert isinstance(got.exception(), CancelledError)
    assert harness.executor.waiting == ["a2"]


@pytest.mark.parametrize("at_once", [True, False])
def test_an_answer_that_cannot_be_kept_is_an_error_and_not_shown(at_once: bool) -> None:
    harness = Harness(window=1)
    full = KeepError("the disk is full")
    if at_once:
        harness.store.refuse["a1"] = full
    else:
        harness.store.hold.add("a1")
    harness.look_ahead("a1", "a2")
    harness.executor.run("start a")
    with fetching(harness, "a1") as got:
        harness.executor.run("a1")
        if not at_once:
            harness.store.held["a1"].set_exception(full)
    assert got.exception() is full
    harness.executor.run("a2")
    assert harness.fetch("a2") == "reply to a2"


def test_answers_too_many_to_hold_are_read_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HELD_BYTES", 5_015)
    harness = Harness(window=3)
    harness.look_ahead("a1", "a2", "a3")
    harness.executor.run("start a", "a1", "a2", "a3")
    assert [harness.fetch(name) for name in ("a1", "a2", "a3")] == ["reply to a1", "reply to a2", "reply to a3"]
    assert harness.store.recalled == [2]


def test_what_has_been_fetched_makes_room_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HELD_BYTES", 1)
    harness = Harness(window=1)
    harness.look_ahead("a1", "a2", "a3")
    harness.executor.run("start a", "a1")
    harness.fetch("a1")
    harness.executor.run("a2")
    harness.fetch("a2")
    assert harness.store.recalled == []


def test_all_tests_that_wait_for_one_case_get_it_and_it_is_asked_once() -> None:
    harness = Harness(window=1)
    harness.look_ahead("a1", "a2")
    harness.executor.run("start a")
    with harness.awaiting("a2") as first, fetching(harness, "a2") as second, fetching(harness, "a2") as third:
        harness.executor.run("a1", "a2")
    assert {outcome.result().case for outcome in (first, second, third)} == {"a2"}
    assert harness.executor.submitted.count("a2") == 1


def test_what_was_answered_before_is_read_back_and_not_asked() -> None:
    harness = Harness(window=1)
    harness.store.keep(exchange_of(case("a1")))
    harness.scheduler.already_answered(case("a1"), 0)
    harness.look_ahead("a1", "a2")
    assert harness.fetch("a1") == "reply to a1"
    harness.executor.run("start a", "a2")
    assert harness.executor.submitted == ["start a", "a2"]


def test_a_case_that_was_not_announced_is_asked_all_the_same() -> None:
    harness = Harness(window=1)
    with harness.awaiting("z1") as outcome:
        harness.executor.run("start z", "z1")
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

    def start_turn(model: str) -> TurnStart:
        with watching:
            peaks.add((len(busy), 9 if busy else 1))
        return TurnStart(three, None, ())

    everything = [case(f"{model}{number}") for model in "abc" for number in range(10)]
    store = FakeStore()
    executor = ThreadExecutor()
    queue = HostQueue(three, executor, ask, start_turn, never, never)
    scheduler = Scheduler([queue], store, on_turn_start=accept, tell=never, ahead=ahead)
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
    assert sorted(kept.case for kept in store.kept) == sorted(fetched)
