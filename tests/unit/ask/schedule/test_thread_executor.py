from __future__ import annotations

import threading
from concurrent.futures import Future

import pytest

from plotbot.ask.schedule.thread_executor import ThreadExecutor

PATIENCE = 10.0


def test_a_job_gives_its_result_or_its_exception() -> None:
    with ThreadExecutor() as executor:
        assert executor.submit(pow, 2, exp=5).result(PATIENCE) == 32
        with pytest.raises(ZeroDivisionError):
            executor.submit(divmod, 1, 0).result(PATIENCE)
        assert executor.submit(len, "still there").result(PATIENCE) == 11


def test_as_many_jobs_run_at_once_as_are_submitted() -> None:
    together = threading.Barrier(3)
    with ThreadExecutor() as executor:
        waiting = [executor.submit(together.wait, PATIENCE) for _ in range(3)]
        assert sorted(job.result(PATIENCE) for job in waiting) == [0, 1, 2]


def test_the_threads_are_daemons_so_that_a_hanging_request_holds_up_no_exit() -> None:
    before = set(threading.enumerate())
    together = threading.Barrier(2)
    executor = ThreadExecutor("test-slot")
    for job in [executor.submit(together.wait, PATIENCE) for _ in range(2)]:
        job.result(PATIENCE)
    made = [thread for thread in threading.enumerate() if thread not in before]
    assert [(thread.name, thread.daemon) for thread in made] == [("test-slot-0", True), ("test-slot-1", True)]
    executor.shutdown()
    assert not any(thread.is_alive() for thread in made)


def test_shutting_down_takes_no_more_and_waits_for_what_runs_only_where_that_is_wanted() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def hold() -> bool:
        begun.set()
        return go_on.wait(PATIENCE)

    executor = ThreadExecutor()
    running: Future[bool] = executor.submit(hold)
    assert begun.wait(PATIENCE)
    executor.shutdown(wait=False)
    assert not running.done()
    go_on.set()
    executor.shutdown()
    assert running.result(0) is True
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(len, "late")


def test_a_thread_that_is_free_is_used_again() -> None:
    with ThreadExecutor() as executor:
        names = {executor.submit(lambda: threading.current_thread().name).result(PATIENCE) for _ in range(20)}
    assert len(names) < 5
