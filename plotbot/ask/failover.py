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

from plotbot.ask.backlog import Entry
from plotbot.ask.caller import ELSEWHERE_FIRST
from plotbot.ask.lanes import Lane, LaneLostError
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
    """Decides about hosts and the cases that failed on them. *lock* guards the lanes, and is the dispatcher's.

    `ask_again` puts cases back, `settle` takes a fault as a case's end, `give_up` says that no host is left and why,
    `tell` takes a sentence for the user.
    """

    def __init__(
        self,
        lanes: Sequence[Lane],
        lock: threading.Lock,
        retry_limit: int,
        *,
        ask_again: Callable[[Sequence[Entry]], None],
        settle: Callable[[Entry, Exchange], None],
        give_up: Callable[[str], None],
        tell: Callable[[str], None],
        later: Later,
    ) -> None:
        self._lanes = lanes
        self._lock = lock
        self._retry_limit = retry_limit
        self._ask_again, self._settle, self._give_up = ask_again, settle, give_up
        self._tell, self._later = tell, later
        self._doubts: dict[Lane, list[Entry]] = {}
        self._stopped = False

    def stop(self) -> None:
        """Try no host again."""
        self._stopped = True

    def takes(self, lane: Lane, entry: Entry, exchange: Exchange) -> bool:
        """Whether an exchange is not the end of its case: then all that follows is done here."""
        if exchange.fault is None:
            lane.answered(exchange.seconds)
            return False
        category = exchange.fault.category
        if category in ELSEWHERE_FIRST and (category == "unreachable" or len(self._lanes) > 1):
            entry.has_failed(lane, exchange)
            self._doubt(lane, entry)
            return True
        if category in OF_THE_HOST and not entry.failed_on and self._others(lane):
            entry.has_failed(lane, exchange)
            self._set_aside(lane, exchange.fault.message, [entry])
            return True
        return False

    def takes_refusal(self, lane: Lane, error: BaseException) -> bool:
        """Whether a model that could not be entered on a lane may be on another one."""
        nobody = isinstance(error, LaneLostError) or (isinstance(error, AskError) and error.category == "unreachable")
        if not nobody and not (isinstance(error, PlotbotError) and self._others(lane)):
            return False
        self._set_aside(lane, str(error), [])
        return True

    def take_loss(self, lane: Lane, entry: Entry, why: str) -> None:
        """Whoever asked is gone, and the case with him."""
        fault = Fault("unreachable", one_line(why, 300))
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        attempt = Attempt(now, 0.0, None, fault, lane.name)
        entry.has_failed(lane, Exchange(entry.case.id, entry.case.model, now, 0.0, (attempt,), fault=fault))
        self._set_aside(lane, why, [entry])

    def _others(self, lane: Lane) -> list[Lane]:
        return [other for other in self._lanes if other is not lane and other.set_aside is None]

    def _doubt(self, lane: Lane, entry: Entry) -> None:
        """Hold the case back until it is known whether the host is there."""
        with self._lock:
            known = lane.set_aside is not None
            first = not known and not lane.doubted
            if not known:
                lane.doubted = True
                self._doubts.setdefault(lane, []).append(entry)
        if known:
            self._ask_again([entry])
        elif first:
            self._later(0.0, partial(self._probe, lane))

    def _probe(self, lane: Lane) -> None:
        if self._stopped:
            return
        try:
            lane.probe()
        except (PlotbotError, LaneLostError) as problem:
            self._set_aside(lane, str(problem), [])
        else:
            self._keep_on(lane)

    def _keep_on(self, lane: Lane) -> None:
        with self._lock:
            back = lane.set_aside is not None
            lane.set_aside, lane.doubted = None, False
            doubted = self._doubts.pop(lane, [])
        if back:
            self._tell(f"{lane.name} answers again.")
        retried = [entry for entry in doubted if self._may_try_again(entry)]
        for entry in doubted:
            if entry not in retried:
                assert entry.failed is not None
                self._settle(entry, entry.failed)
        self._ask_again(retried)

    def _may_try_again(self, entry: Entry) -> bool:
        assert entry.failed is not None, "it came here because it failed"
        return len(self._lanes) > 1 and len(entry.failed.attempts) <= self._retry_limit

    def _set_aside(self, lane: Lane, why: str, entries: Sequence[Entry]) -> None:
        with self._lock:
            first = lane.set_aside is None
            # Whatever comes back from a host that is set aside already was on its way before.
            counts = first or not entries
            lane.set_aside, lane.doubted, lane.model = why, False, None
            lane.tries += counts
            again = [*entries, *self._doubts.pop(lane, [])]
            gone = all(one.gone for one in self._lanes)
        if first and len(self._lanes) > 1:
            self._tell(f"{lane.name} is set aside, its cases are asked elsewhere: {why}")
        if gone:
            self._ask_again(again)
            self._give_up(f"No host answers any more. {why} pytest evals --resume goes on where this run ends.")
            return
        self._ask_again(again)
        if counts:
            self._later(lane.pause_seconds, partial(self._probe, lane))
