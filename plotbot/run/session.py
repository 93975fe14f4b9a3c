"""The main process's run: it plans, asks and keeps the recorder, for itself or for its workers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from plotbot import __version__
from plotbot.ask.schedule.scheduler import Scheduler
from plotbot.errors import AskError, ServerProblem, UsageProblem
from plotbot.keep.filesystem import Disk
from plotbot.keep.run_folder import RunFolder, check_writable, new_run_id
from plotbot.plan.plan import Missing, Plan
from plotbot.records import Case, Exchange, PlannedItem, Question
from plotbot.run.eval_files import EvalFiles, Schemas, read_questions
from plotbot.run.recorded_plan import RecordedPlan
from plotbot.run.recorder import Recorder
from plotbot.run.recovery import recover_dead_runs
from plotbot.run.servers import Servers
from plotbot.settings import Settings


class MainRun:
    """One pytest session's run. Nothing happens before somebody asks for cases.

    The plan is made while pytest collects; the server is asked once it is known which items are left. Methods are
    called from pytest's thread and, under xdist, from a thread for each worker. `problem` is the user's to put right
    and ends the session with status 4. What a run taken up again does otherwise stands in `recorded_runs`.
    """

    keeps_answers = True

    def __init__(
        self,
        settings: Settings,
        asking: Servers,
        *,
        warn: Callable[[str], None],
        stops_early: bool = False,
        missing: Missing | None = None,
    ) -> None:
        self.settings = settings
        self.disk = Disk()
        self.folder = RunFolder(settings.runs_dir / new_run_id())
        self.problem: UsageProblem | None = None
        self.recorder: Recorder | None = None
        self.schemas = Schemas()
        self._asking = asking
        self._warn = warn
        self._stops_early = stops_early
        self._missing = missing
        self._plan: Plan | RecordedPlan | None = None
        self._begun = False
        self._dispatcher: Scheduler | None = None
        self._questions: dict[EvalFiles, tuple[Question, ...]] = {}
        self._on_show: dict[str, Exchange] = {}
        # Planning and the first handshake happen once, whoever comes first; everybody else waits for the outcome.
        self._turn = threading.RLock()

    @property
    def folded(self) -> frozenset[str]:
        """Cases whose answers are in their title files, or were removed from there by somebody."""
        return frozenset()

    @property
    def in_flight(self) -> int:
        """Requests that are out; what waits beside them for a free slot is none."""
        return 0 if self._dispatcher is None else min(self._dispatcher.in_flight, self._asking.window)

    @property
    def gone(self) -> str | None:
        """Why the run cannot go on, once no host answers any more."""
        return None if self._dispatcher is None else self._dispatcher.gone

    def cases(self, files: EvalFiles) -> Sequence[Case]:
        """The cases of an eval; makes the plan when asked first. Raises `UsageProblem` where none can be made."""
        with self._turn, self._noting_problems():
            plan, questions = self._planned(), self._read(files)
            if isinstance(plan, RecordedPlan):
                return plan.cases_of(questions, files)
            return plan.cases_of(questions, files.titles)

    def select(self, items: Sequence[PlannedItem]) -> None:
        """Begin to ask what is left after deselection. Raises `UsageProblem` where the run is doomed from the start."""
        with self._turn, self._noting_problems():
            if not self._begun and self.problem is None:
                self._begun = True
                self._begin(items, self._some_recorder())

    def exchange(self, case_id: str) -> Exchange:
        """Block until the case's exchange is durable, and remember it until its item is shown."""
        exchange = self._on_show[case_id] = self._answer(self._case(case_id))
        return exchange

    def shown(self, case_id: str) -> Exchange | None:
        """The exchange that an item which reports now has just used; forgotten with this."""
        return self._on_show.pop(case_id, None)

    def note_folded(self, case_ids: Sequence[str]) -> None:
        self._some_recorder().folded(case_ids)

    def note_unfolded(self, reasons: Mapping[str, str]) -> None:
        self._some_recorder().unfolded.update(reasons)

    def refuse(self, problem: UsageProblem) -> None:
        """Note what is the user's to put right; the session ends when collection does. The first one counts."""
        self.problem = self.problem or problem

    def served_otherwise(self) -> list[str]:
        """In what the pinned models are not served any more at the end of a run; empty without `--pinned`."""
        return self._asking.served_otherwise() if self.recorder is not None and self.recorder.opened else []

    def close(self) -> None:
        """Nothing is left to do: `stop` has ended what this process started."""

    def stop(self) -> None:
        """Ask nothing more, abandon what is in flight, close the recorder. Raises `KeepError` if it does not."""
        if self._dispatcher is not None:
            self._dispatcher.stop()
        self._asking.stop()
        if self.recorder is not None:
            self.recorder.close()

    @contextmanager
    def _noting_problems(self) -> Iterator[None]:
        """Noted here, before any worker hears of it: the session must not begin with what another one was refused."""
        try:
            yield
        except UsageProblem as problem:
            self.refuse(problem)
            raise

    def _planned(self) -> Plan | RecordedPlan:
        if self._plan is None:
            self._plan = self._new_plan()
            self.recorder = Recorder(self.folder, self._plan, self.disk)
        return self._plan

    def _new_plan(self) -> Plan | RecordedPlan:
        return Plan(self.settings, self._asking.models(), self._missing)

    def _read(self, files: EvalFiles) -> tuple[Question, ...]:
        if files not in self._questions:
            self._questions[files] = read_questions(files, self.settings, self.schemas)
        return self._questions[files]

    def _begin(self, items: Sequence[PlannedItem], recorder: Recorder) -> None:
        cases = [self._case(item.case) for item in items]
        self._connect(cases)
        recorder.items = tuple(items)
        recorder.header = self._header()
        self._begin_to_ask(cases, answered={})

    def _connect(self, cases: Sequence[Case]) -> None:
        """Make sure that answers can be kept, and look the servers over; nothing is asked before both are sure."""
        for folder in (self.settings.generated_dir, self.settings.runs_dir, self.settings.report_dir):
            check_writable(folder, self.disk)
        recover_dead_runs(self.settings, self.disk, self._warn)
        self._asking.connect(cases, self._planned().questions, spare=0 if self._stops_early else 1)

    def _begin_to_ask(self, cases: Sequence[Case], answered: Mapping[str, int]) -> None:
        """Look ahead over *cases*, but for those *answered* before: their exchanges stand at these offsets."""
        open_cases = [case for case in cases if case.id not in answered]
        if open_cases:
            self._greet_first(open_cases[0].model)
        self._dispatcher = self._asking.scheduler(
            self._some_recorder(), ahead=self._asking.window if self._stops_early else None
        )
        for case_id, offset in answered.items():
            self._dispatcher.already_answered(self._case(case_id), offset)
        self._dispatcher.look_ahead(open_cases)

    def _greet_first(self, model: str) -> None:
        """The first model's handshake comes before any test, so that a doomed run ends before it has begun."""
        try:
            self._asking.start_first_turn(model)
        except AskError as error:
            raise ServerProblem(f"{model} cannot be asked: {error.message} ({error.category})") from None

    def _answer(self, case: Case) -> Exchange:
        assert self._dispatcher is not None, "nobody asks before the items are selected"
        return self._dispatcher.exchange(case)

    def _case(self, case_id: str) -> Case:
        return self._planned().cases[case_id]

    def _some_recorder(self) -> Recorder:
        assert self.recorder is not None, "there are recorder as soon as there is a plan"
        return self.recorder

    def _header(self) -> dict[str, Any]:
        values = self.settings.to_json()
        return {
            "plotbot": __version__,
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "sample_seed": self.settings.sample_seed,
            "models": list(self._planned().models),
            "evals": [
                {"files": files.below(self.settings.root), "hashes": [question.hash for question in questions]}
                for files, questions in self._questions.items()
            ],
            "settings": values["values"],
            "origins": values["origins"],
            **self._asking.facts(),
        }
