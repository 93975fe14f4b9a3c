import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor

from plotbot.ask.servers.host_client import FairSemaphore

PATIENCE = 10.0


def most_at_once(slots: FairSemaphore, together: int) -> int:
    """Four times as many threads go in as can be inside *together*, and each waits for its company there."""
    inside, most, lock = 0, 0, threading.Lock()
    company = threading.Barrier(together)

    def visit() -> None:
        nonlocal inside, most
        with slots:
            with lock:
                inside += 1
                most = max(most, inside)
            company.wait(PATIENCE)
            with lock:
                inside -= 1

    with ThreadPoolExecutor(4 * together) as pool:
        for visited in [pool.submit(visit) for _ in range(4 * together)]:
            visited.result()
    return most


def test_as_many_are_let_in_as_the_limit_says_and_no_more() -> None:
    assert most_at_once(FairSemaphore(lambda: 3), 3) == 3


def test_the_limit_is_looked_at_anew_each_time() -> None:
    limit = 1
    slots = FairSemaphore(lambda: limit)
    assert most_at_once(slots, 1) == 1
    limit = 4
    assert most_at_once(slots, 4) == 4


def test_an_exception_leaves_the_slot_free() -> None:
    slots = FairSemaphore(lambda: 1)
    for _ in range(2):
        with contextlib.suppress(ZeroDivisionError), slots:
            1 / 0  # noqa: B018  it raises
    with slots:
        assert slots._taken == 1
    assert slots._taken == 0


def test_slots_that_are_told_later_are_used() -> None:
    told = [1]
    slots, both = FairSemaphore(lambda: told[0]), threading.Barrier(2, timeout=10)

    def work(_number: int) -> None:
        with slots:
            both.wait()

    told[0] = 2
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(work, range(2)))
