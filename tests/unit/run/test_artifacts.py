from __future__ import annotations

import pytest

from plotbot.run.artifacts import HISTORY, PAGE, page_name


def test_a_plain_model_id_is_its_own_file_name() -> None:
    assert page_name("qwen3-4b") == "qwen3-4b.html"


@pytest.mark.parametrize(
    "model", ["index", "summary", "history", "qwen/qwen3@4:b", "../../x", "CON", "", "Index", "\ud800\x00"]
)
def test_every_other_model_gets_a_safe_name_of_its_own(model: str) -> None:
    name = page_name(model)
    assert name not in {PAGE, HISTORY, "summary.html"}
    assert name.isascii()
    assert not set(name) & set('/\\:*?"<>|\0')
    assert name != page_name(model + "x")
