"""Which saves matter to a run, and the pytest that is run after each: what `plotbot watch` is made of.

Each run after the first asks the titles of the one before (`--like`), its failures first, and takes what the runs of
this watch have on record already (`--reuse`). pytest runs in a process of its own, so that no edited module stays
imported, and nothing that it does can end the watching.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from plotbot.errors import PlotbotError, UsageProblem
from plotbot.keep.filesystem import Disk
from plotbot.keep.run_folder import RunFolder, last_run, list_runs
from plotbot.keep.run_reading import read_run
from plotbot.measure.comparison import compare_sheets
from plotbot.measure.verdict_sheet import VerdictSheet, verdict_sheet
from plotbot.report.comparison import comparison_lines
from plotbot.safe import one_line, read_regular
from plotbot.settings import Settings
from plotbot.settings.load import CONFIG

_MOST_REUSED = 20
_MOST_NAMED = 3
_EDIT_LIMIT = 60
_SAME_WORDS = 4
_LONGEST_TEXT = 100_000
_TICK_MILLISECONDS = 1000
_QUIET_MILLISECONDS = 50
_LAST_SECONDS = 3
_INI = "pytest.ini"


class _Content(NamedTuple):
    """A file's hash and its lines; a file that cannot be read has neither, and a long one no lines."""

    hash: str
    lines: tuple[str, ...]


class WatchedFiles:
    """The files that a run is made of: those that settings and the last run's evals name, and Python files."""

    def __init__(self, settings: Settings) -> None:
        self.root = settings.root
        self._outputs = (settings.generated_dir, settings.runs_dir, settings.report_dir)
        self._contents: dict[Path, _Content] = {}
        self.look_again(settings)

    @property
    def folders(self) -> list[Path]:
        """The folders to watch: the project, and those of files outside of it."""
        outside = {path.parent for path in self._contents if not path.is_relative_to(self.root)}
        return [self.root, *sorted(path for path in outside if path.is_dir())]

    def look_again(self, settings: Settings) -> None:
        """Learn which files the settings name now. Those that are new to it count as they are."""
        named = [*settings.prompt_path, settings.schema_path, settings.titles_path]
        named += [path for path in (getattr(settings, "template_path", None),) if path is not None]
        named += [self.root / CONFIG, self.root / _INI, *_files_of_evals(settings)]
        for path in named:
            self._contents.setdefault(path.absolute(), _content(path))

    def changed(self, paths: Iterable[Path] = ()) -> dict[Path, str]:
        """The files whose content is another than at the last look, and those of *paths* that are Python's.

        With each: the first line that is new in it, where its text is known and a line is new.
        """
        code = {path for path in paths if path.suffix == ".py" and not self._is_output(path)} - self._contents.keys()
        found = dict.fromkeys(code, "")
        for path, before in self._contents.items():
            if (now := _content(path)) != before:
                found[path] = _first_new_line(before, now)
                self._contents[path] = now
        return dict(sorted(found.items()))

    def _is_output(self, path: Path) -> bool:
        return any(path.is_relative_to(folder) for folder in self._outputs)


class PytestRuns:
    """Runs pytest again and again with the user's *arguments*, and knows what each run left.

    `ended` is called, from another thread, with the exit status of each. *environ* is added to their environment.
    """

    def __init__(
        self, arguments: Sequence[str], settings: Settings, environ: Mapping[str, str], ended: Callable[[int], None]
    ) -> None:
        self._arguments = list(arguments)
        self._environ = environ
        self._runs_dir = settings.runs_dir
        self._ended = ended
        self._process: subprocess.Popen[bytes] | None = None
        self._newest = _id_of(_newest(self._runs_dir))
        self._done: list[RunFolder] = []

    @property
    def running(self) -> bool:
        return self._process is not None

    def start(self, saved: Mapping[Path, str], root: Path) -> None:
        """Start pytest after these files were saved."""
        arguments = [sys.executable, "-m", "pytest", *self._arguments, *self._again(saved, root)]
        # Keys are for the watching: a child that reads the same terminal would take them.
        self._process = process = subprocess.Popen(  # noqa: S603  the user's own
            arguments, stdin=subprocess.DEVNULL, env={**os.environ, **self._environ}
        )
        threading.Thread(target=lambda: self._ended(process.wait()), name="plotbot-pytest", daemon=True).start()

    def interrupt(self) -> None:
        """Have pytest end as after Ctrl-C: what was answered is kept."""
        if self._process is not None:
            # A child of a shell's background job is deaf to SIGINT.
            self._process.terminate()

    def finish(self) -> list[str]:
        """Take note of the run that has ended; say what has moved since the one before."""
        self._process = None
        run = _newest(self._runs_dir)
        if run is None or run.run_id == self._newest:
            return []
        self._newest = run.run_id
        before = self._done[-1] if self._done else None
        self._done.append(run)
        return [] if before is None else _moved(before, run)

    def _again(self, saved: Mapping[Path, str], root: Path) -> list[str]:
        if not self._done:
            return []
        arguments = ["--like", self._done[-1].run_id, "--failed-first"]
        there = {run.run_id for run in list_runs(self._runs_dir)}
        for run in self._done[-_MOST_REUSED:]:
            arguments += ["--reuse", run.run_id] if run.run_id in there else []
        noted = any(one == "--note" or one.startswith("--note=") for one in self._arguments)
        return arguments if noted or not saved else [*arguments, f"--note=saved {named(saved, root)}"]


@contextmanager
def watch_files(files: WatchedFiles, saved: Callable[[dict[Path, str]], None]) -> Iterator[None]:
    """Call *saved* with what `WatchedFiles.changed` says of each save, for as long as the context lasts.

    Raises `UsageProblem` where watchfiles is missing.
    """
    try:
        from watchfiles import watch  # noqa: PLC0415  an extra
    except ModuleNotFoundError:
        raise UsageProblem("plotbot watch needs watchfiles: pip install 'plotbot[watch]'") from None

    def follow() -> None:
        # The look at each tick finds what was saved before the watching began, or on a disk that tells nothing.
        for changes in watch(
            *files.folders,
            stop_event=stop,
            step=_QUIET_MILLISECONDS,
            rust_timeout=_TICK_MILLISECONDS,
            yield_on_timeout=True,
            raise_interrupt=False,
            ignore_permission_denied=True,
        ):
            if changed := files.changed(Path(path) for _, path in changes):
                saved(changed)

    stop = threading.Event()
    following = threading.Thread(target=follow, name="plotbot-saves", daemon=True)
    following.start()
    try:
        yield
    finally:
        stop.set()
        # Until watchfiles 1.2 a thread in its native code as Python ends aborts the process ("exception not rethrown").
        following.join(_LAST_SECONDS)


def named(saved: Mapping[Path, str], root: Path) -> str:
    """The first of the files, from the project root, and of a single one the first line that is new in it."""
    names = [str(path.relative_to(root)) if path.is_relative_to(root) else str(path) for path in saved]
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    line = next(iter(saved.values())) if len(names) == 1 else ""
    edit = f": {one_line(line, _EDIT_LIMIT)}" if line else ""
    return one_line(", ".join(names[:_MOST_NAMED]), 120) + more + edit


def _moved(before: RunFolder, after: RunFolder) -> list[str]:
    """What changed between two runs: the diff of the prompts, then what it broke and fixed."""
    try:
        one, other = _sheet(before), _sheet(after)
    except PlotbotError as error:
        return [f"plotbot watch: {error}"]
    found = compare_sheets(one, other)
    return comparison_lines(one.name, other.name, found) if found else []


def _sheet(folder: RunFolder) -> VerdictSheet:
    run = read_run(folder, Disk())
    return verdict_sheet(run.records(), run.questions)


def _files_of_evals(settings: Settings) -> list[Path]:
    """The files that the last run's evals asked with: their markers may name other files than the settings."""
    run = last_run(settings.runs_dir)
    try:
        header = {} if run is None else run.header(Disk())
        listed = [name for one in header.get("evals", ()) for name in one["files"].values()]
        names = [name for one in listed for name in (one if isinstance(one, list) else [one])]
        return [settings.root / name for name in names if isinstance(name, str) and name]
    except (PlotbotError, KeyError, TypeError, AttributeError):
        return []


def _content(path: Path) -> _Content:
    try:
        data = read_regular(path)
    except OSError:
        return _Content("", ())
    text = data.decode("utf-8", "replace") if len(data) <= _LONGEST_TEXT else ""
    return _Content(sha256(data).hexdigest(), tuple(line.strip() for line in text.splitlines()))


def _first_new_line(before: _Content, now: _Content) -> str:
    """Of a line that begins with several words of a former one, the part from the first word that is another."""
    line = next((line for line in now.lines if line and line not in before.lines), "")
    words = line.split()
    same = max((_words_in_common(words, former.split()) for former in before.lines), default=0)
    return f"… {' '.join(words[same:])}" if _SAME_WORDS <= same < len(words) else line


def _words_in_common(one: Sequence[str], other: Sequence[str]) -> int:
    """With how many words both begin."""
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _newest(runs_dir: Path) -> RunFolder | None:
    """The newest run, also a judge's: what is watched may be the evals that judge."""
    return next(reversed(list_runs(runs_dir)), None)


def _id_of(run: RunFolder | None) -> str:
    return "" if run is None else run.run_id
