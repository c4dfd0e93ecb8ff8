"""Child process: a table of an HDF5 file as plain bytes on stdout.

The HDF5 library trusts files: some damaged ones end its process, or keep it busy for ever. So they
are read here, by `_hdf5.py`, where no more than this process can be lost. Run by its path, it loads
nothing of the package.

It writes one line of JSON, {"problem": sentence} or {"kind", "names", "types", "n_rows",
"metadata"}, and then the rows, packed. The kind is that of the table: one dataset of Picasso's, or
one dataset for each column, as DECODE and SMAP have them.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import h5py
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS_PER_BLOCK = 1 << 16
AXES = "xyz"
MOST_TIMES_FILE = 1000  # packed tables are a few times larger when read; bombs are far above


def send(path: str, table: str, out: BinaryIO) -> None:
    """Write header and rows of a table."""
    try:
        with h5py.File(path, "r") as file:
            found = columns_of(file, table, os.path.getsize(path))
            kind = np.dtype([(name, column.kind) for name, column in found.columns.items()])
            types = [kind[name].str for name in found.columns]
            head = {"kind": found.kind, "names": list(found.columns), "types": types}
            tell(out, {**head, "n_rows": found.n_rows, "metadata": found.metadata})
            for start in range(0, found.n_rows, ROWS_PER_BLOCK):
                stop = min(start + ROWS_PER_BLOCK, found.n_rows)
                packed = np.empty(stop - start, kind)
                for name, values in found.read(start, stop):
                    packed[name] = values
                out.write(packed.tobytes())
    except Refusal as problem:
        tell(out, {"problem": str(problem)})
    except Exception as error:  # noqa: BLE001 - h5py raises all kinds
        reason = " ".join(str(error).strip("'\"").split())[:200]
        tell(out, {"problem": f"is damaged or incomplete ({reason})"})


class Refusal(Exception):
    """A sentence about a file that is whole but cannot be used."""


@dataclass
class Column:
    """Numbers of a dataset: all of it, one field, or one of a few columns side by side."""

    data: Any
    kind: str
    field: str = ""
    index: int | None = None

    def read(self, start: int, stop: int) -> Any:
        """Return the numbers of some rows."""
        if self.index is not None:
            return self.data[start:stop, self.index]
        is_lying = self.data.ndim == 2 and self.data.shape[0] == 1  # MATLAB's row
        block = self.data[0, start:stop] if is_lying else self.data[start:stop]
        return block.reshape(-1)


@dataclass
class Found:
    """A table: its kind, columns, rows, and what is said of it."""

    kind: str
    columns: dict[str, Column]
    n_rows: int
    metadata: str

    def read(self, start: int, stop: int) -> Iterator[tuple[str, Any]]:
        """Yield the columns of some rows; a compound dataset is read once for all of them."""
        first = next(iter(self.columns.values()), None)
        if first is not None and first.field:
            block = first.data[start:stop]
            yield from ((name, block[column.field]) for name, column in self.columns.items())
        else:
            yield from ((name, column.read(start, stop)) for name, column in self.columns.items())


def columns_of(file: h5py.File, table: str, n_bytes: int) -> Found:
    """Return what the file has of a table after looking at what it promises."""
    group = inside(file, "data")
    if isinstance(group, h5py.Group) and isinstance(inside(group, "xyz"), h5py.Dataset):
        meta = inside(file, "meta")
        said = dict(meta.attrs) if isinstance(meta, h5py.Group) else {}
        text = json.dumps({name: plain(value) for name, value in said.items()})
        return found_in_group("DECODE", group, n_bytes, text)
    group = inside(inside(file, "saveloc"), "loc")
    if isinstance(group, h5py.Group):
        return found_in_group("SMAP", group, n_bytes, "")
    rows = inside(file, table)
    found = ", ".join(sorted(map(str, file))) or "nothing"
    if not isinstance(rows, h5py.Dataset) or rows.dtype.names is None or rows.ndim != 1:
        raise Refusal(f"has no table '{table}' (found: {found})")
    check(rows, n_bytes)
    names = [n for n in rows.dtype.names if is_number(rows.dtype[n])]
    columns = {n: Column(rows, rows.dtype[n].newbyteorder("<").str, n) for n in names}
    return Found("Picasso", columns, len(rows), metadata_of(file))


def found_in_group(kind: str, group: h5py.Group, n_bytes: int, metadata: str) -> Found:
    """Return the columns that are datasets of their own, as many as have the usual length."""
    columns: dict[str, Column] = {}
    lengths: dict[str, int] = {}
    for name in group:
        data = inside(group, name)
        if not isinstance(data, h5py.Dataset) or data.shape is None or not is_number(data.dtype):
            continue  # a shape of None: a column that is known to be empty
        check(data, n_bytes)
        kind_of = data.dtype.newbyteorder("<").str
        if name.startswith(AXES) and data.ndim == 2 and data.shape[1] <= len(AXES):
            suffix = name.removeprefix(AXES)
            made = {
                f"{AXES[i]}{suffix}": Column(data, kind_of, "", i) for i in range(data.shape[1])
            }
        elif data.ndim == 1 or (data.ndim == 2 and 1 in data.shape):
            made = {name: Column(data, kind_of)}
        else:
            continue
        columns |= made
        lengths |= dict.fromkeys(made, max(data.shape) if len(made) == 1 else data.shape[0])
    n_rows = max(lengths.values(), key=list(lengths.values()).count, default=0)
    kept = {name: column for name, column in columns.items() if lengths[name] == n_rows}
    return Found(kind, kept, n_rows, metadata)


def inside(group: Any, name: str) -> Any:
    """Return a member of a group that lies in this file, None if there is none."""
    if not isinstance(group, h5py.Group):
        return None
    link = group.get(name, getlink=True) if name in group else None
    return group[name] if isinstance(link, h5py.HardLink) else None


def check(rows: h5py.Dataset, n_bytes: int) -> None:
    """Refuse what lies in other files, or promises more than the file can hold."""
    if rows.is_virtual or rows.external:
        raise Refusal("its table lies in other files, which is not allowed")
    if rows.nbytes > MOST_TIMES_FILE * n_bytes:
        raise Refusal(f"promises {len(rows):,} rows, far more than its {n_bytes:,} bytes can hold")


def plain(value: Any) -> Any:
    """Return an attribute as what JSON has."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist() if value.dtype.kind in "fiub" else str(value)
    return value if isinstance(value, str | int | float) else str(value)


def is_number(kind: np.dtype[Any]) -> bool:
    """Whether a field is one real number."""
    return kind.kind in "fiub" and not kind.shape


def metadata_of(file: h5py.File) -> str:
    """Return the text that Picasso 0.11 embeds, "" if there is none."""
    data = file.get("metadata")
    is_text = isinstance(data, h5py.Dataset) and data.shape == () and data.dtype.kind in "OS"
    text = data[()] if is_text else b""
    return text.decode(errors="replace") if isinstance(text, bytes) else ""


def tell(out: BinaryIO, words: dict[str, Any]) -> None:
    """Write a line of JSON."""
    out.write(json.dumps(words).encode() + b"\n")


if __name__ == "__main__":
    send(sys.argv[1], sys.argv[2], sys.stdout.buffer)
