"""Numbers to CSV text, a whole block of rows at once instead of one value at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]

_MAX_SCALED = 10**17  # leaves room for rounding in int64
_BLANK = 0  # bytes dropped from the text at the end

_DIGIT_0, _MINUS, _POINT, _COMMA, _NEWLINE = b"0-.,\n"


def format_rows(columns: list[npt.NDArray[Any]], decimals: int) -> bytes:
    r"""Return rows of comma-separated numbers, each ending in a newline.

    Every column becomes a fixed-width block of characters; joined side by side, the blanks are
    dropped in one step. Trailing zeros of the decimals go, NaN is written as `NaN`.

    Parameters
    ----------
    columns : (N,) integers or real numbers of equal length.
    decimals : digits after the point at most.

    Examples
    --------
    >>> format_rows([np.array([1, 2]), np.array([0.5, -12.0])], decimals=5)
    b'1,0.5\n2,-12\n'
    """
    n_rows = len(columns[0])
    if n_rows == 0:
        return b""
    blocks: list[Bytes] = []
    for number, column in enumerate(columns):
        blocks.append(_characters(column, decimals))
        separator = _NEWLINE if number == len(columns) - 1 else _COMMA
        blocks.append(np.full((1, n_rows), separator, np.uint8))
    text = np.ascontiguousarray(np.concatenate(blocks).T)  # (width, N) -> (N, width)
    joined: bytes = text[text != _BLANK].tobytes()
    return joined


def _characters(column: npt.NDArray[Any], decimals: int) -> Bytes:
    """Return (width, N) characters, one column of them per number."""
    if column.dtype.kind in "biu":
        return _fixed_point(column.astype(np.int64), 0)
    values = column.astype(np.float64)
    # clip: also catches infinities; NaN compares false
    is_plain = np.abs(values) < _MAX_SCALED / 10**decimals
    scaled = np.rint(np.where(is_plain, values, 0.0) * 10.0**decimals).astype(np.int64)
    characters = _fixed_point(scaled, decimals)
    return characters if is_plain.all() else _with_words(characters, values, ~is_plain)


def _fixed_point(scaled: npt.NDArray[np.int64], decimals: int) -> Bytes:
    """Write integers that count units of 10**-decimals."""
    rest = np.abs(scaled)
    n_whole = max(1, len(str(int(rest.max()))) - decimals)
    width = 1 + n_whole + (1 + decimals if decimals else 0)
    text = np.zeros((width, len(rest)), np.uint8)
    row = width - 1
    is_trailing = np.ones(len(rest), bool)  # only zeros so far, from the right
    for _ in range(decimals):
        rest, digit = np.divmod(rest, 10)
        is_trailing &= digit == 0
        text[row] = np.where(is_trailing, _BLANK, digit + _DIGIT_0)
        row -= 1
    if decimals:
        text[row] = np.where(is_trailing, _BLANK, _POINT)
        row -= 1
    text[row] = rest % 10 + _DIGIT_0
    for place in range(row - 1, 0, -1):
        rest //= 10
        text[place] = np.where(rest > 0, rest % 10 + _DIGIT_0, _BLANK)
    text[0] = np.where(scaled < 0, _MINUS, _BLANK)
    return text


def _with_words(characters: Bytes, values: npt.NDArray[Any], odd: npt.NDArray[np.bool_]) -> Bytes:
    """Put in the few values that are not plain decimals: NaN, infinite, huge."""
    words = [_word(value).encode() for value in values[odd].tolist()]
    n_wide = max(len(characters), *map(len, words))
    text = np.zeros((n_wide, characters.shape[1]), np.uint8)
    text[: len(characters)] = characters
    padded = b"".join(word.ljust(n_wide, b"\0") for word in words)
    text[:, odd] = np.frombuffer(padded, np.uint8).reshape(-1, n_wide).T
    return text


def _word(value: float) -> str:
    if np.isnan(value):
        return "NaN"
    if np.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return repr(value)
