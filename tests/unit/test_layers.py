"""Imports go one way. A new folder or a new direction fails here until it has been thought about."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PACKAGE = PROJECT / "plotbot"
SOURCES = sorted(PACKAGE.rglob("*.py"))

VALUES = {"records", "categories", "fingerprint", "sharing", "errors", "safe"}
SHARED = VALUES | {"settings"}
STEPS = {"plan", "ask", "judge", "keep", "measure"}
MAY: dict[str, set[str]] = {
    # The outer face: what an eval may import.
    "": {"records", "judge", "run"},
    "checks": {"records", "judge", "safe"},
    "__main__": {"commands"},
    **dict.fromkeys(SHARED, SHARED),
    **dict.fromkeys(STEPS, SHARED),
    "mock": SHARED,
    "report": SHARED | {"measure"},
    "testing": {"mock", "commands"},
    "run": SHARED | STEPS | {"report"},
    "plugin": SHARED | STEPS | {"report", "run", "mock"},
    "commands": SHARED | STEPS | {"report", "run", "mock"},
}
ROOMS_OF_ASK = ("transport", "servers", "schedule", "dask")
"""Each imports those before it; `embedded` stands apart and imports none of them."""
PYTEST = {"pytest", "_pytest", "xdist", "pytest_html"}
OWN_SOCKETS_AND_FILES = {"socket", "requests", "urllib", "http", "subprocess", "filelock", "pytest", "pathlib", "os"}


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, by its full name, wherever in the file it does so."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively: the layer cannot be read from that"
            assert node.module is not None
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            modules = [name for name in inner if _is_module(name)]
            yield from modules
            if len(modules) < len(inner):
                yield node.module


def layer(module: str) -> str:
    """`ask` for `plotbot.ask.transport.chat_client`; the empty text for `plotbot` itself."""
    return module.removeprefix("plotbot").removeprefix(".").partition(".")[0]


def layer_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return "" if first == "__init__.py" else first.removesuffix(".py")


def module_of(path: Path) -> str:
    parts = path.relative_to(PROJECT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def plotbot_imports(path: Path) -> frozenset[str]:
    return frozenset(name for name in imports(path) if name.split(".")[0] == "plotbot")


def _is_module(name: str) -> bool:
    path = PROJECT.joinpath(*name.split("."))
    return name.startswith("plotbot") and (path.with_suffix(".py").is_file() or (path / "__init__.py").is_file())


def _relative(path: Path) -> str:
    return str(path.relative_to(PROJECT))


def test_there_is_something_to_look_at() -> None:
    assert len(SOURCES) > 60
    assert {"ask", "records"} <= {layer(name) for name in plotbot_imports(PACKAGE / "run" / "session.py")}


@pytest.mark.parametrize("path", SOURCES, ids=_relative)
def test_a_module_imports_only_what_its_layer_may(path: Path) -> None:
    own = layer_of(path)
    assert own in MAY, f"{own} is no layer of the design"
    # `from plotbot import __version__` is open to the layers above the steps.
    version = {""} if own in {"run", "plugin", "commands"} else set()
    assert {layer(name) for name in plotbot_imports(path)} - {own} - MAY[own] - version == set()


@pytest.mark.parametrize("path", sorted((PACKAGE / "run").glob("*.py")), ids=lambda path: path.name)
def test_a_run_knows_nothing_of_pytest(path: Path) -> None:
    assert {name.split(".")[0] for name in imports(path)} & PYTEST == set()


@pytest.mark.parametrize("path", sorted((PACKAGE / "plugin").glob("*.py")), ids=lambda path: path.name)
def test_every_module_of_the_plugin_imports_pytest_or_one_of_its_plugins(path: Path) -> None:
    assert {name.split(".")[0] for name in imports(path)} & PYTEST


@pytest.mark.parametrize("path", sorted((PACKAGE / "ask").rglob("*.py")), ids=_relative)
def test_the_rooms_of_ask_import_downwards_only(path: Path) -> None:
    room = path.relative_to(PACKAGE / "ask").parts[0]
    used = {name.split(".")[2] for name in plotbot_imports(path) if name.startswith("plotbot.ask.")} - {room}
    below = set(ROOMS_OF_ASK[: ROOMS_OF_ASK.index(room)]) if room in ROOMS_OF_ASK else set()
    assert used <= below


def test_no_module_imports_itself_by_way_of_others() -> None:
    """Function-level imports and those for type checkers count: a cycle is a cycle for who reads it."""
    graph = {module_of(path): plotbot_imports(path) for path in SOURCES}
    assert list(_cycles(graph)) == []


@pytest.mark.parametrize("name", sorted(VALUES))
def test_the_shared_values_stand_on_nothing_of_ours(name: str) -> None:
    below = {"plotbot.categories", "plotbot.fingerprint", "plotbot.sharing"} if name == "records" else set()
    assert plotbot_imports(PACKAGE / f"{name}.py") <= below


@pytest.mark.parametrize("path", sorted((PACKAGE / "judge").glob("*.py")), ids=lambda path: path.name)
def test_judging_touches_no_file_no_network_and_no_pytest(path: Path) -> None:
    # What cannot be stopped in time is judged in a process of its own.
    allowed = {"os", "subprocess"} if path.name == "helper.py" else set()
    assert ({name.split(".")[0] for name in imports(path)} & OWN_SOCKETS_AND_FILES) - allowed == set()


@pytest.mark.parametrize("path", sorted((PROJECT / "evals").rglob("*.py")), ids=lambda path: path.name)
def test_an_eval_imports_the_outer_face_alone(path: Path) -> None:
    assert {name for name in imports(path) if name.split(".")[0] == "plotbot"} <= {"plotbot", "plotbot.checks"}


def test_the_top_conftest_does_next_to_nothing() -> None:
    assert set(imports(PROJECT / "conftest.py")) == set()


def _cycles(graph: Mapping[str, frozenset[str]]) -> Iterator[list[str]]:
    """Every cycle's path, the first time that it closes. A package's `__init__` that re-exports its inside is none."""
    done: set[str] = set()

    def visit(module: str, path: list[str]) -> Iterator[list[str]]:
        if module in path:
            yield [*path[path.index(module) :], module]
        elif module not in done:
            for other in sorted(graph.get(module, frozenset())):
                if not module.startswith(f"{other}."):
                    yield from visit(other, [*path, module])
            done.add(module)

    for module in sorted(graph):
        yield from visit(module, [])
