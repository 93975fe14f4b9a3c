"""The `eval` marker: the plugin registers it, and says so when another plugin's is meant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

pytest_plugins = ("pytester",)

COLLECT = ("evals", "--collect-only", "-q", "--strict-markers", "--model=some/model", "--test-sample-size=1")
MARKED = "import pytest\n\n@pytest.mark.eval({})\ndef test_marked({}):\n    pass\n"


def test_a_project_that_names_no_marker_collects_with_strict_markers(
    pytester: pytest.Pytester, project: Path, write_eval: Callable[..., None]
) -> None:
    (project / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    write_eval(MARKED.format("prompt='data/prompt.txt'", "reply"))
    result = pytester.runpytest_inprocess(*COLLECT)
    assert result.ret == 0
    assert len([line for line in result.outlines if "test_marked[" in line]) == 1


def test_it_is_listed_with_what_it_takes(pytester: pytest.Pytester, project: Path) -> None:
    assert project.is_dir()
    pytester.runpytest_inprocess("--markers").stdout.fnmatch_lines(
        ["@pytest.mark.eval(prompt=, schema=, titles=, template=, group_by=): *"]
    )


@pytest.mark.parametrize(
    ("arguments", "fixtures", "named"),
    [
        ("name='answers'", "reply", "has no 'name'"),
        ("name='answers'", "", "has no 'name'"),
        ("{'a': 'dataset'}", "reply", "all by name"),
    ],
)
def test_another_plugins_arguments_end_the_session_and_name_the_plugins(
    pytester: pytest.Pytester,
    project: Path,
    write_eval: Callable[..., None],
    arguments: str,
    fixtures: str,
    named: str,
) -> None:
    assert project.is_dir()
    write_eval(MARKED.format(arguments, fixtures))
    result = pytester.runpytest_inprocess(*COLLECT)
    assert result.ret == 4
    said = result.stderr.str()
    assert named in said
    assert "prompt, schema, titles, template and group_by" in said
    assert "pytest-evals and pydantic-evals have a marker of this name, too" in said
