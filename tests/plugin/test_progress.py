"""The line that stays at the bottom, as a terminal shows it: `screen` plays the few sequences that are written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from _pytest._io import TerminalWriter

from plotbot.mock import MockServer, Rule
from plotbot.plugin.progress import Progress
from plotbot.plugin.terminal import LOG_SECONDS, BottomLine
from plotbot.records import Case, Exchange, ItemResult, PlannedItem, Reply, Title

pytest_plugins = ("pytester",)

REPOSITORY = Path(__file__).parents[2]
COLUMNS = 120
on_a_terminal = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals of this kind")
Run = Callable[..., tuple[str, int]]


class FakeRun:
    """As much of a run as the view looks at."""

    def __init__(self, models: dict[str, int]) -> None:
        self.recorder = self
        self.in_flight = 3
        self.activity: str | None = None
        self.cases = {
            f"{model}{n}": Case(f"{model}{n}", "", model, Title("t", "T"), "", "none", 1, 1)
            for model, count in models.items()
            for n in range(count)
        }
        self.items = tuple(PlannedItem(f"test[{case}]", case) for case in self.cases)

    def measured(self, case: str) -> Exchange:
        return Exchange(case, "m", "", 1.0, (), Reply("", completion_tokens=50))


def result(case: str, outcome: str) -> ItemResult:
    return ItemResult(case, f"test[{case}]", outcome, "ok")


@pytest.fixture
def progress() -> Callable[..., Progress]:
    def make(*seconds: float, **models: int) -> Progress:
        run: Any = FakeRun(models)
        view = Progress(run, iter((100.0, *(100.0 + time for time in seconds))).__next__)
        view.begin()
        return view

    return make


def test_before_the_plan_there_is_nothing_to_say(progress: Callable[..., Progress]) -> None:
    assert progress(1.0).line() is None


def test_a_model_that_is_loading_comes_first_and_before_the_items_alone() -> None:
    run: Any = FakeRun({"m": 2})
    view = Progress(run, iter((100.0, 110.0)).__next__)
    assert view.line() is None, "a run whose clock does not run yet has no figures"
    run.activity = "loading m: 1.2 of 4.9 GB, 7 s"
    assert view.line() == "plotbot: loading m: 1.2 of 4.9 GB, 7 s"
    view.begin()
    assert view.line() == "plotbot: loading m: 1.2 of 4.9 GB, 7 s | 0/2 in all | 3 in flight"


def test_one_models_line_tells_all_there_is(progress: Callable[..., Progress]) -> None:
    view = progress(10.0, qwen=8)
    view.note(result("qwen0", "passed"))
    view.note(result("qwen1", "failed"))
    assert view.line() == "plotbot: qwen 2/8 50% passed | 10 tokens/s | 3 in flight | 0:30 left"


def test_of_several_models_those_at_work_are_told(progress: Callable[..., Progress]) -> None:
    view = progress(4000.0, a=1, b=2, c=1)
    for case in ("a0", "b0"):
        view.note(result(case, "error"))
    assert view.line() == "plotbot: b 1/2 1 error | 2/4 in all | 0 tokens/s | 3 in flight | 1:06:40 left"


def test_a_later_word_about_an_item_replaces_the_earlier_one(progress: Callable[..., Progress]) -> None:
    view = progress(10.0, m=2)
    view.note(result("m0", "passed"))
    view.note(result("m0", "error"))
    assert view.line() == "plotbot: m 1/2 1 error | 5 tokens/s | 3 in flight | 0:10 left"


@on_a_terminal
def test_a_line_between_two_of_pytests_own_steps_goes_back_to_where_its_text_ends_on_the_terminal() -> None:
    import pty  # noqa: PLC0415  not on Windows

    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w", encoding="ascii") as file:
        _wide(theirs)
        terminal = TerminalWriter(file)
        bottom = BottomLine(terminal, file, theirs)
        terminal._file = bottom
        terminal.write("evals")

        class BrokenInto:
            """The view's thread comes when pytest has counted a text, and not written it yet."""

            def write(self, text: str) -> None:
                bottom.show("the line")
                bottom.write(text)

            flush = bottom.flush

        terminal._file = BrokenInto()
        terminal.write(" PASSED", flush=True)
    # All of it, however many pieces the terminal makes of it.
    written = _read_all(ours)
    os.close(ours)
    assert screen(written) == ["evals PASSED", "the line"]


@pytest.fixture
def run_in_terminal(project: Path, tmp_path: Path) -> Run:
    """Run the project's evals in a terminal of its own; what was written to it, and the exit status."""

    def run(server: MockServer, *arguments: str, **environ: str) -> tuple[str, int]:
        import pty  # noqa: PLC0415  not on Windows

        quick = tmp_path / "quick.py"
        quick.write_text(
            "import sys, pytest\nfrom plotbot.plugin.terminal import BottomLine, Log\n"
            "BottomLine.seconds = Log.seconds = 0.02\nsys.exit(pytest.main(sys.argv[1:]))\n"
        )
        ours, theirs = pty.openpty()
        _wide(theirs)
        given = ["--lm-studio-url", server.url, "--sample-seed=1", "--test-sample-size=6", *arguments]
        kept = {name: value for name, value in os.environ.items() if name not in {"CI", "NO_COLOR"}}
        environment = {**kept, "PYTHONPATH": str(REPOSITORY), "TERM": "xterm", **environ}
        with subprocess.Popen(
            [sys.executable, str(quick), "evals", *given], cwd=project, env=environment, stdin=theirs, stdout=theirs
        ) as process:
            os.close(theirs)
            output = _read_all(ours)
        os.close(ours)
        return output, process.returncode

    return run


def _wide(terminal: int) -> None:
    import fcntl, struct, termios  # noqa: E401, I001, PLC0415  not on Windows

    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, COLUMNS, 0, 0))


def _read_all(fd: int) -> str:
    parts = []
    try:
        while part := os.read(fd, 65_536):
            parts.append(part)
    except OSError:
        pass  # how Linux says that nobody has the other end any more
    return b"".join(parts).decode()


def screen(written: str) -> list[str]:
    """The lines that a terminal shows in the end."""
    lines, row, column = [""], 0, 0
    for sequence, text in re.findall(r"(\x1b\[[\d;]*[A-Za-z]|[\r\n])|([^\x1b\r\n]+)", written):
        if text:
            lines[row] = lines[row][:column].ljust(column) + text + lines[row][column + len(text) :]
            column += len(text)
        elif sequence == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif sequence == "\r":
            column = 0
        elif sequence.endswith("A"):
            row -= 1
        elif sequence.endswith("C"):
            column += int(sequence[2:-1])
        elif sequence.endswith("J"):
            lines[row:] = [lines[row][:column]]
        else:
            assert sequence.endswith("m"), sequence
    return [line.rstrip() for line in lines]


@on_a_terminal
@pytest.mark.parametrize("arguments", [("-q",), ("-v",), ("-q", "-n2")], ids=" ".join)
def test_on_a_terminal_the_line_leaves_pytests_own_output_whole(
    start_mock: Callable[..., MockServer], run_in_terminal: Run, arguments: tuple[str, ...]
) -> None:
    server = start_mock(rules=(Rule(latency=0.15),))
    written, status = run_in_terminal(server, *arguments)
    assert status == 0, written
    assert re.search(
        r"plotbot: mock-model \d/6 100% passed \| \d+ tokens/s \| \d in flight \| 0:\d\d left\x1b\[A", written
    )
    shown = screen(written)
    assert not [line for line in shown if "in flight" in line]
    if "-q" in arguments:
        assert re.search(r"^\.{6} +\[100%\]$", "\n".join(shown), re.MULTILINE)
    else:
        assert sum(bool(re.search(r"test_story_seed\[.*\] PASSED +\[ *\d+%\]$", line)) for line in shown) == 6


@on_a_terminal
@pytest.mark.parametrize(
    ("arguments", "environ"),
    [((), {"CI": "true"}), ((), {"TERM": "dumb"}), (("-s",), {})],
    ids=["in CI", "on a dumb terminal", "without capture"],
)
def test_elsewhere_a_plain_line_is_written_now_and_then(
    start_mock: Callable[..., MockServer],
    run_in_terminal: Run,
    arguments: tuple[str, ...],
    environ: dict[str, str],
) -> None:
    server = start_mock(rules=(Rule(latency=0.15),))
    written, status = run_in_terminal(server, "-q", "--color=no", *arguments, **environ)
    assert status == 0, written
    assert re.search(r"^plotbot: mock-model \d/6 .*\d in flight", written.replace("\r", ""), re.MULTILINE)
    assert "\x1b[" not in written


@on_a_terminal
@pytest.mark.parametrize("name", ["plotbot-progress", "plotbot-live"])
def test_it_can_be_switched_off(start_mock: Callable[..., MockServer], run_in_terminal: Run, name: str) -> None:
    written, status = run_in_terminal(start_mock(rules=(Rule(latency=0.1),)), "-q", "-p", f"no:{name}")
    assert status == 0
    assert "in flight" not in written


def test_without_a_terminal_nothing_is_written_for_half_a_minute(
    start_mock: Callable[..., MockServer], evals: Callable[..., pytest.RunResult]
) -> None:
    result = evals(start_mock(), "-q")
    assert result.ret == 0
    assert "in flight" not in result.stdout.str()
    assert LOG_SECONDS == 30
