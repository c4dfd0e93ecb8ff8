"""MATLAB 5 files, as far as a calibration needs them: numbers in structures.

A damaged file makes readers of the whole format crash: they trust offsets in the file as addresses.
Here bytes are only read by slices, which cannot leave the file, and unpacked up to a limit.
"""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_FILE_BYTES = 1 << 30
MAX_UNPACKED_BYTES = 1 << 29
_HEADER_BYTES = 128
_NAME_BYTES = 1 << 12  # of a packed variable that are unpacked to see its name
_MAX_DEPTH = 8
_MAX_AXES = 8
_MATRIX, _PACKED = 14, 15
_CELL, _STRUCT = 1, 2
_NUMBER_CLASSES = range(6, 16)
_NUMBERS = {
    1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8",
}  # fmt: skip


class Matrix(NamedTuple):
    """A variable: its class, sizes and name, and the parts that follow them."""

    kind: int
    sizes: tuple[int, ...]
    name: str
    parts: list[tuple[int, memoryview]]
    order: str


def read_mat5(path: Path, names: tuple[str, ...]) -> dict[str, Matrix]:
    """Return the variables of these names.

    Raises
    ------
    ValueError
        If the file is no MATLAB 5 file or is damaged, in a few words.
    """
    if path.stat().st_size > MAX_FILE_BYTES:
        raise ValueError("larger than 1 GB, which is no calibration")
    data = memoryview(path.read_bytes())
    order = {b"IM": "<", b"MI": ">"}.get(bytes(data[126:128]))
    if order is None or len(data) < _HEADER_BYTES + 8:
        raise ValueError("no MATLAB 5 file")
    found = {}
    for kind, value in _elements(data[_HEADER_BYTES:], order, is_top=True):
        for matrix in _variable(kind, value, order, names):
            found[matrix.name] = matrix
    return found


def field(matrix: Matrix | None, name: str) -> Matrix | None:
    """Return a field of the first element of a structure, None if it has no such field."""
    matrix = first_of_cell(matrix)
    if matrix is None or matrix.kind != _STRUCT or len(matrix.parts) < 2:
        return None
    length = int(_numbers(*matrix.parts[0], matrix.order).ravel()[0])
    if not 0 < length <= 64:
        raise ValueError("names of fields of impossible length")
    text = bytes(matrix.parts[1][1])
    names = [text[i : i + length].split(b"\0")[0] for i in range(0, len(text), length)]
    at = names.index(name.encode()) if name.encode() in names else len(matrix.parts)
    if at + 2 >= len(matrix.parts):
        return None
    return _matrix(*matrix.parts[at + 2], matrix.order)


def first_of_cell(matrix: Matrix | None) -> Matrix | None:
    """Return the first element of a cell array; anything else unchanged."""
    for _ in range(_MAX_DEPTH):
        if matrix is None or matrix.kind != _CELL:
            return matrix
        matrix = _matrix(*matrix.parts[0], matrix.order) if matrix.parts else None
    return None


def numbers(matrix: Matrix | None) -> np.ndarray[Any, Any]:
    """Return the real numbers of a matrix with its axes.

    Raises
    ------
    ValueError
        If it holds none, or not as many as it says.
    """
    matrix = first_of_cell(matrix)
    if matrix is None or matrix.kind not in _NUMBER_CLASSES or not matrix.parts:
        raise ValueError("no numbers where there should be some")
    values = _numbers(*matrix.parts[0], matrix.order)
    if values.size != math.prod(matrix.sizes):
        raise ValueError(f"{values.size} numbers for a matrix of {matrix.sizes}")
    return values.reshape(matrix.sizes, order="F")


# -- elements --------------------------------------------------------------------------------


def _variable(kind: int, value: memoryview, order: str, names: tuple[str, ...]) -> Iterator[Matrix]:
    """Yield the variable of an element, unpacked if it has one of the names."""
    if kind == _PACKED:
        start = memoryview(_unpacked(value, _NAME_BYTES))
        if not any(name.encode() in bytes(start) for name in names):
            return
        whole = _unpacked(value, MAX_UNPACKED_BYTES + 1)
        if len(whole) > MAX_UNPACKED_BYTES:
            raise ValueError("a variable that unpacks to more than 512 MB")
        kind, value = next(_elements(memoryview(whole), order), (0, value))
    if kind == _MATRIX:
        matrix = _matrix(kind, value, order, names)
        if matrix is not None:
            yield matrix


def _unpacked(data: memoryview, n_bytes: int) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, n_bytes)
    except zlib.error as error:
        raise ValueError(f"packed data are damaged ({error})") from None


def _matrix(
    kind: int, value: memoryview, order: str, names: tuple[str, ...] | None = None
) -> Matrix | None:
    """Return a matrix, or None if the element is none, is empty, or has none of the names."""
    if kind != _MATRIX or not len(value):
        return None
    parts = _elements(value, order)
    try:
        flags = _numbers(*next(parts), order)
        sizes = tuple(_numbers(*next(parts), order).ravel().tolist())
        name = bytes(next(parts)[1]).split(b"\0")[0].decode("ascii", "replace")
    except StopIteration:
        raise ValueError("a variable is cut short") from None
    if names is not None and name not in names:
        return None
    if not 0 < len(sizes) <= _MAX_AXES or min(sizes) < 0 or not flags.size:
        raise ValueError(f"a variable of impossible size {sizes[:_MAX_AXES]}")
    return Matrix(int(flags.ravel()[0]) & 0xFF, sizes, name, [*parts], order)


def _elements(
    data: memoryview, order: str, *, is_top: bool = False
) -> Iterator[tuple[int, memoryview]]:
    """Yield type and bytes of each element; short ones have both in eight bytes."""
    at = 0
    while at + 8 <= len(data):
        kind, size = (int(n) for n in np.frombuffer(data[at : at + 8], f"{order}u4"))
        if kind >> 16:
            kind, size, start = kind & 0xFFFF, kind >> 16, at + 4
            end = at + 8
            if size > 4:
                raise ValueError("a short element of more than four bytes")
        else:
            start = at + 8
            end = start + size + (0 if is_top and kind == _PACKED else -size % 8)
        if start + size > len(data):
            raise ValueError("cut short")
        yield kind, data[start : start + size]
        at = end


def _numbers(kind: int, value: memoryview, order: str) -> np.ndarray[Any, Any]:
    if kind not in _NUMBERS:
        raise ValueError(f"numbers of type {kind}, which is not one of real numbers")
    dtype = np.dtype(f"{order}{_NUMBERS[kind]}")
    if len(value) % dtype.itemsize:
        raise ValueError("numbers that are cut short")
    return np.frombuffer(value, dtype)
