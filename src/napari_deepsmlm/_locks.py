"""Locks: who holds a folder or a file, also where the file system knows none."""

from __future__ import annotations

import errno
import json
import os
import platform
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCK = ".in-use"
OWNER = ".in-use-by"  # instead of a lock, where the file system has none
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}


@contextmanager
def folder_lock(folder: str | Path) -> Iterator[None]:
    """Hold an output folder for this process, made if it is not there.

    Raises
    ------
    FileExistsError
        If a running process holds it. The lock of a process that died is taken over.
    NotADirectoryError
        If there is a file in its place.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise NotADirectoryError(
            f"{folder} cannot be a folder, since there is a file in its place; choose another."
        ) from None
    release = _acquire(folder)
    if release is None:
        raise FileExistsError(f"{folder} is in use by another run; wait for it or choose another.")
    try:
        yield
    finally:
        release()


def is_in_use(folder: str | Path) -> bool:
    """Whether somebody holds the folder."""
    folder = Path(folder)
    if (folder / OWNER).exists():
        return _is_alive(folder / OWNER)
    if not (folder / LOCK).exists():
        return False
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    except (OSError, NotImplementedError):
        return False
    lock.release()
    return False


def hold_file(descriptor: int) -> None:
    """Mark an open file as that of a running process, as far as the system can."""
    with suppress(ImportError, OSError):
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_held(path: Path) -> bool | None:
    """Whether a running process holds a file by :func:`hold_file`, None if that is not known."""
    try:
        import fcntl
    except ImportError:  # Windows, where a file that is open cannot be removed anyway
        return False
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return False


def _acquire(folder: Path) -> Any:
    """Take a folder and return what gives it back, None if a running process holds it."""
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    except NotImplementedError:
        return _acquire_by_name(folder / OWNER)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return _acquire_by_name(folder / OWNER)

    def release() -> None:
        if os.name != "nt":  # a file that is open cannot be removed there
            (folder / LOCK).unlink(missing_ok=True)
        lock.release()

    return release


def _acquire_by_name(path: Path) -> Any:
    """Leave a file that says which process holds the folder."""
    (path.parent / LOCK).unlink(missing_ok=True)
    for _ in range(2):
        try:
            with path.open("x") as file:
                json.dump(_own_name(), file)
        except FileExistsError:
            if _is_alive(path):
                return None
            path.unlink(missing_ok=True)
        else:
            return lambda: path.unlink(missing_ok=True)
    return None


def _is_alive(path: Path) -> bool:
    """Whether the process that a file names may be running: on this machine, since its start."""
    try:
        owner = json.loads(path.read_text())
        host, boot, process = (owner[key] for key in ("host", "boot", "process"))
    except (OSError, ValueError, KeyError, TypeError):
        return False
    here = _own_name()
    if host != here["host"]:
        return True  # nobody here can tell
    return bool(boot == here["boot"] and _runs(process))


def _own_name() -> dict[str, Any]:
    boot = ""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return {"host": platform.node(), "boot": boot, "process": os.getpid()}


def _runs(process: Any) -> bool:
    import psutil

    return isinstance(process, int) and process > 0 and psutil.pid_exists(process)
