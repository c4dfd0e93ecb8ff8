"""Crash-safe writing: a file is there whole or not at all."""

from __future__ import annotations

import errno
import os
import re
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from napari_deepsmlm._locks import LOCK, folder_lock, hold_file, is_held, is_in_use

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = [
    "LOCK",
    "atomic_write",
    "folder_lock",
    "is_in_use",
    "refuse_to_replace",
    "sync_folder",
]

# What file systems say that have no such thing: network homes, exFAT, FUSE.
_UNSUPPORTED = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOTTY}
_RANDOM = re.compile(r"[a-z0-9_]{8}")  # what tempfile adds to a name
_YOUNG_S = 10.0
_OLD_S = 86_400.0


@contextmanager
def atomic_write(path: str | Path) -> Iterator[BinaryIO]:
    """Open a binary file that replaces `path` only when the block ends without an error.

    The bytes go to a temporary file in the same folder, are flushed to the disk, and are then
    renamed over `path`; readers and a crash see either the old file or the new one. What a killed
    process left of an earlier try is removed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{path.name[:100]}."
    _clear_leftovers(path.parent, prefix)
    handle, temporary = tempfile.mkstemp(prefix=prefix, dir=path.parent)
    try:
        with os.fdopen(handle, "w+b") as file:
            hold_file(file.fileno())
            yield file
            file.flush()
            _sync(file.fileno())
        with suppress(OSError):  # there are file systems without permissions
            os.chmod(temporary, _mode_for(path))
        os.replace(temporary, path)
    except BaseException as error:
        with suppress(OSError):
            Path(temporary).unlink(missing_ok=True)
        if type(error) is OSError and error.errno and error.filename is None:
            raise OSError(error.errno, error.strerror, str(path)) from error  # a full disk
        raise
    sync_folder(path.parent)


def refuse_to_replace(main: Path, beside: Iterable[Path], inputs: Iterable[Path] = ()) -> None:
    """Protect files that a person has not named from those that are written beside `main`.

    What lies beside an older `main` is replaced together with it; without one, it is somebody
    else's.

    Raises
    ------
    FileExistsError
        One sentence, before anything is written.
    """
    beside = list(beside)
    movies = [path for path in inputs if path.exists()]
    given = [path for movie in movies for path in _with_header(movie) if path.exists()]
    for path in (main, *beside):
        if path.exists() and any(path.samefile(other) for other in given):
            raise FileExistsError(
                f"{path} is one of the files that are read: choose another place for the output."
            )
    if main.exists():
        return
    for path in beside:
        if path.exists():
            raise FileExistsError(
                f"{path} is there already and is no part of an earlier {main.name}, which would "
                f"replace it: choose another name than {main.name}, or move that file away."
            )


def _with_header(path: Path) -> tuple[Path, ...]:
    """Return a movie and the file beside it that says how large its frames are."""
    header = {".raw": ".yaml", ".dax": ".inf"}.get(path.suffix.lower())
    return (path,) if header is None else (path, path.with_suffix(header))


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut (a no-op where folders cannot be synced)."""
    if os.name == "nt":
        return
    with suppress(OSError):  # the file is there; some file systems cannot promise more
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _sync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise


def _clear_leftovers(folder: Path, prefix: str) -> None:
    """Remove temporary files of the same name whose process has died."""
    with suppress(OSError):
        for path in folder.iterdir():
            if path.name.startswith(prefix) and _RANDOM.fullmatch(path.name[len(prefix) :]):
                _clear_if_left(path)


def _clear_if_left(path: Path) -> None:
    with suppress(OSError):  # Windows: it is still open
        age_s = time.time() - path.stat().st_mtime
        if age_s < _YOUNG_S:
            return
        held = is_held(path)
        if held is False or (held is None and age_s > _OLD_S):
            path.unlink()


def _mode_for(path: Path) -> int:
    """Permissions of the file that is replaced, else what the umask gives a new one."""
    if path.exists():
        return path.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
