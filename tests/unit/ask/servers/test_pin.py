import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from plotbot.ask.servers.pin import Pin, pinned_json, read_pin
from plotbot.errors import InputError
from plotbot.fingerprint import Fingerprint

TOLD: dict[str, Any] = {
    "server": "lmstudio",
    "server_version": "0.4.24",
    "model": "qwen3-4b@q4_k_m",
    "key": "qwen/qwen3-4b",
    "publisher": "qwen",
    "quantization": "Q4_K_M",
    "format": "gguf",
    "architecture": "qwen3",
    "size_bytes": 2_500_000_000,
    "variant": "qwen/qwen3-4b@q4_k_m",
    "context_length": 4096,
    "slots": 4,
}
SERVED = Fingerprint.from_json(TOLD)


@pytest.fixture
def pin(tmp_path: Path) -> Pin:
    path = tmp_path / "pin.json"
    path.write_bytes(pinned_json([SERVED]))
    return read_pin(path)


def test_a_pin_that_is_written_and_read_again_meets_the_same_model(pin: Pin) -> None:
    assert list(pin.models) == ["qwen/qwen3-4b"]
    assert pin.differences(SERVED) == []
    assert pin.other_server(SERVED) == []


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("key", "llama-3", "key: pinned qwen/qwen3-4b, served llama-3"),
        ("quantization", "Q8_0", "quantization: pinned Q4_K_M, served Q8_0"),
        ("format", "mlx", "format: pinned gguf, served mlx"),
        ("architecture", "llama", "architecture: pinned qwen3, served llama"),
        ("size_bytes", 1, "size_bytes: pinned 2500000000, served 1"),
        ("variant", None, "variant: pinned qwen/qwen3-4b@q4_k_m, served not told"),
        ("context_length", 8192, "context_length: pinned 4096, served 8192"),
        ("slots", 1, "slots: pinned 4, served 1"),
    ],
)
def test_every_field_that_is_served_otherwise_is_a_difference(pin: Pin, field: str, value: Any, words: str) -> None:
    assert [str(difference) for difference in pin.differences(replace(SERVED, **{field: value}))] == [words]


def test_a_field_that_was_not_told_when_it_was_pinned_is_not_compared(pin: Pin) -> None:
    assert pin.differences(replace(SERVED, sha256="ab")) == []


def test_of_a_model_that_is_not_loaded_context_and_slots_are_not_compared(pin: Pin) -> None:
    waiting = replace(SERVED, context_length=None, slots=None)
    assert pin.differences(waiting, loaded=False) == []
    assert len(pin.differences(waiting)) == 2


def test_another_server_is_worth_a_word_only(pin: Pin) -> None:
    newer = replace(SERVED, server_version="0.5.0")
    assert pin.differences(newer) == []
    assert pin.other_server(newer) == ["qwen/qwen3-4b was pinned on lmstudio 0.4.24 and is served by lmstudio 0.5.0."]


def test_another_engine_is_worth_a_word_where_it_is_told(pin: Pin) -> None:
    assert pin.other_server(replace(SERVED, engine="llama.cpp 2")) == [
        "qwen/qwen3-4b was pinned on lmstudio 0.4.24 and is served by lmstudio 0.4.24 llama.cpp 2."
    ]


def test_of_several_pinned_models_another_one_is_named_beside_them() -> None:
    pin = Pin(Path("pin.json"), {"a": Fingerprint(key="a", slots=1), "b": Fingerprint(key="b", slots=1)})
    assert [str(one) for one in pin.differences(Fingerprint(key="c", slots=9))] == ["key: pinned a, b, served c"]
    assert pin.other_server(Fingerprint(key="c")) == []


def test_a_missing_pin_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"pin.json: there is no pin. Write it with `plotbot pin`"):
        read_pin(tmp_path / "pin.json")


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"\xff", b"[]", b"{}", b'{"models": {}}', b'{"models": {"a": {}}}', b'{"models": {"a": 1}}',
        b'{"models": {"a": {"key": "b", "slots": 1}}}', b'{"models": {"a": {"key": "a"}}}',
        b'{"models": {"a": {"key": "a", "slots": true}}}', b'{"models": {"a": {"key": "a", "slots": [1]}}}',
        b"[" * 100_000, b'{"models": {"a": {"key": "a", "slots": ' + b"9" * 5000 + b"}}}",
    ],
)  # fmt: skip
def test_a_damaged_pin_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "pin.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"pin.json: the pin .*anew with `plotbot pin`"):
        read_pin(path)


def test_a_folder_in_the_pins_place_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the pin cannot be read"):
        read_pin(tmp_path)


def test_hostile_names_in_a_pin_stay_on_one_visible_line(tmp_path: Path) -> None:
    hostile = "a\x1b[2J\n\ud800"
    path = tmp_path / "pin.json"
    path.write_text(json.dumps({"models": {hostile: {"key": hostile, "slots": 1}}}))
    (difference, _) = read_pin(path).differences(Fingerprint(key="b"))
    assert str(difference) == r"key: pinned a\x1b[2J \ud800, served b"
