"""The cases that wait to be asked: which is next for a host, and which model's turn is next there."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from plotbot.ask.schedule.host_queue import HostQueue, ScheduledCase
from plotbot.records import Case


class CaseQueue:
    """The cases that wait to be asked, in their order. The scheduler's lock guards it.

    *hosts* is the scheduler's own list, to which hosts may be added. A case may be held back, and its model's turn with
    it: another model's turn comes when nothing of this one is held back any more.
    """

    def __init__(self, hosts: Sequence[HostQueue]) -> None:
        self.may_hold = False
        self._may_ask: Callable[[Case], bool] = lambda _: True
        self._hosts = hosts
        self._awaited: deque[ScheduledCase] = deque()
        self._planned: dict[str, deque[ScheduledCase]] = {}

    @property
    def awaited(self) -> bool:
        """Whether a test waits for a case that has not been asked."""
        return bool(self._awaited)

    def append(self, case: ScheduledCase) -> None:
        self._planned.setdefault(case.case.model, deque()).append(case)

    def expedite(self, case: ScheduledCase) -> None:
        """Move up a case for which a test waits now."""
        if case not in self._awaited:
            self._awaited.append(case)

    def put_back(self, case: ScheduledCase) -> None:
        """Queue a failed case again, before all others: its test may be the next one."""
        case.asked = False
        self._awaited.appendleft(case)

    def hold_back(self, may_ask: Callable[[Case], bool]) -> None:
        """Hold cases back while *may_ask* is false."""
        self.may_hold, self._may_ask = True, may_ask

    def let_awaited_go(self) -> None:
        """Hold back only what no test waits for."""
        self.may_hold = False

    def _holds(self, case: ScheduledCase) -> bool:
        """Whether an awaited case is held back."""
        return self.may_hold and not self._may_ask(case.case)

    def _holds_turn(self, model: str | None) -> bool:
        planned = self._planned.get(model, ()) if self.may_hold and model is not None else ()
        return any(_is_new(case) and not self._may_ask(case.case) for case in planned)

    def forget(self, case: ScheduledCase) -> None:
        """Let no test wait for a case that is not asked any more."""
        if case in self._awaited:
            self._awaited.remove(case)

    def remaining(self, model: str | None) -> int:
        """About how many cases of a model wait; some of them may have been asked out of turn."""
        return len(self._planned.get(model, ())) if model is not None else 0

    def take(self, host: HostQueue, *, look_ahead: bool) -> ScheduledCase | None:
        """The next case for a host, of the model whose turn it is there; without *look_ahead* only an awaited one."""
        for case in self._awaited:
            if case.case.model == host.model and self._may_go_to(host, case):
                self._awaited.remove(case)
                return case
        planned = self._planned.get(host.model) if host.model is not None else None
        while planned and not _is_new(planned[0]):
            planned.popleft()
        for position, case in enumerate(planned if planned and look_ahead else ()):
            if self._is_due(case):
                del planned[position]  # type: ignore[union-attr]
                return case
        return None

    def next_model(self, host: HostQueue, *, look_ahead: bool) -> str | None:
        """The model whose turn is next on a host: one that a test waits for, else the first with cases left."""
        if self._holds_turn(host.model):
            return None
        awaited = next((case.case.model for case in self._awaited if self._may_go_to(host, case)), None)
        if awaited is not None or not look_ahead:
            return awaited
        return next((model for model, planned in self._planned.items() if any(map(self._is_due, planned))), None)

    def _is_due(self, case: ScheduledCase) -> bool:
        """Whether a case may be asked ahead."""
        return _is_new(case) and self._may_ask(case.case)

    def _may_go_to(self, host: HostQueue, case: ScheduledCase) -> bool:
        """Whether an awaited case may be asked here: on a host where it has failed only if no other is left for it."""
        if self._holds(case):
            return False
        return not case.asked and (
            host not in case.failed_on
            or not any(other.serving and other not in case.failed_on for other in self._hosts)
        )


def _is_new(case: ScheduledCase) -> bool:
    """Whether the case has never been asked; one that was put back stands among the awaited."""
    return not case.asked and not case.failed_on
