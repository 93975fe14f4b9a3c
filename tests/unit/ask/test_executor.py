from __future__ import annotations

import threading
from concurrent.futures import CancelledError, Future

import pytest

from plotbot.ask.executor import SlotExecutor

PATIENCE = 10.0


def test_a_job_gives_its_result_or_its_exception() -> None:
    with SlotExecutor(2) as executor:
        assert executor.submit(pow, 2, exp=5).result(PATIENCE) == 32
        with pytest.raises(ZeroDivisionError):
            executor.submit(divmod, 1, 0).result(PATIENCE)
        assert executor.submit(len, "still there").result(PATIENCE) == 11


def test_as_many_jobs_run_at_once_as_there_are_slots() -> None:
    together = threading.Barrier(3)
    with SlotExecutor(3) as executor:
        waiting = [executor.submit(together.wait, PATIENCE) for _ in range(3)]
        assert sorted(job.result(PATIENCE) for job in waiting) == [0, 1, 2]


def test_the_threads_are_daemons_so_that_a_hanging_request_holds_up_no_exit() -> None:
    before = set(threading.enumerate())
    executor = SlotExecutor(2, name="test-slot")
    made = [thread for thread in threading.enumerate() if thread not in before]
    assert [(thread.name, thread.daemon) for thread in made] == [("test-slot-0", True), ("test-slot-1", True)]
    executor.shutdown()
    assert not any(thread.is_alive() for thread in made)


def test_shutting_down_can_cancel_what_has_not_begun_and_takes_no_more() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def hold() -> bool:
        begun.set()
        return go_on.wait(PATIENCE)

    executor = SlotExecutor(1)
    running: Future[bool] = executor.submit(hold)
    queued = executor.submit(len, "never")
    assert begun.wait(PATIENCE)
    executor.shutdown(wait=False, cancel_futures=True)
    with pytest.raises(CancelledError):
        queued.result(0)
    go_on.set()
    assert running.result(PATIENCE) is True
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(len, "late")


def test_a_job_cancelled_before_its_turn_is_not_run() -> None:
    begun, go_on = threading.Event(), threading.Event()
    ran: list[int] = []

    def hold() -> bool:
        begun.set()
        return go_on.wait(PATIENCE)

    with SlotExecutor(1) as executor:
        executor.submit(hold)
        assert begun.wait(PATIENCE)
        unwanted = executor.submit(ran.append, 1)
        assert unwanted.cancel()
        go_on.set()
        executor.submit(ran.append, 2).result(PATIENCE)
    assert ran == [2]
