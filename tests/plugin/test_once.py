"""What a run does once, however many cases it has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from plotbot.judge import compile_schema
from plotbot.mock import MockServer
from plotbot.run import eval_files

pytest_plugins = ("pytester",)


def test_a_schema_is_compiled_once(
    evals: Callable[..., pytest.RunResult], start_mock: Callable[..., MockServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[str] = []

    def noted(schema: Any, source: str) -> Any:
        compiled.append(source)
        return compile_schema(schema, source)

    monkeypatch.setattr(eval_files, "compile_schema", noted)
    evals(start_mock(), "--test-sample-size=5", "--response-format=none,json_schema").assert_outcomes(passed=10)
    assert len(compiled) == 1
