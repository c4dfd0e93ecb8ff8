"""Regions: the molecules inside shapes that a person has drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_deepsmlm.localizations import Localizations

    Array = np.ndarray[Any, Any]

N_ELLIPSE = 128
_ROWS_AT_ONCE = 1 << 18


def in_region(table: Localizations, polygon_nm: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Return (N,) whether each molecule lies inside a polygon, by the even-odd rule.

    Parameters
    ----------
    polygon_nm : (V, 2) corners x, y, nm from the outer corner of the top-left pixel; closed by
        itself. Corners of a shape that crosses itself count as napari draws it.

    Raises
    ------
    ValueError
        If it has fewer than three corners, or one that is no number.

    Examples
    --------
    >>> from napari_deepsmlm.localizations import Localizations
    >>> table = Localizations(frame=[0, 0], x_nm=[50.0, 150.0], y_nm=[50.0, 50.0])
    >>> in_region(table, [(0, 0), (100, 0), (100, 100), (0, 100)])
    array([ True, False])
    """
    corners = np.asarray(polygon_nm, float)
    if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 3:
        raise ValueError(f"A region needs three or more corners (x, y), got {corners.shape}.")
    if not np.isfinite(corners).all():
        raise ValueError("A corner of the region is no number; draw it again.")
    table = table.to_numpy()
    x, y = np.asarray(table.x_nm, float), np.asarray(table.y_nm, float)
    low, high = corners.min(axis=0), corners.max(axis=0)
    near = np.flatnonzero((x >= low[0]) & (x < high[0]) & (y >= low[1]) & (y < high[1]))
    inside = np.zeros(len(x), bool)
    for start in range(0, len(near), _ROWS_AT_ONCE):
        rows = near[start : start + _ROWS_AT_ONCE]
        inside[rows] = _crossings(x[rows], y[rows], corners)
    return inside


def in_regions(table: Localizations, polygons_nm: Sequence[npt.ArrayLike]) -> npt.NDArray[np.bool_]:
    """Return (N,) whether each molecule lies inside any of the polygons."""
    inside = np.zeros(len(table), bool)
    for polygon in polygons_nm:
        inside |= in_region(table, polygon)
    return inside


def outline(kind: str, corners: npt.ArrayLike) -> Array:
    """Return (V, 2) the polygon of a shape as napari keeps it, in the order of its axes.

    Parameters
    ----------
    kind : rectangle, ellipse, polygon; a line or path has no inside.
    corners : (V, 2) of the shape; of an ellipse the four of the rectangle around it.

    Raises
    ------
    ValueError
        If the shape has no inside.
    """
    corners = np.asarray(corners, float)
    if kind in ("rectangle", "polygon"):
        return corners
    if kind != "ellipse":
        raise ValueError(f"A {kind} has no inside: draw a rectangle, an ellipse or a polygon.")
    middle = corners.mean(axis=0)
    across, down = (corners[1] - corners[0]) / 2, (corners[3] - corners[0]) / 2
    angle = np.linspace(0, 2 * np.pi, N_ELLIPSE, endpoint=False)
    return np.asarray(middle + np.outer(np.cos(angle), across) + np.outer(np.sin(angle), down))


def _crossings(x: Array, y: Array, corners: Array) -> npt.NDArray[np.bool_]:
    inside = np.zeros(len(x), bool)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if y0 == y1:
            continue
        spans = (y >= min(y0, y1)) & (y < max(y0, y1))
        inside ^= spans & (x < x0 + (y - y0) / (y1 - y0) * (x1 - x0))
    return inside
