from __future__ import annotations

import pytest

from plotbot.ask.servers.discovery import ServerFacts
from plotbot.ask.servers.model_listing import ModelFacts
from plotbot.ask.servers.model_patterns import expand_models, is_pattern
from plotbot.errors import ServerProblem

LISTED = (
    ModelFacts("qwen/qwen3-4b", kind="llm", loaded=False),
    ModelFacts("Qwen2.5-0.5b", kind="llm", loaded=True),
    ModelFacts("gemma-3", kind="vlm", loaded=True),
    ModelFacts("odd[1]", kind="llm", loaded=False),
    ModelFacts("text-embedding-nomic", kind="embedding", loaded=True),
    ModelFacts("nomic-embed-text:latest"),
    ModelFacts("whisper", kind="stt", loaded=True),
)


def server(*models: ModelFacts, url: str = "http://one") -> ServerFacts:
    return ServerFacts(url, "lmstudio", None, models)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (["all"], ["Qwen2.5-0.5b", "gemma-3", "qwen/qwen3-4b", "odd[1]"]),
        (["qwen*"], ["Qwen2.5-0.5b", "qwen/qwen3-4b"]),
        (["*4b", "all"], ["qwen/qwen3-4b", "Qwen2.5-0.5b", "gemma-3", "odd[1]"]),
        (["gemma-?"], ["gemma-3"]),
        (["odd[1]"], ["odd[1]"]),
        (["odd[[]1]"], ["odd[1]"]),
        (["not-listed", "gemma*"], ["not-listed", "gemma-3"]),
    ],
)
def test_patterns_mean_the_language_models_loaded_ones_first(wanted: list[str], expected: list[str]) -> None:
    assert list(expand_models([server(*LISTED)], wanted)) == expected


def test_several_servers_are_asked_for_what_they_all_have() -> None:
    a, b, c = (ModelFacts(name, loaded=False) for name in "abc")
    loaded = ModelFacts("b", loaded=True, instance_ids=("b:2",))
    servers = [server(a, b, c), server(loaded, a, url="http://two")]
    assert expand_models(servers, ["all"]) == ("b", "a")
    assert expand_models(servers[::-1], ["all"]) == ("b", "a"), "a name that both know"
    with pytest.raises(ServerProblem, match=r"http://one and http://two have no language model in common\."):
        expand_models([server(a), server(b, url="http://two")], ["all"])


def test_a_model_may_be_called_all() -> None:
    assert expand_models([server(ModelFacts("all"), ModelFacts("b"))], ["all"]) == ("all",)


@pytest.mark.parametrize(
    ("name", "pattern"), [("all", True), ("m?", True), ("qwen/qwen3-4b@q4_k_m:2", False), ("al", False)]
)
def test_a_literal_name_is_no_pattern(name: str, pattern: bool) -> None:
    assert is_pattern(name) is pattern


@pytest.mark.parametrize(
    ("wanted", "hint"), [("gmma*", "Did you mean gemma-3?"), ("zzz*", "There is qwen/qwen3-4b, Qwen2.5-0.5b,")]
)
def test_a_pattern_without_a_model_is_refused_with_a_hint(wanted: str, hint: str) -> None:
    with pytest.raises(ServerProblem) as refused:
        expand_models([server(*LISTED)], [wanted])
    assert f"no language model matches {wanted}. {hint}" in str(refused.value)
    assert "nomic" not in str(refused.value)
