"""What an audit finds among stories: copies, also of the prompt, sentences that come again, fields that hardly vary."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from plotbot.measure.duplicates import Alike, Copy, alike, copies, normalized, sequences
from plotbot.records import Title

HARDLY_VARIES = 0.5
"""The share of a model's stories that have the same value in a field, from which the field hardly varies."""
FEW = 5
"""With fewer stories nothing is said about how a field varies."""
COPIED = 0.5
"""The share of a story's three-word sequences that are in the prompt, from which it copies the prompt."""
_SENTENCE = re.compile(r"[^.!?。！？…\n]+")
_LEAST_WORDS = 4
"""Shorter sentences come again by chance."""
_LEAST_COPIED_WORDS = 5


@dataclass(frozen=True)
class Story:
    """One entry of an answer. `texts` are its strings, `values` its fields as texts, the headline's own in neither."""

    model: str
    title: Title
    prompt_hash: str
    texts: tuple[str, ...]
    values: Mapping[str, str]
    case: str = ""

    @cached_property
    def normalized_texts(self) -> tuple[str, ...]:
        return tuple(normalized(text) for text in self.texts)


@dataclass(frozen=True, slots=True)
class Reused:
    """A sentence and the number of stories that have it."""

    sentence: str
    stories: int


@dataclass(frozen=True, slots=True)
class Unvaried:
    """A field with its most frequent value: `stories` of the `of` that have the field have this value."""

    field: str
    value: str
    stories: int
    of: int


@dataclass(frozen=True, slots=True)
class ModelAudit:
    """What an audit found among the stories of one model. `copied` counts those that copy their prompt."""

    model: str
    stories: int
    distinct: int
    exact: int
    near: int
    copied: int
    reused: Reused | None
    unvaried: Sequence[Unvaried] = field(default_factory=tuple)

    @property
    def distinct_share(self) -> float:
        return self.distinct / self.stories


@dataclass(frozen=True, slots=True)
class Audit:
    """The whole audit. `copies` name stories by number; `copied` has the numbers of those that copy their prompt."""

    stories: Sequence[Story]
    copies: Sequence[Copy]
    copied: Sequence[int]
    models: Sequence[ModelAudit]
    titles: Sequence[Title]
    alike: Sequence[Alike]


def audit(stories: Sequence[Story], titles: Sequence[Title], prompts: Mapping[str, str]) -> Audit:
    """Audit stories and titles. *prompts* has by prompt hash the text in which an example may be; it may lack some.

    A story is distinct if it is no copy of an earlier one of the same model.
    """
    found = list(copies([_whole(story) for story in stories]))
    copied = list(_copied(stories, prompts))
    return Audit(stories, found, copied, _models(stories, found, copied), titles, list(alike(titles)))


def _whole(story: Story) -> str:
    return " ".join(story.normalized_texts) or " ".join(story.values.values())


def _models(stories: Sequence[Story], found: Sequence[Copy], copied: Sequence[int]) -> list[ModelAudit]:
    numbers: defaultdict[str, list[int]] = defaultdict(list)
    for number, story in enumerate(stories):
        numbers[story.model].append(number)
    by_second = {copy.second: copy for copy in found}
    prompt_copies = set(copied)
    return [_model(model, own, stories, by_second, prompt_copies) for model, own in sorted(numbers.items())]


def _model(
    model: str, numbers: Sequence[int], stories: Sequence[Story], by_second: Mapping[int, Copy], copied: set[int]
) -> ModelAudit:
    seen: set[int] = set()
    exact = near = 0
    for number in numbers:
        copy = by_second.get(number)
        original = number if copy is None else copy.first
        if copy is not None and original in seen:
            exact, near = exact + copy.same, near + (not copy.same)
        seen.add(original)
    own = [stories[number] for number in numbers]
    return ModelAudit(
        model, len(own), len(seen), exact, near, len(copied.intersection(numbers)), _reused(own), list(_unvaried(own))
    )


def _reused(stories: Iterable[Story]) -> Reused | None:
    counts: Counter[str] = Counter()
    spelt: dict[str, str] = {}
    for story in stories:
        own = {normalized(sentence): sentence.strip() for text in story.texts for sentence in _SENTENCE.findall(text)}
        told = {plain: sentence for plain, sentence in own.items() if plain.count(" ") >= _LEAST_WORDS - 1}
        counts.update(told.keys())
        for plain, sentence in told.items():
            spelt.setdefault(plain, sentence)
    # Of equally frequent ones the longest: its parts say less.
    best = max(counts, key=lambda plain: (counts[plain], len(plain), plain), default="")
    return Reused(spelt[best], counts[best]) if counts[best] > 1 else None


def _unvaried(stories: Sequence[Story]) -> Iterator[Unvaried]:
    values: defaultdict[str, list[str]] = defaultdict(list)
    for story in stories:
        for name, value in story.values.items():
            values[name].append(value)
    for name, all_of_it in values.items():
        counts = Counter(normalized(value) for value in all_of_it)
        value, count = max(counts.items(), key=lambda one: one[1])
        if len(all_of_it) >= FEW and count >= HARDLY_VARIES * len(all_of_it):
            shown = next(one for one in all_of_it if normalized(one) == value)
            yield Unvaried(name, shown, count, len(all_of_it))


def _copied(stories: Sequence[Story], prompts: Mapping[str, str]) -> Iterator[int]:
    """The numbers of the stories that copy their prompt: half of it, or one text of five words or more as a whole."""
    wholes = {key: (plain := normalized(text), sequences(plain)) for key, text in prompts.items()}
    for number, story in enumerate(stories):
        if story.prompt_hash not in wholes:
            continue
        prompt, its_sequences = wholes[story.prompt_hash]
        own = sequences(_whole(story))
        if len(own & its_sequences) >= COPIED * len(own) or _has_a_text_of(prompt, story):
            yield number


def _has_a_text_of(prompt: str, story: Story) -> bool:
    return any(
        text.count(" ") >= _LEAST_COPIED_WORDS - 1 and f" {text} " in f" {prompt} " for text in story.normalized_texts
    )
