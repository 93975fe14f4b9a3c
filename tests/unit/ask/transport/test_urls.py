import pytest

from plotbot.ask.transport.urls import base_url, chat_url, same_model
from plotbot.errors import SettingsError

CHAT = "/v1/chat/completions"


@pytest.mark.parametrize(
    ("given", "base", "chat"),
    [
        ("http://h:1234", "http://h:1234", "http://h:1234" + CHAT),
        ("http://h:1234/", "http://h:1234", "http://h:1234" + CHAT),
        ("http://h:1234/v1", "http://h:1234", "http://h:1234" + CHAT),
        ("http://h:1234/v1/", "http://h:1234", "http://h:1234" + CHAT),
        ("http://h:1234//v1//", "http://h:1234", "http://h:1234" + CHAT),
        ("http://h:1234/v1/chat/completions", "http://h:1234", "http://h:1234" + CHAT),
        ("http://h:1234/v1/chat/completions/", "http://h:1234", "http://h:1234" + CHAT),
        ("http://h:1234/api/v0/chat/completions", "http://h:1234", "http://h:1234/api/v0/chat/completions"),
        ("http://h:1234/api/v1", "http://h:1234", "http://h:1234" + CHAT),
        ("  localhost:1234 ", "http://localhost:1234", "http://localhost:1234" + CHAT),
        ("127.0.0.1", "http://127.0.0.1", "http://127.0.0.1" + CHAT),
        ("https://h/lm/v1", "https://h/lm", "https://h/lm" + CHAT),
        ("http://[::1]:1234", "http://[::1]:1234", "http://[::1]:1234" + CHAT),
    ],
)
def test_a_base_and_a_full_endpoint_mean_the_same_server(given: str, base: str, chat: str) -> None:
    assert (base_url(given), chat_url(given)) == (base, chat)
    assert (base_url(base), chat_url(chat)) == (base, chat)


@pytest.mark.parametrize(
    "given",
    [
        "",
        "http://",
        "ftp://h",
        "http://h:port",
        "http://h:99999",
        "http://h:0",
        "http://h?x=1",
        "http://h#x",
        "http://[::1",
    ],
)
def test_what_is_no_server_s_address_is_refused_by_name(given: str) -> None:
    with pytest.raises(SettingsError, match="LM_STUDIO_URL"):
        chat_url(given)


@pytest.mark.parametrize("given", ["http://me:secret@h:1234", "me:secret@h", "http://h/?key=secret"])
def test_a_refused_address_does_not_show_its_password(given: str) -> None:
    with pytest.raises(SettingsError) as caught:
        base_url(given)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("qwen/qwen3-4b", "qwen/qwen3-4b"),
        ("qwen/qwen3-4b", "qwen3-4b"),
        ("qwen3-4b", "qwen/qwen3-4b"),
        ("Qwen3-4B", "qwen3-4b"),
        ("gemma-3-1b-it-qat", "gemma-3-1b-it-qat:2"),
        ("gemma-3-1b-it-qat:2", "gemma-3-1b-it-qat"),
        ("qwen3-4b", "qwen3-4b@q4_k_m"),
        ("qwen/qwen3-4b@q4_k_m", "qwen3-4b@Q4_K_M:3"),
        ("qwen3-4b@iq3_s", "qwen3-4b"),
        ("llama3", "llama3:latest"),
        ("qwen3-4b-q4", "/models/qwen3-4b-q4.gguf"),
        ("C:\\models\\qwen3-4b-q4.gguf", "qwen3-4b-q4"),
        ("lmstudio-community/Qwen3-4B-GGUF", "qwen3-4b"),
    ],
)
def test_an_echo_that_may_be_the_same_model_is_believed(asked: str, answered: str) -> None:
    assert same_model(asked, answered)


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("qwen3-4b", "gemma-3-1b-it-qat"),
        ("qwen3-4b", "qwen3-4b-instruct"),
        ("qwen3-4b", "qwen3-14b"),
        ("any-model-name", "gemma-3-1b-it-qat:2"),
        ("qwen3-4b@q4_k_m", "qwen3-4b@q8_0"),
        ("mlx-community/qwen3-4b", "lmstudio-community/qwen3-4b"),
        ("llama3:8b", "llama3:70b"),
    ],
)
def test_an_echo_of_another_model_is_not(asked: str, answered: str) -> None:
    assert not same_model(asked, answered)
