"""Tables in HDF5 files, whose numbers a child process reads."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from napari_deepsmlm._hdf5 import SIGNATURE, damaged, hdf5_child
from napari_deepsmlm.io._storage import ReadOnlyFile

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

__all__ = ["SIGNATURE", "Hdf5Table", "read_hdf5_metadata", "read_hdf5_table"]

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
                raise damaged(path, f"row {start + 1:,} and those after it cannot be read")
            block = np.frombuffer(data, kind)
            for name, values in columns.items():
                values[start : start + n_block] = block[name]
    return Hdf5Table(columns, str(head["metadata"]), str(head["kind"]))


def read_hdf5_metadata(path: Path, table: str) -> Hdf5Table:
    """Return what a file says of its table, without the rows of it."""
    with _child(path, table) as (head, _):
        return Hdf5Table({}, str(head["metadata"]), str(head["kind"]))


def _child(path: Path, table: str) -> AbstractContextManager[tuple[dict[str, Any], IO[bytes]]]:
    ReadOnlyFile(path).close()  # missing, a folder, no permission
    return hdf5_child(path, "table", table)


def _wide(kind: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(np.int64) if kind.kind in "iub" else np.dtype(np.float64)
