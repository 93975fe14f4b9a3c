from __future__ import annotations

import inspect
import pickle
import re

import pytest

from plotbot import errors
from plotbot.errors import AskError, PlotbotError, UsageProblem

ALL = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, PlotbotError)]


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_every_error_survives_the_way_to_another_process(kind: type[PlotbotError]) -> None:
    arguments = ("timeout", "it took \x1b too long \ud800") if kind is AskError else ("it went \ud800 wrong",)
    error = kind(*arguments)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert (again.args, str(again), vars(again)) == (error.args, str(error), vars(error))


def test_a_fault_of_the_server_says_its_category_first() -> None:
    assert str(AskError("timeout", "90 s were not enough")) == "timeout: 90 s were not enough"


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = re.findall(r"^(?:[│ ]*[├└]── )?(\w+Error|\w+Problem)\b", errors.__doc__ or "", re.MULTILINE)
    assert sorted(drawn) == sorted(kind.__name__ for kind in ALL)


def test_what_the_user_can_put_right_is_one_branch() -> None:
    usage = {kind.__name__ for kind in ALL if issubclass(kind, UsageProblem)}
    assert usage == {
        "UsageProblem",
        "SettingsError",
        "InputError",
        "ServerProblem",
        "SilentServerProblem",
        "EngineError",
    }
