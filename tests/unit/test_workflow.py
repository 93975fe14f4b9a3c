"""CI keeps to its rules: it may read and nothing else, and runs only what cannot change under it."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
WORKFLOWS = sorted((PROJECT / ".github" / "workflows").glob("*.yml"))
TEXTS = {path.name: path.read_text(encoding="utf-8") for path in WORKFLOWS}
OWNERS = {"actions", "pypa"}
MAY_MORE = {"release.yml": "      id-token: write"}
METADATA = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def _read(name: str) -> str:
    return (PROJECT / name).read_text(encoding="utf-8")


def test_every_action_is_pinned_by_its_full_commit_and_names_its_version() -> None:
    uses = [one for text in TEXTS.values() for one in re.findall(r"uses: (.*)", text)]
    assert len(uses) >= 12
    assert not [one for one in uses if not re.fullmatch(r"[a-z]+/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one)]
    assert {one.partition("/")[0] for one in uses} == OWNERS
    assert len(set(uses)) == len({one.partition("@")[0] for one in uses}), "one version of each action"


@pytest.mark.parametrize("name", TEXTS)
def test_a_workflow_may_read_the_repository_and_nothing_else_but_to_publish(name: str) -> None:
    first, *others = re.findall(r"permissions:\n((?: +.*\n)+?)(?=\S|\n|    \S)", TEXTS[name])
    assert first == "  contents: read\n"
    assert [other.splitlines()[0].partition(" #")[0] for other in others] == [
        line for line in [MAY_MORE.get(name)] if line is not None
    ]
    assert TEXTS[name].count("actions/checkout@") == TEXTS[name].count("persist-credentials: false")


@pytest.mark.parametrize("name", TEXTS)
def test_nothing_that_somebody_types_is_part_of_a_command(name: str) -> None:
    commands = re.findall(r"run: (.*(?:\n          .*)*)", TEXTS[name])
    assert commands
    assert not any("${{" in command for command in commands)


@pytest.mark.parametrize(
    "name",
    [".ci/axe", ".ci/evals", ".ci/run", ".ci/pythons.py", ".ci/skipped.py", "config/pin.json", "constraints.txt"],
)
def test_the_files_that_the_workflows_need_are_there(name: str) -> None:
    assert (PROJECT / name).is_file()
    assert name in "".join(TEXTS.values()) or name == "config/pin.json"


def test_a_release_publishes_what_the_check_has_built_and_only_under_a_tag_of_its_version() -> None:
    assert "DIST_DIR" in TEXTS["release.yml"]
    assert "DIST_DIR" in _read(".ci/run")
    assert "password" not in TEXTS["release.yml"]
    assert '= "$GITHUB_REF_NAME"' in TEXTS["release.yml"]


def test_the_matrix_has_every_python_of_the_classifiers() -> None:
    printed = subprocess.run([sys.executable, PROJECT / ".ci" / "pythons.py"], capture_output=True, check=True).stdout
    assert json.loads(printed)[0] == METADATA["requires-python"].removeprefix(">=")
    assert all(f"Programming Language :: Python :: {one}" in METADATA["classifiers"] for one in json.loads(printed))


def _lower_bounds() -> dict[str, str]:
    """What a user may install: the dependencies and every extra but that of those who work on plotbot."""
    extras = [some for name, some in METADATA["optional-dependencies"].items() if name != "dev"]
    named = [*METADATA["dependencies"], *itertools.chain.from_iterable(extras)]
    found = [re.match(r"([\w-]+)>=([\w.]+)", one) for one in named]
    assert all(found), "every dependency has a lower bound"
    bounds = {(one[1], one[2]) for one in found if one}
    assert len(bounds) == len(dict(bounds)), "a package has one lower bound, wherever it is named"
    return dict(bounds)


def test_the_lowest_versions_are_those_that_the_project_allows() -> None:
    lines = [line for line in _read("constraints-lowest.txt").splitlines() if not line.startswith("#")]
    assert dict(line.split("==") for line in lines) == _lower_bounds()
    assert len(lines) == len(_lower_bounds())
    assert "-c constraints-lowest.txt" in _read(".ci/run")


@pytest.mark.parametrize("name", sorted(_lower_bounds()))
def test_contributing_says_why_a_lower_bound_stands_where_it_does(name: str) -> None:
    assert f"| {name} {_lower_bounds()[name]} |" in _read("CONTRIBUTING.md")


def test_who_works_on_plotbot_may_not_have_less_than_a_user() -> None:
    dev = dict(re.findall(r"^([\w-]+)>=([\w.]+)", "\n".join(METADATA["optional-dependencies"]["dev"]), re.MULTILINE))
    assert {name: dev[name] for name in dev.keys() & _lower_bounds().keys()}.items() <= _lower_bounds().items()


def test_no_step_of_the_check_takes_a_failure_for_a_success() -> None:
    script = _read(".ci/run")
    assert "set -euo pipefail" in script
    tests = [line for line in script.replace("\\\n", " ").splitlines() if "-m pytest" in line]
    assert len(tests) >= 2
    assert not [line for line in tests if "||" in line]


@pytest.mark.parametrize("tool", ["ruff"])
def test_the_hooks_before_a_commit_have_the_versions_of_the_checks(tool: str) -> None:
    [pinned] = re.findall(rf"^{tool}==(.*)$", _read("constraints.txt"), re.MULTILINE)
    hooks = re.findall(rf"{tool}==([\d.]+)", _read(".pre-commit-config.yaml"))
    assert hooks
    assert set(hooks) == {pinned}


def test_a_test_that_every_job_skips_is_named(tmp_path: Path) -> None:
    for number, names in enumerate(["ab", "bc"]):
        cases = "".join(f'<testcase classname="t" name="{name}"><skipped/></testcase>' for name in names)
        (tmp_path / f"{number}.xml").write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
    command = [sys.executable, str(PROJECT / ".ci" / "skipped.py")]
    both = subprocess.run(
        [*command, str(tmp_path / "0.xml"), str(tmp_path / "1.xml")], capture_output=True, text=True, check=False
    )
    assert (both.returncode, both.stdout) == (1, "t::b\n")
    assert subprocess.run([*command], capture_output=True, check=False).returncode == 1


@pytest.mark.parametrize("name", ["bug.yml", "idea.yml"])
def test_an_issue_form_asks_for_the_doctor(name: str) -> None:
    assert "plotbot doctor --all" in _read(f".github/ISSUE_TEMPLATE/{name}")
