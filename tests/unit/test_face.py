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


def test_what_only_types_need_is_not_loaded_by_the_import() -> None:
    code = "import sys, plotbot; print('plotbot.run.results' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_type_checkers_are_told_that_the_package_is_typed() -> None:
    assert (Path(plotbot.__file__).parent / "py.typed").is_file()
