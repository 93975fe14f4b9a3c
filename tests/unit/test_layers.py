"""Imports go one way. A new folder or a new direction fails here until it has been thought about."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
EVERYBODY_MAY = {"records", "settings", "settings_keys", "settings_values", "errors", "safe"}
STEPS = {"plan", "ask", "judge", "keep", "measure", "mock"}
MAY: dict[str, set[str]] = {
    "": set(),
    "__main__": {"commands"},
    **dict.fromkeys(EVERYBODY_MAY, EVERYBODY_MAY),
    **dict.fromkeys(STEPS, EVERYBODY_MAY),
    "report": EVERYBODY_MAY | {"measure"},
    "plugin": EVERYBODY_MAY | STEPS | {"report", ""},
    "commands": EVERYBODY_MAY | STEPS | {"report", ""},
}
OWN_SOCKETS_AND_FILES = {"socket", "requests", "urllib", "http", "subprocess", "filelock", "pytest", "pathlib", "os"}


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, by its full name, wherever in the file it does so."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively: the layer cannot be read from that"
            assert node.module is not None
            # `from plotbot import x` is an import of plotbot.x, unless x is a name of plotbot/__init__.py.
            names = [f"{node.module}.{alias.name}" for alias in node.names] if node.module == "plotbot" else []
            yield from names or [node.module]


def layer(module: str) -> str:
    """`ask` for `plotbot.ask.client`; the empty text for `plotbot` and its version."""
    name = module.removeprefix("plotbot").removeprefix(".").partition(".")[0]
    return "" if name == "__version__" else name


def layer_of(path: Path) -> str:
    first = path.relative_to(PROJECT / "plotbot").parts[0]
    return "" if first == "__init__.py" else first.removesuffix(".py")


@cache
def plotbot_imports(path: Path) -> set[str]:
    return {layer(name) for name in imports(path) if name.split(".")[0] == "plotbot"}


SOURCES = sorted((PROJECT / "plotbot").rglob("*.py"))


def test_there_is_something_to_look_at() -> None:
    assert len(SOURCES) > 60
    assert {"ask", "records"} <= plotbot_imports(PROJECT / "plotbot" / "plugin" / "run.py")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_a_module_imports_only_what_its_layer_may(path: Path) -> None:
    own = layer_of(path)
    assert own in MAY, f"{own} is no layer of the design"
    assert plotbot_imports(path) - {own} - MAY[own] == set()


def test_nothing_imports_the_plugin() -> None:
    importers = [path for path in SOURCES if layer_of(path) != "plugin" and "plugin" in plotbot_imports(path)]
    assert importers == []


@pytest.mark.parametrize("name", ["records", "errors", "safe"])
def test_the_shared_values_stand_on_nothing_of_ours(name: str) -> None:
    assert plotbot_imports(PROJECT / "plotbot" / f"{name}.py") == set()


@pytest.mark.parametrize("path", sorted((PROJECT / "plotbot" / "judge").glob("*.py")), ids=lambda path: path.name)
def test_judging_touches_no_file_no_network_and_no_pytest(path: Path) -> None:
    assert {name.split(".")[0] for name in imports(path)} & OWN_SOCKETS_AND_FILES == set()


@pytest.mark.parametrize("path", sorted((PROJECT / "evals").rglob("*.py")), ids=lambda path: path.name)
def test_an_eval_imports_of_plotbot_the_judge_alone(path: Path) -> None:
    assert {name for name in imports(path) if name.split(".")[0] == "plotbot"} <= {"plotbot.judge"}


def test_the_top_conftest_does_next_to_nothing() -> None:
    assert set(imports(PROJECT / "conftest.py")) == set()
