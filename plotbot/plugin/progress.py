"""How far the run is while it runs: a line below pytest's own on a terminal, a plain line now and then elsewhere.

A thread of its own draws the line, because a test may wait for its reply for minutes. `-p no:plotbot-progress` switches
it off.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator

import pytest

from plotbot.plugin.options import runs_items
from plotbot.plugin.outcomes import is_subtest, result_on
from plotbot.plugin.terminal import Screen, screen
from plotbot.records import ItemResult
from plotbot.run.session import MainRun
from plotbot.safe import plural

NAME = "plotbot-progress"
_NAMES = (NAME, "plotbot-live")
"""The names by which `-p no:NAME` switches it off; the second is an earlier one."""
_NAME_CHARACTERS = 30
_SILENT = -2


class Progress:
    """A run's figures so far. It counts each result once, so that a line costs the same in a run of any size."""

    def __init__(self, run: MainRun, clock: Callable[[], float] = time.monotonic) -> None:
        self._run = run
        self._clock = clock
        self._began = 0.0
        self._outcomes: dict[str, tuple[str, str]] = {}
        self._pairs: dict[tuple[str, str], tuple[str, str]] = {}
        self._counts: dict[str, Counter[str]] = {}
        self._planned: Counter[str] = Counter()
        self._tokens = 0
        # Results come from pytest's thread, lines are asked for by the view's thread.
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Start the clock. The time that the first model took to load says nothing about the time left."""
        self._began = self._clock()

    def note(self, result: ItemResult) -> None:
        """Count an item's result; a later one of the same item replaces it."""
        with self._lock:
            self._note(result)

    def line(self) -> str | None:
        """The progress line, in ASCII; None before there is anything to say.

        What the run waits for comes first; before `begin` there is nothing else.
        """
        with self._lock:
            waits = self._run.activity
            figures = self._figures() if self._began else []
        parts = [waits, *figures] if waits else figures
        return f"plotbot: {' | '.join(parts)}".encode("ascii", "replace").decode("ascii") if parts else None

    def _note(self, result: ItemResult) -> None:
        recorder = self._run.recorder
        if recorder is None or result.case not in recorder.cases:
            return
        model = recorder.cases[result.case].model
        counts = self._counts.setdefault(model, Counter())
        if result.item in self._outcomes:
            counts[self._outcomes[result.item][1]] -= 1
        else:
            exchange = recorder.measured(result.case)
            self._tokens += (exchange.reply.completion_tokens or 0) if exchange and exchange.reply else 0
        # The same pair for all of them: there may be 100,000.
        self._outcomes[result.item] = self._pairs.setdefault((model, result.outcome), (model, result.outcome))
        counts[result.outcome] += 1

    def _figures(self) -> list[str]:
        planned = self._plan()
        if not planned:
            return []
        done, total, elapsed = len(self._outcomes), planned.total(), max(self._clock() - self._began, 0.001)
        parts = [self._model(model) for model, counts in self._counts.items() if counts.total() < planned[model]]
        if len(parts) != 1 or len(planned) > 1:
            parts.append(f"{done}/{total} in all")
        if self._tokens:
            parts.append(f"{self._tokens / elapsed:.0f} tokens/s")
        parts.append(f"{self._run.in_flight} in flight")
        if done:
            parts.append(f"{_clock_time(elapsed / done * (total - done))} left")
        return parts

    def _plan(self) -> Counter[str]:
        recorder = self._run.recorder
        if not self._planned and recorder is not None:
            self._planned.update(recorder.cases[item.case].model for item in recorder.items)
        return self._planned

    def _model(self, model: str) -> str:
        counts = self._counts[model]
        judged = counts["passed"] + counts["failed"]
        rate = f" {counts['passed'] / judged:.0%} passed" if judged else ""
        errors = f" {plural(counts['error'], 'error')}" if counts["error"] else ""
        name = model.rsplit("/", 1)[-1]
        return f"{name[:_NAME_CHARACTERS]} {counts.total()}/{self._planned[model]}{rate}{errors}"


class ProgressView:
    """Shows a run's progress while the first model is loaded, which is part of collection, and while items run."""

    def __init__(self, config: pytest.Config, progress: Progress) -> None:
        self._config = config
        self._progress = progress

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        result = result_on(report)
        if result is not None and not is_subtest(report):
            self._progress.note(result)

    @pytest.hookimpl(wrapper=True)
    def pytest_collection_finish(self) -> Generator[None, None, None]:
        with self._drawn():
            yield

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        self._progress.begin()
        with self._drawn():
            return (yield)

    @contextlib.contextmanager
    def _drawn(self) -> Iterator[None]:
        if not self._config.pluginmanager.has_plugin("terminalreporter"):
            yield
            return
        with screen(self._config) as shown, self._drawn_on(shown):
            yield

    @contextlib.contextmanager
    def _drawn_on(self, shown: Screen | None) -> Iterator[None]:
        if shown is None:
            yield
            return
        stop = threading.Event()

        def draw() -> None:
            while not stop.wait(shown.seconds):
                line = self._progress.line()
                if line is not None:
                    shown.show(line)

        thread = threading.Thread(target=draw, name=NAME, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


def register_progress(config: pytest.Config, run: MainRun) -> None:
    """Show the run's progress, where pytest shows anything and runs items."""
    blocked = any(config.pluginmanager.is_blocked(name) for name in _NAMES)
    if not blocked and runs_items(config) and config.getoption("verbose", 0) > _SILENT:
        config.pluginmanager.register(ProgressView(config, Progress(run)), NAME)


def _clock_time(seconds: float) -> str:
    minutes, left = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{left:02}" if minutes >= 60 else f"{minutes}:{left:02}"
