"""What users and contributors are told is what there is: pages made from code, links, commands, lengths."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote

import pytest

from plotbot.commands import command_names

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [README, *DOCS]
PROSE = [*PAGES, *(ROOT / name for name in ("ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"))]
MOST_LINES = {README.name: 160, "ARCHITECTURE.md": 150}


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["settings.md", "commands.md", "api.md"])
def test_a_page_made_from_code_is_the_one_that_the_code_makes(name: str) -> None:
    assert _text(ROOT / "docs" / name) == _generator().PAGES[name](), "run: python docs/generate.py"


def test_every_command_is_on_some_page_beside_the_list_of_commands() -> None:
    told = "".join(_text(page) for page in PAGES if page.name != "commands.md")
    assert not [name for name in command_names() if f"plotbot {name}" not in told]


def test_there_are_the_two_commands_that_the_check_script_runs() -> None:
    commands = [line for line in _text(README).splitlines() if line.startswith("python -m pip install ")]
    assert [command.partition(" && ")[2].split()[:3] for command in commands] == [["python", "-m", "pytest"]] * 2


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_is_short_enough_to_be_read(page: Path) -> None:
    assert len(_text(page).splitlines()) <= MOST_LINES.get(page.name, 250)


def test_the_map_fits_on_a_page() -> None:
    assert len(_text(ROOT / "ARCHITECTURE.md").splitlines()) <= MOST_LINES["ARCHITECTURE.md"]


def test_every_page_can_be_found_from_the_readme_and_from_the_site() -> None:
    names = {page.name for page in DOCS}
    reached = set(re.findall(r"\(docs/([\w-]+\.md)", _text(README)))
    for page in DOCS:
        reached |= set(re.findall(r"\(([\w-]+\.md)", _text(page)))
    assert names - reached <= {"index.md"}
    assert names == set(re.findall(r": ([\w-]+\.md)$", _text(ROOT / "mkdocs.yml"), re.MULTILINE))


def _links() -> Iterator[tuple[Path, str]]:
    for page in PROSE:
        if page.is_file():
            yield from ((page, target) for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", _text(page)))


@pytest.mark.parametrize(("page", "target"), sorted(set(_links())), ids=lambda part: getattr(part, "name", part))
def test_every_link_leads_somewhere(page: Path, target: str) -> None:
    path, _, anchor = unquote(target).partition("#")
    found = page if not path else page.parent / path
    assert found.exists()
    if page in DOCS:
        assert found.resolve().is_relative_to(ROOT / "docs"), "the site has no such page"
    if anchor and found.suffix == ".md":
        assert anchor in {_anchor(heading) for heading in re.findall(r"^#+ (.*)$", _text(found), re.MULTILINE)}


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


COMMAND = re.compile(r"(?:python -m )?(plotbot|pytest)(?= |$)(.*)")


def _commands() -> Iterator[tuple[str, str]]:
    """Every `plotbot …` and `pytest …` of the pages, in a fence or in a span of code; `&&` joins several."""
    for page in PAGES:
        text = _text(page)
        fences = re.findall(r"^```(?:sh|yaml)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
        spans = re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE))
        lines = [line for fence in fences for line in fence.replace("\\\n", " ").splitlines()]
        for whole in [*lines, *(" ".join(span.split()) for span in spans)]:
            for part in re.split(r"&&|\|\|", whole.strip().removeprefix("- run: ").split("  #")[0]):
                if COMMAND.fullmatch(part.strip()):
                    yield page.name, part.strip()


@cache
def _pytest_options() -> frozenset[str]:
    shown = subprocess.run(
        [sys.executable, "-m", "pytest", "-h"], cwd=ROOT, capture_output=True, encoding="utf-8", check=True
    )
    return frozenset(re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", shown.stdout))


@cache
def _plotbot_options(name: str) -> frozenset[str]:
    module = importlib.import_module(f"plotbot.commands.{name}")
    parser = argparse.ArgumentParser(allow_abbrev=False)
    module.add_arguments(parser)
    return frozenset(
        option
        for action in parser._actions
        if not str(action.dest).startswith("unused_")
        for option in action.option_strings
    )


def test_there_are_commands_to_check() -> None:
    assert len(set(_commands())) > 60


@pytest.mark.parametrize(("page", "command"), sorted(set(_commands())))
def test_every_command_that_a_page_shows_exists(page: str, command: str) -> None:
    found = COMMAND.fullmatch(command)
    assert found is not None
    words = shlex.split(found[2], comments=True)
    given = {word.partition("=")[0] for word in words if re.match(r"--?[a-zA-Z]", word)}
    if found[1] == "pytest":
        assert not given - _pytest_options(), f"{page}: {command}"
        return
    name = words[0] if words else ""
    if name.startswith("-") or name in {"", "…", "NAME"}:
        assert given <= {"-h", "--help", "--version"}, f"{page}: {command}"
        return
    assert name in command_names(), f"{page}: {command}"
    # `plotbot watch` hands all options on.
    assert not given - (_pytest_options() if name == "watch" else _plotbot_options(name)), f"{page}: {command}"


def test_a_title_that_a_command_names_is_one_of_the_packaged_titles() -> None:
    named = {found for _, command in _commands() for found in re.findall(r"plotbot prompt .*--title (\w+)", command)}
    assert named
    assert named <= json.loads((ROOT / "data" / "titles_index.json").read_bytes()).keys()


@pytest.mark.parametrize("page", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_every_file_that_contributors_are_sent_to_is_there(page: str) -> None:
    named = re.findall(r"`((?:[a-z_.]+/)*[a-z_]+\.(?:py|yml))`", _text(ROOT / page))
    assert named
    assert not [name for name in named if not (ROOT / name).is_file() and not (ROOT / "plotbot" / name).is_file()]


@pytest.mark.parametrize("path", sorted((ROOT / "tests" / "unit").glob("*/**/test_*.py")), ids=lambda path: path.name)
def test_a_unit_test_is_named_after_its_module(path: Path) -> None:
    folder = ROOT / "plotbot" / path.parent.relative_to(ROOT / "tests" / "unit")
    modules = [entry.stem for entry in folder.iterdir()]
    # The command line itself is in the package of the commands.
    modules += ["main"] if folder.name == "commands" else []
    topic = path.stem.removeprefix("test_")
    assert any(topic == module or topic.startswith(f"{module}_") for module in modules)


def test_the_changelog_has_the_form_of_keep_a_changelog() -> None:
    kinds = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]
    head, *versions = re.split(r"^## ", _text(ROOT / "CHANGELOG.md"), flags=re.MULTILINE)
    assert head.startswith("# Changelog\n")
    for version in versions:
        assert re.match(r"\[\d+\.\d+\.\d+\] - (?:unreleased|\d{4}-\d\d-\d\d)\n", version)
        found = re.findall(r"^### (.*)$", version, re.MULTILINE)
        assert found == [kind for kind in kinds if kind in found], "each kind once, in this order"
        assert not re.findall(r"^- ", version.partition("### ")[0], re.MULTILINE), "an entry stands under its kind"
