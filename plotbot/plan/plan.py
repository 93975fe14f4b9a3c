"""The plan: the frozen, ordered list of a run's cases, made once."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from plotbot.plan.sample import draw
from plotbot.plan.titles import read_titles
from plotbot.plan.variants import below
from plotbot.records import Case, Question, Title, Variant
from plotbot.safe import digest, slug
from plotbot.settings import Settings
from plotbot.settings.keys import BY_NAME

_SAMPLE_SIZE = BY_NAME["TEST_SAMPLE_SIZE"]
_LONGEST_SLUG, _LONGEST_WORDS = 93, 40
"""Characters of a slug and of its words. With a hash behind it a slug has at most 100."""
_WORD = re.compile(r"[^\W_]+")
_SAYS_NOTHING = frozenset({
    "a", "an", "and", "at", "by", "for", "from", "in", "is", "it", "its", "of", "on", "or", "the", "to", "with",
})  # fmt: skip
_ID_BESIDE_VARIANT = 28
_NOT_IN_VARIANTS = re.compile(r"[^a-z0-9._]+")

Missing = Callable[[Sequence[Title], str, Question], Sequence[Title]]
"""Selects, from all titles, those without an answer of a model to a question."""
Sample = tuple[Title, ...]
"""Titles in the order in which they are asked about."""


class Beside:
    """Titles that are asked beside those drawn.

    *ids* are title ids by model. *names* are item names, as reports and node ids have them: a name holds its title's id
    as a slug, among other words. Where nothing else is named, pytest runs these items *alone*, so a title too many does
    no harm.
    """

    def __init__(
        self, ids: Mapping[str, Collection[str]] | None = None, names: Sequence[str] = (), *, alone: bool = True
    ) -> None:
        self._ids = ids or {}
        self._all_names = names
        names = names if alone else ()
        self._names = frozenset(names)
        self._unmatched = {name: f"-{name}-" for name in names}
        self._words = list(self._unmatched.values())

    def as_named(self, cases: Sequence[Case]) -> list[Case]:
        """The cases of an eval, those with the slugs of plotbot 0.1 that are named so: pytest looks for that name."""
        if not self._names:
            return list(cases)
        former = {slug: old for old, slug in former_slugs(cases).items() if old in self._names}
        return [replace(case, slug=former.get(case.slug, case.slug)) for case in cases]

    @property
    def unmatched(self) -> list[str]:
        """The names that hold no id of any title that was looked at."""
        return list(self._unmatched)

    def strange(self, cases: Iterable[Case]) -> list[str]:
        """The names of items that none of these cases has."""
        slugs = [case.slug for case in cases] if self._all_names else []
        return [name for name in self._all_names if not any(slug in name for slug in slugs)]

    def wants(self, title: Title, model: str) -> bool:
        """Whether the title is to be asked of the model."""
        # A variant's name leaves less room for the id.
        ids = {f"-{slug(title.id)}-", f"-{slug(title.id, _ID_BESIDE_VARIANT)}-"} if self._words else set()
        named = any(one in words for words in self._words for one in ids)
        if named:
            left = {name: words for name, words in self._unmatched.items() if not any(one in words for one in ids)}
            self._unmatched = left
        return named or title.id in self._ids.get(model, ())


class Plan:
    """The cases of a run. It grows by questions while pytest collects; the cases of a known question never change.

    Thread-safe, because the threads that serve workers call it. With *missing*, each model's sample is drawn from the
    titles that *missing* selects, and is smaller than configured if they are fewer. *beside* are titles that are
    asked all the same. `drawn` counts the titles of the largest draw, in all parts of a plan. *note* is told of a file
    that has fewer titles than the default sample. *samples* are drawn already: by the path of their file from the
    project root, of which an entry that is still there counts as it is now. *read* gives the titles at a path.
    """

    def __init__(
        self,
        settings: Settings,
        models: Sequence[str],
        missing: Missing | None = None,
        beside: Beside | None = None,
        note: Callable[[str], None] = lambda _: None,
        samples: Mapping[str, Sample] | None = None,
        read: Callable[[Path], tuple[Title, ...]] = read_titles,
    ) -> None:
        self.models = tuple(models)
        self.questions: dict[str, Question] = {}
        self.cases: dict[str, Case] = {}
        self._settings = settings
        self.drawn = 0
        self._missing = missing
        self._beside = beside or Beside()
        self._note = note
        self._samples = samples or {}
        self._read = read
        self._titles: dict[Path, tuple[Title, ...]] = {}
        self._answers: dict[tuple[tuple[tuple[str, str], ...], Path], tuple[Case, ...]] = {}
        self._lock = threading.Lock()

    def cases_of(self, questions: Mapping[Variant, Question], titles_path: Path) -> tuple[Case, ...]:
        """The cases of an eval: model by model, variant by variant, title by title, repeat by repeat."""
        key = tuple((variant.name, question.hash) for variant, question in questions.items()), titles_path
        with self._lock:
            if key not in self._answers:
                self._answers[key] = self._make(questions, titles_path)
            return self._answers[key]

    def titles_of(self, path: Path) -> tuple[Title, ...]:
        """The titles of a file, which is read once."""
        if path not in self._titles:
            self._titles[path] = titles = self._read(path)
            if len(titles) < self._settings.test_sample_size and self._settings.left_open(_SAMPLE_SIZE):
                default = self._settings.test_sample_size
                self._note(f"{path}: the sample is all of its titles, {len(titles)}; by default it would be {default}")
        return self._titles[path]

    def _most(self, path: Path) -> int:
        """The most titles that a sample may have: all that there are by default; what was asked for is not reduced."""
        is_default = self._settings.left_open(_SAMPLE_SIZE)
        return len(self._titles[path]) if is_default else self._settings.test_sample_size

    def _make(self, questions: Mapping[Variant, Question], titles_path: Path) -> tuple[Case, ...]:
        cases = self._beside.as_named(_disambiguated([
            _case(model, variant, question, title, repeat, self._settings.model_seed)
            for model in self.models
            for variant, question in questions.items()
            for title in self._sample(titles_path, model, question)
            for repeat in range(1, self._settings.repeats + 1)
        ]))  # fmt: skip
        self.questions.update((question.hash, question) for question in questions.values())
        self.cases.update((case.id, case) for case in cases)
        return tuple(cases)

    def _sample(self, path: Path, model: str, question: Question) -> tuple[Title, ...]:
        mine = self._drawn(path, model, question)
        there = {title.id for title in mine}
        wanted = [title for title in self.titles_of(path) if self._beside.wants(title, model)]
        return (*mine, *(title for title in wanted if title.id not in there))

    def _drawn(self, path: Path, model: str, question: Question) -> tuple[Title, ...]:
        titles = self.titles_of(path)
        sample = self._samples.get(below(path, self._settings.root))
        if sample is not None:
            now = {title.id: title for title in titles}
            self.drawn = max(self.drawn, len(sample))
            return tuple(now.get(title.id, title) for title in sample)
        size = min(self._settings.test_sample_size, self._most(path))
        if self._missing is not None:
            titles = tuple(self._missing(titles, model, question))
            size = min(size, len(titles))
        part, parts = self._settings.shard or (1, 1)
        drawn = draw(titles, size, self._settings.sample_seed, below(path, self._settings.root))
        self.drawn = max(self.drawn, len(drawn))
        return drawn[part - 1 :: parts]


def case_id(
    model: str, prompt_hash: str, title: Title, repeat: int, variant: str = "", *, asks_fields: bool = False
) -> str:
    """Sixteen hex digits of a SHA-256 over the case's content. Its position in the plan does not count.

    The variant's name counts where there is one: two variants may differ in nothing that the prompt hash covers. The
    title's fields count where a template may name them.
    """
    fields = [dict(title.fields)] if asks_fields and title.fields else []
    content = json.dumps([model, prompt_hash, title.id, title.text, repeat, *([variant] if variant else []), *fields])
    return hashlib.sha256(content.encode("ascii")).hexdigest()[:16]


def case_seed(model_seed: int, title_id: str, repeat: int) -> int:
    """The seed sent with a case, 31 bits: it differs by title and repeat and is the same for every model."""
    material = f"{model_seed}:{title_id}:{repeat}".encode()
    return int.from_bytes(hashlib.sha256(material).digest()[:4], "big") >> 1


def with_unique_slugs(cases: Sequence[Case]) -> list[Case]:
    """The cases with slugs that are unique among them: the plans of two shards may have given the same slug twice."""
    return _disambiguated([replace(case, slug=_slug_of(case)) for case in cases])


def former_slugs(cases: Sequence[Case]) -> dict[str, str]:
    """By the slug that plotbot 0.1 gave each of an eval's cases, without words of the headline, the one that it has."""
    former = [replace(case, slug=_slug_of(case, words=False)) for case in cases]
    return {old.slug: case.slug for old, case in zip(_disambiguated(former), cases, strict=True)}


def _slug_of(case: Case, *, words: bool = True) -> str:
    return _slug(case.model, case.variant, case.response_format, case.title, case.repeat, words=words)


def _case(model: str, variant: Variant, question: Question, title: Title, repeat: int, model_seed: int) -> Case:
    return Case(
        id=case_id(model, question.hash, title, repeat, variant.name, asks_fields=bool(question.template)),
        slug=_slug(model, variant.name, question.response_format, title, repeat),
        model=model,
        title=title,
        prompt_hash=question.hash,
        response_format=question.response_format,
        repeat=repeat,
        seed=case_seed(model_seed, title.id, repeat),
        variant=variant.name,
        params=_params_of(variant),
    )


@cache
def _params_of(variant: Variant) -> Mapping[str, Any]:
    """One mapping for all cases of a variant."""
    return variant.params


def _slug(model: str, variant: str, response_format: str, title: Title, repeat: int, *, words: bool = True) -> str:
    """The name of a case in item ids: model, variant, a few words of the headline, the title's id, and the repeat.

    It has at most `_LONGEST_SLUG` characters. Without *words* it is as plotbot 0.1 named it.
    """
    name = model.rsplit("/", 1)[-1]
    if variant:
        before, after = f"{slug(name, 24)}-{_variant_slug(variant)}", f"{slug(title.id, _ID_BESIDE_VARIANT)}-r{repeat}"
    else:
        # Free text is the default and has no mark.
        form = "" if response_format == "none" else "-json"
        before, after = slug(name), f"{slug(title.id)}{form}-r{repeat}"
    room = _LONGEST_SLUG - len(before) - len(after) - 2
    told = _headline_words(title.text, min(room, _LONGEST_WORDS)) if words else ""
    return "-".join(part for part in (before, told, after) if part)


def _headline_words(text: str, room: int) -> str:
    """The first four words of a headline that say something, in ASCII: `goose-sues-town`.

    Letters lose their accents. A headline in another script has none: its title's id has to do.
    """
    # Four words are in the first few hundred characters of any headline.
    plain = text[:400].casefold().replace("'", "").replace("’", "")
    if not plain.isascii():
        plain = "".join(one for one in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(one))
    words = [word for word in _WORD.findall(plain) if word.isascii() and word not in _SAYS_NOTHING][:4]
    while words and len("-".join(words)) > room:
        words.pop()
    return "-".join(words)


def _variant_slug(variant: str) -> str:
    """The variant's name as pytest's `-k` can name it: `short.txt-t-0.2`."""
    plain = unicodedata.normalize("NFKD", variant).encode("ascii", "ignore").decode("ascii").lower()
    return _NOT_IN_VARIANTS.sub("-", plain).strip("-")[:32].strip("-") or "x"


def _disambiguated(cases: list[Case]) -> list[Case]:
    """The cases, with a short hash of the case id appended to slugs that several share."""
    uses = Counter(case.slug for case in cases)
    return [case if uses[case.slug] == 1 else _with_hash(case) for case in cases]


def _with_hash(case: Case) -> Case:
    return replace(case, slug=f"{case.slug}-{digest(case.id, 6)}")
