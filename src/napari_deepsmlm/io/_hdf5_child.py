"""Child process: a table of an HDF5 file as plain bytes on stdout.

The HDF5 library trusts files: some damaged ones end its process, or keep it busy for ever. So they
are read here, by `_hdf5.py`, where no more than this process can be lost. Run by its path, it loads
nothing of the package.

It writes one line of JSON, {"problem": sentence} or {"names", "types", "n_rows", "metadata"}, and
then the rows, packed.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, BinaryIO

import h5py
import numpy as np

ROWS_PER_BLOCK = 1 << 16
MOST_TIMES_FILE = 1000  # packed tables are a few times larger when read; bombs are far above


def send(path: str, table: str, out: BinaryIO) -> None:
    """Write header and rows of a compound dataset."""
    try:
        with h5py.File(path, "r") as file:
            rows = find_table(file, table, os.path.getsize(path))
            names = [n for n in rows.dtype.names if is_number(rows.dtype[n])]
            kind = np.dtype([(name, rows.dtype[name].newbyteorder("<")) for name in names])
            types = [kind[name].str for name in names]
            head = {"names": names, "types": types, "n_rows": len(rows)}
            tell(out, {**head, "metadata": metadata_of(file)})
            for start in range(0, len(rows), ROWS_PER_BLOCK):
                block = rows[start : start + ROWS_PER_BLOCK]
                packed = np.empty(len(block), kind)
                for name in names:
                    packed[name] = block[name]
                out.write(packed.tobytes())
    except Refusal as problem:
        tell(out, {"problem": str(problem)})
    except Exception as error:  # noqa: BLE001 - h5py raises all kinds
        reason = " ".join(str(error).strip("'\"").split())[:200]
        tell(out, {"problem": f"is damaged or incomplete ({reason})"})


class Refusal(Exception):
    """A sentence about a file that is whole but cannot be used."""


def find_table(file: h5py.File, table: str, n_bytes: int) -> Any:
    """Return the dataset after looking at what it promises."""
    link = file.get(table, getlink=True) if table in file else None
    rows = file[table] if isinstance(link, h5py.HardLink) else None
    found = ", ".join(sorted(map(str, file))) or "nothing"
    if not isinstance(rows, h5py.Dataset) or rows.dtype.names is None or rows.ndim != 1:
        raise Refusal(f"has no table '{table}' (found: {found})")
    if rows.is_virtual or rows.external:
        raise Refusal("its table lies in other files, which is not allowed")
    if rows.nbytes > MOST_TIMES_FILE * n_bytes:
        raise Refusal(f"promises {len(rows):,} rows, far more than its {n_bytes:,} bytes can hold")
    return rows


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
