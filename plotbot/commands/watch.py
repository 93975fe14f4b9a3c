"""`plotbot watch`: run pytest again after each save of a prompt, schema, titles file, setting or eval."""

from __future__ import annotations

import argparse
import os
import queue
import signal
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from plotbot.commands.output import complain
from plotbot.commands.shared import project_root
from plotbot.errors import ExitStatus, UsageProblem, interrupt
from plotbot.report.terminal_lines import wrapped
from plotbot.run.kept_engine import EngineKeeper
from plotbot.run.watching import PytestRuns, WatchedFiles, named, watch_files
from plotbot.safe import visible
from plotbot.settings import Settings, load_settings
from plotbot.settings.keys import KEYS, given_options

HELP = "run pytest again after each save of a prompt, schema, titles file, setting or eval, and say what has moved"
PREFIX_CHARS = "\0"
"""No argument is an option of this command: all are pytest's."""
KEYS_HELP = "r runs again, o opens the page, q quits"
_TAKEN_UP = ("--resume", "--resume-run", "--replay", "--missing", "--lf", "--last-failed")
_Event = tuple[str, object]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "arguments",
        nargs="*",
        metavar="PYTEST_ARGUMENT",
        help="as for pytest; without any: evals (extra: watch)",
    )


def run(args: argparse.Namespace) -> int:
    """Watch until `q` or Ctrl-C. Raises `UsageProblem` for arguments that name another plan, and without watchfiles."""
    arguments = list(args.arguments) or ["evals"]
    if arguments[0] in {"-h", "--help"}:
        told = [*wrapped("", f"{HELP}."), *wrapped("", f"While it watches: {KEYS_HELP}.")]
        print("\n".join(["usage: plotbot watch [pytest arguments]", "", *told]))
        return ExitStatus.OK
    for argument in arguments:
        if argument.partition("=")[0] in _TAKEN_UP:
            raise UsageProblem(f"plotbot watch and {argument} do not go together: each run is like the one before")
    return _Watch(arguments).go()


class _Watch:
    """One watch: what was saved, keys and ends of runs come as events, one after the other."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._arguments = arguments
        self._events: queue.SimpleQueue[_Event] = queue.SimpleQueue()
        self._settings = _settings(arguments)
        self._files = WatchedFiles(self._settings)
        self._keeper = EngineKeeper()
        self._runs = PytestRuns(
            arguments, self._settings, self._keeper.environ, lambda status: self._events.put(("ended", status))
        )
        self._saved: dict[Path, str] = {}
        self._again = False

    def go(self) -> int:
        signal.signal(signal.SIGTERM, interrupt)
        try:
            with (
                watch_files(self._files, lambda paths: self._events.put(("saved", paths))),
                _keys(lambda key: self._events.put(("key", key))),
            ):
                self._start()
                while self._take(*self._events.get()):
                    pass
            self._runs.interrupt()
            self._wait()
        except KeyboardInterrupt as stopped:
            # Ctrl-C has reached pytest, too: the terminal sends it to both.
            if stopped.args:
                self._runs.interrupt()
            self._wait()
            return ExitStatus.INTERRUPTED
        finally:
            self._keeper.close()
        return ExitStatus.OK

    def _take(self, kind: str, what: object) -> bool:
        """Do what an event asks for; False if the watch is over."""
        if kind == "ended":
            self._end(what)
        elif kind == "saved" and isinstance(what, dict):
            self._saved |= what
            self._start()
        elif what in {"r", "\n", "\r"}:
            self._start()
        elif what == "o":
            webbrowser.open((self._settings.report_dir / "index.html").absolute().as_uri())
        return not (kind == "key" and what in {"q", "\x04"})

    def _start(self) -> None:
        """Start a run; one that is on is interrupted first, because what it asks is outdated."""
        if self._runs.running:
            self._again = True
            self._runs.interrupt()
            return
        why = f"saved {named(self._saved, self._settings.root)}" if self._saved else "run"
        print(f"\n--- {datetime.now(UTC).astimezone():%H:%M:%S} {visible(why)} ---", flush=True)
        saved, self._saved, self._again = self._saved, {}, False
        self._runs.start(saved, self._settings.root)

    def _end(self, status: object) -> None:
        for line in self._runs.finish():
            print(line)
        self._look_again()
        if self._again:
            self._start()
        else:
            print(f"pytest ended with {status}. Waiting for a save; {KEYS_HELP}", flush=True)

    def _look_again(self) -> None:
        """Learn which files the settings name now; settings that cannot be used were named by pytest."""
        try:
            self._settings = _settings(self._arguments)
        except UsageProblem:
            return
        self._files.look_again(self._settings)

    def _wait(self) -> None:
        while self._runs.running:
            kind, _ = self._events.get()
            if kind == "ended":
                self._runs.finish()


def _settings(arguments: Sequence[str]) -> Settings:
    """The settings that pytest will have, as far as its arguments name any. Raises `UsageProblem`."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--rootdir")
    for key in KEYS:
        parser.add_argument(key.option, **key.option_arguments())
    try:
        found, _ = parser.parse_known_args(list(arguments))
    except argparse.ArgumentError as error:
        raise UsageProblem(str(error)) from None
    given = given_options(lambda destination: getattr(found, destination, None))
    return load_settings(project_root(found.rootdir, Path.cwd()), os.environ, given)


@contextmanager
def _keys(pressed: Callable[[str], None]) -> Iterator[None]:
    """Call *pressed* with each key, from a thread; of a terminal without waiting for Return."""
    threading.Thread(target=_read_keys, args=(pressed,), name="plotbot-keys", daemon=True).start()
    if sys.platform == "win32" or not sys.stdin.isatty():
        yield
        return
    import termios  # noqa: PLC0415  Windows does not have it
    import tty  # noqa: PLC0415  likewise

    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _read_keys(pressed: Callable[[str], None]) -> None:
    try:
        if sys.platform == "win32" and sys.stdin.isatty():
            import msvcrt  # noqa: PLC0415  only Windows has it

            while True:
                pressed(msvcrt.getwch())
        while key := os.read(sys.stdin.fileno(), 1):
            pressed(key.decode("ascii", "replace"))
    except OSError as error:
        complain(f"keys cannot be read: {error}")
