"""ReadOnlyFile: bytes of a file by position, from any thread, with errors a person can act on."""

from __future__ import annotations

import os
import stat
import threading
import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_READ_LIMIT = 1 << 30  # one system call moves at most 2 GiB on Linux


class FrameReadError(OSError):
    """Frames that were promised when the file was opened can no longer be read."""


class DamagedFrameError(FrameReadError):
    """One frame cannot be made out, which says nothing against the others."""


class ReadOnlyFile:
    """A regular file open for positional reads.

    Frames are read rather than memory-mapped: a mapped file that shrinks kills the whole
    process (SIGBUS), a read comes back short and becomes a sentence. Instances can be pickled;
    the copy opens the file again on its first read.

    Parameters
    ----------
    path : an existing regular file.

    Raises
    ------
    FileNotFoundError, PermissionError, ValueError
        One sentence each for: missing, not readable, a folder or a device.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name
        self._lock = threading.Lock()
        self._descriptor = -1
        self._closer: weakref.finalize[Any, Any] | None = None
        self._open()
        self.size = os.fstat(self._descriptor).st_size

    def read_at(self, offset: int, n_bytes: int) -> bytes:
        """Return up to `n_bytes` from `offset`, fewer only at the end of the file."""
        n_bytes = max(0, min(n_bytes, self.size - offset))
        buffer = bytearray(n_bytes)
        return bytes(buffer[: self._fill(offset, memoryview(buffer))])

    def read_into(self, offset: int, buffer: memoryview, what: str) -> None:
        """Fill `buffer` from `offset`; `what` names it in the error.

        Raises
        ------
        FrameReadError
            If the file has become shorter, has gone, or the disk reports an error.
        """
        if self._fill(offset, buffer) < len(buffer):
            raise FrameReadError(
                f"{self.name}: {what} could not be read because the file has become shorter since "
                "it was opened; open it again once it is complete."
            )

    def close(self) -> None:
        """Close the file; a later read opens it again."""
        with self._lock:
            if self._closer is not None:
                self._closer()
            self._descriptor, self._closer = -1, None

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "name": self.name, "size": self.size}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()
        self._descriptor, self._closer = -1, None

    def _open(self) -> None:
        require_file(self.path)
        try:
            self._descriptor = os.open(self.path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except PermissionError:
            raise _no_permission(self.path) from None
        self._closer = weakref.finalize(self, os.close, self._descriptor)

    def _fill(self, offset: int, buffer: memoryview) -> int:
        """Read until `buffer` is full or the file ends; return the bytes read."""
        done = 0
        try:
            while done < len(buffer):
                n_bytes = self._read_some(offset + done, buffer[done : done + _READ_LIMIT])
                if n_bytes == 0:
                    break
                done += n_bytes
        except OSError as error:
            reason = error.strerror or "not found"
            raise FrameReadError(
                f"{self.name}: reading failed at byte {offset + done} ({reason}); check that the "
                f"file is still in {self.path.parent} and that its disk is connected."
            ) from None
        return done

    def _read_some(self, offset: int, buffer: memoryview) -> int:
        with self._lock:
            if self._descriptor < 0:
                self._open()
            descriptor = self._descriptor
            if not hasattr(os, "preadv"):  # Windows: seek and read under the lock
                os.lseek(descriptor, offset, os.SEEK_SET)
                data = os.read(descriptor, len(buffer))
                buffer[: len(data)] = data
                return len(data)
        return os.preadv(descriptor, [buffer], offset)


def require_file(path: Path) -> None:
    """Raise one clear sentence unless `path` is a regular file."""
    try:
        mode = path.stat().st_mode
    except PermissionError:
        raise _no_permission(path) from None
    except (OSError, ValueError):  # ValueError: a NUL character in the name
        raise FileNotFoundError(
            f"{path.name}: no such file in {path.parent}; check the name and the folder."
        ) from None
    if stat.S_ISDIR(mode):
        raise ValueError(f"{path.name}: this is a folder; give the files in it instead.")
    if not stat.S_ISREG(mode):
        raise ValueError(f"{path.name}: this is a device or a pipe; save the images to a file.")


def _no_permission(path: Path) -> PermissionError:
    return PermissionError(f"{path.name}: no permission to read it; change the file's rights.")
