"""What happens when a host fails: it is set aside, its cases are asked elsewhere, and it is tried again after a pause.

One broken request does not make a broken host. After a request that found nobody, or came to no end, the host is asked
by GET whether it is there; until it has said so it gets no further case. A host that is there keeps its place, and the
case is asked again as often as REQUEST_RETRY_LIMIT allows, elsewhere if it can be. A host that is not there costs its
cases none of their tries. What a host says of itself (it lost the model, it wants a token, its model crashes) sets it
aside without a question, unless the same case has met it on another host: then it is the case that does it.

With one host there is no elsewhere: its client has tried as often as it may before anything comes here, and what comes
here is only whether there is a server left at all.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial

from plotbot.ask.schedule.backlog import Entry
from plotbot.ask.schedule.host_queue import HostLostError, HostQueue
from plotbot.ask.servers.host_client import ELSEWHERE_FIRST
from plotbot.errors import AskError, PlotbotError
from plotbot.records import Attempt, Exchange, Fault
from plotbot.safe import one_line

Later = Callable[[float, Callable[[], None]], None]

OF_THE_HOST = frozenset({"server_busy", "auth", "model_unavailable", "model_crashed", "model_unloaded", "wrong_model"})


def later_in_a_thread(seconds: float, call: Callable[[], None]) -> None:
    """Call back after so many seconds, from a thread that holds up no exit."""
    timer = threading.Timer(seconds, call)
    timer.daemon = True
    timer.start()


class Failover:
    """Decides about hosts and the cases that failed on them. *lock* guards the host_queues, and is the scheduler's.

    `ask_again` puts cases back, `settle` takes a fault as a case's end, `give_up` says that no host is left and why,
    `tell` takes a sentence for the user.
    """

    def __init__(
        self,
        host_queues: Sequence[HostQueue],
        lock: threading.Lock,
        retry_limit: int,
        *,
        ask_again: Callable[[Sequence[Entry]], None],
        settle: Callable[[Entry, Exchange], None],
        give_up: Callable[[str], None],
        tell: Callable[[str], None],
        later: Later,
    ) -> None:
        self._host_queues = host_queues
        self._lock = lock
        self._retry_limit = retry_limit
        self._ask_again, self._settle, self._give_up = ask_again, settle, give_up
        self._tell, self._later = tell, later
        self._doubts: dict[HostQueue, list[Entry]] = {}
        self._stopped = False

    def stop(self) -> None:
        """Try no host again."""
        self._stopped = True

    def takes(self, host_queue: HostQueue, entry: Entry, exchange: Exchange) -> bool:
        """Whether an exchange is not the end of its case: then all that follows is done here."""
        if exchange.fault is None:
            host_queue.answered(exchange.seconds)
            return False
        category = exchange.fault.category
        if category in ELSEWHERE_FIRST and (category == "unreachable" or len(self._host_queues) > 1):
            entry.has_failed(host_queue, exchange)
            self._doubt(host_queue, entry)
            return True
        if category in OF_THE_HOST and not entry.failed_on and self._others(host_queue):
            entry.has_failed(host_queue, exchange)
            self._set_aside(host_queue, exchange.fault.message, [entry])
            return True
        return False

    def takes_refusal(self, host_queue: HostQueue, error: BaseException) -> bool:
        """Whether a model that could not be entered on a host_queue may be on another one."""
        nobody = isinstance(error, HostLostError) or (isinstance(error, AskError) and error.category == "unreachable")
        if not nobody and not (isinstance(error, PlotbotError) and self._others(host_queue)):
            return False
        self._set_aside(host_queue, str(error), [])
        return True

    def take_loss(self, host_queue: HostQueue, entry: Entry, why: str) -> None:
        """Whoever asked is gone, and the case with him."""
        fault = Fault("unreachable", one_line(why, 300))
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        attempt = Attempt(now, 0.0, None, fault, host_queue.name)
        entry.has_failed(host_queue, Exchange(entry.case.id, entry.case.model, now, 0.0, (attempt,), fault=fault))
        self._set_aside(host_queue, why, [entry])

    def _others(self, host_queue: HostQueue) -> list[HostQueue]:
        return [other for other in self._host_queues if other is not host_queue and other.set_aside is None]

    def _doubt(self, host_queue: HostQueue, entry: Entry) -> None:
        """Hold the case back until it is known whether the host is there."""
        with self._lock:
            known = host_queue.set_aside is not None
            first = not known and not host_queue.doubted
            if not known:
                host_queue.doubted = True
                self._doubts.setdefault(host_queue, []).append(entry)
        if known:
            self._ask_again([entry])
        elif first:
            self._later(0.0, partial(self._probe, host_queue))

    def _probe(self, host_queue: HostQueue) -> None:
        if self._stopped:
            return
        try:
            host_queue.probe()
        except (PlotbotError, HostLostError) as problem:
            self._set_aside(host_queue, str(problem), [])
        else:
            self._keep_on(host_queue)

    def _keep_on(self, host_queue: HostQueue) -> None:
        with self._lock:
            back = host_queue.set_aside is not None
            host_queue.set_aside, host_queue.doubted = None, False
            doubted = self._doubts.pop(host_queue, [])
        if back:
            self._tell(f"{host_queue.name} answers again.")
        retried = [entry for entry in doubted if self._may_try_again(entry)]
        for entry in doubted:
            if entry not in retried:
                assert entry.failed is not None
                self._settle(entry, entry.failed)
        self._ask_again(retried)

    def _may_try_again(self, entry: Entry) -> bool:
        assert entry.failed is not None, "it came here because it failed"
        return len(self._host_queues) > 1 and len(entry.failed.attempts) <= self._retry_limit

    def _set_aside(self, host_queue: HostQueue, why: str, entries: Sequence[Entry]) -> None:
        with self._lock:
            first = host_queue.set_aside is None
            # Whatever comes back from a host that is set aside already was on its way before.
            counts = first or not entries
            host_queue.set_aside, host_queue.doubted, host_queue.model = why, False, None
            host_queue.tries += counts
            again = [*entries, *self._doubts.pop(host_queue, [])]
            gone = all(one.gone for one in self._host_queues)
        if first and len(self._host_queues) > 1:
            self._tell(f"{host_queue.name} is set aside, its cases are asked elsewhere: {why}")
        if gone:
            self._ask_again(again)
            self._give_up(f"No host answers any more. {why} pytest evals --resume goes on where this run ends.")
            return
        self._ask_again(again)
        if counts:
            self._later(host_queue.pause_seconds, partial(self._probe, host_queue))
