"""Finds the file that an entry of EMBEDDED_MODEL means: a path, or a name that is looked up in LM Studio's folders."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from plotbot.ask.embedded.gguf import name_of, parts_of
from plotbot.errors import EngineError
from plotbot.safe import one_line

_SUFFIX = ".gguf"
_LISTED = 12
_MOST_FILES = 100_000
# Part two of a split model, and the image encoder that lies beside some models, are no models of their own.
_NO_MODEL = re.compile(r"-(?!00001)\d{5}-of-\d{5}\.gguf$|^mmproj|\bmmproj\b")


def find_model_file(entry: str, root: Path, environ: Mapping[str, str]) -> Path:
    """The one file that *entry* means; relative paths start at *root*.

    Raises `EngineError` where no file fits, or several do; it lists them.
    """
    path = root / Path(entry).expanduser()
    is_path = entry.lower().endswith(_SUFFIX) or path.is_file()
    if is_path and (path.exists() or path.is_symlink() or "/" in entry or os.sep in entry):
        return path
    folders = model_folders(environ)
    found = _matches(entry, folders)
    if len(found) == 1:
        return found[0]
    where = f"below {' or '.join(map(str, folders))}" if folders else "here, where LM Studio has no models"
    name = one_line(entry, 120)
    if not found:
        raise EngineError(
            f"EMBEDDED_MODEL: there is no file {name}, and no model of that name {where}. Give a path to a GGUF "
            "file, or set LMSTUDIO_MODELS to the folder with the models."
        )
    listed = "".join(f"\n  {one_line(str(file), 300)}" for file in found[:_LISTED])
    more = f"\n  and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
    raise EngineError(f"EMBEDDED_MODEL: {name} may mean {len(found)} files. Name one of them:{listed}{more}")


def model_folders(environ: Mapping[str, str]) -> list[Path]:
    """The folders that may hold models and exist: LMSTUDIO_MODELS alone if it is set, else LM Studio's usual two."""
    named = environ.get("LMSTUDIO_MODELS", "").strip()
    home = Path.home()
    usual = [home / ".lmstudio" / "models", home / ".cache" / "lm-studio" / "models"]
    return [folder for folder in ([Path(named).expanduser()] if named else usual) if folder.is_dir()]


def _matches(entry: str, folders: Sequence[Path]) -> list[Path]:
    """The files with every word of *entry* in their path; among them only those of exactly that name, if there are."""
    words = _words(entry.lower().removesuffix(_SUFFIX))
    files = [
        (file, file.relative_to(folder).as_posix())
        for folder in folders
        for file in islice(_files(folder), _MOST_FILES)
    ]
    found = [file for file, below in files if words and all(word in below.lower() for word in words)]
    exact = [file for file in found if _words(name_of(file)) == words]
    return exact or found


def _files(folder: Path) -> Iterator[Path]:
    for place, inside, names in os.walk(folder):
        inside.sort()
        for name in sorted(names):
            if name.lower().endswith(_SUFFIX) and not _NO_MODEL.search(name.lower()):
                yield parts_of(Path(place) / name)[0]


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower())
