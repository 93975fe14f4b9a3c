"""The main process's run: it plans, asks and keeps the books, for itself or for its workers."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from datetime import UTC, datetime

from plotbot import __version__
from plotbot.ask.dispatcher import Dispatcher
from plotbot.ask.executor import SlotExecutor
from plotbot.errors import AskError, ServerProblem, UsageProblem
from plotbot.keep.disk import Disk
from plotbot.keep.run_folder import RunFolder, check_writable, new_run_id
from plotbot.plan.plan import Plan
from plotbot.plugin.asking import Asking
from plotbot.plugin.books import Books
from plotbot.plugin.questions import EvalFiles, read_questions
from plotbot.records import Case, Exchange, PlannedItem, Question
from plotbot.settings import Settings


class MainRun:
    """One pytest session's run. Nothing happens before somebody asks for cases.

    The plan is made while pytest collects; the server is asked once it is known which items are left. Methods are
    called from pytest's thread and, under xdist, from a thread for each worker. `problem` is the user's to put right
    and ends the session with status 4.
    """

    def __init__(self, settings: Settings, asking: Asking, *, stops_early: bool) -> None:
        self.settings = settings
        self.disk = Disk()
        self.folder = RunFolder(settings.runs_dir / new_run_id())
        self.problem: UsageProblem | None = None
        self.books: Books | None = None
        self._asking = asking
        self._stops_early = stops_early
        self._plan: Plan | None = None
        self._dispatcher: Dispatcher | None = None
        self._executor: Executor | None = None
        self._questions: dict[EvalFiles, tuple[Question, ...]] = {}
        self._on_show: dict[str, Exchange] = {}
        # Planning and the first handshake happen once, whoever comes first; everybody else waits for the outcome.
        self._turn = threading.RLock()

    def cases(self, files: EvalFiles) -> Sequence[Case]:
        """The cases of an eval; makes the plan when asked first. Raises `UsageProblem` where none can be made."""
        with self._turn:
            return self._planned().cases_of(self._read(files), files.titles)

    def select(self, items: Sequence[PlannedItem]) -> None:
        """Begin to ask what is left after deselection. Raises `UsageProblem` where the run is doomed from the start."""
        with self._turn:
            if self._dispatcher is None and self.problem is None:
                self._begin(items)

    def exchange(self, case_id: str) -> Exchange:
        """Block until the case's exchange is durable, and remember it until its item is shown."""
        assert self._dispatcher is not None
        assert self._plan is not None
        exchange = self._dispatcher.exchange(self._plan.cases[case_id])
        self._on_show[case_id] = exchange
        return exchange

    def shown(self, case_id: str) -> Exchange | None:
        """The exchange that an item which reports now has just used; forgotten with this."""
        return self._on_show.pop(case_id, None)

    def folded(self, case_ids: Sequence[str]) -> None:
        if self.books is not None:
            self.books.folded(case_ids)

    def unfolded(self, reasons: Mapping[str, str]) -> None:
        if self.books is not None:
            self.books.unfolded.update(reasons)

    def refuse(self, problem: UsageProblem) -> None:
        """Note what is the user's to put right; the session ends when collection does. The first one counts."""
        self.problem = self.problem or problem

    def close(self) -> None:
        """Nothing is left to do: `stop` has ended what this process started."""

    def stop(self) -> None:
        """Ask nothing more, abandon what is in flight, close the books. Raises `KeepError` where they do not close."""
        if self._dispatcher is not None:
            self._dispatcher.stop()
        self._asking.stop()
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
        if self.books is not None:
            self.books.close()

    def _planned(self) -> Plan:
        if self._plan is None:
            self._plan = Plan(self.settings, self._asking.models())
            self.books = Books(self.folder, self._plan, self.disk)
        return self._plan

    def _read(self, files: EvalFiles) -> tuple[Question, ...]:
        if files not in self._questions:
            self._questions[files] = read_questions(files, self.settings)
        return self._questions[files]

    def _begin(self, items: Sequence[PlannedItem]) -> None:
        assert self._plan is not None
        assert self.books is not None
        cases = [self._plan.cases[item.case] for item in items]
        for folder in (self.settings.generated_dir, self.settings.runs_dir, self.settings.report_dir):
            check_writable(folder, self.disk)
        self._asking.connect(list(dict.fromkeys(case.model for case in cases)))
        self.books.items = tuple(items)
        self.books.header = self._header()
        self._greet_first(cases[0])
        self._dispatcher = self._dispatcher_for(self._asking.window)
        self._dispatcher.look_ahead(cases)

    def _greet_first(self, case: Case) -> None:
        """The first model's handshake comes before any test, so that a doomed run ends before it has begun."""
        try:
            self._enter(case.model)
        except AskError as error:
            raise ServerProblem(f"{case.model} cannot be asked: {error.message} ({error.category})") from None

    def _dispatcher_for(self, window: int) -> Dispatcher:
        assert self.books is not None
        self._executor = SlotExecutor(window)
        return Dispatcher(
            self._executor,
            window,
            ask=self._ask,
            keep=self.books.keep,
            recall=self.books.recall,
            enter=self._enter,
            ahead=window if self._stops_early else None,
        )

    def _ask(self, case: Case) -> Exchange:
        assert self._plan is not None
        return self._asking.ask(case, self._plan.questions[case.prompt_hash])

    def _enter(self, model: str) -> None:
        assert self._plan is not None
        prompts = [question.prompt for question in self._plan.questions.values()]
        self._asking.enter(model, prompts[0])

    def _header(self) -> dict[str, object]:
        values = self.settings.to_json()
        return {
            "plotbot": __version__,
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "sample_seed": self.settings.sample_seed,
            "models": list(self._plan.models) if self._plan else [],
            "settings": values["values"],
            "origins": values["origins"],
            **self._asking.facts(),
        }
