"""What an eval may import, and that it is what the modules inside have."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import plotbot
from plotbot import records
from plotbot.judge import explanations, story_checks, verdicts
from plotbot.run.results import Results


def test_everything_that_is_promised_can_be_imported() -> None:
    for name in plotbot.__all__:
        assert getattr(plotbot, name) is not None


def test_each_name_is_the_one_of_the_module_inside() -> None:
    assert plotbot.judge is verdicts.judge
    assert plotbot.explain is explanations.explain
    assert plotbot.validate_entry is story_checks.validate_entry
    assert (plotbot.Finding, plotbot.Reply) == (records.Finding, records.Reply)
    assert (plotbot.Title, plotbot.Verdict) == (records.Title, records.Verdict)
    assert plotbot.Results is Results


def test_any_other_name_is_named_in_the_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'results'"):
        _ = plotbot.results


def _loaded_by(imports: str) -> set[str]:
    code = f"import sys, {imports}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_what_only_types_need_is_not_loaded_by_the_import() -> None:
    assert "plotbot.run.results" not in _loaded_by("plotbot")


def test_no_first_request_waits_for_what_ends_a_run() -> None:
    ending = {"plotbot.report.page", "plotbot.run.artifacts", "plotbot.run.finish", "plotbot.plugin.pytest_html"}
    assert _loaded_by("plotbot.plugin.main_process") & ending == set()


def test_a_worker_starts_without_what_reads_and_measures_runs() -> None:
    """Four workers start on the processors that the first request waits for, too."""
    loaded = _loaded_by("plotbot.plugin, plotbot.plugin.xdist, plotbot.run.worker_rpc")
    needless = "plotbot.keep.", "plotbot.measure.", "plotbot.report.page", "plotbot.run.answers", "plotbot.run.session"
    assert {name for name in loaded if name.startswith(needless)} == set()


def test_type_checkers_are_told_that_the_package_is_typed() -> None:
    assert (Path(plotbot.__file__).parent / "py.typed").is_file()
