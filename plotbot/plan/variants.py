"""The variants of a run: the combinations of prompt, response format, temperature and reasoning effort, by name."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, count, product
from pathlib import Path, PurePath
from typing import Any

from plotbot.records import FORMAT_NAMES, Variant
from plotbot.safe import one_line
from plotbot.settings import Settings

_LONGEST_FILE_NAME = 60


def variants_of(prompts: Sequence[Path], settings: Settings) -> tuple[Variant, ...]:
    """The variants of an eval with these prompt files; the last of the four varies fastest. The first is compared with.

    A name has no comma and no line break: options that name a variant are lists.
    """
    efforts: Sequence[str | None] = settings.reasoning_effort or (None,)
    axes: Sequence[Sequence[Any]] = (prompts, settings.response_format, settings.temperature, efforts)
    words = (
        _file_names(prompts),
        [FORMAT_NAMES.get(one, one) for one in settings.response_format],
        [f"t={one:.12g}" for one in settings.temperature],
        [f"effort={one}" for one in efforts],
    )
    places = list(product(*(range(len(axis)) for axis in axes)))
    names = _unique([_name(place, words) for place in places])
    return tuple(
        Variant(name, below(prompt, settings.root), response_format, temperature, effort)
        for name, (prompt, response_format, temperature, effort) in zip(names, product(*axes), strict=True)
    )


def below(path: Path, root: Path) -> str:
    """The path as a run's plan names it: from the project root, where it is below it."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def _name(place: Sequence[int], words: Sequence[Sequence[str]]) -> str:
    several = [(axis[at], at) for axis, at in zip(words, place, strict=True) if len(axis) > 1]
    return " ".join(word for word, at in several if at or not any(place))


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
