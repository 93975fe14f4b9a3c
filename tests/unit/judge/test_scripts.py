from __future__ import annotations

import pytest

from plotbot.judge.scripts import script_of, share_in


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("A goose", "latin"),
        ("Ein Gänsemarsch", "latin"),
        ("Гусь судится с городом", "cyrillic"),
        ("Χήνα", "greek"),
        ("إوزة", "arabic"),
        ("אווז", "hebrew"),
        ("鹅起诉小镇", "han"),
        ("ガチョウが町を訴える", "japanese"),
        ("거위", "hangul"),
        ("हंस", "devanagari"),
        ("ＡＢＣ", "latin"),
        ("42 !?", "none"),
        ("", "none"),
        ("iPhone в Москве", "cyrillic"),
    ],
)
def test_a_text_has_the_script_of_most_of_its_letters(text: str, script: str) -> None:
    assert script_of(text) == script


def test_the_share_of_a_script() -> None:
    assert share_in("ab cd", "latin") == 1.0
    assert share_in("abcд", "latin") == 0.75
    assert share_in("東京へ", "japanese") == 1.0
    assert share_in("42", "latin") == 0.0
