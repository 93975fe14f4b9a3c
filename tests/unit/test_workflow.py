"""The CI workflow keeps to its own rules: it may read and nothing else, and runs only what cannot change under it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
WORKFLOW = (PROJECT / ".github" / "workflows" / "evals.yml").read_text(encoding="utf-8")


def test_every_action_is_pinned_by_its_full_commit_and_names_its_version() -> None:
    uses = re.findall(r"uses: (.*)", WORKFLOW)
    assert len(uses) >= 7
    assert all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one) for one in uses)
    assert len(set(uses)) == len({one.partition("@")[0] for one in uses}), "one version of each action"


def test_the_workflow_may_read_the_repository_and_nothing_else() -> None:
    assert re.findall(r"permissions:\n((?:  .*\n)+)", WORKFLOW) == ["  contents: read\n"]
    assert WORKFLOW.count("actions/checkout@") == WORKFLOW.count("persist-credentials: false")


def test_nothing_that_somebody_types_is_part_of_a_command() -> None:
    commands = re.findall(r"run: (.*(?:\n          .*)*)", WORKFLOW)
    assert commands
    assert not any("${{" in command for command in commands)


@pytest.mark.parametrize("name", [".ci/evals", "config/pin.json", "constraints.txt"])
def test_the_files_that_the_workflow_needs_are_there(name: str) -> None:
    assert (PROJECT / name).is_file()
    assert name.rpartition("/")[2].split(".")[0] in WORKFLOW
