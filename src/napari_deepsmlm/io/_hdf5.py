"""HDF5 tables, read by a child process: a damaged file ends in a sentence, whatever it does."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from napari_deepsmlm.io._storage import ReadOnlyFile

if TYPE_CHECKING:
    from collections.abc import Iterator

CHILD = Path(__file__).with_name("_hdf5_child.py")
SIGNATURE = b"\x89HDF\r\n\x1a\n"
PATIENCE_S = 60.0
_ROWS_PER_BLOCK = 1 << 16


class Hdf5Table(NamedTuple):
    """The columns of a table by its own names, what the file says of it, and whose it is."""

    columns: dict[str, npt.NDArray[Any]]
    metadata: str
    program: str = "Picasso"


def read_hdf5_table(path: Path, table: str) -> Hdf5Table:
    """Return the numbers of a table, integers as int64 and others as float64.

    Parameters
    ----------
    table : the compound dataset, if it is not a table of DECODE or SMAP.

    Raises
    ------
    ValueError
        One sentence: what is wrong and what to do.
    """
    with _child(path, table) as (head, stream):
        kind = np.dtype(list(zip(head["names"], head["types"], strict=True)))
        n_rows = int(head["n_rows"])
        columns = {name: np.empty(n_rows, _wide(kind[name])) for name in head["names"]}
        for start in range(0, n_rows, _ROWS_PER_BLOCK):
            n_block = min(_ROWS_PER_BLOCK, n_rows - start)
            data = stream.read(n_block * kind.itemsize)
            if len(data) < n_block * kind.itemsize:
                raise _damaged(path, f"row {start + 1:,} and those after it cannot be read")
            block = np.frombuffer(data, kind)
            for name, values in columns.items():
                values[start : start + n_block] = block[name]
    return Hdf5Table(columns, str(head["metadata"]), str(head["kind"]))


def read_hdf5_metadata(path: Path, table: str) -> Hdf5Table:
    """Return what a file says of its table, without the rows of it."""
    with _child(path, table) as (head, _):
        return Hdf5Table({}, str(head["metadata"]), str(head["kind"]))


@contextmanager
def _child(path: Path, table: str) -> Iterator[tuple[dict[str, Any], IO[bytes]]]:
    """Run the child and yield what it says first, and its stream of rows."""
    ReadOnlyFile(path).close()  # missing, a folder, no permission
    # -P: the folder of the script has names that Python's own library has too
    command = [sys.executable, "-P", str(CHILD), str(path.absolute()), table]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)  # noqa: S603 - our own script
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    watch = threading.Timer(PATIENCE_S, process.kill)
    watch.start()
    try:
        line = process.stdout.readline()
        head = json.loads(line) if line.endswith(b"\n") else None
        if head is None:
            raise _damaged(path, "the HDF5 library cannot read it")
        if "problem" in head:
            raise ValueError(f"{path.name}: {head['problem']}; copy or export it again.")
        yield head, process.stdout
    finally:
        watch.cancel()
        process.kill()
        process.wait()
        process.stdout.close()


def _wide(kind: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(np.int64) if kind.kind in "iub" else np.dtype(np.float64)


def _damaged(path: Path, reason: str) -> ValueError:
    return ValueError(f"{path.name}: is damaged or incomplete ({reason}); copy or export it again.")
