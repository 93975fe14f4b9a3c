"""The SHA-256 of model files, which may have gigabytes: computed once, and again when a file's size or time changes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from plotbot.ask.embedded.engine import sha256_of
from plotbot.ask.embedded.gguf import GgufModel, stamp_of
from plotbot.keep.filesystem import Disk, write_atomically
from plotbot.safe import read_regular
from plotbot.settings import Settings

CACHE = ".gguf-sha256.json"


def model_sha256(model: GgufModel, settings: Settings, read: Callable[[int], None]) -> str:
    """The SHA-256 of a model's file, or of all its parts in order; *read* hears of each piece that had to be read.

    It is kept in RUNS_DIR, by path, size and time of change. Raises `EngineError` where a file cannot be read.
    """
    cache = settings.runs_dir / CACHE
    key, stamp = str(model.paths[0].resolve()), _stamp(model)
    known = _read(cache)
    entry = known.get(key)
    if isinstance(entry, dict) and entry.get("stamp") == stamp and isinstance(entry.get("sha256"), str):
        return str(entry["sha256"])
    sha256 = sha256_of(model.paths, read)
    if stamp == _stamp(model):
        _write(cache, {**known, key: {"stamp": stamp, "sha256": sha256}})
    return sha256


def _stamp(model: GgufModel) -> list[list[int]]:
    try:
        return stamp_of(model.paths)
    except OSError:
        return []


def _read(cache: Path) -> dict[str, Any]:
    try:
        data = json.loads(read_regular(cache))
    except (OSError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _write(cache: Path, known: dict[str, Any]) -> None:
    """Without the cache the file is read again next time, so a disk that refuses is no fault of the run."""
    disk = Disk()
    try:
        disk.make_folder(cache.parent)
        write_atomically(cache, json.dumps(known, indent=1).encode("ascii"), disk)
    except OSError:
        return
