"""Writes the pages that are made from code: settings, commands and the Python API.

    python docs/generate.py

A test compares the pages with what this module makes.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent))

import plotbot  # noqa: E402  as its test does
from plotbot import checks, commands, testing  # noqa: E402
from plotbot.plugin import fixtures  # noqa: E402
from plotbot.settings.keys import KEYS, settings_table_markdown  # noqa: E402

_STARS: dict[object, str] = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
_FIXTURE = type(fixtures.ItemFixtures.reply)
_MADE = "<!-- made by docs/generate.py; a test compares -->"
_TABLE = re.compile(r"(<!-- settings:[^\n]*-->\n).*?(\n<!-- end of settings -->)", re.DOTALL)


def settings_page() -> str:
    """The page of settings, with the table of today between its two comments."""
    page = (DOCS / "settings.md").read_text(encoding="utf-8")
    return _TABLE.sub(lambda found: found[1] + settings_table_markdown().rstrip("\n") + found[2], page)


def commands_page() -> str:
    """A section for each subcommand: what it does, its arguments, and the settings that it takes."""
    parts = ["# Commands\n", _MADE + "\n", _COMMANDS_INTRODUCTION]
    for name in commands.command_names():
        parts += _command(name)
    return "\n".join(parts)


_COMMANDS_INTRODUCTION = """\
Models are asked by `pytest evals`, whose options are the [settings](settings.md) and those that `pytest -h` lists under
plotbot. The commands below work on what runs leave behind, or prepare a run. Each takes `--rootdir DIR`, the project,
where it works in one; a setting that a command does not use is refused. Status 0 is success, 2 interrupted, 3 a fault
of plotbot, 4 usage; a command that compares or proves ends with 1 where the answer is no.
"""


def _command(name: str) -> Iterator[str]:
    module = importlib.import_module(f"plotbot.commands.{name}")
    parser = argparse.ArgumentParser(prog=f"plotbot {name}", add_help=False)
    module.add_arguments(parser)
    yield f"## plotbot {name}\n"
    help_text = module.HELP.removesuffix(".")
    yield f"{help_text[0].upper()}{help_text[1:]}.\n"
    shown = [action for action in parser._actions if action.help is not argparse.SUPPRESS]  # noqa: SLF001  no public list
    own = [one for one in shown if not one.dest.startswith("plotbot_") and one.dest != "rootdir"]
    yield from (f"- {_argument(one)}" for one in own)
    settings = [f"`{one.option_strings[0]}`" for one in shown if one.dest.startswith("plotbot_")]
    if settings:
        yield f"- Settings: {'all of them' if len(settings) == len(KEYS) else ', '.join(settings)}"
    if own or settings:
        yield ""


def _argument(action: argparse.Action) -> str:
    name = ", ".join(action.option_strings) or str(action.metavar or action.dest)
    takes = action.option_strings and action.nargs != 0 and not isinstance(action.const, bool)
    metavar = " ".join(action.metavar) if isinstance(action.metavar, tuple) else action.metavar
    metavar = metavar or ("|".join(map(str, action.choices)) if action.choices else action.dest.upper())
    shown = f"{name} {metavar}" if takes else name
    told = (action.help or "") % {"default": action.default, "prog": "plotbot"} if action.help else ""
    return f"`{shown}`: {told}" if told else f"`{shown}`"


def api_page() -> str:
    """The names that an eval or a test may use, from their signatures and docstrings."""
    parts = ["# Python API\n", _MADE + "\n", "## Fixtures of an eval\n"]
    parts += _fixtures()
    for title, module in (("plotbot", plotbot), ("plotbot.checks", checks), ("plotbot.testing", testing)):
        parts += [f"## {title}\n", *_module(module)]
    return "\n".join(parts)


def _fixtures() -> Iterator[str]:
    no_process: Any = None
    found = {**vars(fixtures.ItemFixtures), **vars(fixtures.session_fixtures(no_process))}
    for name, value in found.items():
        if isinstance(value, _FIXTURE):
            yield f"- **`{name}`**: {' '.join((inspect.getdoc(inspect.unwrap(value)) or '').split())}"
    yield ""


def _module(module: ModuleType) -> Iterator[str]:
    for name in module.__all__:
        value = getattr(module, name)
        if inspect.isclass(value):
            yield f"**`{name}`** {_told(value)}\n"
            yield from _members(value)
        elif isinstance(value, _FIXTURE):
            yield f"**`{name}`** (a fixture) {inspect.getdoc(inspect.unwrap(value))}\n"
        elif inspect.isfunction(value):
            yield f"**`{name}{_signature(value)}`** {_told(value)}\n"


def _members(value: type[Any]) -> Iterator[str]:
    functions = [
        (name, member)
        for name, member in vars(value).items()
        if not name.startswith("_") and inspect.isfunction(member) and member.__doc__
    ]
    for name, member in functions:
        yield f"- `{name}{_signature(member)}`: {_first(inspect.getdoc(member))}"
    if functions:
        yield ""


def _signature(function: Callable[..., Any]) -> str:
    shown = []
    starred = False
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name == "self":
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            starred = True
            shown.append("*")
        if parameter.kind is parameter.VAR_POSITIONAL:
            starred = True
        prefix = _STARS.get(parameter.kind, "")
        told = "..." if parameter.default is ... else repr(parameter.default)
        default = "" if parameter.default is parameter.empty else f"={told}"
        shown.append(f"{prefix}{parameter.name}{default}")
    return f"({', '.join(shown)})"


def _told(value: object) -> str:
    text = inspect.getdoc(value) or ""
    # A dataclass without a docstring gets its signature as one, which differs between versions of Python.
    return "" if text.startswith(f"{getattr(value, '__name__', '')}(") else text


def _first(text: str | None) -> str:
    return " ".join((text or "").split("\n\n")[0].split())


PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings_page,
    "commands.md": commands_page,
    "api.md": api_page,
}


def main() -> None:
    """Write each page."""
    for name, make in PAGES.items():
        (DOCS / name).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main()
