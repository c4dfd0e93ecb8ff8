"""Pairs of rows that are near each other in space and in time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from napari_deepsmlm.localizations import Localizations

    Array = np.ndarray[Any, Any]

MAX_SAMPLED = 100_000
_STRIPS = 64


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
    from scipy.spatial import cKDTree

    xyz = scaled_positions(table, z_scale)
    frame = np.asarray(table.frame)
    # A box in space and time; half a frame more, as whole numbers are compared.
    scaled = np.column_stack([xyz / distance_nm, frame / (max_gap + 0.5)])
    pairs = cKDTree(scaled).query_pairs(1.0, p=np.inf, output_type="ndarray")
    first, second = pairs[:, 0], pairs[:, 1]
    gap = frame[second] - frame[first]
    swap = gap < 0
    first, second, gap = np.where(swap, second, first), np.where(swap, first, second), abs(gap)
    kept = gap >= min_gap
    first, second = first[kept], second[kept]
    apart = np.sqrt(np.square(xyz[first] - xyz[second]).sum(axis=1))
    kept = apart <= distance_nm
    return first[kept], second[kept], apart[kept]


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
