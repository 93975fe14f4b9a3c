"""Folding: merging answers into their title files. A crash at any point leaves each file whole, old or new.

For every title: lock, read, merge, write a temporary file, flush it, rename it. Then the folder is flushed, and only
then do the answers count as folded. Folding an answer again changes nothing, so any process may do it at any time.
"""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

from plotbot.errors import DiskError, ForeignFileError, KeepError, LockBusyError
from plotbot.keep.filesystem import TEMP_SUFFIX, Disk, describe, replace_unflushed
from plotbot.keep.locks import LOCKS_FOLDER, TitleLocks, never
from plotbot.keep.title_document import DamagedError, Document, merge, parse, render
from plotbot.keep.title_document import withdraw as withdraw_from
from plotbot.records import Answer, Case
from plotbot.safe import file_stem
from plotbot.settings import Settings

# Threads of one fold. On a slow disk they mostly wait for flushes, and the file system joins concurrent flushes.
_THREADS = 8
# For a shard that takes less, a thread costs more than the waiting that it saves.
_QUICK_SECONDS = 0.002


@dataclass(frozen=True, slots=True)
class Unfolded:
    """An answer that is not in its title file, and the reason; `passing`: another try may succeed."""

    answer: Answer
    error: KeepError
    passing: bool


@dataclass(frozen=True, slots=True)
class MovedAside:
    """A damaged title file: its old path, its new path, and what was wrong with it."""

    path: Path
    moved_to: Path
    reason: str


@dataclass(frozen=True, slots=True)
class FoldOutcome:
    """The result of folding a batch. A `folded` answer is durable in its title file, or a later one is there."""

    folded: tuple[Answer, ...] = ()
    unfolded: tuple[Unfolded, ...] = ()
    damaged: tuple[MovedAside, ...] = ()
    files_written: int = 0


@dataclass(slots=True)
class _Shard:
    """The answers under one lock, by the file stem of their titles, and the results so far. Used by one thread."""

    lock: Path
    titles: dict[str, list[Answer]] = field(default_factory=dict)
    folded: list[Answer] = field(default_factory=list)
    unfolded: list[Unfolded] = field(default_factory=list)
    damaged: list[MovedAside] = field(default_factory=list)
    files_written: int = 0

    def refuse(self, answers: Sequence[Answer], error: KeepError, *, passing: bool) -> None:
        self.unfolded += [Unfolded(answer, error, passing) for answer in answers]


Fold = Callable[[Sequence[Answer], Callable[[], bool]], FoldOutcome]
"""`fold` with folder, locks and disk filled in; the second argument is its *give_up*."""


def configured_fold(settings: Settings, disk: Disk) -> Fold:
    """`fold` into the folder, and with the locks, of the settings."""
    folder, locks = settings.generated_dir, title_locks(settings, disk)
    return lambda answers, give_up: fold(answers, folder, locks=locks, disk=disk, give_up=give_up)


def title_locks(settings: Settings, disk: Disk) -> TitleLocks:
    """The locks of the title files of the settings."""
    return TitleLocks(
        settings.generated_dir / LOCKS_FOLDER,
        disk,
        timeout=settings.file_lock_timeout,
        poll_interval=settings.file_lock_poll_interval,
        stale_seconds=settings.file_lock_stale_seconds,
    )


def title_path(folder: Path, title_id: str) -> Path:
    """The file of a title. Two ids never share one, also on file systems that ignore case or Unicode form."""
    return folder / f"{file_stem(title_id)}.json"


def fold(
    answers: Sequence[Answer], folder: Path, *, locks: TitleLocks, disk: Disk, give_up: Callable[[], bool] = never
) -> FoldOutcome:
    """Merge *answers* into their title files in *folder*, created if missing. Safe in any process and thread.

    Never raises for a file, a lock or the disk: each answer is in `folded` or, with its `KeepError`, in `unfolded`.
    *give_up* is called while waiting for a lock and before every file; once it returns True, the rest stays unfolded.
    """
    shards = _by_shard(answers, locks)
    try:
        disk.make_folder(folder)
    except OSError as error:
        return _all_refused(answers, DiskError(describe(error, folder)))
    _each(partial(_fold_shard, folder=folder, locks=locks, disk=disk, give_up=give_up), shards)
    return _flushed(answers, shards, folder, disk)


def withdraw(run: str, cases: Sequence[Case], folder: Path, *, locks: TitleLocks, disk: Disk) -> None:
    """Take the answers that *run* gave to *cases* out of their title files; a file without another answer is removed.

    Raises `KeepError` for the first file or lock that cannot be used.
    """
    for case in cases:
        path = title_path(folder, case.title.id)
        try:
            with locks.hold(locks.shard(file_stem(case.title.id))):
                document = parse(disk.read(path))
                if withdraw_from(document, run, {case.id}):
                    if document["llm_models"]:
                        replace_unflushed(path, render(document), disk)
                    else:
                        disk.unlink(path)
        except (FileNotFoundError, DamagedError):
            # There is no such answer in it.
            continue
        except OSError as error:
            raise DiskError(describe(error, path)) from error
    if folder.is_dir():
        disk.sync_folder(folder)


def sweep_temps(folder: Path, older_than: float, *, locks: TitleLocks, disk: Disk) -> tuple[Path, ...]:
    """Remove the temporary files of killed processes that are at least *older_than* seconds old; gives their paths.

    Each is removed under its title's lock, so that no live process loses its file. One that is locked or cannot be
    removed is left for the next time.
    """
    swept = []
    for name in _temps(folder, disk):
        path = folder / name
        try:
            with locks.hold(locks.shard(name.split(".")[1]), give_up=lambda: True):
                if time.time() - disk.modified(path) >= older_than:
                    disk.unlink(path)
                    swept.append(path)
        except (KeepError, OSError):
            continue
    return tuple(swept)


def _temps(folder: Path, disk: Disk) -> list[str]:
    try:
        names = disk.names(folder)
    except OSError:
        return []
    return [name for name in names if name.startswith(".") and name.endswith(TEMP_SUFFIX) and name.count(".") == 3]


def _by_shard(answers: Sequence[Answer], locks: TitleLocks) -> list[_Shard]:
    shards: dict[Path, _Shard] = {}
    for answer in answers:
        stem = file_stem(answer.title.id)
        lock = locks.shard(stem)
        shards.setdefault(lock, _Shard(lock)).titles.setdefault(stem, []).append(answer)
    return list(shards.values())


def _each(work: Callable[..., bool], shards: Sequence[_Shard]) -> None:
    """Work on all shards: one after the other as long as each takes under `_QUICK_SECONDS`, then on threads.

    *work* may wait for a lock only if *wait* is True; otherwise it returns False where it would have to.
    """
    left, busy = deque(shards), list[_Shard]()
    quick = True
    while left and quick:
        shard, begun = left.popleft(), time.monotonic()
        if not work(shard, wait=len(shards) == 1):
            busy.append(shard)
        quick = time.monotonic() - begun <= _QUICK_SECONDS
    _on_threads(work, [*busy, *left])


def _on_threads(work: Callable[..., bool], shards: Sequence[_Shard]) -> None:
    """Daemon threads, because those of a thread pool would keep an interrupted process alive."""
    count = min(_THREADS, len(shards))
    queue: SimpleQueue[_Shard | None] = SimpleQueue()
    for shard in (*shards, *[None] * count):
        queue.put(shard)

    def drain() -> None:
        for shard in iter(queue.get, None):
            work(shard, wait=True)

    threads = [Thread(target=drain, name="plotbot-fold", daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _fold_shard(
    shard: _Shard, folder: Path, locks: TitleLocks, disk: Disk, give_up: Callable[[], bool], *, wait: bool
) -> bool:
    """Fold a shard's titles; False, with nothing done, if another process holds its lock and *wait* is False."""
    waiting = dict(shard.titles)
    reason = KeepError(f"{folder}: the run ended before this answer's turn")
    try:
        with locks.hold(shard.lock, give_up, wait=wait):
            while waiting and not give_up():
                stem = next(iter(waiting))
                _fold_title(shard, waiting.pop(stem), folder / f"{stem}.json", disk)
    except LockBusyError as error:
        if not wait:
            return False
        reason = error
    except KeepError as error:
        reason = error
    except OSError as error:
        reason = DiskError(describe(error, shard.lock))
    except MemoryError:
        # `_flushed` finds the answers that this leaves without a result; the other shards go on.
        return True
    for answers in waiting.values():
        shard.refuse(answers, reason, passing=True)
    return True


def _fold_title(shard: _Shard, answers: Sequence[Answer], path: Path, disk: Disk) -> None:
    try:
        document = _read(shard, path, answers, disk)
        merged = merge(document, answers)
        if merged.changed:
            replace_unflushed(path, render(merged.document), disk)
            shard.files_written += 1
    except KeepError as error:
        shard.refuse(answers, error, passing=False)
    except (TypeError, ValueError, RecursionError) as error:
        shard.refuse(answers, KeepError(f"{path}: an answer that is no JSON: {error}"), passing=False)
    except OSError as error:
        shard.refuse(answers, DiskError(describe(error, path)), passing=True)
    else:
        shard.folded += answers


def _read(shard: _Shard, path: Path, answers: Sequence[Answer], disk: Disk) -> Document | None:
    """The title's document; None if there is no file, or a damaged one, which is moved aside."""
    _check_ids(path, {answer.title.id for answer in answers})
    try:
        document = parse(disk.read(path))
    except FileNotFoundError:
        return None
    except DamagedError as error:
        shard.damaged.append(_move_aside(path, str(error), disk))
        return None
    _check_ids(path, {answers[0].title.id, document["title_id"]})
    return document


def _check_ids(path: Path, ids: set[str]) -> None:
    if "" in ids:
        raise KeepError(f"{path}: a title without an id has no file")
    if len(ids) > 1:
        named = " and ".join(repr(one)[:80] for one in sorted(ids))
        raise ForeignFileError(f"{path}: two titles claim this file, {named}; move the file away or change an id")


def _move_aside(path: Path, reason: str, disk: Disk) -> MovedAside:
    at = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    aside = path.with_name(f"{path.name}.damaged-{at}-{secrets.token_hex(4)}")
    disk.replace(path, aside)
    return MovedAside(path, aside, reason)


def _flushed(answers: Sequence[Answer], shards: Sequence[_Shard], folder: Path, disk: Disk) -> FoldOutcome:
    """The outcome, after the flush of the folder that makes every rename of the batch durable.

    The folder is flushed even if nothing was written: a process that died before its own flush may have renamed the
    file.
    """
    folded = tuple(answer for shard in shards for answer in shard.folded)
    unfolded = [refused for shard in shards for refused in shard.unfolded]
    if folded:
        try:
            disk.sync_folder(folder)
        except OSError as error:
            unfolded += _all_refused(folded, DiskError(describe(error, folder))).unfolded
            folded = ()
    settled = {id(answer) for answer in (*folded, *(refused.answer for refused in unfolded))}
    # Those of a shard that ran out of memory.
    lost = [answer for answer in answers if id(answer) not in settled]
    unfolded += [Unfolded(answer, KeepError(f"{folder}: folding broke off"), passing=True) for answer in lost]
    damaged = tuple(moved for shard in shards for moved in shard.damaged)
    return FoldOutcome(folded, tuple(unfolded), damaged, sum(shard.files_written for shard in shards))


def _all_refused(answers: Sequence[Answer], error: KeepError) -> FoldOutcome:
    return FoldOutcome(unfolded=tuple(Unfolded(answer, error, passing=True) for answer in answers))
