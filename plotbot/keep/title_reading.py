"""Reading title files without changing them: the files, the titles that have an answer, the files that are unusable."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plotbot.errors import InputError
from plotbot.keep.filesystem import Disk, describe
from plotbot.keep.title_document import DamagedError, Document, parse
from plotbot.keep.title_files import title_path
from plotbot.records import Title


@dataclass(frozen=True, slots=True)
class TitleFile:
    """A title file that can be read and has the name that belongs to its title."""

    path: Path
    document: Document

    @property
    def title_id(self) -> str:
        return str(self.document["title_id"])

    def entry(self, model: str, prompt_hash: str) -> Mapping[str, Any] | None:
        """The answer (`response` and `meta`) of a model to a prompt hash; None if there is none."""
        entry = self.document["llm_models"].get(model, {}).get(prompt_hash)
        return entry if _is_answer(entry) else None

    def entries(self) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        """All answers as (model, prompt hash, answer), sorted."""
        for model, answers in sorted(self.document["llm_models"].items()):
            for prompt_hash, entry in sorted(answers.items()):
                if _is_answer(entry):
                    yield model, prompt_hash, entry

    def unusable_entries(self) -> Iterator[tuple[str, str]]:
        """Model and prompt hash of each entry that is not an answer."""
        for model, answers in sorted(self.document["llm_models"].items()):
            yield from ((model, prompt_hash) for prompt_hash, entry in sorted(answers.items()) if not _is_answer(entry))


@dataclass(frozen=True, slots=True)
class UnusableFile:
    """A title file that is damaged, cannot be read, or holds another title than its name says; and the reason."""

    path: Path
    reason: str


def answered_titles(
    folder: Path,
    titles: Iterable[Title],
    model: str,
    prompt_hash: str,
    *,
    disk: Disk | None = None,
    unusable: list[UnusableFile] | None = None,
) -> set[str]:
    """The ids of those *titles* whose files hold an answer of *model* to *prompt_hash*.

    A damaged or foreign file counts as no answer and is added to *unusable*.
    """
    answered = set()
    for title in titles:
        file = read_title_file(folder, title.id, disk or Disk())
        if isinstance(file, UnusableFile):
            if unusable is not None:
                unusable.append(file)
        elif file is not None and file.entry(model, prompt_hash) is not None:
            answered.add(title.id)
    return answered


def read_title_file(folder: Path, title_id: str, disk: Disk) -> TitleFile | UnusableFile | None:
    """A title's file, or why it cannot be used; None if there is none."""
    path = title_path(folder, title_id)
    file = _read(path, disk)
    if isinstance(file, TitleFile) and file.title_id != title_id:
        return UnusableFile(path, f"it holds another title, {file.title_id!r:.80}")
    return file


def title_files(folder: Path, disk: Disk) -> Iterator[TitleFile | UnusableFile]:
    """Every title file in *folder*, by name; none if it is missing. Raises `InputError` if it cannot be listed."""
    for name in _names(folder, disk):
        file = _read(folder / name, disk)
        if isinstance(file, TitleFile) and title_path(folder, file.title_id).name != name:
            yield UnusableFile(file.path, f"its name does not fit the title in it, {file.title_id!r:.80}")
        elif file is not None:
            yield file


def _names(folder: Path, disk: Disk) -> list[str]:
    try:
        names = disk.names(folder)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(f"{describe(error, folder)}; is this the folder of answers?") from error
    # The names of temporary files begin with a dot, those of damaged files that were moved aside end differently.
    return [name for name in names if name.endswith(".json") and not name.startswith(".")]


def _read(path: Path, disk: Disk) -> TitleFile | UnusableFile | None:
    try:
        return TitleFile(path, parse(disk.read(path)))
    except FileNotFoundError:
        return None
    except DamagedError as error:
        return UnusableFile(path, f"damaged, {error}")
    except OSError as error:
        return UnusableFile(path, error.strerror or str(error))


def _is_answer(entry: object) -> bool:
    return isinstance(entry, dict) and "response" in entry and isinstance(entry.get("meta", {}), dict)
