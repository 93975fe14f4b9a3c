import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor

from plotbot.ask.servers.host_client import FairSemaphore

WAIT_SECONDS = 10.0


def most_at_once(semaphore: FairSemaphore, together: int) -> int:
    """The most threads inside at once, of 4 x *together* threads that each wait inside for *together* of them."""
    inside, most, lock = 0, 0, threading.Lock()
    all_inside = threading.Barrier(together)

    def visit() -> None:
        nonlocal inside, most
        with semaphore:
            with lock:
                inside += 1
                most = max(most, inside)
            all_inside.wait(WAIT_SECONDS)
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
    semaphore = FairSemaphore(lambda: limit)
    assert most_at_once(semaphore, 1) == 1
    limit = 4
    assert most_at_once(semaphore, 4) == 4


def test_an_exception_leaves_the_slot_free() -> None:
    semaphore = FairSemaphore(lambda: 1)
    for _ in range(2):
        with contextlib.suppress(ZeroDivisionError), semaphore:
            1 / 0  # noqa: B018  it raises
    with semaphore:
        assert semaphore._taken == 1
    assert semaphore._taken == 0


def test_slots_that_are_known_later_are_used() -> None:
    count = [1]
    semaphore, both = FairSemaphore(lambda: count[0]), threading.Barrier(2, timeout=10)

    def work(_number: int) -> None:
        with semaphore:
            both.wait()

    count[0] = 2
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(work, range(2)))
