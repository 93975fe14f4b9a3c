"""`plotbot compare A B`: which titles a later run broke or fixed, and whether that is more than chance."""

from __future__ import annotations

import argparse
from pathlib import Path

from plotbot.commands.output import complain
from plotbot.commands.shared import RUN_OR_BASELINE, add_settings_arguments, find_sheet, project_settings
from plotbot.errors import ExitStatus, InputError
from plotbot.measure.comparison import compare_sheets
from plotbot.measure.verdict_sheet import VerdictSheet
from plotbot.report.comparison import comparison_lines
from plotbot.safe import one_line

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
    parser.add_argument("--anyway", action="store_true", help=argparse.SUPPRESS)
    add_settings_arguments(parser, ("RUNS_DIR",))


def run(args: argparse.Namespace) -> int:
    """Print the comparison. Newly broken titles do not change the exit status; nothing to compare is 4."""
    settings = project_settings(args)
    if args.anyway:
        # Version 0.1 refused to compare some runs without it.
        complain("--anyway is deprecated and does nothing: plotbot compare compares whatever shares titles")
    before, after = (find_sheet(name, settings, Path.cwd()) for name in (args.before, args.after))
    models = None if args.models is None else (args.models[0], args.models[1])
    comparisons = compare_sheets(before, after, models=models)
    if not comparisons:
        raise InputError(_nothing_common(args, before, after, models))
    print("\n".join(comparison_lines(before.name or args.before, after.name or args.after, comparisons)))
    return ExitStatus.OK


def _nothing_common(
    args: argparse.Namespace, before: VerdictSheet, after: VerdictSheet, models: tuple[str, str] | None
) -> str:
    """Why there is nothing to compare, and the command that makes something."""
    for name, sheet, model in zip((args.before, args.after), (before, after), models or ("", ""), strict=True):
        known = sorted({word for part in sheet.parts for word in (part.model, part.label)})
        if model and model not in known:
            return f"{name} has no model {one_line(model, 80)}; it has {one_line(', '.join(known), 400)}"
    return (
        f"{args.before} and {args.after} have no title in common. To ask the same titles again: "
        f"pytest evals --like {before.run}"
    )
