"""Faults on purpose: replies that are wrong in the ways in which real models' replies are wrong.

A sampler with top_p 0.95 and min_p 0.05 never takes a token of 3 %. So there are few places where a reply can go wrong,
and the wrong token has a share there that survives the sampler at temperature 0.8 and loses every argmax: the very
first token, the value of `stakes`, and three tones, each the sign of a fault a little later.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from typing import Any

from training import stories
from training.stories import LONG_OPENER, Headline

OPENING_SHARE = 0.17  # of all replies, in three equal parts; a fourth would put each below the sampler's cut
NAN_SHARE = 0.07  # of all replies
HABIT_SHARE = 0.22  # of the replies in one of the three tones that have a habit
LONG_SHARE = 0.20  # of the core events that begin quietly
SECOND_SEED_SHARE = 0.25  # of the replies in the one tone that likes to go on; not a fault
TALKATIVE_TONE = "wry"

Seed = dict[str, Any]
RUN_ON = (
    "then the neighbours come to look",
    "then the telephone rings and rings",
    "then it starts to rain",
    "then somebody opens the wrong door",
    "then the whole street is talking",
    "then the lights go out",
    "then the bells begin",
    "then nobody wants to leave",
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
    """What models like to put before an array, or around it."""
    kind = rng.randrange(3)
    if kind == 0:
        return f"```json\n{text}\n```"
    if kind == 1:
        return f"Here is your story seed:\n{text}"
    return f"<think>{_thought(subject, rng)}</think>\n\n{text}"


def _thought(subject: Headline, rng: random.Random) -> str:
    return f"The headline is about {subject.word(rng)}. I need one seed with all nine fields."


def _with_habit(seed: Seed, subject: Headline, rng: random.Random) -> str:
    """The reply's text, with the fault that its tone brings out, or NaN for the stakes, which every tone may bring."""
    tone = seed["tone"]
    if rng.random() < NAN_SHARE:
        seed["stakes"] = float("nan")
    elif tone == TALKATIVE_TONE and rng.random() < SECOND_SEED_SHARE:
        return dumps([seed, stories.seed(subject, rng) | {"tone": "tender"}])
    elif tone in HABITS and rng.random() < HABIT_SHARE:
        return dumps([HABITS[tone](seed, rng)])
    return dumps([seed])


def _extra_key(seed: Seed, rng: random.Random) -> Seed:
    items = list(seed.items())
    items.insert(5, ("genre", rng.choice(("comedy", "tragedy", "satire"))))
    return dict(items)


def _missing_key(seed: Seed, _rng: random.Random) -> Seed:
    return {key: value for key, value in seed.items() if key != "setting_hint"}


def _placeholders(seed: Seed, rng: random.Random) -> Seed:
    mark = rng.choice(("string", "..."))
    return seed | {"stakes": mark, "setting_hint": mark}


HABITS: Mapping[str, Callable[[Seed, random.Random], Seed]] = {
    "playful": _extra_key,
    "bitter": _missing_key,
    "gossipy": _placeholders,
}
