"""Widths: the width of the PSF from molecules that a model found, where frames do not tell it.

Their mean image tells it: each molecule by itself drowns in noise, but all are of one shape, and
where they are is known up to the model's own error. That error widens the mean image, so its
variance is taken off.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from napari_deepsmlm.localizations import Localizations

    Array = np.ndarray[Any, Any]

# Pixels on each side of the one that a molecule is in: 2.2 widths of the widest PSF, 2.3 px.
REACH_PX = 5
# Another molecule that was found within this distance is in the picture too.
ALONE_PX = 8.0
FEWEST = 15
MAX_SPOTS = 1000
# Widths that are sought, as for frames.
NARROWEST_PX, MAX_WIDTH_PX = 0.4, 8.0
GROUPS = 15
# Relative error that more molecules do not reduce, measured on simulated stacks (`docs/adapt.md`):
# what a model takes for a place is partly the noise there, and dim wide molecules are missed.
SYSTEMATIC = 0.05
# Molecules that tell the width no better than this do not tell it.
MAX_ERROR = 0.15


class FoundWidth(NamedTuple):
    """Width of a Gaussian PSF in pixels, its error, and how many molecules it is from."""

    sigma_px: float
    error_px: float
    n: int


def width_of(
    images: Array,
    table: Localizations,
    pixel_size_nm: float,
    origin_px: tuple[int, int] = (0, 0),
) -> FoundWidth | None:
    """Return the width of the mean image of molecules; None if too few stand alone, or differ.

    Parameters
    ----------
    images : (T, H, W) raw frames; of any unit, as their background is fitted.
    table : what was found in them, frames counted from 0, with the model's own errors
        `uncertainty_x_nm` and `uncertainty_y_nm`.
    origin_px : row and column of the images' corner in the frames that positions count from.
    """
    xy_px = np.stack([table.x_nm, table.y_nm], 1).astype(float) / pixel_size_nm - origin_px[::-1]
    lone = _lone(xy_px, np.asarray(table.frame), images.shape[1:])
    if len(lone) < FEWEST:
        return None
    lone = lone[:: math.ceil(len(lone) / MAX_SPOTS)]
    corner = np.floor(xy_px[lone]).astype(int) - REACH_PX
    steps = np.arange(2 * REACH_PX + 1)
    rows, columns = corner[:, 1, None] + steps, corner[:, 0, None] + steps
    frame = np.asarray(table.frame)[lone, None, None]
    blinking = images - np.median(images, axis=0)  # without hot pixels, beads and structure
    windows = blinking[frame, rows[:, :, None], columns[:, None]].astype(float)
    centres = xy_px[lone] - corner
    fitted = _fitted(windows, centres)
    parts = np.array_split(np.random.default_rng(0).permutation(len(lone)), GROUPS)
    others = [np.delete(np.arange(len(lone)), part) for part in parts]
    by_part = [_fitted(windows[rest], centres[rest]) for rest in others]
    chance = math.sqrt((GROUPS - 1) * float(np.var(by_part)))
    errors = [np.asarray(table[f"uncertainty_{axis}_nm"], float)[lone] for axis in "xy"]
    narrowed = fitted**2 - float(np.mean(np.square(errors))) / pixel_size_nm**2
    if narrowed < NARROWEST_PX**2:
        return None
    sigma = math.sqrt(narrowed)
    error = math.hypot(chance * fitted / sigma, SYSTEMATIC * sigma)
    return FoundWidth(sigma, error, len(lone)) if error < MAX_ERROR * sigma else None


def _lone(xy_px: Array, frame: Array, shape: tuple[int, ...]) -> Array:
    """Return the rows of molecules with no other nearby, and their whole window in the frame."""
    from scipy.spatial import cKDTree

    apart = 2.0 * ALONE_PX * frame  # frames are never near each other
    tree = cKDTree(np.column_stack([xy_px, apart]))
    n_near = tree.query_ball_point(tree.data, ALONE_PX, return_length=True)
    pixel = np.floor(xy_px)
    is_good = (n_near == 1) & (pixel >= REACH_PX).all(1)
    is_good &= (pixel < np.array(shape[::-1]) - REACH_PX).all(1)
    return np.flatnonzero(is_good)


def _fitted(windows: Array, centres: Array) -> float:
    """Return the width that all share, least squares; each has a background of its own.

    Parameters
    ----------
    windows : (N, S, S).
    centres : (N, 2) x and y in them, px.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import ndtr

    edges = np.arange(windows.shape[1] + 1)
    measured = windows - windows.mean(axis=(1, 2), keepdims=True)

    def left(log_sigma: float) -> float:
        x, y = (np.diff(ndtr((edges - at[:, None]) / math.exp(log_sigma))) for at in centres.T)
        shape = y[:, :, None] * x[:, None]
        shape -= shape.mean(axis=(1, 2), keepdims=True)
        return -float(max((shape * measured).sum(), 0.0) ** 2 / (shape**2).sum())

    bounds = (math.log(NARROWEST_PX), math.log(MAX_WIDTH_PX))
    scale = max(float((measured**2).sum()), 1e-300)
    found = minimize_scalar(lambda x: left(x) / scale, bounds=bounds, method="bounded")
    return math.exp(found.x)
