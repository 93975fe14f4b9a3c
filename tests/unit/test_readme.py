"""What users are told is what there is."""

import re
from pathlib import Path

import pytest

from plotbot.commands import command_names
from plotbot.settings.keys import settings_table_markdown

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_settings_table_is_the_one_that_the_code_makes() -> None:
    shown = re.search(r"<!-- settings:.*?-->\n(.*?\n)<!-- end of settings -->", README, re.DOTALL)
    assert shown is not None
    assert shown[1] == settings_table_markdown()


def test_every_command_is_mentioned() -> None:
    assert not [name for name in command_names() if f"plotbot {name}" not in README]


def test_there_are_the_two_commands_that_the_check_script_runs() -> None:
    commands = [line for line in README.splitlines() if line.startswith("python -m pip install ")]
    assert [command.partition(" && ")[2].split()[:3] for command in commands] == [["python", "-m", "pytest"]] * 2


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\((?!https?:)([^)#]+)\)", README))))
def test_every_link_leads_somewhere(target: str) -> None:
    assert (ROOT / target).exists()
