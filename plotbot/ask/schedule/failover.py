"""Decides what to do when a host fails: set it aside, ask its cases elsewhere, probe it again after a pause.

One broken request does not make a broken host. After a request that reached no server, or that timed out, the host is
probed by GET and gets no further case before the probe has succeeded. A host that does not answer the probe is set
aside, which costs its cases none of their tries. A fault that most likely is the host's (it
lost the model, wants a token, its model crashes, it answers with something else than a chat completion) sets it aside
without a probe, unless the same case has failed on another host: then the case is the cause. After any other fault the
case is asked on another host as well, because hosts differ. With a single host the only question is whether the server
is still there.

A host that is set aside returns after a pause and a probe. If it fails again before it has given a usable answer, the
pause doubles, so that a host which answers the probe and nothing else gets few cases.

`plotbot.ask.transport.retries` says which faults these are and how often a case is tried again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from plotbot.ask.schedule.host_queue import HostLostError, HostQueue, ScheduledCase
from plotbot.ask.transport.retries import ELSEWHERE_FIRST, HOST_FAULTS, may_try_again
from plotbot.errors import AskError, PlotbotError
from plotbot.records import Attempt, Exchange, Fault
from plotbot.safe import one_line


@dataclass(frozen=True, slots=True)
class Decision:
    """What the scheduler has to do, in this order; what is empty or None it leaves out.

    `tell` the user a sentence; `settle` cases with the exchange in which they failed for good; `ask_again` cases before
    all others; `give_up` the run, for the reason given; `probe` a host after `probe_after` seconds.
    """

    tell: str | None = None
    settle: Sequence[tuple[ScheduledCase, Exchange]] = ()
    ask_again: Sequence[ScheduledCase] = ()
    give_up: str | None = None
    probe: HostQueue | None = None
    probe_after: float = 0.0


class Failover:
    """Keeps account of failing hosts and of the cases held back for their probes.

    It changes the state of *hosts*, which is the scheduler's own list, so every call needs the scheduler's lock.
    *retry_limit* is REQUEST_RETRY_LIMIT.
    """

    def __init__(self, hosts: Sequence[HostQueue], retry_limit: int) -> None:
        self._hosts = hosts
        self._retry_limit = retry_limit
        self._held_back: dict[HostQueue, list[ScheduledCase]] = {}

    def after_fault(self, host: HostQueue, case: ScheduledCase, exchange: Exchange, fault: Fault) -> Decision | None:
        """Decide about an exchange that ended in a fault; None if the case ends with it."""
        category = fault.category
        if category in ELSEWHERE_FIRST and (category == "unreachable" or self._several):
            case.has_failed(host, exchange)
            return self._hold_back(host, case)
        failed_elsewhere = any(other is not host for other in case.failed_on)
        untried = [other for other in self._hosts if other is not host and other not in case.failed_on]
        if category in HOST_FAULTS and not failed_elsewhere and not all(other.gone for other in untried):
            case.has_failed(host, exchange)
            return self._set_aside(host, fault.message, [case])
        if any(other.serving for other in untried):
            case.has_failed(host, exchange)
            return Decision(ask_again=[case])
        return None

    def after_error(self, host: HostQueue, case: ScheduledCase, error: BaseException) -> Decision | None:
        """Decide about a case that got no exchange; None if the error is a fault of the harness."""
        if not isinstance(error, HostLostError):
            return None
        why = str(error)
        fault = Fault("unreachable", one_line(why, 300))
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        attempt = Attempt(now, 0.0, None, fault, host.name)
        case.has_failed(host, Exchange(case.case.id, case.case.model, now, 0.0, (attempt,), fault=fault))
        return self._set_aside(host, why, [case])

    def after_refused_turn(self, host: HostQueue, error: BaseException) -> Decision | None:
        """Decide about a model's turn that did not start on a host; None if no other host may serve the model."""
        lost = isinstance(error, HostLostError) or (isinstance(error, AskError) and error.category == "unreachable")
        if lost or (isinstance(error, PlotbotError) and self._has_other(host)):
            return self._set_aside(host, str(error), [])
        return None

    def after_probe(self, host: HostQueue, problem: Exception | None) -> Decision:
        """Decide about a host that was probed: *problem* is what the probe raised, or None."""
        if problem is not None:
            return self._set_aside(host, str(problem), [])
        tell = f"{host.name} answers again." if host.announced else None
        host.set_aside, host.awaits_probe, host.announced = None, False, False
        settle, ask_again = [], []
        for case in self._held_back.pop(host, []):
            assert case.failure is not None, "a case is held back because it failed"
            if self._several and may_try_again(len(case.failure.attempts), self._retry_limit):
                ask_again.append(case)
            else:
                settle.append((case, case.failure))
        return Decision(tell=tell, settle=settle, ask_again=ask_again)

    @property
    def _several(self) -> bool:
        return len(self._hosts) > 1

    def _has_other(self, host: HostQueue) -> bool:
        return any(other is not host and other.set_aside is None for other in self._hosts)

    def _hold_back(self, host: HostQueue, case: ScheduledCase) -> Decision:
        """Hold the case back until a probe has shown whether the host is there."""
        if host.set_aside is not None:
            return Decision(ask_again=[case])
        self._held_back.setdefault(host, []).append(case)
        if host.awaits_probe:
            return Decision()
        host.awaits_probe = True
        return Decision(probe=host)

    def _set_aside(self, host: HostQueue, why: str, cases: Sequence[ScheduledCase]) -> Decision:
        first = host.set_aside is None
        # A case that comes back from a host set aside before was under way then: it is no further failure.
        counts = first or not cases
        host.set_aside, host.awaits_probe, host.model = why, False, None
        host.failures += counts
        # A host that fails again without a usable answer in between has been announced before.
        host.announced = host.announced or (first and self._several and host.failures == 1)
        tell = f"{host.name} is set aside, its cases are asked elsewhere: {why}" if first and host.announced else None
        ask_again = [*cases, *self._held_back.pop(host, [])]
        if all(one.gone for one in self._hosts):
            give_up = f"No host answers any more. {why} --resume goes on where this run ends."
            return Decision(tell=tell, ask_again=ask_again, give_up=give_up)
        return Decision(
            tell=tell, ask_again=ask_again, probe=host if counts else None, probe_after=host.pause_seconds
        )  # fmt: skip
