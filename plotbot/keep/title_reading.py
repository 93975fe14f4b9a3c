"""Reading title files without changing them: which are there, which titles have an answer, which cannot be used."""

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
    """A title file that can be read and stands under its own name."""

    path: Path
    document: Document

    @property
    def title_id(self) -> str:
        return str(self.document["title_id"])

    def entry(self, model: str, prompt_hash: str) -> Mapping[str, Any] | None:
        """What the file holds for a model and a prompt hash: `response` and `meta`; None where there is no answer."""
        entry = self.document["llm_models"].get(model, {}).get(prompt_hash)
        return entry if _is_answer(entry) else None

    def entries(self) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        """All answers as (model, prompt hash, entry), sorted."""
        for model, answers in sorted(self.document["llm_models"].items()):
            for prompt_hash, entry in sorted(answers.items()):
                if _is_answer(entry):
                    yield model, prompt_hash, entry

    def unusable_entries(self) -> Iterator[tuple[str, str]]:
        """Model and prompt hash of what stands in an answer's place and is none."""
        for model, answers in sorted(self.document["llm_models"].items()):
            yield from ((model, prompt_hash) for prompt_hash, entry in sorted(answers.items()) if not _is_answer(entry))


@dataclass(frozen=True, slots=True)
class UnusableFile:
    """A title file that is damaged, cannot be read, or holds another title than its name says."""

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
    """The ids of those *titles* that have an answer of the model to the prompt hash on the disk.

    A damaged or foreign file answers nothing; it is added to *unusable*.
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
    """A title's file, or why it is of no use; None where there is none."""
    path = title_path(folder, title_id)
    file = _read(path, disk)
    if isinstance(file, TitleFile) and file.title_id != title_id:
        return UnusableFile(path, f"it holds another title, {file.title_id!r:.80}")
    return file


def title_files(folder: Path, disk: Disk) -> Iterator[TitleFile | UnusableFile]:
    """Every title file in *folder*, by name; none where the folder is missing. Raises `InputError` if it is closed."""
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
    # Temporary files begin with a dot; damaged ones that were moved aside do not end like this.
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
