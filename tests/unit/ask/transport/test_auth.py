import pytest

from plotbot.ask.transport.auth import Auth
from plotbot.errors import SettingsError

TOKEN = "sk-lm-abcdefgh:01234567890123456789"


def test_the_token_is_in_the_header_and_nowhere_to_be_seen() -> None:
    auth = Auth(TOKEN)
    assert auth.headers["Authorization"] == f"Bearer {TOKEN}"
    assert "abcdefgh" not in repr(auth) + repr(auth.headers) + f"{dict(auth.headers)}"


@pytest.mark.parametrize("token", [None, ""])
def test_without_a_token_there_is_no_header_and_nothing_to_hide(token: str | None) -> None:
    assert not Auth(token).headers
    assert Auth(token).redact("any text") == "any text"


@pytest.mark.parametrize(
    ("told", "shown"),
    [(f"got {TOKEN}!", "got ***!"), ("got sk-lm-abcdef...", "got ***..."), ("nothing of it", "nothing of it")],
)
def test_a_quoted_token_or_its_beginning_is_taken_out(told: str, shown: str) -> None:
    assert Auth(TOKEN).redact(told) == shown
    assert Auth(TOKEN).redact_bytes(told.encode()) == shown.encode()


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "ünïcode", "nul\x00"])
def test_a_token_that_cannot_stand_in_a_header_is_refused_unseen(token: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Auth(token)
    assert token not in str(caught.value)
