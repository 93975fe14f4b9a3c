from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from plotbot.errors import InputError, KeepError
from plotbot.keep.filesystem import Disk
from plotbot.keep.journal import Journal
from plotbot.keep.journal_reading import Damaged, read_journal, read_line_at, stream_journal

WAIT = 30


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


@contextmanager
def _open(path: Path, disk: Disk | None = None) -> Iterator[Journal]:
    journal = Journal.open(path, disk or Disk())
    try:
        yield journal
    finally:
        journal.close(WAIT)


def _written(path: Path, count: int = 3) -> bytes:
    with _open(path) as journal:
        for n in range(count):
            journal.append("exchange", {"n": n}).result(WAIT)
    return path.read_bytes()


def _numbers(path: Path) -> list[int]:
    return [line.data["n"] for line in read_journal(path).lines]


def _reasons(path: Path) -> list[str]:
    return [damaged.reason for damaged in read_journal(path).damaged]


def test_a_journal_cut_at_every_byte_of_its_last_line_loses_that_line_alone(path: Path) -> None:
    whole = _written(path)
    start = whole[:-1].rindex(b"\n") + 1
    for cut in range(start, len(whole) + 1):
        path.write_bytes(whole[:cut])
        is_whole = cut >= len(whole) - 1
        assert _numbers(path) == ([0, 1, 2] if is_whole else [0, 1])
        torn = () if is_whole or cut == start else (Damaged(3, start, "cut short by a crash"),)
        assert read_journal(path).damaged == torn


@pytest.mark.parametrize("lost", [1, 2, 20])
def test_a_line_after_a_torn_one_starts_fresh(path: Path, lost: int) -> None:
    whole = _written(path)
    path.write_bytes(whole[:-lost])
    with _open(path) as journal:
        journal.append("exchange", {"n": 9}).result(WAIT)
    assert _numbers(path) == ([0, 1, 2, 9] if lost == 1 else [0, 1, 9])
    assert _reasons(path) == ([] if lost == 1 else ["cut short by a crash"])


LINE = b'{"v":1,"kind":"exchange","data":{"n":7}}\n'
BAD_LINES = {
    "zeros": (b"\0" * 50 + b"\n", "zero-filled"),
    "zeros before a record": (b"\0" * 50 + LINE, "torn, or no JSON"),
    "an empty line": (b"\n", "empty"),
    "no JSON": (b"garbage\n", "torn, or no JSON"),
    "not ASCII": ('{"v":1,"kind":"ß","data":{}}\n'.encode(), "torn, or no JSON"),
    "nested too deep": (b"[" * 100_000 + b"\n", "torn, or no JSON"),
    "a number past the cap": (b"1" * 5000 + b"\n", "torn, or no JSON"),
    "two records in one line": (LINE[:-1] + LINE, "torn, or no JSON"),
    "a list": (b"[]\n", "no JSON object"),
    "another version": (LINE.replace(b'"v":1', b'"v":2'), "schema version 2 instead of 1"),
    "no version": (LINE.replace(b'"v":1,', b""), "schema version None instead of 1"),
    "true as version": (LINE.replace(b'"v":1', b'"v":true'), "schema version True instead of 1"),
    "no kind": (LINE.replace(b'"exchange"', b"null"), "no kind or no data"),
    "data of a wrong type": (LINE.replace(b'{"n":7}', b"[7]"), "no kind or no data"),
}


@pytest.mark.parametrize(("bad", "reason"), BAD_LINES.values(), ids=BAD_LINES.keys())
def test_a_damaged_line_is_counted_with_its_place_and_skipped(path: Path, bad: bytes, reason: str) -> None:
    path.write_bytes(LINE + bad + LINE.replace(b"7", b"8"))
    assert _numbers(path) == [7, 8]
    assert read_journal(path).damaged == (Damaged(2, len(LINE), reason),)


def test_a_duplicated_line_counts_once(path: Path) -> None:
    whole = _written(path)
    path.write_bytes(whole + whole.splitlines(keepends=True)[1])
    assert _numbers(path) == [0, 1, 2]
    assert read_journal(path).damaged == (Damaged(4, len(whole), "the same line again"),)


def test_the_same_record_appended_twice_is_no_damage(path: Path) -> None:
    with _open(path) as journal:
        for _ in range(2):
            journal.append("folded", {"case": "c"}).result(WAIT)
    assert len(read_journal(path).lines) == 2
    assert _reasons(path) == []


def test_a_journal_is_streamed_line_by_line(path: Path) -> None:
    path.write_bytes(LINE + b"bad\n" + LINE.replace(b"7", b"8"))
    damaged: list[Damaged] = []
    lines = stream_journal(path, damaged)
    assert next(lines).data == {"n": 7}
    assert damaged == []
    assert next(lines).data == {"n": 8}
    assert [one.line_number for one in damaged] == [2]


def test_a_missing_journal_is_the_users_to_put_right(path: Path) -> None:
    with pytest.raises(InputError, match=r"journal\.jsonl: No such file"):
        read_journal(path)
    with pytest.raises(KeepError, match=r"journal\.jsonl: No such file"):
        read_line_at(path, 0)


def test_there_is_no_record_in_the_middle_of_a_line(path: Path) -> None:
    _written(path)
    with pytest.raises(KeepError, match="no record at byte 3"):
        read_line_at(path, 3)
