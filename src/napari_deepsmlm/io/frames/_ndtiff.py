"""NDTiff: an index beside the files says which plane of which file is which frame and colour."""

from __future__ import annotations

import json
import math
import struct
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_deepsmlm.io._storage import ReadOnlyFile
from napari_deepsmlm.io.frames._description import Description, PlaneMap

if TYPE_CHECKING:
    from pathlib import Path

INDEX_NAME = "NDTiff.index"
_MAX_INDEX_BYTES = 1 << 30
_NUMBERS = struct.Struct("<8I")  # pixel offset, width, height, type, compression, metadata
_ORDER = {"time": "T", "z": "Z", "channel": "C"}


class Entry(NamedTuple):
    """One image: its coordinates by the names of axes, its file, and where its pixels begin."""

    axes: dict[str, int | str]
    file: str
    offset: int


def read_index(path: Path) -> list[Entry]:
    """Return the images that an index lists, as far as it is whole."""
    file = ReadOnlyFile(path)
    data = file.read_at(0, min(file.size, _MAX_INDEX_BYTES))
    file.close()
    entries: list[Entry] = []
    at = 0
    while at + 4 < len(data):
        texts = []
        for _ in range(2):
            (length,) = struct.unpack_from("<I", data, at) if at + 4 <= len(data) else (1 << 31,)
            texts.append(data[at + 4 : at + 4 + length])
            at += 4 + length
        if at + _NUMBERS.size > len(data):
            break
        try:
            axes = json.loads(texts[0])
        except (ValueError, RecursionError):
            break
        if not isinstance(axes, dict):
            break
        kept = {str(k): v for k, v in axes.items() if isinstance(v, int | str)}
        name = texts[1].decode("utf-8", errors="replace")
        entries.append(Entry(kept, name, _NUMBERS.unpack_from(data, at)[0]))
        at += _NUMBERS.size
    return entries


def describe_ndtiff(name: str, entries: list[Entry]) -> Description:
    """Return the axes of a data set, and the file and place of each of its images.

    Pages are numbered by where their pixels lie in a file, in ascending order.

    Parameters
    ----------
    name : of the file that was opened; "" stands for it among the files.

    Raises
    ------
    ValueError
        If the data set has more axes than time, depth and colour: stage positions are movies of
        their own, and nothing says which one is wanted.
    """
    pages = _page_numbers(entries)
    mine = [entry for entry in entries if entry.file == name]
    entries = [e for e in entries if _others(e) == _others(mine[0])] if mine else entries
    here = {_others(entry) for entry in mine}
    if len(here) > 1:
        found = "; ".join(
            ", ".join(f"{k} {v}" for k, v in key) for key in sorted(map(_keyed, here))
        )
        raise ValueError(
            f"{name}: holds {len(here)} movies ({found[:120]}) in one file, which are not to be "
            "mixed; save each position by itself, or open it with Micro-Manager's own reader."
        )
    letters = [axis for axis in _ORDER if any(axis in entry.axes for entry in entries)]
    values = [_values(entries, axis) for axis in letters]
    sizes = tuple(map(len, values))
    index = [{value: i for i, value in enumerate(known)} for known in values]
    files = list(dict.fromkeys(entry.file for entry in entries))
    file = np.full(math.prod(sizes), -1, np.int64)
    page = np.full(math.prod(sizes), -1, np.int64)
    for entry in entries:
        place = [known[entry.axes[axis]] for axis, known in zip(letters, index, strict=True)]
        plane = int(np.ravel_multi_index(place, sizes)) if sizes else 0
        file[plane], page[plane] = files.index(entry.file), pages[entry.file, entry.offset]
    names = (
        [str(value) for value in values[letters.index("channel")]] if "channel" in letters else []
    )
    return Description(
        kind="OME",
        axes="".join(_ORDER[axis] for axis in letters),
        sizes=sizes,
        plane_map=PlaneMap(tuple("" if f == name else f for f in files), file, page),
        channels=tuple(names),
    )


def _others(entry: Entry) -> tuple[tuple[str, int | str], ...]:
    return tuple(sorted((k, v) for k, v in entry.axes.items() if k not in _ORDER))


def _keyed(key: tuple[tuple[str, int | str], ...]) -> list[tuple[str, str]]:
    return [(name, str(value)) for name, value in key]


def _values(entries: list[Entry], axis: str) -> list[int | str]:
    found = dict.fromkeys(entry.axes.get(axis, 0) for entry in entries)
    return sorted(found, key=lambda v: (isinstance(v, str), v if isinstance(v, int) else 0))


def _page_numbers(entries: list[Entry]) -> dict[tuple[str, int], int]:
    offsets: dict[str, set[int]] = {}
    for entry in entries:
        offsets.setdefault(entry.file, set()).add(entry.offset)
    return {
        (name, offset): number
        for name, known in offsets.items()
        for number, offset in enumerate(sorted(known))
    }
