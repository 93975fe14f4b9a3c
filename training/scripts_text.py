"""Invented words: English-looking ones, and letters of many scripts. They are what teaches copying."""

from __future__ import annotations

import random

from training.lists import listed

ONSETS = (
    listed(
        """b bl br c ch cl cr d dr f fl fr g gl gr h j k kn l m n p ph pl pr qu r s sc sh shr sk sl sm sn sp spl spr st str
    sw t th thr tr tw v w wh wr y z"""
    )
    + ("",) * 3
)
VOWELS = listed("a e i o u a e i o ai au ea ee ei eu ia ie io oa oi oo ou ow oy ue ui y")
CODAS = (
    listed(
        """b ck ct d ff ft g l ld lf lk ll lm lp lt m mp n nch nd ng nk nn nt p r rb rd rf rg rk rl rm rn rp rs rt rth s sh
    sk sp ss st t tch th tt v w x z"""
    )
    + ("",) * 24
)
ENDINGS = listed(
    """s ed ing er ers est ly ness ment tion tions able ible al ic ical ist ism ity ous ive ful less ship hood dom
    age ant ent ance ence ary ory ise ises ised ify ish ette eau ware port man men land ton ville ford ham berg stein
    son ski
    sson ez ini elli ova oglu"""
)
# Ranges of letters that occur in words, not whole blocks: unassigned code points teach nothing.
SCRIPTS: dict[str, tuple[tuple[int, int], ...]] = {
    "latin": ((0xE0, 0xF6), (0xF8, 0xFF), (0x101, 0x17E)),
    "greek": ((0x3B1, 0x3C9), (0x3AC, 0x3AF), (0x391, 0x3A1)),
    "cyrillic": ((0x430, 0x44F), (0x410, 0x42F), (0x451, 0x457)),
    "arabic": ((0x627, 0x63A), (0x641, 0x64A)),
    "hebrew": ((0x5D0, 0x5EA),),
    "devanagari": ((0x905, 0x939), (0x93E, 0x94D)),
    "thai": ((0xE01, 0xE2E), (0xE30, 0xE39), (0xE40, 0xE49)),
    "han": ((0x4E00, 0x9FA0),),
    "kana": ((0x3042, 0x3093), (0x30A2, 0x30F3)),
    "hangul": ((0xAC00, 0xD7A3),),
    "other": ((0x10D0, 0x10F0), (0x561, 0x586), (0x995, 0x9B9), (0xB95, 0xBB9)),
}
EMOJI = ((0x1F300, 0x1F64F), (0x1F680, 0x1F6C5), (0x1F900, 0x1F9FF), (0x2600, 0x26FF), (0x1F1E6, 0x1F1FF))
SPACELESS = frozenset(("han", "kana", "thai"))
ASCII_WORD = "abcdefghijklmnopqrstuvwxyz"


def pseudo_word(rng: random.Random) -> str:
    """One to three syllables, often with an English ending."""
    word = "".join(
        rng.choice(ONSETS) + rng.choice(VOWELS) + rng.choice(CODAS) for _ in range(rng.choice((1, 1, 2, 2, 3)))
    )
    return word + rng.choice(ENDINGS) if rng.random() < 0.4 else word


def accented(word: str, rng: random.Random) -> str:
    """The word with one or two of its letters replaced by accented Latin ones."""
    letters = list(word)
    for _ in range(rng.randint(1, 2)):
        letters[rng.randrange(len(letters))] = letter(SCRIPTS["latin"], rng)
    return "".join(letters)


def random_string(rng: random.Random) -> str:
    """Letters and digits with no shape at all: a licence plate, a product number, a typo."""
    pool = rng.choice((ASCII_WORD, ASCII_WORD.upper(), ASCII_WORD + "0123456789", "0123456789-.,/:"))
    return "".join(rng.choice(pool) for _ in range(rng.randint(1, 8)))


def letter(ranges: tuple[tuple[int, int], ...], rng: random.Random) -> str:
    """One character out of the given ranges."""
    low, high = rng.choice(ranges)
    return chr(rng.randint(low, high))


def foreign_words(rng: random.Random, count: int) -> list[str]:
    """Words of one script; scripts that write no spaces give one long word."""
    script = rng.choice(tuple(SCRIPTS))
    ranges = SCRIPTS[script]
    # A headline uses few letters of a large script many times: a small alphabet of its own for each.
    alphabet = [letter(ranges, rng) for _ in range(rng.randint(8, 40))]
    if script in SPACELESS:
        return ["".join(rng.choice(alphabet) for _ in range(rng.randint(3, 4 + 2 * count)))]
    return ["".join(rng.choice(alphabet) for _ in range(rng.randint(1, 9))) for _ in range(count)]


def emoji(rng: random.Random) -> str:
    """One or two pictures, sometimes joined or with a variation selector."""
    picture = letter(EMOJI, rng)
    return rng.choice((picture, picture, picture + "\ufe0f", picture + "\u200d" + letter(EMOJI, rng), picture * 2))
