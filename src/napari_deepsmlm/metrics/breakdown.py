"""Where a prediction is good: scores by frame, by local density or by depth, beside the bound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from napari_deepsmlm.metrics.crlb import crlb
from napari_deepsmlm.metrics.matching import stacked
from napari_deepsmlm.metrics.scores import mean_by_group, score_groups

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

    from napari_deepsmlm.camera import Camera
    from napari_deepsmlm.localizations import Localizations
    from napari_deepsmlm.metrics.matching import Matching
    from napari_deepsmlm.psf import PSF

    Array = np.ndarray[Any, Any]

By = Literal["frame", "density", "z"]

LOCAL_RADIUS_NM = 1000.0
N_BINS = 10
BOUND_SAMPLES = 1000
_BOUND_WINDOW_PX = 31


def score_table(
    matching: Matching,
    predicted: Localizations,
    truth: Localizations,
    *,
    by: By,
    edges: ArrayLike | None = None,
    bound_nm: Array | None = None,
) -> pd.DataFrame:
    """Return one row of scores per frame, or per bin of local density or depth.

    A pair and a missed molecule belong where the true molecule is; a false positive belongs to its
    own frame, the true density around it, or the depth it claims. Local density is the number of
    other true molecules of the frame within 1 um over that circle's area; at the border of the
    frame it comes out too low.

    Parameters
    ----------
    matching : of the two tables that follow.
    edges : (n + 1,) ascending borders of the bins, molecules/um^2 or nm; by default about ten
        round ones over what there is. Rows of frames have no bins.
    bound_nm : (N, 2 or 3) smallest standard errors of x, y (z) that the true molecules allow, as
        of :func:`truth_bounds`, NaN where not known. The columns `crlb_lateral_nm` and
        `crlb_axial_nm` then stand beside the errors: root mean squares over the same pairs.

    Returns
    -------
    `frame`, or the bins' `from` and `to`; `n_true`; then the columns of :func:`score_groups`.

    Raises
    ------
    ValueError
        If depth is asked for and a table has none, or edges do not ascend.
    """
    import pandas as pd

    true_key, predicted_key = _keys(predicted, truth, by)
    true, wrong, missed = matching.true, matching.false_positive, matching.false_negative
    keys = true_key[true], predicted_key[wrong], true_key[missed]
    if by == "frame":
        frames, group = np.unique(np.concatenate(keys), return_inverse=True)
        groups = np.split(group, np.cumsum([len(key) for key in keys])[:-1])
        table, n_groups = {"frame": frames}, len(frames)
    else:
        borders = _edges(np.concatenate(keys)) if edges is None else np.asarray(edges, float)
        if borders.ndim != 1 or len(borders) < 2 or not (np.diff(borders) > 0).all():
            raise ValueError("Edges of bins must be two or more numbers in ascending order.")
        n_groups = len(borders) - 1
        groups = [_bin(key, borders) for key in keys]
        table = {"from": borders[:-1], "to": borders[1:]}
    is_in = groups[0] < n_groups  # outside of the given edges: in no group
    difference, pair_group = matching.difference_nm[is_in], groups[0][is_in]
    groups = [group[group < n_groups] for group in groups]
    scores = score_groups(difference, *groups, n_groups=n_groups)
    table["n_true"] = scores["n_true_positive"] + scores["n_false_negative"]
    if bound_nm is not None:
        bound = np.square(np.asarray(bound_nm)[true[is_in]])
        is_known = np.isfinite(bound).all(1)
        square = mean_by_group(bound[is_known], pair_group[is_known], n_groups)
        table["crlb_lateral_nm"] = np.sqrt(square[0] + square[1])
        table["crlb_axial_nm"] = np.sqrt(square[2])
    return pd.DataFrame(table | scores)


def truth_bounds(truth: Localizations, psf: PSF, camera: Camera | None = None) -> Array:
    """Return Cramér-Rao bounds of true molecules as if each were alone in its frame.

    They are computed for about `BOUND_SAMPLES` molecules evenly spread over the rows, in windows of
    31 x 31 pixels; the other rows are NaN.

    Parameters
    ----------
    truth : with photons and background (photons per pixel); depth 0 where it has no z.

    Returns
    -------
    (N, 2 or 3) nm, smallest standard errors of x, y, and of z if the PSF tells it.

    Raises
    ------
    ValueError
        If the truth lacks photons or background.
    """
    for name in ("photons", "background"):
        if name not in truth:
            raise ValueError(f"The truth has no {name}, which bounds of the error depend on.")
    z = np.asarray(truth["z_nm"]) if truth.is_3d else np.zeros(len(truth))
    low, high = psf.depth_range_nm or (-np.inf, np.inf)
    usable = np.flatnonzero((z >= low) & (z <= high) & (np.asarray(truth["photons"]) > 0))
    rows = usable[:: max(len(usable) // BOUND_SAMPLES, 1)]
    n_axes = 2 if psf.depth_range_nm is None else 3
    bounds: Array = np.full((len(truth), n_axes), np.nan)
    if len(rows):
        # where in its pixel a molecule is matters, which pixel does not
        xy = np.stack([truth.x_nm[rows], truth.y_nm[rows]], axis=1) % psf.pixel_size_nm
        centre = _BOUND_WINDOW_PX // 2 * psf.pixel_size_nm
        found = crlb(
            psf,
            torch.as_tensor(np.column_stack([xy + centre, z[rows]])),
            photons=torch.as_tensor(truth["photons"][rows]),
            background=torch.as_tensor(truth["background"][rows]),
            shape=(_BOUND_WINDOW_PX, _BOUND_WINDOW_PX),
            camera=camera,
        )
        bounds[rows] = torch.stack(found[:n_axes], dim=1).numpy()
    return bounds


def local_density(
    positions: Localizations, truth: Localizations, *, n_own: int = 0
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return true molecules per um^2 of the frame within 1 um of each position.

    Parameters
    ----------
    n_own : 1 if the positions are the truth's, so that no molecule counts itself.
    """
    if not len(positions) or not len(truth):
        return np.zeros(len(positions))
    near, tree = (
        stacked(np.column_stack([table.x_nm, table.y_nm]), table.frame, LOCAL_RADIUS_NM)
        for table in (positions, truth)
    )
    count = tree.query_ball_point(near.data, LOCAL_RADIUS_NM, return_length=True)
    return np.asarray((count - n_own) / (np.pi * (LOCAL_RADIUS_NM / 1e3) ** 2))


def _keys(predicted: Localizations, truth: Localizations, by: By) -> tuple[Array, Array]:
    if by == "frame":
        return np.asarray(truth.frame), np.asarray(predicted.frame)
    if by == "density":
        return local_density(truth, truth, n_own=1), local_density(predicted, truth)
    if not (predicted.is_3d and truth.is_3d):
        raise ValueError("Scores by z need a depth in both tables; one of them has no z.")
    return np.asarray(truth["z_nm"], np.float64), np.asarray(predicted["z_nm"], np.float64)


def _edges(values: Array) -> Array:
    """About `N_BINS` bins at multiples of 1, 2 or 5 times a power of ten."""
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    width = max(high - low, 1e-9 * max(abs(high), 1.0)) / N_BINS
    power = 10.0 ** np.floor(np.log10(width))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= width * (1 - 1e-9))
    first = np.floor(low / step)
    edges: Array = np.arange(first, max(np.ceil(high / step), first + 1) + 1) * step
    return edges


def _bin(values: Array, edges: Array) -> Array:
    """Bin of each value, the last one closed above; what is outside gets a number beyond."""
    number = np.searchsorted(edges, values, side="right") - 1
    number[values == edges[-1]] = len(edges) - 2
    return np.where(number < 0, len(edges) - 1, number)
