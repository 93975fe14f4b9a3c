import errno
import os
import sys
from pathlib import Path

import pytest

from plotbot.keep import filesystem as disk_module
from plotbot.keep.filesystem import Disk, describe
from plotbot.safe import LARGEST_FILE_BYTES

NO_FOLDER_FLUSH = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no way to flush a folder")


class BusyError(OSError):
    """A refusal as Windows words it, made where there is no Windows."""

    def __init__(self, winerror: int) -> None:
        super().__init__(errno.EACCES, "Access is denied")
        self.winerror = winerror


@pytest.mark.parametrize(
    ("winerror", "refusals", "succeeds"), [(5, 2, True), (32, 7, True), (33, 8, False), (2, 1, False)]
)
def test_a_busy_windows_rename_is_tried_again_in_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, winerror: int, refusals: int, succeeds: bool
) -> None:
    (tmp_path / "a").write_bytes(b"new")
    slept: list[float] = []
    left = [refusals]
    rename = os.replace

    def replace(source: Path, target: Path) -> None:
        if left[0]:
            left[0] -= 1
            raise BusyError(winerror)
        rename(source, target)

    monkeypatch.setattr(os, "replace", replace)
    if succeeds:
        Disk(slept.append).replace(tmp_path / "a", tmp_path / "b")
        assert (tmp_path / "b").read_bytes() == b"new"
    else:
        with pytest.raises(BusyError):
            Disk(slept.append).replace(tmp_path / "a", tmp_path / "b")
    assert len(slept) == (0 if winerror == 2 else min(refusals, 7))
    assert sum(slept) < 1.5


def test_a_write_goes_on_until_everything_is_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk()
    fd = disk.create(tmp_path / "a")
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, bytes(data)[:3]))
    disk.write(fd, b"0123456789")
    disk.close(fd)
    assert disk.read(tmp_path / "a") == b"0123456789"


def test_a_taken_name_is_not_created_again(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        Disk().create(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"mine"


def test_every_new_folder_is_made_durable_in_its_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    disk = Disk()
    monkeypatch.setattr(disk, "sync_folder", synced.append)
    disk.make_folder(tmp_path / "a/b/c")
    disk.make_folder(tmp_path / "a/b/c")
    assert (tmp_path / "a/b/c").is_dir()
    assert synced == [tmp_path, tmp_path / "a", tmp_path / "a/b"]


@NO_FOLDER_FLUSH
@pytest.mark.parametrize(("code", "raises"), [(errno.EINVAL, False), (errno.EIO, True)])
def test_a_folder_that_cannot_be_flushed_is_fine_and_one_that_fails_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, raises: bool
) -> None:
    def refuse(_: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)
    if raises:
        with pytest.raises(OSError, match="Input/output"):
            Disk().sync_folder(tmp_path)
    else:
        Disk().sync_folder(tmp_path)


@NO_FOLDER_FLUSH
def test_flushes_reach_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[int] = []
    monkeypatch.setattr(os, "fsync", flushed.append)
    monkeypatch.setattr(disk_module, "fcntl", lambda fd, _: flushed.append(fd), raising=False)
    disk = Disk()
    fd = disk.create(tmp_path / "a")
    disk.sync(fd)
    disk.close(fd)
    disk.sync_folder(tmp_path)
    assert flushed[0] == fd
    assert len(flushed) == 2


def test_an_error_is_described_by_file_and_reason() -> None:
    assert describe(OSError(errno.ENOSPC, "No space left on device"), Path("x")) == "x: No space left on device"
    assert describe(OSError("odd"), Path("x")) == "x: odd"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a FIFO, which Windows has not")
@pytest.mark.parametrize("method", ["read", "open_read", "open_append"])
def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path: Path, method: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", Path("/dev/zero")):
        with pytest.raises(OSError, match="a FIFO, a socket or a device, not a file"):
            getattr(Disk(), method)(path)
    with pytest.raises(IsADirectoryError):
        Disk().read(tmp_path)


def test_a_giant_file_is_not_read_into_memory(tmp_path: Path) -> None:
    with (tmp_path / "giant").open("wb") as file:
        file.truncate(LARGEST_FILE_BYTES + 1)
    with pytest.raises(OSError, match="larger than 1,073,741,824 bytes"):
        Disk().read(tmp_path / "giant")
