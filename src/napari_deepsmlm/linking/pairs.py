"""Pairs of rows that are near each other in space and in time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from napari_deepsmlm.localizations import Localizations

    Array = np.ndarray[Any, Any]

MAX_SAMPLED = 100_000
MAX_GAP_OF_CELLS = 5
"""Frames between the rows of a pair, up to which rows are looked up frame by frame."""
_STRIPS = 64
_MAX_KEY = 2.0**62


def near_pairs(
    table: Localizations,
    distance_nm: float,
    max_gap: int,
    *,
    min_gap: int = 1,
    z_scale: float = 1.0,
) -> tuple[Array, Array, Array]:
    """Return rows, the earlier first, and their distance, of pairs near in space and time.

    Parameters
    ----------
    distance_nm : largest distance; along z it is divided by `z_scale`.
    min_gap, max_gap : frames from the first of a pair to the second.
    """
    xyz = scaled_positions(table, z_scale)
    frame = np.asarray(table.frame)
    side_nm = distance_nm * (1 + 1e-9)  # what is just so near is found however it is rounded
    cells = _cells(xyz, frame, side_nm)
    if cells is None or min_gap < 1 or max_gap > MAX_GAP_OF_CELLS:
        first, second = _from_tree(xyz / side_nm, frame, min_gap, max_gap)
    else:
        first, second = _from_cells(*cells, range(min_gap, max_gap + 1))
    apart = np.sqrt(np.square(xyz[first] - xyz[second]).sum(axis=1))
    kept = apart <= distance_nm
    return first[kept], second[kept], apart[kept]


def _cells(xyz: Array, frame: Array, side_nm: float) -> tuple[Array, int, int] | None:
    """Return a number for the frame and the square of each row, and its steps to the next ones.

    None if there are more squares than numbers. Squares with numbers that follow each other lie
    side by side, with one that is empty at the end of each line, and a line at the end of a frame.
    """
    if not len(xyz):
        return None
    places = np.floor((xyz[:, :2] - xyz[:, :2].min(axis=0)) / side_nm)
    n_lines, n_in_line = places.max(axis=0) + 2
    if not (np.ptp(frame) + 1.0) * n_lines * n_in_line < _MAX_KEY:
        return None
    line, place = places.T.astype(np.int64)
    to_line, to_frame = int(n_in_line), int(n_lines * n_in_line)
    return (frame - frame.min()) * to_frame + line * to_line + place, to_line, to_frame


def _from_cells(cell: Array, to_line: int, to_frame: int, gaps: range) -> tuple[Array, Array]:
    """Return the pairs of rows in the same square or the ones around it, some frames later."""
    order = np.argsort(cell, kind="stable")
    cell = cell[order]
    firsts, seconds = [], []
    for step in (gap * to_frame + line * to_line for gap in gaps for line in (-1, 0, 1)):
        begin = np.searchsorted(cell, cell + (step - 1))
        n = np.searchsorted(cell, cell + (step + 1), side="right") - begin
        some = np.flatnonzero(n)
        begin, n = begin[some], n[some]
        within = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n)
        firsts.append(order[np.repeat(some, n)])
        seconds.append(order[np.repeat(begin, n) + within])
    return np.concatenate(firsts), np.concatenate(seconds)


def _from_tree(scaled: Array, frame: Array, min_gap: int, max_gap: int) -> tuple[Array, Array]:
    """Return the pairs of rows in a box in space, with sides of 1, and time."""
    from scipy.spatial import cKDTree

    # Half a frame more, as whole numbers are compared.
    tree = cKDTree(np.column_stack([scaled, frame / (max_gap + 0.5)]))
    first, second = tree.query_pairs(1.0, p=np.inf, output_type="ndarray").T
    gap = frame[second] - frame[first]
    first, second = np.where(gap < 0, second, first), np.where(gap < 0, first, second)
    kept = abs(gap) >= min_gap
    return first[kept], second[kept]


def scaled_positions(table: Localizations, z_scale: float) -> Array:
    """Return (N, 2) or (N, 3) nm, the depth multiplied by `z_scale`."""
    columns = [np.asarray(table[name], float) for name in ("x_nm", "y_nm")]
    if table.is_3d:
        columns.append(np.asarray(table["z_nm"], float) * z_scale)
    return np.stack(columns, axis=1)


def sampled(table: Localizations, n: int = MAX_SAMPLED) -> Localizations:
    """Return about n rows with all their neighbours: strips across the field, drawn at random."""
    if len(table) <= n:
        return table
    order = np.argsort(table.x_nm, kind="stable")
    strips = np.array_split(order, _STRIPS * max(1, len(table) // n))
    chosen = np.random.default_rng(0).permutation(len(strips))
    rows = np.concatenate([strips[k] for k in chosen[: max(1, n * len(strips) // len(table))]])
    return table[np.sort(rows)]
