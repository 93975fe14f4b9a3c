"""`plotbot gate --plan`: what a sequential gate takes and how sure it is, before anything is asked."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence

from plotbot.commands.output import say
from plotbot.commands.shared import add_settings_arguments, project_settings
from plotbot.errors import UsageProblem
from plotbot.measure.betting import Bets, boundaries_of_alike_answers
from plotbot.measure.sequential import (
    ALPHA,
    Boundaries,
    checked_design,
    expectation,
    looks_of,
    refuse_untestable,
)
from plotbot.safe import plural
from plotbot.settings import Settings

HELP = "say how many titles a sequential gate takes on average, and how often it is right"
_RATES = (1.0, 0.99, 0.98, 0.97, 0.95, 0.93, 0.9, 0.85, 0.8, 0.75, 0.7, 0.6, 0.5)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--plan", action="store_true", help="print the table, which is all that this command does")
    parser.add_argument("--titles", type=int, metavar="N", help="the planned titles; default: TEST_SAMPLE_SIZE")
    add_settings_arguments(parser, ("MIN_PASS_RATE", "GATE_EVERY", "TEST_SAMPLE_SIZE", "REPEATS"))


def run(args: argparse.Namespace) -> int:
    """Print a table for each threshold. Raises `UsageProblem` for thresholds and sizes that no test can have."""
    settings = project_settings(args)
    titles = settings.test_sample_size if args.titles is None else args.titles
    if args.titles is None and titles == 0:
        raise UsageProblem(
            f"TEST_SAMPLE_SIZE ({settings.origins['TEST_SAMPLE_SIZE']}) is 0, all: say how many, --titles N"
        )
    for threshold in _thresholds(settings):
        say("\n".join(plan_lines(_planned_test(threshold, titles, settings), settings.repeats)))
    return 0


def _planned_test(threshold: float, titles: int, settings: Settings) -> Boundaries:
    """The test that a run with these settings has. Raises `UsageProblem` if there is none."""
    if settings.repeats == 1:
        return checked_design(threshold, titles, settings.gate_every)
    refuse_untestable(threshold, titles)
    return boundaries_of_alike_answers(Bets(threshold, looks_of(titles, settings.gate_every)))


def plan_lines(test: Boundaries, repeats: int = 1) -> list[str]:
    """The operating characteristics of a test as a table, with a sentence on what it promises.

    With *repeats* they are those of titles whose answers are all alike.
    """
    rates = sorted({*_RATES, test.threshold}, reverse=True)
    looks = f"looks after {_listed(test.looks)}"
    lines = [
        f"sequential gate: at least {_percent(test.threshold)} of {plural(test.titles, 'title')}, {looks}",
        "",
        "true rate   titles on average    PASS    FAIL   INCONCLUSIVE",
    ]
    for rate in rates:
        told = expectation(test, rate)
        mark = "  <- the threshold" if rate == test.threshold else ""
        lines.append(
            f"{_percent(rate):>9}   {told.titles:17.1f}   {_chance(told.passed)}  {_chance(told.failed)}   "
            f"{_chance(told.inconclusive):>12}{mark}"
        )
    return [*lines, "", *_promises(test, repeats)]


def _promises(test: Boundaries, repeats: int) -> Iterator[str]:
    if repeats > 1:
        yield (
            f"A title is asked {repeats:,} times and counts once, by its share of good answers. The table is of titles "
            "whose answers\nare all alike, which take the longest: those whose answers differ decide sooner."
        )
    yield f"A model at the threshold gets PASS in at most {ALPHA:.0%} of runs, and FAIL in at most {ALPHA:.0%}."
    fewest = test.fewest_to_pass
    if fewest is None:
        all_of_them = f"{plural(test.titles, 'passed title')} of {test.titles:,}"
        yield f"PASS is out of reach: not even {all_of_them} would prove it. Plan more titles."
    else:
        yield f"PASS needs at least {plural(fewest, 'title')}."


def _thresholds(settings: Settings) -> list[float]:
    if not settings.min_pass_rate:
        raise UsageProblem("there is no threshold to plan for: give one with --min-pass-rate 0.9")
    return sorted(set(settings.min_pass_rate.values()))


def _listed(looks: Sequence[int]) -> str:
    named = [f"{look:,}" for look in looks]
    return ", ".join(named if len(named) <= 5 else [*named[:3], "…", named[-1]])


def _percent(rate: float) -> str:
    return f"{rate * 100:.4g}%"


def _chance(chance: float) -> str:
    """A chance in percent with one decimal; 0.0% and 100.0% only as rounded from less than a thousandth of them."""
    return f"{chance * 100:5.1f}%"
