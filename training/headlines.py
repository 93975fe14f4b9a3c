"""Headlines without end: templates, invented words, salads of subwords, many scripts; each a little disturbed."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from training import words
from training.heldout import WORDS as HELDOUT
from training.lists import listed
from training.scripts_text import accented, emoji, foreign_words, pseudo_word, random_string

SLOT = re.compile(r"\{(\w+)\}")
POOLS: dict[str, tuple[str, ...]] = {
    **words.CATEGORIES,
    "verb": words.VERBS,
    "past": words.PAST,
    "adj": words.ADJECTIVES,
    "adverb": words.ADVERBS,
    "reason": words.REASONS,
}
SPACED = frozenset(("verb", "adverb", "reason"))
ALL_WORDS = tuple(word for pool in POOLS.values() for word in pool)
GLUE = listed("the a an of in on at to for with from by and or but is was are has had not no its his her their as that")
PUNCTUATION = (
    ",",
    ":",
    ";",
    " -",
    " –",
    " —",
    "?",
    "!",
    "...",
    "…",
    "%",
    ".",
    " /",
    " &",
    " +",
    " =",
    " #",
    "'s",
    "’s",
)
BRACKETS = (
    ("'", "'"),
    ('"', '"'),
    ("(", ")"),
    ("[", "]"),
    ("{", "}"),
    ("“", "”"),
    ("‘", "’"),
    ("«", "»"),
    ("*", "*"),
    ("<", ">"),
)
ODDITIES = ("\\", "\\n", "C:\\temp", "{{}}", "</p>", "`ls`", "|", "~")
CURRENCY = "$£€¥₹"

Pieces = tuple[str, ...]


def normalised(text: str) -> str:
    """What two headlines that differ only in case, spacing and punctuation have in common."""
    return " ".join(re.findall(r"\w+", text.casefold()))


def excluded(index: Path) -> frozenset[str]:
    """The normalised headlines of the shipped index: none of them may be trained on."""
    if not index.exists():
        return frozenset()
    entries = json.loads(index.read_text(encoding="utf-8"))
    values = entries.values() if isinstance(entries, dict) else entries
    return frozenset(normalised(value["title"] if isinstance(value, dict) else value) for value in values)


def headlines(rng: random.Random, pieces: Pieces, exclude: frozenset[str]) -> Iterator[str]:
    """Headlines without end. *pieces* are the tokenizer's own subwords, for salads; empty before there is one."""
    makers: tuple[tuple[Callable[[random.Random, Pieces], str], float], ...] = (
        (from_template, 0.26),
        (invented, 0.24),
        (salad, 0.22),
        (strings, 0.10),
        (foreign, 0.18),
    )
    while True:
        make = rng.choices([maker for maker, _ in makers], [weight for _, weight in makers])[0]
        text = " ".join(disturbed(make(rng, pieces), rng).split())[:300]
        if allowed(text, exclude):
            yield text


def allowed(text: str, exclude: frozenset[str]) -> bool:
    """Not empty, not in the shipped index, and without any word of the held-out evaluation."""
    plain = normalised(text)
    return bool(text) and plain not in exclude and HELDOUT.isdisjoint(plain.split())


def from_template(rng: random.Random, _pieces: Pieces = ()) -> str:
    """A template filled with listed words."""
    return SLOT.sub(lambda match: slot(match[1], rng), rng.choice(words.TEMPLATES))


def slot(name: str, rng: random.Random) -> str:
    """The filling of one slot; the slot's own capitals are the filling's."""
    if name in POOLS or name.lower() in POOLS:
        word = rng.choice(POOLS[name.lower()])
        word = word.replace("-", " ") if name.lower() in SPACED else word
        return word.upper() if name.isupper() else word.capitalize() if name[0].isupper() else word
    return {
        "Town": lambda: rng.choice(words.TOWNS),
        "Name": lambda: rng.choice(words.FIRST_NAMES),
        "Surname": lambda: rng.choice(words.SURNAMES),
        "Q": lambda: " ".join([rng.choice(("My", "The", "This", "Our")), rng.choice(ALL_WORDS)]),
        "n": lambda: str(int(10 ** rng.uniform(0, 3.5))),
        "nn": lambda: f"{rng.randrange(100):02}",
        "nnn": lambda: f"{rng.randrange(1000):03}",
        "year": lambda: str(rng.randint(1700, 2100)),
    }[name]()


def invented(rng: random.Random, _pieces: Pieces = ()) -> str:
    """A template or plain sentence in which most content words do not exist."""
    if rng.random() < 0.5:
        fill = from_template(rng).split()
        return " ".join(cased(pseudo_word(rng), rng) if len(word) > 3 and rng.random() < 0.7 else word for word in fill)
    count = rng.randint(2, rng.choice((6, 12, 18, 28)))
    return " ".join(rng.choice(GLUE) if rng.random() < 0.3 else cased(pseudo_word(rng), rng) for _ in range(count))


def salad(rng: random.Random, pieces: Pieces) -> str:
    """Subwords of the tokenizer in random order: every token is met as something to copy."""
    if not pieces:
        return invented(rng)
    count = rng.randint(3, rng.choice((8, 16, 30)))
    glued = [rng.choice(pieces) + (" " if rng.random() < 0.45 else "") for _ in range(2 * count)]
    return "".join(glued)


def strings(rng: random.Random, _pieces: Pieces = ()) -> str:
    """Numbers, codes and typos between ordinary words."""
    kinds: tuple[Callable[[], str], ...] = (
        lambda: random_string(rng),
        lambda: rng.choice(CURRENCY) + str(rng.randint(1, 99999)),
        lambda: f"{rng.randint(0, 5000)}{rng.choice(('%', 'm', 'kg', 'th', '°C', 'bn', '-'))}",
        lambda: rng.choice(ALL_WORDS),
        lambda: cased(rng.choice(ALL_WORDS), rng),
        lambda: pseudo_word(rng) + rng.choice(("-", "/", "'", "_", ".", "@")) + pseudo_word(rng),
        lambda: rng.choice(GLUE),
    )
    return " ".join(rng.choice(kinds)() for _ in range(rng.randint(2, rng.choice((7, 14)))))


def foreign(rng: random.Random, _pieces: Pieces = ()) -> str:
    """Accented Latin, or another script, alone or mixed with English."""
    if rng.random() < 0.3:
        return " ".join(accented(word, rng) if rng.random() < 0.5 else word for word in invented(rng).split()[:14])
    count = rng.randint(1, 8)
    parts = foreign_words(rng, count)
    if rng.random() < 0.35:
        parts[rng.randrange(len(parts) + 1) : 0] = from_template(rng).split()[: rng.randint(1, 8)]
    if rng.random() < 0.15:
        parts += foreign_words(rng, 2)
    return " ".join(parts)


def cased(word: str, rng: random.Random) -> str:
    """Lower, Capitalised, UPPER or mIxEd."""
    draw = rng.random()
    if draw < 0.5:
        return word
    if draw < 0.85:
        return word.capitalize()
    return word.upper() if draw < 0.95 else "".join(rng.choice((c, c.upper())) for c in word)


def disturbed(text: str, rng: random.Random) -> str:
    """The headline with title case, quotes, brackets, punctuation, an emoji: what editors do to headlines."""
    parts = text.split()
    if not parts:
        return ""
    if rng.random() < 0.15:
        parts = [part[:1].upper() + part[1:] for part in parts]
    if rng.random() < 0.22:
        enclose(parts, rng)
    if rng.random() < 0.25:
        parts[rng.randrange(len(parts))] += rng.choice(PUNCTUATION)
    if rng.random() < 0.10:
        parts.insert(rng.randrange(len(parts) + 1), emoji(rng))
    if rng.random() < 0.06:
        parts.insert(rng.randrange(len(parts) + 1), parts[rng.randrange(len(parts))])
    if rng.random() < 0.01:
        parts.insert(rng.randrange(len(parts) + 1), rng.choice(ODDITIES))
    joined = " ".join(parts)
    return joined[0].upper() + joined[1:] if rng.random() < 0.6 else joined


def enclose(parts: list[str], rng: random.Random) -> None:
    """Put a run of words into quotes or brackets, in place."""
    start = rng.randrange(len(parts))
    end = min(len(parts) - 1, start + rng.choice((0, 0, 1, 2, 4)))
    left, right = rng.choice(BRACKETS[:2] if rng.random() < 0.5 else BRACKETS)
    parts[start] = left + parts[start]
    parts[end] += right
