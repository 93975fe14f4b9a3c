"""pytest's command line: an option for every setting, and the options that are no settings."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from plotbot.keep.run_folder import RUN_HELP
from plotbot.settings.keys import KEYS, TOKEN_OPTION, TOKEN_OPTION_ARGUMENTS, given_options

EMBEDDED = "plotbot_embedded"
SHOW_REPLIES = "plotbot_show_replies"
RESUME = "plotbot_resume"
RESUME_RUN = "plotbot_resume_run"
MISSING = "plotbot_missing"
REPLAY = "plotbot_replay"
LOAD = "plotbot_load"
PINNED = "plotbot_pinned"
BASELINE = "plotbot_baseline"
LIKE = "plotbot_like"
REUSE = "plotbot_reuse"

_FLAGS = (
    (
        "--embedded",
        EMBEDDED,
        "ask the small model that comes with plotbot, served by the embedded engine, instead of LM_STUDIO_URL",
    ),
    ("--show-replies", SHOW_REPLIES, "print every raw reply, not only of failing tests"),
    (
        "--resume",
        RESUME,
        "go on with the last run: judge the replies it has again, ask what is missing or was an error",
    ),
    ("--load", LOAD, "have LM Studio load each model at its turn, with CONTEXT_LENGTH where that is set"),
    ("--pinned", PINNED, "refuse to ask any other model than the pinned one (PIN_PATH; `plotbot pin` writes it)"),
    ("--missing", MISSING, "draw the sample from the titles that have no valid answer on disk yet"),
)
_LISTS = ("collectonly", "showfixtures", "show_fixtures_per_test", "setuponly", "setupplan")
# An option whose argument is optional would take the path that follows it.
_NAMING = (
    (
        "--baseline",
        BASELINE,
        "FILE",
        "say which titles were broken or fixed since FILE, which `plotbot baseline` wrote; it sets no exit status",
    ),
    (
        "--like",
        LIKE,
        "RUN",
        f"start a new run with the titles, seeds, models and settings of RUN but for what is set today: {RUN_HELP}",
    ),
    ("--resume-run", RESUME_RUN, "RUN", f"go on with a run as --resume does with the last: {RUN_HELP}"),
    (
        "--replay",
        REPLAY,
        "RUN",
        f"judge a run's replies again, with today's schema and checks; no server is asked: {RUN_HELP}",
    ),
)


def add_options(parser: pytest.Parser) -> None:
    """Add plotbot's options. Settings take text: load_settings reports a wrong value with its source."""
    group = parser.getgroup("plotbot", "plotbot: story seeds from local models")
    for flag, destination, text in _FLAGS:
        group.addoption(flag, dest=destination, action="store_true", help=text)
    for option, destination, what, text in _NAMING:
        group.addoption(option, dest=destination, metavar=what, help=text)
    group.addoption(
        "--reuse",
        dest=REUSE,
        action="append",
        default=[],
        metavar="RUN|all",
        help="take the answers that RUN, or any earlier run, has on record to the very same requests of the very same "
        f"model, and ask the rest; may be given again: {RUN_HELP}",
    )
    for key in KEYS:
        group.addoption(key.option, **key.option_arguments())
    group.addoption(TOKEN_OPTION, **TOKEN_OPTION_ARGUMENTS)


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
