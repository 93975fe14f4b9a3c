"""`plotbot compare A B`: which titles a later run broke or fixed, and whether that is more than chance."""

from __future__ import annotations

import argparse
from pathlib import Path

from plotbot.commands.shared import RUN_OR_BASELINE, add_settings_arguments, find_sheet, project_settings
from plotbot.errors import InputError
from plotbot.measure.comparison import compare_sheets
from plotbot.records import ExitStatus
from plotbot.report.comparison import comparison_lines

HELP = "say which titles a later run broke or fixed, and whether that is more than chance"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("before", metavar="A", help=RUN_OR_BASELINE)
    parser.add_argument(
        "after", metavar="B", help="the same; it may be A again, to compare two of its models or variants"
    )
    parser.add_argument(
        "--models",
        nargs=2,
        metavar=("X", "Y"),
        help="compare model X of A with model Y of B, title by title, or a row: 'qwen3-4b short.txt'",
    )
    parser.add_argument(
        "--anyway", action="store_true", help="compare although prompt, schema, parameters or fingerprint differ"
    )
    add_settings_arguments(parser, ("RUNS_DIR",))


def run(args: argparse.Namespace) -> int:
    """Print the comparison. Newly broken titles do not change the exit status; a refusal to compare is 4."""
    settings = project_settings(args)
    before, after = (find_sheet(name, settings, Path.cwd()) for name in (args.before, args.after))
    models = None if args.models is None else (args.models[0], args.models[1])
    comparisons = compare_sheets(before, after, anyway=args.anyway, models=models)
    if not comparisons:
        raise InputError(
            f"{args.before} and {args.after} have no eval, model and response format in common; "
            "name a model or a row of each with --models X Y, or compare their only ones with --anyway"
        )
    print("\n".join(comparison_lines(args.before, args.after, comparisons)))
    if any(comparison.refused for comparison in comparisons):
        print("\nto compare what was asked otherwise: --anyway")
        return ExitStatus.USAGE
    return ExitStatus.OK
