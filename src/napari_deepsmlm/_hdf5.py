"""HDF5 files, read by a child process: a damaged one ends in a sentence, whatever it does."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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
