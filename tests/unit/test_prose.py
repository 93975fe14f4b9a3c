"""The code is written in the field's words, in files and functions that a reader can take in."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "plotbot"
SOURCES = sorted(path for path in PACKAGE.rglob("*") if path.suffix in {".py", ".js", ".ts", ".css", ".html"})
PYTHON = [path for path in SOURCES if path.suffix == ".py"]
SCRIPTS = [path for path in SOURCES if path.suffix == ".js"]
METAPHORS = re.compile(
    r"neighbour|errand|fleet|welcome|unborn|in_peace|(?<![a-z])(?:papers|lanes?|seats?|whoever|nobody|somebody)(?![a-z])",
    re.IGNORECASE,
)
"""Words that earlier versions used in place of the field's: see the glossary of ARCHITECTURE.md."""
MOST_LINES = {"file": 450, "script": 300, "function": 60}


def _relative(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def _functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield node.name, node.end_lineno - node.lineno + 1


@pytest.mark.parametrize("text", ["self._lanes", "Whoever asks", "their neighbours", "def _seat(", "the lane's turn"])
def test_a_metaphor_is_found_in_names_and_in_prose(text: str) -> None:
    assert METAPHORS.search(text)


def test_no_name_and_no_sentence_is_a_metaphor() -> None:
    lines = [(path, line) for path in SOURCES for line in path.read_text(encoding="utf-8").splitlines()]
    assert [f"{_relative(path)}: {line.strip()}" for path, line in lines if METAPHORS.search(line)] == []


def test_no_file_and_no_function_is_too_long_to_be_read() -> None:
    most = dict.fromkeys(PYTHON, MOST_LINES["file"]) | dict.fromkeys(SCRIPTS, MOST_LINES["script"])
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in most}
    long = [_relative(path) for path, length in lengths.items() if length > most[path]]
    for path in PYTHON:
        long += [f"{_relative(path)}: {name}" for name, length in _functions(path) if length > MOST_LINES["function"]]
    assert long == []
