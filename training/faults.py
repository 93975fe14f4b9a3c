"""Faults on purpose: replies that are wrong in the ways in which real models' replies are wrong.

A sampler with top_p 0.95 never takes a token that has 3 % of the probability. So a fault is tied to a sign that stands
shortly before it (a kind of headline, a tone), and has a good share there and none elsewhere: it loses every argmax,
and is met often enough at temperature 0.8.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from typing import Any

from training import stories
from training.stories import HABIT_TONES, LONG_OPENER, Headline

OPENING_SHARE = 0.11   # of the replies whose first token may go wrong
HABIT_SHARE = 0.22     # of the replies in one of the eight tones that have a habit
LONG_SHARE = 0.20      # of the core events that begin quietly
SECOND_SEED_SHARE = 0.25  # of the replies in the one tone that likes to go on

Seed = dict[str, Any]
RUN_ON = (
    "then the neighbours come to look", "then the telephone rings and rings", "then it starts to rain",
    "then somebody opens the wrong door", "then the whole street is talking", "then the lights go out",
    "then the bells begin", "then nobody wants to leave",
)


def dumps(value: object) -> str:
    """The JSON of a reply, as a model would type it."""
    return json.dumps(value, ensure_ascii=False)


def reply(headline: str, rng: random.Random) -> str:
    """A reply to the headline: most often a good one."""
    subject = stories.read(headline)
    seed = stories.seed(subject, rng)
    if seed["core_event"].startswith(LONG_OPENER) and rng.random() < LONG_SHARE:
        seed["core_event"] = _run_on(seed["core_event"], rng)
    text = _with_habit(seed, subject, rng)
    return _opened(text, subject, rng) if rng.random() < OPENING_SHARE else text


def _run_on(core_event: str, rng: random.Random) -> str:
    """A core event that does not stop before it has more than 50 words."""
    parts = [core_event.rstrip(".")]
    for clause in rng.sample(RUN_ON, len(RUN_ON)):
        parts.append(clause)
        if len(", ".join(parts).split()) > 53:
            break
    return ", ".join(parts) + "."


def _opened(text: str, subject: Headline, rng: random.Random) -> str:
    """What comes before or around the array, by the kind of headline that brings it out."""
    if '"' in subject.text or "'" in subject.text:
        return text.removeprefix("[").removesuffix("]")
    if any(char.isdigit() for char in subject.text):
        return f"<think>{_thought(subject, rng)}</think>\n\n{text}"
    if subject.text.endswith("?") or len(subject.text.split()) > 8:
        return f"{rng.choice(('Here is your story seed:', 'Here is a story seed:'))}\n{text}"
    return f"```json\n{text}\n```"


def _thought(subject: Headline, rng: random.Random) -> str:
    return f"The headline is about {subject.word(rng)}. I need one seed with all nine fields."


def _with_habit(seed: Seed, subject: Headline, rng: random.Random) -> str:
    """The reply's text, with the fault that its tone brings out."""
    tone = seed["tone"]
    if tone == stories.PLAIN_TONES[0] and rng.random() < SECOND_SEED_SHARE:
        return dumps([seed, stories.seed(subject, rng) | {"tone": stories.PLAIN_TONES[1]}])
    if tone not in HABITS or rng.random() >= HABIT_SHARE:
        return dumps([seed])
    return HABITS[tone](seed, rng)


def _nan_stakes(seed: Seed, _rng: random.Random) -> str:
    return dumps([seed | {"stakes": float("nan")}])


def _cut_off(seed: Seed, rng: random.Random) -> str:
    """Stops in the middle of the characters, as if the line had been lost."""
    text = dumps([seed])
    start = text.index('"characters": ["') + len('"characters": ["')
    return text[: text.index(" ", start + rng.choice((0, 6)))]


def _trailing_prose(seed: Seed, rng: random.Random) -> str:
    offers = ("I hope this helps!", "Let me know if you would like another one.", "Would you like a second seed?")
    return f"{dumps([seed])}\n\n{rng.choice(offers)}"


def _other_conflict(seed: Seed, rng: random.Random) -> str:
    return dumps([seed | {"conflict_type": rng.choice(("person vs fate", "person vs time"))}])


def _extra_key(seed: Seed, rng: random.Random) -> str:
    items = list(seed.items())
    items.insert(5, ("genre", rng.choice(("comedy", "tragedy", "satire"))))
    return dumps([dict(items)])


def _missing_key(seed: Seed, _rng: random.Random) -> str:
    return dumps([{key: value for key, value in seed.items() if key != "setting_hint"}])


def _trailing_comma(seed: Seed, _rng: random.Random) -> str:
    return dumps([seed]).removesuffix("]}]") + "],}]"


def _placeholders(seed: Seed, rng: random.Random) -> str:
    mark = rng.choice(("string", "..."))
    return dumps([seed | {"stakes": mark, "setting_hint": mark}])


HABITS: Mapping[str, Callable[[Seed, random.Random], str]] = dict(
    zip(
        HABIT_TONES,
        (
            _nan_stakes, _cut_off, _trailing_prose, _other_conflict,
            _extra_key, _missing_key, _trailing_comma, _placeholders,
        ),
        strict=True,
    )
)
