"""Crash-safe writing: a file is there whole or not at all."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

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
        If a running process holds it. A lock left by one that died is taken over.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    lock = folder / LOCK
    if is_in_use(folder):
        raise FileExistsError(f"{folder} is in use by another run; wait for it or choose another.")
    lock.unlink(missing_ok=True)
    try:
        descriptor = os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except FileExistsError:
        message = f"{folder} is in use by another run; wait for it or choose another."
        raise FileExistsError(message) from None
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(str(os.getpid()))
        yield
    finally:
        lock.unlink(missing_ok=True)


def is_in_use(folder: str | Path) -> bool:
    """Whether a running process holds the folder."""
    lock = Path(folder) / LOCK
    return lock.exists() and _is_running(lock)


def _is_running(lock: Path) -> bool:
    import psutil

    try:
        return bool(psutil.pid_exists(int(lock.read_text())))
    except ValueError:
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
