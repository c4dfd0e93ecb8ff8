"""HDF5 files, read by a child process: a damaged one ends in a sentence, whatever it does."""

from __future__ import annotations

import io
import json
import math
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO, Self

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

CHILD = Path(__file__).with_name("_hdf5_child.py")
SIGNATURE = b"\x89HDF\r\n\x1a\n"
PATIENCE_S = 60.0
_MAX_HEAD_BYTES = 1 << 26


def read_hdf5_arrays(
    path: Path, groups: Sequence[str], fields: Sequence[str]
) -> list[npt.NDArray[Any]]:
    """Return number fields of the first of some groups that is in the file.

    Raises
    ------
    ValueError
        One sentence: what is wrong and what to do.
    """
    with hdf5_child(path, "arrays", *groups, ",".join(fields)) as (head, stream):
        arrays = []
        for shape, kind in zip(head["shapes"], head["types"], strict=True):
            n_bytes = math.prod(shape) * np.dtype(kind).itemsize
            data = stream.read(n_bytes)
            if len(data) < n_bytes:
                raise damaged(path, "its numbers cannot be read")
            arrays.append(np.frombuffer(data, kind).reshape(shape))
    return arrays


@contextmanager
def hdf5_child(
    path: Path, what: str, *arguments: str
) -> Iterator[tuple[dict[str, Any], IO[bytes]]]:
    """Run the child and yield what it says first, and its stream of numbers."""
    # -P: the folder of the script has names that Python's own library has too
    command = [sys.executable, "-P", str(CHILD), what, str(path.absolute()), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)  # noqa: S603 - our own script
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    watch = threading.Timer(PATIENCE_S, process.kill)
    watch.start()
    try:
        line = process.stdout.readline(_MAX_HEAD_BYTES)
        try:
            head = json.loads(line) if line.endswith(b"\n") else None
        except (ValueError, RecursionError):
            head = None
        if not isinstance(head, dict):
            raise damaged(path, "the HDF5 library cannot read it")
        if "problem" in head:
            raise ValueError(f"{path.name}: {head['problem']}; copy or export it again.")
        yield head, process.stdout
    finally:
        watch.cancel()
        process.kill()
        process.wait()
        process.stdout.close()


def damaged(path: Path, reason: str) -> ValueError:
    """Return the error of a file that cannot be read further."""
    return ValueError(f"{path.name}: is damaged or incomplete ({reason}); copy or export it again.")


class ShieldedFile(io.RawIOBase):
    """A file for the HDF5 library to write into, which is never told of an error.

    The library ends the process where a file object raises, as on a full disk. So an error is kept
    here, what comes after it is dropped, and Python raises it when the library is done.
    """

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self._error: BaseException | None = None
        self._at = self._end = 0

    def check(self) -> None:
        """Raise the error that was met, if there was one."""
        if self._error is not None:
            raise self._error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.check()

    def write(self, data: Any) -> int:
        """Write at the present place."""
        n_bytes = memoryview(data).nbytes
        at = self._at
        self._try(lambda: (self._file.seek(at), self._file.write(data)))
        self._at += n_bytes
        self._end = max(self._end, self._at)
        return n_bytes

    def readinto(self, buffer: Any) -> int:
        """Read from the present place; zeros for what could not be written."""
        view = memoryview(buffer).cast("B")
        at = self._at
        data = self._try(lambda: (self._file.seek(at), self._file.read(len(view)))[1]) or b""
        view[: len(data)] = data
        view[len(data) :] = bytes(len(view) - len(data))
        self._at += len(view)
        return len(view)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place, also behind the end."""
        self._at = offset + (0, self._at, self._end)[whence]
        return self._at

    def tell(self) -> int:
        """Return the present place."""
        return self._at

    def truncate(self, size: int | None = None) -> int:
        """Cut or extend the file."""
        size = self._at if size is None else size
        self._try(lambda: self._file.truncate(size))
        self._end = size
        return size

    def flush(self) -> None:
        """Hand on what was written."""
        if not self.closed:
            self._try(self._file.flush)

    def readable(self) -> bool:
        """Whether it can be read."""
        return True

    writable = seekable = readable

    def _try(self, do: Callable[[], Any]) -> Any:
        if self._error is not None:
            return None
        try:
            return do()
        except BaseException as error:  # noqa: BLE001 - raised later, by `check`
            self._error = error
            return None
