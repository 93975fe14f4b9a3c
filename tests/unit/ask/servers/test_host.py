from pathlib import Path

import pytest

from plotbot.ask.servers.discovery import ServerFacts
from plotbot.ask.servers.host import DEFAULT_SLOTS, Host, fingerprint
from plotbot.ask.servers.model_listing import ModelFacts
from plotbot.ask.servers.pin import Pin
from plotbot.errors import ServerProblem
from plotbot.fingerprint import Fingerprint


def facts_of(*models: ModelFacts) -> ServerFacts:
    return ServerFacts("http://s", "lmstudio", None, models)


def test_a_fingerprint_has_what_is_told_and_nothing_else() -> None:
    model = ModelFacts(
        "qwen/qwen3-4b", sha256="00ff", quantization="Q4_K_M", context_length=4096, variant="qwen/qwen3-4b@q4_k_m"
    )
    assert fingerprint(facts_of(model), "qwen/qwen3-4b").to_json() == {
        "server": "lmstudio",
        "model": "qwen/qwen3-4b",
        "sha256": "00ff",
        "key": "qwen/qwen3-4b",
        "quantization": "Q4_K_M",
        "variant": "qwen/qwen3-4b@q4_k_m",
        "context_length": 4096,
    }
    assert fingerprint(facts_of(), "gone").to_json() == {"server": "lmstudio", "model": "gone"}


def test_a_host_lacks_no_model_of_the_run() -> None:
    with pytest.raises(ServerProblem, match="has no model b"):
        Host("h", "http://s", facts_of(ModelFacts("a")), ["a", "b"])


@pytest.mark.parametrize(
    ("slots", "max_in_flight", "client_limit", "window"),
    [(None, None, None, DEFAULT_SLOTS), (2, None, None, 2), (2, 9, None, 9), (8, None, 3, 3), (2, None, 3, 2)],
)
def test_the_window_is_what_is_set_or_the_slots_as_far_as_the_client_can(
    slots: int | None, max_in_flight: int | None, client_limit: int | None, window: int
) -> None:
    facts = facts_of(ModelFacts("m", slots=slots))
    host = Host("h", "http://s", facts, ["m"], max_in_flight=max_in_flight, client_limit=client_limit)
    assert host.window == window


def test_a_fingerprint_stays_when_the_model_is_unloaded_and_the_pin_is_compared_as_loaded() -> None:
    host = Host("h", "http://s", facts_of(ModelFacts("m", loaded=True, context_length=4096)), ["m"])
    host.update(facts_of(ModelFacts("m", loaded=False)))
    assert host.fingerprints["m"].context_length == 4096
    pin = Pin(Path("pin.json"), {"m": Fingerprint(key="m", context_length=4096)})
    assert host.pin_difference(pin, "m") is None
    with pytest.raises(ServerProblem, match=r"context_length: pinned 4096, served not told\. It is not loaded"):
        host.check_pin(pin, "m", loaded=True)
