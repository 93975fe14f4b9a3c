"""The run of the main process: it plans, asks and records, for itself or for its workers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Collection, Container, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Protocol

from plotbot import __version__
from plotbot.ask.schedule.scheduler import Scheduler
from plotbot.ask.servers.pin import ServedOtherwise
from plotbot.ask.transport.templates import refuse_unknown_names
from plotbot.errors import AskError, DiskError, InputError, PlotbotError, ServerProblem, UsageProblem
from plotbot.keep.filesystem import Disk
from plotbot.keep.locks import LOCKS_FOLDER
from plotbot.keep.run_folder import RunFolder, check_writable, new_run_id
from plotbot.keep.run_reading import RunOnDisk, read_run, recorded_questions
from plotbot.measure.stopping import CHALLENGES, GATE_TITLES
from plotbot.measure.verdict_sheet import VerdictSheet
from plotbot.plan.plan import Beside, Missing, Plan, Sample
from plotbot.plan.variants import in_order_of_lists
from plotbot.records import Case, Exchange, ItemResult, PlannedItem, Question, Variant
from plotbot.run.again import LIKE
from plotbot.run.answers import titles_at, without_card
from plotbot.run.early_stop import EarlyStop, Stop, challenges_of, is_sequential
from plotbot.run.eval_files import EvalFiles, Schemas, read_questions, refuse_missing
from plotbot.run.recorder import Recorder, RunPlan
from plotbot.run.recovery import recover_dead_runs
from plotbot.run.resume_command import ARGUMENTS
from plotbot.run.reuse import Recorded, find_answers
from plotbot.run.servers import Servers
from plotbot.safe import digest, one_line, plural
from plotbot.settings import Settings

_NOTHING: Mapping[str, Recorded] = {}


class EarlierPlan(RunPlan, Protocol):
    """The plan of a run that is taken up again."""

    def cases_of(self, questions: Mapping[Variant, Question], files: EvalFiles) -> Sequence[Case]:
        """The cases that the run had for these files. Raises `InputError` where it cannot go on with them."""


class MainRun:
    """One pytest session's run. It does nothing until cases are asked for.

    The plan is made while pytest collects. The servers are asked once deselection has left the items to run. Methods
    are called from pytest's thread and, with xdist's workers, from a thread for each worker. `problem` is one that the
    user can put right; it ends the session with status 4. `reuse` are the runs whose answers are taken in the place of
    asking, oldest first; `announcements` say before the first item what is on record already and how the run stops
    early; `stop_when_worse` has rows compared with the first one, or with the `baseline` of that name.
    `plotbot.run.resume` has what a run taken up again overrides.
    """

    keeps_answers = True

    def __init__(
        self,
        settings: Settings,
        servers: Servers,
        *,
        warn: Callable[[str], None],
        stops_early: bool = False,
        missing: Missing | None = None,
        beside: Beside | None = None,
        samples: Mapping[str, Sample] | None = None,
    ) -> None:
        self.settings = settings
        self.disk = Disk()
        self.folder = RunFolder(settings.runs_dir / new_run_id())
        self.problem: UsageProblem | None = None
        self.recorder: Recorder | None = None
        self.announcements: list[str] = []
        self.arguments: Sequence[str] = ()
        self.reuse: Sequence[RunFolder] = ()
        self.like: str | None = None
        self.stop_when_worse = False
        self.baseline: tuple[VerdictSheet, str] | None = None
        self.schemas = Schemas()
        self._servers = servers
        self._warn = warn
        self._stops_early = stops_early
        self._missing = missing
        self._beside = beside or Beside()
        self._samples = samples
        self._plan: Plan | EarlierPlan | None = None
        self._begun = False
        self._scheduler: Scheduler | None = None
        self._early_stop: EarlyStop | None = None
        self._questions: dict[EvalFiles, Mapping[Variant, Question]] = {}
        self._warned: set[str] = set()
        self._starting: set[str] = set()
        # Planning and the first handshake happen once: the threads of other workers wait for the outcome.
        self._turn = threading.RLock()

    @property
    def folded(self) -> frozenset[str]:
        """Ids of the cases whose answers are in their title files, or were removed from there by the user."""
        return frozenset()

    @property
    def earlier_results(self) -> Mapping[str, ItemResult] | None:
        """The results, by item, of the run whose replies this one judges again; None for any other run."""
        return None

    @property
    def fold_log(self) -> Recorder:
        """The recorder, which an answer can only come after."""
        return self._the_recorder()

    @property
    def in_flight(self) -> int:
        """The number of requests that are out; cases that wait for a free slot do not count."""
        return 0 if self._scheduler is None else min(self._scheduler.in_flight, self._servers.window)

    @property
    def activity(self) -> str | None:
        """What the run waits for before it can ask: a model that is loading; None while it asks."""
        return self._servers.activity

    @property
    def gone(self) -> str | None:
        """Why the run cannot go on: no host answers any more, or the journal cannot be written; None before."""
        if self.recorder is not None and self.recorder.fault is not None:
            return str(self.recorder.fault)
        return None if self._scheduler is None else self._scheduler.gone

    def described_models(self) -> list[str]:
        """A line for each model of the embedded engine; none where a file cannot be used, which `cases` will say."""
        try:
            return [model.described for model in self._servers.embedded_models]
        except UsageProblem:
            return []

    def cases(self, files: EvalFiles) -> Sequence[Case]:
        """The cases of an eval. The first call makes the plan. Raises `UsageProblem` if none can be made."""
        with self._turn, self._noting_problems():
            plan = self._planned()
            # The titles of an earlier run are in its plan.
            asked_with = ("prompt", "schema", "template", *(("titles",) if isinstance(plan, Plan) else ()))
            refuse_missing(files, self.settings.root, asked_with)
            questions = self._read(files)
            if not isinstance(plan, Plan):
                return plan.cases_of(questions, files)
            if files.template is not None:
                template, titles = next(iter(questions.values())).template, plan.titles_of(files.titles)
                if (lacking := without_card(template, titles)) is not None:
                    self._warn(f"{files.template}: {lacking}")
                    return ()
                refuse_unknown_names(template, titles, str(files.template))
            return plan.cases_of(questions, files.titles)

    def select(self, items: Sequence[PlannedItem]) -> None:
        """Begin to ask the items that deselection left. Raises `UsageProblem` if the servers cannot be asked."""
        with self._turn, self._noting_problems():
            if not self._begun and self.problem is None:
                self._begun = True
                self._begin(items, self._the_recorder())

    def exchange(self, case_id: str) -> Exchange:
        """Wait for the case's exchange until it is durable.

        Raises `AskError` where none can be had, and `DiskError` where none can be kept.
        """
        try:
            exchange = self._answer(self._case(case_id))
        except (PlotbotError, RuntimeError, CancelledError):
            if self.recorder is not None and self.recorder.fault is not None:
                raise self.recorder.fault from None
            raise
        self._the_recorder().hand_out(exchange)
        return exchange

    @property
    def why_empty(self) -> list[str]:
        """Why nothing is asked, in sentences; none where evals have cases, or where there are no evals."""
        if self.recorder is not None and (strange := self._beside.strange(self.recorder.cases.values())):
            unmatched = "its title is not in the titles file, so there is no such case"
            other = (
                "no case of this session. Name items alone, without whole files, and with the model, the variants and "
                "the repeats of their run; --like RUN has the settings of a run"
            )
            gone = self._beside.unmatched
            return [f"{one_line(name, 120)}: {unmatched if name in gone else other}" for name in strange]
        if self.recorder is None or not self.recorder.questions or self.recorder.cases:
            return []
        if self._missing is not None:
            return ["--missing: every title has a valid answer to this prompt already, so there is nothing to ask"]
        if self.settings.shard is None:
            return []
        part, parts = self.settings.shard
        return [f"part {part}/{parts} has no title, because fewer were drawn than there are parts: plotbot merge knows"]

    def note(self, result: ItemResult) -> ItemResult:
        """Note an item's result in the journal and return it as noted: it may have come for an item not needed."""
        recorder, early_stop = self._the_recorder(), self._early_stop
        if early_stop is None:
            return recorder.note(result)
        noted = recorder.note(early_stop.taken(result))
        stops = early_stop.feed(noted)
        for stop in stops:
            self._leave_out(stop)
        if not stops and self._scheduler is not None:
            self._scheduler.refill()
        return noted

    def await_worker(self, worker: str, *, starting: bool) -> None:
        """Take notice that a worker is starting, and later that it has started or ended."""
        (self._starting.add if starting else self._starting.discard)(worker)
        if self._scheduler is not None:
            self._scheduler.refill()

    def refuse(self, problem: UsageProblem) -> None:
        """Note a problem that the user can put right; it ends the session after collection. The first one counts."""
        self.problem = self.problem or problem

    def served_otherwise(self) -> list[ServedOtherwise]:
        """How the models served at the end of the run differ from the pins; empty without `--pinned`."""
        return self._servers.served_otherwise() if self.recorder is not None and self.recorder.opened else []

    def close(self) -> None:
        """Do nothing: `stop` has ended what this process started."""

    def stop(self) -> None:
        """Ask nothing more, abandon what is in flight, close the recorder. Raises `KeepError` if it does not."""
        if self._scheduler is not None:
            self._scheduler.stop()
        self._servers.stop()
        if self.recorder is not None:
            self.recorder.close()

    @contextmanager
    def _noting_problems(self) -> Iterator[None]:
        """Note a problem before any worker is told of it, so that no other worker can begin a refused session."""
        try:
            yield
        except UsageProblem as problem:
            self.refuse(problem)
            raise

    def _planned(self) -> Plan | EarlierPlan:
        if self._plan is None:
            self._plan = self._new_plan()
            self.recorder = Recorder(self.folder, self._plan, self.disk, self._stop_asking, self.settings.root)
        return self._plan

    def _stop_asking(self, _: DiskError) -> None:
        if self._scheduler is not None:
            self._scheduler.stop()

    def _new_plan(self) -> Plan | EarlierPlan:
        return Plan(
            self.settings, self._servers.models(), self._missing, self._beside, self._warn, self._samples, titles_at
        )

    def _read(self, files: EvalFiles) -> Mapping[Variant, Question]:
        if files not in self._questions:
            self._questions[files] = read_questions(files, self.settings, self.schemas)
            for warning in set(self.schemas.of(files.schema).warnings) - self._warned:
                self._warned.add(warning)
                self._warn(warning)
        return self._questions[files]

    def _begin(self, items: Sequence[PlannedItem], recorder: Recorder) -> None:
        cases = [self._case(item.case) for item in items]
        self._connect(cases)
        recorder.items = tuple(items)
        recorder.header = self._header()
        self._watch_gate(recorder, items, recorded={})
        self._begin_to_ask(cases, answered={}, reused=self._reused(cases))

    def _connect(self, cases: Sequence[Case]) -> None:
        """Make sure that answers can be kept and that the servers can be asked, before anything is asked."""
        kept = self.settings.generated_dir
        for folder in (kept, kept / LOCKS_FOLDER, self.settings.runs_dir, self.settings.report_dir):
            check_writable(folder, self.disk)
        recover_dead_runs(self.settings, self.disk, self._warn)
        in_order = self._stops_early or is_sequential(self.settings)
        self._servers.connect(cases, self._planned().questions, spare=0 if in_order else 1)

    def _watch_gate(self, recorder: Recorder, items: Sequence[PlannedItem], recorded: Mapping[str, ItemResult]) -> None:
        """Have a sequential gate decide what is asked of *items*. *recorded* are the run's results of before."""
        if self.stop_when_worse and not is_sequential(self.settings):
            raise UsageProblem(
                "--stop-when-worse stops a run early, which is what --gate sequential does: give that too"
            )
        if is_sequential(self.settings):
            challenges = recorder.header.get(CHALLENGES) or self._challenges(recorder)
            self._early_stop = early_stop = EarlyStop(
                self.settings,
                recorder.items,
                recorder.cases,
                slots=self._servers.window,
                recorded=recorded,
                runs_again=frozenset(planned.item for planned in items),
                challenges=challenges,
            )
            told = {CHALLENGES: challenges} if challenges else {}
            recorder.header = {GATE_TITLES: early_stop.titles, **told, **recorder.header}
            self.announcements += early_stop.described

    def _challenges(self, recorder: Recorder) -> Mapping[str, Any]:
        if not self.stop_when_worse:
            return {}
        baseline, name = self.baseline or (None, "")
        return challenges_of(recorder.records(), recorder.questions, baseline, name)

    def _leave_out(self, stop: Stop) -> None:
        self._the_recorder().note_all(stop.results)
        if self._scheduler is not None:
            self._scheduler.leave_out([result.case for result in stop.results], stop.why)

    def _begin_to_ask(
        self, cases: Sequence[Case], answered: Mapping[str, int], reused: Mapping[str, Recorded] = _NOTHING
    ) -> None:
        """Look ahead over *cases* except those *answered* before, whose exchanges are at these offsets, or *reused*."""
        open_cases = [case for case in cases if case.id not in answered and case.id not in reused]
        if open_cases:
            # A sequential gate decides how many cases may be asked, and knows only once it is asked itself.
            self._start_first_turn(open_cases[0].model, open_cases if self._early_stop is None else [])
        answered = {**answered, **self._keep_reused(reused)}
        self._scheduler = self._servers.scheduler(
            self._the_recorder(), ahead=self._servers.window if self._stops_early else None
        )
        if self._early_stop is not None:
            self._scheduler.hold_back(self._early_stop.may_ask, lambda: bool(self._starting))
        for case_id, offset in answered.items():
            self._scheduler.already_answered(self._case(case_id), offset)
        self._scheduler.look_ahead(open_cases)
        for stop in self._early_stop.decided() if self._early_stop is not None else ():
            self._leave_out(stop)

    def _reused(self, cases: Sequence[Case]) -> dict[str, Recorded]:
        """By case id: the answers of earlier runs to these cases, if there is a run to take them from."""
        if not self.reuse:
            return {}
        found = find_answers(
            cases,
            self._planned().questions,
            self.settings.first_params,
            self._servers.fingerprints_by_host(),
            self._runs_that_asked({case.prompt_hash for case in cases}),
        )
        sources = {one.run.folder.run_id for one in found.values()}
        what = f"answers of {plural(len(sources), 'earlier run')}"
        self._announce(cases, found, f"reuse of the {what}")
        return found

    def _runs_that_asked(self, hashes: Collection[str]) -> Iterator[RunOnDisk]:
        """The runs to take answers from, newest first; the journal of one that asked nothing of this is not read."""
        for folder in reversed(self.reuse):
            try:
                if not recorded_questions(folder, self.disk).keys().isdisjoint(hashes):
                    yield read_run(folder, self.disk)
            except InputError as error:
                self._warn(f"--reuse leaves out run {folder.run_id}: {error}")

    def _keep_reused(self, reused: Mapping[str, Recorded]) -> dict[str, int]:
        """Write earlier runs' answers into this run's journal; by case, the offset of each. Raises `KeepError`."""
        recorder = self._the_recorder()
        written = {case_id: recorder.keep(found.exchange_for(case_id)) for case_id, found in reused.items()}
        return {case_id: offset.result() for case_id, offset in written.items()}

    def _announce(self, cases: Sequence[Case], answered: Container[str], what: str) -> None:
        """Say how many of the cases need not be asked."""
        asked = {case.id for case in cases}
        on_record = sum(case in answered for case in asked)
        self.announcements.append(f"{what}: {on_record:,} on record, {len(asked) - on_record:,} to ask")

    def _start_first_turn(self, model: str, cases: Sequence[Case]) -> None:
        """Have the first model's handshake before any test, so that a run that cannot work ends before it begins."""
        try:
            self._servers.start_first_turn(model, cases)
        except AskError as error:
            raise ServerProblem(f"{model} cannot be asked: {error.message} ({error.category})") from None

    def _answer(self, case: Case) -> Exchange:
        assert self._scheduler is not None, "items are selected before the first is asked"
        return self._scheduler.exchange(case)

    def _case(self, case_id: str) -> Case:
        return self._planned().cases[case_id]

    def _the_recorder(self) -> Recorder:
        assert self.recorder is not None, "a plan comes with its recorder"
        return self.recorder

    def _header(self) -> dict[str, Any]:
        values = self.settings.to_json()
        return {
            "plotbot": __version__,
            ARGUMENTS: list(self.arguments),
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            **({} if self.like is None else {LIKE: self.like}),
            "sample_seed": self.settings.sample_seed,
            "drawn": getattr(self._planned(), "drawn", None),
            "models": list(self._planned().models),
            "evals": [
                {
                    "files": files.below(self.settings.root),
                    "hashes": [question.hash for question in questions.values()],
                    "prompts": [digest(question.prompt, 12) for question in questions.values()],
                    "schemas": [
                        digest(json.dumps(question.schema, sort_keys=True), 12) for question in questions.values()
                    ],
                    "variants": [variant.name for variant in questions],
                }
                for files, questions in self._questions.items()
            ],
            "variants": self._variants(),
            "settings": values["values"],
            "origins": values["origins"],
            **self._servers.facts(),
        }

    def _variants(self) -> list[dict[str, Any]]:
        """What each variant asks with, with its prompt hash; empty if there is one only.

        The run's first variant comes first, whatever eval was collected first.
        """
        asked = {
            variant: question.hash
            for questions in self._questions.values()
            for variant, question in questions.items()
            if variant.name
        }
        ordered = in_order_of_lists(asked, self.settings)
        return [{**variant.to_json(), "prompt_hash": asked[variant]} for variant in ordered]


def _schema_digest(question: Question) -> str:
    return digest(json.dumps(question.schema, sort_keys=True), 12)
