"""Story seeds made from templates: what a good reply to a headline looks like."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from training import words
from training.scripts_text import ASCII_WORD

TONES = (
    "wry",
    "tender",
    "deadpan",
    "uneasy",
    "hopeful",
    "mournful",
    "brisk",
    "dreamlike",
    "clinical",
    "breathless",
    "rambling",
    "grave",
    "playful",
    "bitter",
    "stern",
    "gossipy",
)
LONG_OPENER = "It begins quietly: "
LEANING = 0.5
LONGEST_SPAN = 15  # words of the headline in core_event; with the template's own it stays under 50
OPENERS = ("Word spreads that ", "", "The morning paper says it plainly: ", LONG_OPENER, "Nobody expected it: ")
TURNS = (
    "{who} must decide what to do about {word}.",
    "by evening {who} wishes that it were not true.",
    "{who} is the only one who knows why.",
    "{who} sets out to prove it wrong.",
    "{who} has one night to put it right.",
    "and {who} is asked to explain {word} to everyone.",
    "{who} would rather keep {word} a secret.",
)
ROLES = (
    "baker",
    "night porter",
    "retired judge",
    "young reporter",
    "school caretaker",
    "lighthouse keeper",
    "bus driver",
    "town clerk",
    "piano tuner",
    "market trader",
    "ferry captain",
    "insurance clerk",
    "radio host",
    "locksmith",
    "beekeeper",
    "archivist",
)
NAMES = ("Mara", "Otis", "Lena", "Tomas", "Ada", "Felix", "Noor", "Ivo", "Ruth", "Sam", "Petra", "Cyril")
WANTS = (
    "who cannot let go of {word}",
    "who blames {word} for everything",
    "who saw {word} first",
    "who owes a favour to {word}",
    "who never believed in {word}",
)
THEMES: dict[str, tuple[str, ...]] = {
    "animal": ("animals and their dignity", "wildness", "loyalty"),
    "machine": ("trust in machines", "obsolescence", "control"),
    "civic": ("rules and those who bend them", "power", "public shame"),
    "food": ("appetite", "home", "small pleasures"),
    "thing": ("what we keep", "memory", "chance"),
    "person": ("pride", "love late in life", "second chances"),
}
MORE_THEMES = ("belonging", "truth and rumour", "forgiveness", "luck", "loneliness", "courage", "guilt", "fame")
CONFLICTS: dict[str, str] = {
    "animal": "person vs nature",
    "machine": "person vs technology",
    "civic": "person vs society",
    "food": "person vs self",
    "thing": "person vs self",
    "person": "person vs person",
}
STAKES = (
    "The good name of {word}",
    "A friendship that began with {word}",
    "The last chance to make peace",
    "Everything that {who} has saved",
    "A home, and the right to stay in it",
    "The truth about {word}",
    "The trust of a whole street",
    "A job, a marriage and {word}",
)
SETTINGS: dict[str, tuple[str, ...]] = {
    "animal": ("a farm track at first light", "the edge of a wood in autumn"),
    "machine": ("a control room on a night shift", "a repair shop after closing time"),
    "civic": ("a council chamber on a wet Tuesday", "the steps of a court house, in winter"),
    "food": ("a market square before dawn", "a hot kitchen in August"),
    "thing": ("an attic full of labelled boxes", "a lost-property office at Christmas"),
    "person": ("a narrow street where everyone knows everyone", "a waiting room without a clock"),
}
ANYWHERE = ("a small harbour town, last spring", "a suburb in the last week of summer", "a train that is hours late")
# One hook out of each row, so that no two are alike.
HOOKS = (
    (
        "Who first noticed {word}, and why the silence?",
        "What if {word} was never the point?",
        "Who gains most from {word}?",
    ),
    (
        "What will {who} give up to be believed?",
        "Why does {who} lie about {word}?",
        "How long can {who} keep the secret?",
    ),
    (
        "Which letter arrives a day too late?",
        "What happens when {word} comes back?",
        "Is there anyone left to forgive?",
    ),
)


@dataclass(frozen=True)
class Headline:
    """What a story uses of a headline: its category, a quotable span, its content words."""

    text: str
    category: str
    span: str
    content: tuple[str, ...]
    initial: str

    def word(self, rng: random.Random) -> str:
        """A content word, or a plain way to say that there is none."""
        return rng.choice(self.content) if self.content else "the news"

    def leaning(self, options: Sequence[str], rng: random.Random, step: int) -> str:
        """Half of the time the option that goes with the first letter: at temperature 0, stories still differ."""
        if self.initial and rng.random() < LEANING:
            return options[ord(self.initial) * step % len(options)]
        return rng.choice(options)


def read(text: str) -> Headline:
    """Take a headline apart. Other scripts are not quoted outside the title: their letters are bytes to the model."""
    parts = text.split()
    span = " ".join(parts[:LONGEST_SPAN]).rstrip(" .?!:;,-–—…")
    quotable = sum(char.isascii() for char in text) >= 0.9 * len(text) and len(parts) > 1
    initial = next((char for char in text.lower() if char in ASCII_WORD), "")
    return Headline(text, _category(text), span if quotable and span else "", _content(parts), initial)


def _category(text: str) -> str:
    found = {word.rstrip("s") for word in re.findall(r"[a-z]+", text.lower())}
    matches = [name for name, pool in words.CATEGORIES.items() if not found.isdisjoint(w.rstrip("s") for w in pool)]
    return matches[0] if matches else ""


def _content(parts: list[str]) -> tuple[str, ...]:
    bare = (re.fullmatch(r"\W*([A-Za-z][A-Za-z-]{3,24})(?:['’]s)?\W*", part) for part in parts)
    return tuple(dict.fromkeys(m[1] for m in bare if m and m[1].lower() not in words.STOPWORDS))


def seed(headline: Headline, rng: random.Random) -> dict[str, Any]:
    """One valid story seed, its fields in the schema's order."""
    name, role = headline.leaning(NAMES, rng, 1), headline.leaning(ROLES, rng, 3)
    category = headline.category

    def fill(template: str) -> str:
        return template.replace("{who}", name).replace("{word}", headline.word(rng))

    return {
        "title": headline.text,
        "core_event": _core_event(headline, fill(headline.leaning(TURNS, rng, 5)), rng),
        "themes": [rng.choice(THEMES.get(category, MORE_THEMES[:3])), rng.choice(MORE_THEMES[3:])],
        "tone": headline.leaning(TONES, rng, 7),
        "conflict_type": _conflict(category, rng),
        "stakes": fill(headline.leaning(STAKES, rng, 3)),
        "setting_hint": rng.choice(SETTINGS.get(category, ANYWHERE)),
        "characters": _characters(name, role, headline, rng),
        "potential_story_hooks": _hooks(fill, rng),
    }


def _core_event(headline: Headline, turn: str, rng: random.Random) -> str:
    if not headline.span:
        return f"The news reaches {rng.choice(('a small town', 'the night shift', 'a quiet street'))}: {turn}"
    opener = headline.leaning(OPENERS, rng, 1)
    link = "; " if turn.startswith(("and", "by")) else ", and "
    return opener + headline.span + link + turn


def _conflict(category: str, rng: random.Random) -> str:
    if category and rng.random() < 0.7:
        return CONFLICTS[category]
    return rng.choice(tuple(dict.fromkeys(CONFLICTS.values())))


def _characters(name: str, role: str, headline: Headline, rng: random.Random) -> list[str]:
    article = "an" if role[0] in "aeiou" else "a"
    first = f"{name}, {article} {role}"
    if rng.random() < 0.4:
        return [first]
    other = rng.choice([role for role in ROLES if role[0] not in "aeiou"])
    return [first, f"a {other} {rng.choice(WANTS).replace('{word}', headline.word(rng))}"]


def _hooks(fill: Callable[[str], str], rng: random.Random) -> list[str]:
    rows = HOOKS if rng.random() < 0.4 else HOOKS[:2]
    return [fill(rng.choice(row)) for row in rows]
