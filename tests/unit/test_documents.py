"""What users and contributors are told is what there is."""

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


@pytest.mark.parametrize("page", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_every_file_that_contributors_are_sent_to_is_there(page: str) -> None:
    named = re.findall(r"`((?:[a-z_.]+/)*[a-z_]+\.(?:py|yml))`", (ROOT / page).read_text(encoding="utf-8"))
    assert named
    assert not [name for name in named if not (ROOT / name).is_file() and not (ROOT / "plotbot" / name).is_file()]


def test_the_map_fits_on_a_page() -> None:
    assert len((ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").splitlines()) <= 150


@pytest.mark.parametrize("path", sorted((ROOT / "tests" / "unit").glob("*/**/test_*.py")), ids=lambda path: path.name)
def test_a_unit_test_is_named_after_its_module(path: Path) -> None:
    folder = ROOT / "plotbot" / path.parent.relative_to(ROOT / "tests" / "unit")
    modules = [entry.stem for entry in folder.iterdir()]
    # The command line itself is in the package of the commands.
    modules += ["main"] if folder.name == "commands" else []
    topic = path.stem.removeprefix("test_")
    assert any(topic == module or topic.startswith(f"{module}_") for module in modules)
