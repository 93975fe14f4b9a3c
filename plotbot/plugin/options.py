"""pytest's command line: an option for every setting, and the options that are no settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pytest

from plotbot.settings.keys import GROUPS, RUN_HELP, TOKEN_OPTION, TOKEN_OPTION_ARGUMENTS, Group, given_options, keys_in

EMBEDDED = "plotbot_embedded"
SHOW_REPLIES = "plotbot_show_replies"
RESUME = "plotbot_resume"
RESUME_RUN = "plotbot_resume_run"
MISSING = "plotbot_missing"
REPLAY = "plotbot_replay"
LOAD = "plotbot_load"
PINNED = "plotbot_pinned"
BASELINE = "plotbot_baseline"
STOP_WHEN_WORSE = "plotbot_stop_when_worse"
LIKE = "plotbot_like"
REUSE = "plotbot_reuse"

_LISTS = ("collectonly", "showfixtures", "show_fixtures_per_test", "setuponly", "setupplan")


class Option(NamedTuple):
    """An option that is no setting: a flag, or where it has a metavar one that takes a text."""

    group: Group
    name: str
    destination: str
    help: str
    metavar: str | None = None


# An option whose argument is optional would take the path that follows it.
_OPTIONS = (
    Option(
        "ask",
        "--embedded",
        EMBEDDED,
        "ask the small model that comes with plotbot, served by the embedded engine, instead of LM_STUDIO_URL",
    ),
    Option(
        "ask",
        "--like",
        LIKE,
        f"start a new run with the titles, seeds, models and settings of RUN but for what is set today: {RUN_HELP}",
        "RUN",
    ),
    Option("ask", "--missing", MISSING, "draw the sample from the titles that have no valid answer on disk yet"),
    Option(
        "ask",
        "--pinned",
        PINNED,
        "refuse to ask any other model than the pinned one (PIN_PATH; `plotbot pin` writes it)",
    ),
    Option(
        "judge",
        "--replay",
        REPLAY,
        f"judge a run's replies again, with today's schema and checks; no server is asked: {RUN_HELP}",
        "RUN",
    ),
    Option(
        "judge",
        "--baseline",
        BASELINE,
        "say which titles were broken or fixed since FILE, which `plotbot baseline` wrote; it sets no exit status",
        "FILE",
    ),
    Option(
        "judge",
        "--stop-when-worse",
        STOP_WHEN_WORSE,
        "with --gate sequential: stop a model or variant once it is proved worse than the first, or than --baseline",
    ),
    Option("judge", "--show-replies", SHOW_REPLIES, "print every raw reply, not only of failing tests"),
    Option(
        "keep",
        "--resume",
        RESUME,
        "go on with the last run: judge the replies it has again, ask what is missing or was an error",
    ),
    Option("keep", "--resume-run", RESUME_RUN, f"go on with a run as --resume does with the last: {RUN_HELP}", "RUN"),
    Option(
        "machine",
        "--load",
        LOAD,
        "have LM Studio load each model at its turn, with CONTEXT_LENGTH where that is set",
    ),
)


def add_options(parser: pytest.Parser) -> None:
    """Add plotbot's options, in groups. Settings take text: load_settings reports a wrong value with its source."""
    for name, title in GROUPS.items():
        group = parser.getgroup(f"plotbot-{name}", f"plotbot: {title}")
        for key in keys_in(name):
            group.addoption(key.option, **key.option_arguments())
        for option in _OPTIONS:
            if option.group == name:
                kind = {"action": "store_true"} if option.metavar is None else {"metavar": option.metavar}
                group.addoption(option.name, dest=option.destination, help=option.help, **kind)
        if name == "keep":
            _add_reuse(group)
    group.addoption(TOKEN_OPTION, **TOKEN_OPTION_ARGUMENTS)


def _add_reuse(group: pytest.OptionGroup) -> None:
    group.addoption(
        "--reuse",
        dest=REUSE,
        action="append",
        default=[],
        metavar="RUN|all",
        help="take the answers that RUN, or any earlier run, has on record to the very same requests of the very same "
        f"model, and ask the rest; may be given again: {RUN_HELP}",
    )


def command_line(config: pytest.Config) -> dict[str, Sequence[str] | str]:
    """The text of the settings given as options, by key, for `plotbot.settings.load_settings`."""
    return given_options(lambda destination: config.getoption(destination, None))


def runs_items(config: pytest.Config) -> bool:
    """Whether the session runs the tests that it collects: what only lists them, or their fixtures, asks no model."""
    return not any(config.getoption(option, default=False) for option in _LISTS)


def contradiction(config: pytest.Config) -> str | None:
    """A sentence that names two options which exclude each other; None where there are no such two."""
    given = [
        option
        for option, destination in (
            ("--resume", RESUME),
            ("--resume-run", RESUME_RUN),
            ("--replay", REPLAY),
            ("--missing", MISSING),
            ("--like", LIKE),
        )
        if config.getoption(destination)
    ]
    taken_up = [option for option in given if option in {"--resume", "--resume-run", "--replay"}]
    if taken_up and config.getoption(REUSE):
        given = [*taken_up, "--reuse"]
    return f"{given[0]} and {given[1]} do not go together: give one of them" if len(given) > 1 else None
