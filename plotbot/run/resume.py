"""An earlier run taken up again: its plan, its settings, and what must not have changed since.

`--resume` goes on with a run, so it refuses every change that would mix two different runs in one journal. `--replay`
judges a run's replies again with today's schema and checks, and asks no server. `--lf`, `--ff` and `--sw` start a new
run with the last run's plan, because the items that they name exist only in the same sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any

from plotbot.ask.servers.model_patterns import is_pattern
from plotbot.errors import InputError
from plotbot.fingerprint import Fingerprint
from plotbot.keep.filesystem import Disk
from plotbot.keep.run_finding import LAST, Warn, find_run, newest_run
from plotbot.keep.run_folder import RunFolder, judged_run, list_runs
from plotbot.keep.run_reading import RunOnDisk, read_run, refuse_unusable
from plotbot.measure.sequential import SEQUENTIAL
from plotbot.measure.stopping import CHALLENGES
from plotbot.measure.tally import eval_of
from plotbot.records import Case, Exchange, ItemResult, PlannedItem, Question, Variant, note_of, run_name
from plotbot.run.early_stop import is_sequential
from plotbot.run.eval_files import EvalFiles, local_path
from plotbot.run.recorder import Recorder
from plotbot.run.recovery import withdraw_suspect
from plotbot.run.servers import Servers
from plotbot.run.session import MainRun
from plotbot.safe import one_line
from plotbot.settings import Settings
from plotbot.settings.keys import BY_NAME, Key, keys_deciding

_MOST_NAMED = 3


class RecordedPlan:
    """The plan of an earlier run, in the place of a new one.

    With *may_differ*, replies are judged by today's prompt and schema, and cases without a reply are left out.
    """

    def __init__(self, run: RunOnDisk, root: Path, *, may_differ: bool) -> None:
        self.models: tuple[str, ...] = tuple(run.header["models"])
        self.questions: dict[str, Question] = dict(run.questions)
        self.cases: dict[str, Case] = dict(run.cases)
        self._run = run
        self._root = root
        self._may_differ = may_differ

    def cases_of(self, questions: Mapping[Variant, Question], files: EvalFiles) -> tuple[Case, ...]:
        """The cases that the run had for these files, in its order.

        Raises `InputError` if it had none, or if the prompt or the schema has changed and must not.
        """
        recorded = self._recorded(files)
        # Variants may share a prompt hash. Before there were variants, a header named none.
        named = "variants" in recorded
        asked = set(zip(recorded["hashes"], recorded["variants"] if named else repeat(""), strict=False))
        cases = tuple(
            case for case in self.cases.values() if (case.prompt_hash, case.variant if named else "") in asked
        )
        if self._may_differ:
            return tuple(case for case in cases if case.id in self._run.replied)
        then = [self.questions[one] for one in recorded["hashes"]]
        _refuse_changed_questions(self._run, then, list(questions.values()), files)
        return cases

    def _recorded(self, files: EvalFiles) -> Mapping[str, Any]:
        """What the run's header says of the eval with these files."""
        wanted = files.below(self._root)
        evals: Sequence[Mapping[str, Any]] = self._run.header["evals"]
        for recorded in evals:
            if recorded["files"] == wanted:
                return recorded
        known = "; ".join(_listed(recorded["files"]) for recorded in evals)
        raise InputError(f"run {self._run.folder.run_id} has no cases for {_listed(wanted)}: it asked with {known}")


class ResumedRun(MainRun):
    """The same run, with the same plan. Recorded replies are judged again; cases without one are asked."""

    def __init__(
        self,
        settings: Settings,
        servers: Servers,
        recorded: RunOnDisk,
        *,
        warn: Callable[[str], None],
        stops_early: bool = False,
    ) -> None:
        super().__init__(settings, servers, warn=warn, stops_early=stops_early)
        self.folder = recorded.folder
        self._recorded = recorded

    @property
    def folded(self) -> frozenset[str]:
        # What another model than the pinned one may have answered is asked again, and replaces it.
        return self._recorded.folded - self._recorded.suspect

    def _new_plan(self) -> RecordedPlan:
        return RecordedPlan(self._recorded, self.settings.root, may_differ=False)

    def _begin(self, items: Sequence[PlannedItem], recorder: Recorder) -> None:
        cases = [self._case(item.case) for item in items]
        _refuse_other_items(self._recorded, items)
        if self.stop_when_worse and not self._recorded.header.get(CHALLENGES):
            raise InputError(_refusal(self._recorded, ["--stop-when-worse is new, and its plan compares with nothing"]))
        self._connect(cases)
        _refuse_other_models(self._recorded, self._servers.fingerprints, self._warn)
        recorder.resume(self._recorded)
        if refused := withdraw_suspect(recorder, self.settings, self.disk):
            self._warn(refused)
        results = self._recorded.results.items()
        usable = {item: result for item, result in results if result.case not in self._recorded.suspect}
        self._watch_gate(recorder, items, recorded=usable)
        answered = {case: self._recorded.offsets[case] for case in self._recorded.replied - self._recorded.suspect}
        self._announce(cases, answered, f"run {run_name(self.folder.run_id, self._recorded.header)} goes on")
        self._warn_of_note()
        self._begin_to_ask(cases, answered)

    def _warn_of_note(self) -> None:
        own = note_of(self._recorded.header)
        if self.settings.note not in {None, own}:
            kept = f"is named '{own}'" if own else "has no note"
            self._warn(f"NOTE ({self.settings.origins['NOTE']}) names a new run only: the run that goes on {kept}")


class ReplayedRun(MainRun):
    """A run's replies, judged by today's schema and checks. It asks no server and writes reports only.

    Titles and their fields are the recorded ones, because the replies answer these.
    """

    keeps_answers = False

    def __init__(
        self, settings: Settings, servers: Servers, recorded: RunOnDisk, *, warn: Callable[[str], None]
    ) -> None:
        super().__init__(settings, servers, warn=warn)
        self.folder = recorded.folder
        self._recorded = recorded

    @property
    def earlier_results(self) -> Mapping[str, ItemResult]:
        return self._recorded.results

    def _new_plan(self) -> RecordedPlan:
        return RecordedPlan(self._recorded, self.settings.root, may_differ=True)

    def _begin(self, items: Sequence[PlannedItem], recorder: Recorder) -> None:
        self.announcements.append(
            f"replay of run {run_name(self.folder.run_id, self._recorded.header)}: its replies, titles and fields as "
            "recorded, judged by the schema and the checks of today (with today's fields: --like RUN --reuse RUN)"
        )
        recorder.load(self._recorded, items)

    def _answer(self, case: Case) -> Exchange:
        exchange = self._recorded.exchange(case.id)
        assert exchange is not None, "a replay's plan has recorded cases only"
        return exchange


def find_recorded(name: str, settings: Settings, here: Path, warn: Warn) -> RunOnDisk:
    """The run that a RUN argument means, read back. Raises `InputError` if there is none, or it cannot be read."""
    return read_run(find_run(name, settings, here, warn), Disk())


def as_recorded(settings: Settings, run: RunOnDisk, *, may_differ: bool) -> Settings:
    """The settings with the run's own values of all keys that decide a plan or a request.

    A key that is not set today keeps the run's value. One that is set otherwise is refused by name (`InputError`),
    unless it *may_differ* because nothing is asked.
    """
    then: Mapping[str, Any] = run.header["settings"]
    today, origins = settings.to_json()["values"], run.header.get("origins")
    keys = (*keys_deciding("plan", "seed", "request"), *_sequential_keys(settings, then))
    changes = [
        f"{key.name} was {_shown(then[key.name])}, is {_shown(today[key.name])} ({settings.origins[key.name]})"
        for key in keys
        if not settings.left_open(key, origins) and today[key.name] != then[key.name]
    ]
    models = list(run.header["models"])
    is_open = not settings.model or settings.left_open(BY_NAME["MODEL"], origins)
    if not (is_open or any(map(is_pattern, settings.model))) and list(settings.model) != models:
        changes.append(f"MODEL was {', '.join(models)}, is {', '.join(settings.model)} ({settings.origins['MODEL']})")
    if changes and not may_differ:
        raise InputError(_refusal(run, changes))
    values = {key.field: then[key.name] for key in keys} | {"model": models}
    if settings.left_open(BY_NAME["ANSWERS"]) and then.get("ANSWERS") is not None:
        values["answers"] = judged_run(run.folder)
    values |= _recorded_paths(settings, run) | _recorded_files(settings, then)
    return settings.with_values(f"run {run.folder.run_id}", **values)


def _sequential_keys(settings: Settings, then: Mapping[str, Any]) -> Sequence[Key]:
    """The keys of a sequential gate, which decides what is asked, unless another gate is chosen today."""
    gate = BY_NAME["GATE"]
    stays = settings.left_open(gate) or is_sequential(settings)
    return keys_deciding("gate") if then.get("GATE") == SEQUENTIAL and stays else ()


def _recorded_paths(settings: Settings, run: RunOnDisk) -> dict[str, Any]:
    """The files as the run had them, in this project, unless they are set today or are not there any more."""
    then: Mapping[str, Any] = run.header["settings"]
    found: dict[str, Any] = {}
    for key in keys_deciding("files"):
        # A run of an earlier version has fewer keys.
        is_open = settings.left_open(key, run.header.get("origins"))
        if key.kind in {"path", "paths"} and is_open and then.get(key.name):
            there = _local(then[key.name], run.header, settings.root)
            paths = there if isinstance(there, list) else [there]
            # The titles themselves are in the run's plan.
            if key.name == "TITLES_PATH" or all(Path(path).is_file() for path in paths):
                found[key.field] = there
    return found


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def last_session(settings: Settings, name: str, warn: Warn) -> Mapping[str, Any] | None:
    """The plan of the last session's run, or of the newest that can be used; None if there is no run.

    *name* is that run's id, or `last` where it is not known: the run with the highest id may be another, after
    `--resume-run` or where a clock was set back. Raises `InputError` if there are runs, and none can be used.
    """
    known = {run.run_id: run for run in list_runs(settings.runs_dir)}
    if not known:
        return None
    if name in known:
        run = _usable_or_newest(known[name], settings, warn)
    else:
        run = newest_run(settings.runs_dir, warn)
        if name != LAST:
            warn(f"the last session's run {one_line(name, 80)} is not there any more, and run {run.run_id} is taken")
    plan: Mapping[str, Any] = run.read_json(run.plan, Disk())
    return plan


def _usable_or_newest(run: RunFolder, settings: Settings, warn: Warn) -> RunFolder:
    try:
        refuse_unusable(run, Disk())
    except InputError as error:
        run = newest_run(settings.runs_dir, lambda _: None)
        warn(f"the last session's run cannot be used, and run {run.run_id} is taken: {error}")
    return run


def as_in(plan: Mapping[str, Any], settings: Settings, *, only_asked: bool = False) -> Settings:
    """The settings with the values of an earlier run's *plan*, of all that decides one, unless set otherwise today.

    With *only_asked* its models are those that it asked, without those of which every case was deselected.
    """
    header = plan["header"]
    then = header["settings"]
    values = {key: then[key.name] for key in keys_deciding("plan")}
    # A run of an earlier version has fewer keys.
    recorded = [key for key in keys_deciding("files") if key.name in then]
    values |= {key: _local(then[key.name], header, settings.root) for key in recorded}
    # Several values are variants, which give items their names.
    values |= {key: then[key.name] for key in keys_deciding("request") if isinstance(then[key.name], list)}
    asked = {case["model"] for case in plan["cases"]} if only_asked else set()
    values[BY_NAME["MODEL"]] = [one for one in header["models"] if one in asked] or header["models"]
    today = settings.to_json()["values"]
    # What was the default then stays one: a default sample may be smaller than it says.
    open_now = {
        key.field: value
        for key, value in values.items()
        if settings.left_open(key, header.get("origins")) and (value != today[key.name] or key.name == "MODEL")
    }
    origins, files = header.get("origins"), _recorded_files(settings, header["settings"])
    return settings.with_values(f"run {plan['run']}", origins, **open_now, **files)


def titles_in(plan: Mapping[str, Any]) -> dict[str, set[str]]:
    """By model, the ids of an earlier run's titles. Settings alone do not draw those of `--missing` again."""
    ids: dict[str, set[str]] = {}
    for case in plan["cases"]:
        ids.setdefault(str(case["model"]), set()).add(str(case["title"]["id"]))
    return ids


def _local(recorded: Any, header: Mapping[str, Any], root: Path) -> Any:
    """A recorded path, or several, in this project, which may have moved since."""
    if isinstance(recorded, list):
        return [_local(one, header, root) for one in recorded]
    names = [name for one in header["evals"] for name in one["files"].values()]
    files = [file for name in names for file in (name if isinstance(name, list) else [name])]
    return local_path(recorded, files, root) if isinstance(recorded, str) else recorded


def _recorded_files(settings: Settings, then: Mapping[str, Any]) -> dict[str, Any]:
    """The GGUF files that a run asked, unless others are set: a file may have moved, and its SHA-256 tells which it is.

    Runs of version 0.1 have none.
    """
    key = BY_NAME["EMBEDDED_MODEL"]
    return {key.field: then.get(key.name, [])} if settings.left_open(key) else {}


def _refuse_other_items(run: RunOnDisk, items: Sequence[PlannedItem]) -> None:
    """Raise `InputError` for items that the run does not have: its plan would not count them."""
    planned = set(run.items)
    others = dict.fromkeys(eval_of(item.item, run.cases[item.case]) for item in items if item not in planned)
    if others:
        evals = dict.fromkeys(eval_of(one.item, run.cases[one.case]) for one in run.items if one.case in run.cases)
        raise InputError(
            f"run {run.folder.run_id} cannot be resumed with {_few(others)}, which it does not have: it ran "
            f"{_few(evals)}. Leave the other eval out (name a file, or -k), or start a new run without --resume."
        )


def _few(evals: Iterable[str]) -> str:
    names = [one_line(name, 120) for name in evals]
    return ", ".join(names[:_MOST_NAMED]) + (f" and {len(names) - _MOST_NAMED} more" if names[_MOST_NAMED:] else "")


def _refuse_other_models(run: RunOnDisk, served: Mapping[str, Fingerprint], warn: Callable[[str], None]) -> None:
    """Raise `InputError`, field by field, if a model is not the one that the run asked; warn of a newer server.

    A field that the server did not tell then, or does not tell now, proves nothing and is passed over.
    """
    differences = []
    for model, recorded in run.header["fingerprints"].items():
        then, now = Fingerprint.from_json(recorded), served.get(model, Fingerprint())
        for field in then.differing(now, (*Fingerprint.MODEL, *Fingerprint.SERVER)):
            words = f"{model}: {field} was {getattr(then, field)}, is {getattr(now, field)}"
            if field in Fingerprint.MODEL:
                differences.append(words)
            else:
                warn(f"{words}; the run goes on with it")
    if differences:
        raise InputError(_refusal(run, differences))


def _refuse_changed_questions(
    run: RunOnDisk, then: Sequence[Question], now: Sequence[Question], files: EvalFiles
) -> None:
    if {question.hash for question in then} == {question.hash for question in now}:
        return
    changes = []
    # Variants of one prompt stand together.
    per_prompt = max(len(now) // len(files.prompts), 1)
    asked = zip(files.prompts, then[::per_prompt], now[::per_prompt], strict=False)
    if changed := [str(path) for path, one, other in asked if one.prompt != other.prompt]:
        changes.append(f"the prompt ({', '.join(changed)}) has changed")
    if then[0].template != now[0].template:
        changes.append(f"the template ({files.template or 'none'}) has changed")
    if then[0].schema != now[0].schema:
        changes.append(f"the schema ({files.schema}) has changed")
    raise InputError(_refusal(run, changes or ["plotbot words the structured prompt otherwise now"]))


def _listed(files: Mapping[str, Any]) -> str:
    return ", ".join(name for one in files.values() for name in (one if isinstance(one, list) else [one]))


def _refusal(run: RunOnDisk, changes: Sequence[str]) -> str:
    what, name = "; ".join(changes), run_name(run.folder.run_id, run.header)
    return f"run {name} cannot be resumed: {what}. Put it back, or start a new run without --resume."
