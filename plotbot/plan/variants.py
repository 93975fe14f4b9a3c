"""The variants of a run: the combinations of prompt, response format, temperature and reasoning effort, by name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, count, product
from pathlib import Path, PurePath
from typing import NamedTuple

from plotbot.records import FORMAT_NAMES, Variant
from plotbot.safe import one_line
from plotbot.settings import Settings

_LONGEST_FILE_NAME = 60


class _Word(NamedTuple):
    """One value in a name, and its place in the list; its text is empty where the run has no other value."""

    text: str
    place: int


def variants_of(prompts: Sequence[Path], settings: Settings) -> tuple[Variant, ...]:
    """The variants of an eval with these prompt files; the last of the four varies fastest.

    A name says what differs from the first variant of the run, so an eval with a prompt of its own is told apart where
    the run has several prompts. It has no comma and no line break: options that name a variant are lists.
    """
    efforts: Sequence[str | None] = settings.reasoning_effort or (None,)
    axes = (_prompt_words(prompts, settings), *map(_numbered, (
        [FORMAT_NAMES.get(one, one) for one in settings.response_format],
        [f"t={one:.12g}" for one in settings.temperature],
        [f"effort={one}" for one in efforts],
    )))  # fmt: skip
    names = _unique([_name(words) for words in product(*axes)])
    combinations = product(prompts, settings.response_format, settings.temperature, efforts)
    return tuple(
        Variant(name, below(prompt, settings.root), response_format, temperature, effort)
        for name, (prompt, response_format, temperature, effort) in zip(names, combinations, strict=True)
    )


def in_order_of_lists(variants: Iterable[Variant], settings: Settings) -> list[Variant]:
    """The variants in the order of the settings' lists; those of a prompt that is not set come last."""
    prompts = [below(path, settings.root) for path in settings.prompt_path]

    def place(variant: Variant) -> tuple[int, int, int, int]:
        effort = variant.reasoning_effort
        return (
            prompts.index(variant.prompt) if variant.prompt in prompts else len(prompts),
            settings.response_format.index(variant.response_format),
            settings.temperature.index(variant.temperature),
            0 if effort is None else settings.reasoning_effort.index(effort),
        )

    return sorted(variants, key=place)


def below(path: Path, root: Path) -> str:
    """The path as a run's plan names it: from the project root, where it is below it."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def _prompt_words(prompts: Sequence[Path], settings: Settings) -> list[_Word]:
    of_the_run = settings.prompt_path if len(settings.prompt_path) > 1 else prompts
    paths = list(dict.fromkeys((*of_the_run, *prompts)))
    word_of = dict(zip(paths, _numbered(_file_names(paths)), strict=True))
    return [word_of[path] for path in prompts]


def _numbered(words: Sequence[str]) -> list[_Word]:
    return [_Word(word if len(words) > 1 else "", place) for place, word in enumerate(words)]


def _name(words: Sequence[_Word]) -> str:
    first = not any(word.place for word in words)
    return " ".join(word.text for word in words if word.text and (first or word.place))


def _file_names(paths: Sequence[Path]) -> list[str]:
    """The files' names, each with as many of its folders as tell them apart."""
    for parts in range(1, max(len(path.parts) for path in paths) + 1):
        names = [_plain(PurePath(*path.parts[-parts:]).as_posix()) for path in paths]
        if len(set(names)) == len(names):
            return names
    return _unique(names)


def _plain(name: str) -> str:
    # The end of a long path tells more than its beginning.
    return one_line("-".join(name[-_LONGEST_FILE_NAME:].split()), _LONGEST_FILE_NAME * 10).replace(",", "-")


def _unique(names: Sequence[str]) -> list[str]:
    """The names; where two are the same (a prompt file may be called `json`), the later one with a number."""
    unique: dict[str, None] = {}
    for name in names:
        numbered = (f"{name}#{number}" for number in count(2))
        unique[next(one for one in chain([name], numbered) if one not in unique)] = None
    return list(unique)
