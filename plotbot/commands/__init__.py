"""The `plotbot` command. Each subcommand is a module here with `HELP`, `add_arguments(parser)` and `run(args)`.

Exit status: a subcommand's own, 2 interrupted, 3 a fault of plotbot, 4 usage.
"""

from __future__ import annotations

import argparse
import importlib
import io
import os
import pkgutil
import sys
from collections.abc import Sequence
from typing import NoReturn

from plotbot import __version__
from plotbot.commands.output import say
from plotbot.errors import ExitStatus, PlotbotError, UsageProblem

_NO_COMMANDS = frozenset({"output", "shared"})
"""Modules of this folder that subcommands use."""
_READER_GONE = 141  # what a shell reports for a program that writes into a closed pipe


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand and return the exit status; a user's mistake is one sentence on stderr."""
    _write_what_the_terminal_cannot_as_escapes()
    try:
        return _run_and_flush(sys.argv[1:] if argv is None else argv)
    except PlotbotError as problem:
        say(f"plotbot: {problem}", sys.stderr)
        return ExitStatus.USAGE if isinstance(problem, UsageProblem) else ExitStatus.HARNESS_FAULT
    except KeyboardInterrupt:
        print("plotbot: interrupted", file=sys.stderr)
        return ExitStatus.INTERRUPTED
    except BrokenPipeError:
        _discard_further_output()
        return _READER_GONE


def command_names() -> list[str]:
    """The subcommands, in alphabetical order."""
    return [module.name for module in pkgutil.iter_modules(__path__) if module.name not in _NO_COMMANDS]


class _Parser(argparse.ArgumentParser):
    """argparse exits with 2 on a mistake; here that means interrupted."""

    def error(self, message: str) -> NoReturn:
        raise UsageProblem(f"{message}; see {self.prog} --help")


def _run_and_flush(argv: Sequence[str]) -> int:
    """Run, and flush here, where a closed pipe is still an exception; at exit Python would only complain."""
    try:
        return _run(argv)
    finally:
        sys.stdout.flush()


def _run(argv: Sequence[str]) -> int:
    """Import the chosen subcommand only: `plotbot doctor` must work even if another one cannot be imported."""
    chosen = next((word for word in argv if not word.startswith("-")), "")
    names = command_names()
    args = _parser([chosen] if chosen in names else names).parse_args(argv)
    status: int = args.run(args)
    return status


def whole_parser() -> argparse.ArgumentParser:
    """The parser with all subcommands, for what lists or completes them."""
    return _parser(command_names())


def _parser(names: Sequence[str]) -> argparse.ArgumentParser:
    parser = _Parser(prog="plotbot", description="Evaluates language models on your own machine. Runs: pytest evals")
    parser.add_argument("--version", action="version", version=f"plotbot {__version__}")
    subparsers = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    for name in names:
        command = importlib.import_module(f"{__name__}.{name}")
        told = {"help": command.HELP, "description": command.HELP, "allow_abbrev": False}
        if hasattr(command, "PREFIX_CHARS"):
            # An option -h would have the same prefix, which no shell can complete.
            told |= {"prefix_chars": command.PREFIX_CHARS, "add_help": False}
        subparser = subparsers.add_parser(name, **told)
        command.add_arguments(subparser)
        subparser.set_defaults(run=command.run)
    return parser


def _write_what_the_terminal_cannot_as_escapes() -> None:
    """Keep a terminal with a narrow code page from ending a command over one character of a title."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _discard_further_output() -> None:
    """Replace stdout: Python flushes it once more at exit, into the closed pipe, and would complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
