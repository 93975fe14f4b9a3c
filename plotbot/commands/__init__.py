"""The `plotbot` command. Each subcommand is a module of this folder with `add_arguments(parser)` and `run(args)`.

Exit status: a subcommand's own, 2 interrupted, 3 a fault of plotbot, 4 usage.
"""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from plotbot import __version__
from plotbot.errors import PlotbotError, UsageProblem
from plotbot.records import ExitStatus

COMMANDS = {
    "baseline": "keep a run's verdicts in a file for git, to compare later runs with",
    "compare": "say which titles a later run broke or fixed, and whether that is more than chance",
    "doctor": "show the settings and whether everything is ready to run",
    "export": "write the dataset as JSON Lines, one answer a line with where it came from",
    "fold": "put what dead runs left in their journals into the title files",
    "init": "write the files that a project of your own begins with",
    "merge": "join the runs of shards (--shard N/M) into one run",
    "mock": "serve a stand-in for LM Studio, with its known faults",
    "pin": "write down which model is served, for pytest evals --pinned",
    "report": "rebuild the summary and the reports of a run from its files",
    "runs": "list the runs and how far each came",
    "verify": "prove on disk that no answer is lost and nothing is damaged",
}
_READER_GONE = 141  # what a shell reports for a program that writes into a closed pipe


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a subcommand and returns the exit status; a user's mistake is one sentence on stderr."""
    _write_what_the_terminal_cannot_as_escapes()
    try:
        return _run_and_flush(sys.argv[1:] if argv is None else argv)
    except PlotbotError as problem:
        print(f"plotbot: {problem}", file=sys.stderr)
        return ExitStatus.USAGE if isinstance(problem, UsageProblem) else ExitStatus.HARNESS_FAULT
    except KeyboardInterrupt:
        print("plotbot: interrupted", file=sys.stderr)
        return ExitStatus.INTERRUPTED
    except BrokenPipeError:
        _write_to_nobody()
        return _READER_GONE


class _Parser(argparse.ArgumentParser):
    """argparse exits with 2 on a mistake; here that means interrupted."""

    def error(self, message: str) -> NoReturn:
        raise UsageProblem(f"{message}; see {self.prog} --help")


def _run_and_flush(argv: Sequence[str]) -> int:
    """Flushes here, where a closed pipe is still an exception; at exit Python would only complain."""
    try:
        return _run(argv)
    finally:
        sys.stdout.flush()


def _run(argv: Sequence[str]) -> int:
    """Imports the chosen subcommand only: `plotbot doctor` must work where the others' needs are missing."""
    parser = _Parser(prog="plotbot", description="Evaluates language models on your own machine. Runs: pytest evals")
    parser.add_argument("--version", action="version", version=f"plotbot {__version__}")
    subparsers = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    chosen = next((word for word in argv if not word.startswith("-")), "")
    for name, text in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=text, description=text, allow_abbrev=False)
        if name == chosen:
            command = importlib.import_module(f"{__name__}.{name}")
            command.add_arguments(subparser)
            subparser.set_defaults(run=command.run)
    args = parser.parse_args(argv)
    status: int = args.run(args)
    return status


def _write_what_the_terminal_cannot_as_escapes() -> None:
    """A terminal with a narrow code page must not end a command over one character of a title."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _write_to_nobody() -> None:
    """Python flushes stdout once more at exit, into the closed pipe, and would complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
