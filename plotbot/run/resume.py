"""A run taken up again: `--resume` goes on with it, `--replay` judges its replies once more and asks nobody."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from plotbot.keep.run_reading import RunOnDisk
from plotbot.records import Case, Exchange, PlannedItem
from plotbot.run.recorded_plan import RecordedPlan, refuse_other_models
from plotbot.run.recorder import Recorder
from plotbot.run.servers import Servers
from plotbot.run.session import MainRun
from plotbot.settings import Settings


class ResumedRun(MainRun):
    """The same run, the same plan: replies on record are judged again, what is missing or an error is asked."""

    def __init__(
        self,
        settings: Settings,
        asking: Servers,
        recorded: RunOnDisk,
        *,
        warn: Callable[[str], None],
        stops_early: bool = False,
    ) -> None:
        super().__init__(settings, asking, warn=warn, stops_early=stops_early)
        self.folder = recorded.folder
        self._recorded = recorded

    @property
    def folded(self) -> frozenset[str]:
        return self._recorded.folded

    def _new_plan(self) -> RecordedPlan:
        return RecordedPlan(self._recorded, self.settings.root, may_differ=False)

    def _begin(self, items: Sequence[PlannedItem], recorder: Recorder) -> None:
        cases = [self._case(item.case) for item in items]
        self._connect(cases)
        refuse_other_models(self._recorded, self._asking.fingerprints, self._warn)
        recorder.take_up(self._recorded, items)
        self._begin_to_ask(cases, {case: self._recorded.offsets[case] for case in self._recorded.replied})


class ReplayedRun(MainRun):
    """A run's replies before today's schema and checks. It asks no server, and writes reports only."""

    keeps_answers = False

    def __init__(
        self, settings: Settings, asking: Servers, recorded: RunOnDisk, *, warn: Callable[[str], None]
    ) -> None:
        super().__init__(settings, asking, warn=warn)
        self.folder = recorded.folder
        self.recorded = recorded

    def _new_plan(self) -> RecordedPlan:
        return RecordedPlan(self.recorded, self.settings.root, may_differ=True)

    def _begin(self, items: Sequence[PlannedItem], recorder: Recorder) -> None:
        recorder.look_into(self.recorded, items)

    def _answer(self, case: Case) -> Exchange:
        exchange = self.recorded.exchange(case.id)
        assert exchange is not None, "a replay's plan has recorded cases only"
        return exchange
