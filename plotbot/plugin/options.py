"""pytest's command line: one option for every setting, and the flags that are no setting."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from plotbot.settings_keys import KEYS, TOKEN_OPTION, TOKEN_OPTION_ARGUMENTS, given_options

EMBEDDED = "plotbot_embedded"
SHOW_REPLIES = "plotbot_show_replies"


def add_options(parser: pytest.Parser) -> None:
    """Adds plotbot's options. All take text: a wrong value is reported with its source like any other setting's."""
    group = parser.getgroup("plotbot", "plotbot: story seeds from local models")
    group.addoption(
        "--embedded",
        dest=EMBEDDED,
        action="store_true",
        help="ask the small model that comes with plotbot, served by the embedded engine, instead of LM_STUDIO_URL",
    )
    group.addoption(
        "--show-replies",
        dest=SHOW_REPLIES,
        action="store_true",
        help="print every raw reply, not only of failing tests",
    )
    for key in KEYS:
        group.addoption(key.option, **key.option_arguments())
    group.addoption(TOKEN_OPTION, **TOKEN_OPTION_ARGUMENTS)


def command_line(config: pytest.Config) -> dict[str, Sequence[str] | str]:
    """The text of the settings that were given as options, by key; see `plotbot.settings.load_settings`."""
    return given_options(lambda destination: config.getoption(destination, None))
