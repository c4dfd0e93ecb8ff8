"""Child process: numbers of an HDF5 file as plain bytes on stdout.

The HDF5 library trusts files: some damaged ones end its process, or keep it busy for ever. So they
are read here, run by `_hdf5.py`, where no more than this process can be lost. Run by its path, it
loads nothing of the package.

`table FILE NAME`: a line of JSON, {"problem": sentence} or {"kind", "names", "types",
"n_rows", "metadata"}, and then the rows, packed. The kind is that of the table: one dataset of
Picasso's, or one for each column, as DECODE and SMAP have them.

`arrays FILE GROUP... FIELD,FIELD`: fields of the first of the groups that is there: {"shapes",
"types"}, and then the values.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

# Set before the library is loaded: a file may name filters, but none is loaded for it.
os.environ["HDF5_PLUGIN_PRELOAD"] = "::"

import h5py
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS_PER_BLOCK = 1 << 16
AXES = "xyz"
MAX_TIMES_STORED = 200  # packed tables are a few times larger when read; bombs are far above
MAX_TIMES_COLUMN = 1100  # one that is constant packs as well as deflate can
MAX_CHUNK_BYTES = 1 << 28
MAX_TEXT_BYTES = 1 << 24
MAX_ARRAY_BYTES = 1 << 30
MAX_MEMORY_BYTES = 4 << 30
# deflate, shuffle, Fletcher's checksum, szip, n-bit, scale-offset and LZF: the library's own
FILTERS = {1, 2, 3, 4, 5, 6, 32000}


def send_table(out: BinaryIO, path: str, table: str) -> None:
    """Write header and rows of a table."""
    with h5py.File(path, "r") as file:
        found = columns_of(file, table)
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


def send_arrays(out: BinaryIO, path: str, *places: str) -> None:
    """Write shapes, types and values of fields of a group."""
    *groups, fields = places
    with h5py.File(path, "r") as file:
        group = next((g for g in (inside(file, name) for name in groups) if g is not None), None)
        found = []
        for field in fields.split(","):
            data = inside(group, field) if isinstance(group, h5py.Group) else None
            if isinstance(data, h5py.Dataset) and data.dtype == h5py.ref_dtype and data.size == 1:
                check_stored(data)
                data = file[data[()].ravel()[0]]  # of a 1 x 1 cell array of MATLAB
            if not isinstance(data, h5py.Dataset) or not is_number(data.dtype):
                raise Refusal(f"has no {groups[-1]} with {fields}")
            check_stored(data)
            if data.nbytes > MAX_ARRAY_BYTES:
                raise Refusal(f"holds {data.size:,} numbers as {field}, more than 1 GB")
            found.append(data)
        types = [data.dtype.newbyteorder("<").str for data in found]
        tell(out, {"shapes": [data.shape for data in found], "types": types})
        for data, kind in zip(found, types, strict=True):
            out.write(np.asarray(data[()], kind).tobytes())


class Refusal(Exception):
    """A sentence about a file that is whole but cannot be used."""


def inside(group: Any, path: str) -> Any:
    """Return what lies at a path of hard links, None if nothing: other links may leave the file."""
    for name in path.split("/"):
        if not isinstance(group, h5py.Group) or name not in group:
            return None
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            return None
        group = group[name]
    return group


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


def columns_of(file: h5py.File, table: str) -> Found:
    """Return what the file has of a table after looking at what it promises."""
    group = inside(file, "data")
    if isinstance(group, h5py.Group) and isinstance(inside(group, "xyz"), h5py.Dataset):
        meta = inside(file, "meta")
        said = dict(meta.attrs) if isinstance(meta, h5py.Group) else {}
        text = json.dumps({name: plain(value) for name, value in said.items()})
        return found_in_group("DECODE", group, text)
    group = inside(file, "saveloc/loc")
    if isinstance(group, h5py.Group):
        return found_in_group("SMAP", group, "")
    rows = inside(file, table)
    found = ", ".join(sorted(map(str, file))) or "nothing"
    if not isinstance(rows, h5py.Dataset) or rows.dtype.names is None or rows.ndim != 1:
        raise Refusal(f"has no table '{table}' (found: {found})")
    check_stored(rows)
    names = [n for n in rows.dtype.names if is_number(rows.dtype[n])]
    columns = {n: Column(rows, rows.dtype[n].newbyteorder("<").str, n) for n in names}
    return Found("Picasso", columns, len(rows), metadata_of(file))


def found_in_group(kind: str, group: h5py.Group, metadata: str) -> Found:
    """Return the columns that are datasets of their own, as many as have the usual length."""
    columns: dict[str, Column] = {}
    lengths: dict[str, int] = {}
    for name in group:
        data = inside(group, name)
        if not isinstance(data, h5py.Dataset) or data.shape is None or not is_number(data.dtype):
            continue  # a shape of None: a column that is known to be empty
        check_stored(data)
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


def check_stored(data: h5py.Dataset) -> None:
    """Refuse values that lie in other files, are not there at all, or are packed too well."""
    if data.is_virtual or data.external:
        raise Refusal("its table lies in other files, which is not allowed")
    plan = data.id.get_create_plist()
    for filter_id in (plan.get_filter(i)[0] for i in range(plan.get_nfilters())):
        if filter_id not in FILTERS:
            raise Refusal(f"is packed with filter {filter_id}, which is not a known one")
    n_stored = data.id.get_storage_size()
    most = MAX_TIMES_STORED if data.dtype.names else MAX_TIMES_COLUMN
    if data.nbytes > most * n_stored:
        what = "rows" if data.dtype.names or data.ndim == 1 else "values"
        raise Refusal(
            f"promises {data.size:,} {what}, far more than its {n_stored:,} bytes can hold"
        )
    chunk = np.prod(data.chunks or (0,), dtype=float) * data.dtype.itemsize
    if chunk > MAX_CHUNK_BYTES:
        raise Refusal("is stored in chunks of more than 256 MB")


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
    """Return the text that Picasso 0.11 embeds, "" if there is none or it is too long for one."""
    data = inside(file, "metadata")
    if not isinstance(data, h5py.Dataset) or data.id.get_type().get_size() > MAX_TEXT_BYTES:
        return ""  # h5py itself fails on a type of gigabytes
    if data.shape != () or data.dtype.kind not in "OS" or data.is_virtual or data.external:
        return ""
    text = data[()]
    is_text = isinstance(text, bytes) and len(text) <= MAX_TEXT_BYTES
    return text.decode(errors="replace") if is_text else ""


def tell(out: BinaryIO, words: dict[str, Any]) -> None:
    """Write a line of JSON."""
    out.write(json.dumps(words).encode() + b"\n")


def limit_memory() -> None:
    """Let the system refuse what no table needs (not on Windows, which has no such limit)."""
    if os.name == "posix":
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        most = MAX_MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(MAX_MEMORY_BYTES, hard)
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def main(out: BinaryIO, what: str, *arguments: str) -> None:
    """Send what is asked for, or the reason why not."""
    try:
        limit_memory()
        if what == "table":
            send_table(out, *arguments)
        else:
            send_arrays(out, *arguments)
    except Refusal as problem:
        tell(out, {"problem": str(problem)})
    except Exception as error:  # noqa: BLE001 - h5py raises all kinds
        reason = " ".join(str(error).strip("'\"").split())[:200]
        tell(out, {"problem": f"is damaged or incomplete ({reason})"})


if __name__ == "__main__":
    main(sys.stdout.buffer, *sys.argv[1:])
