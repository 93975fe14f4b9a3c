"""Whether a model fits in memory: an estimate of what it takes, and what this machine has."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from plotbot.ask.embedded.gguf import GgufModel

_BATCH = 512
_ENGINE_BYTES = 64_000_000
_MEMINFO = Path("/proc/meminfo")
_CONTROL_GROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Memory:
    """The machine's memory in bytes, or its container's: all of it, and what is free. None is "not known"."""

    total: int | None
    free: int | None


def needed_bytes(model: GgufModel, context_length: int, slots: int) -> int:
    """About how many bytes the engine takes: the weights, the cache of keys and values, a batch's results.

    It is an upper estimate for architectures that compress the cache.
    """
    return model.size_bytes + model.cache_bytes * context_length * slots + 4 * _BATCH * model.vocabulary + _ENGINE_BYTES


def memory() -> Memory:
    """What this process may use now."""
    told = _told_by_linux()
    total, free = told.get("MemTotal"), told.get("MemAvailable")
    if total is None:
        total = _physical_bytes()
    limit = _number_in("memory.max")
    if limit is None or (total is not None and limit >= total):
        return Memory(total, free)
    used = _number_in("memory.current") or 0
    left = max(limit - used, 0)
    return Memory(limit, left if free is None else min(free, left))


def _told_by_linux() -> dict[str, int]:
    try:
        text = _MEMINFO.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return {}
    return {name: int(number) * 1024 for name, number in re.findall(r"^(\w+):\s+(\d+) kB$", text, re.MULTILINE)}


def _number_in(name: str) -> int | None:
    """A limit of this container; None where it has none."""
    try:
        text = (_CONTROL_GROUP / name).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return int(text) if text.isdigit() else None


def _physical_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def physical_cores() -> int:
    """The cores of this machine that this process may use; two threads of one core count once, where that is told."""
    usable = _usable_processors()
    cores = {_core_of(processor) for processor in usable}
    return len(cores) if None not in cores else len(usable)


def default_threads() -> int:
    """The threads of an engine: the cores less one for plotbot, which needs so little that two are both used."""
    return max(min(2, physical_cores()), physical_cores() - 1)


def _usable_processors() -> set[int]:
    try:
        return os.sched_getaffinity(0)
    except AttributeError:
        return set(range(os.cpu_count() or 1))


def _core_of(processor: int) -> str | None:
    """The processors that share a core with this one, as Linux lists them."""
    path = Path(f"/sys/devices/system/cpu/cpu{processor}/topology/thread_siblings_list")
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
