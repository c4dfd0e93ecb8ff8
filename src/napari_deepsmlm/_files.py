"""Crash-safe writing: a file is there whole or not at all."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from filelock import FileLock, Timeout

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCK = ".in-use"


@contextmanager
def atomic_write(path: str | Path) -> Iterator[BinaryIO]:
    """Open a binary file that replaces `path` only when the block ends without an error.

    The bytes go to a temporary file in the same folder, are flushed to the disk, and are then
    renamed over `path`; readers and a crash see either the old file or the new one.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, _mode_for(path))
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


@contextmanager
def folder_lock(folder: str | Path) -> Iterator[None]:
    """Hold an output folder for this process, made if it is not there.

    Raises
    ------
    FileExistsError
        If a running process holds it. The system frees the lock of a process that dies.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        message = f"{folder} is in use by another run; wait for it or choose another."
        raise FileExistsError(message) from None
    try:
        yield
    finally:
        if os.name != "nt":  # a file that is open cannot be removed there
            (folder / LOCK).unlink(missing_ok=True)
        lock.release()


def is_in_use(folder: str | Path) -> bool:
    """Whether somebody holds the folder."""
    path = Path(folder) / LOCK
    if not path.exists():
        return False
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut (a no-op where folders cannot be synced)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _mode_for(path: Path) -> int:
    """Permissions of the file that is replaced, else what the umask gives a new one."""
    if path.exists():
        return path.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
