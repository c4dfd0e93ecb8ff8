"""Scores of matched molecules: the field's formulas, for all at once or group by group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    Indices = np.ndarray[Any, np.dtype[np.intp]]
    Floats = np.ndarray[Any, np.dtype[np.float64]]


def score_groups(
    difference_nm: Floats,
    pair_group: Indices,
    false_positive_group: Indices,
    false_negative_group: Indices,
    *,
    n_groups: int,
) -> dict[str, np.ndarray[Any, Any]]:
    """Return scores of each group: fractions (0-1), errors in nm, efficiencies in percent.

    `rmse_lateral_nm` is over both axes together, as in the challenge; `rmse_per_axis_nm`, which
    some programs call lateral, is smaller by the root of two. Efficiency is
    100 - sqrt((100 - JI)^2 + (alpha RMSE)^2) with alpha 1/nm laterally, on the former RMSE, and
    0.5/nm axially (Sage et al. 2019, doi:10.1038/s41592-019-0364-4). What is not defined is NaN.

    Parameters
    ----------
    difference_nm : (TP, 2 or 3) predicted minus true position.
    pair_group, false_positive_group, false_negative_group : group of each pair and of each
        molecule without a partner, from 0.
    n_groups : how many there are.

    Returns
    -------
    name -> (n_groups,)
    """
    tp, fp, fn = (
        np.bincount(group, minlength=n_groups)
        for group in (pair_group, false_positive_group, false_negative_group)
    )
    jaccard = ratio(tp, tp + fp + fn)
    square = mean_by_group(np.square(difference_nm), pair_group, n_groups)
    lateral, axial = np.sqrt(square[0] + square[1]), np.sqrt(square[2])
    efficiency_lateral = _efficiency(jaccard, lateral, 1.0)
    efficiency_axial = _efficiency(jaccard, axial, 0.5)
    bias = mean_by_group(difference_nm, pair_group, n_groups)
    return {
        "jaccard": jaccard,
        "precision": ratio(tp, tp + fp),
        "recall": ratio(tp, tp + fn),
        "f1": ratio(2 * tp, 2 * tp + fp + fn),
        "rmse_lateral_nm": lateral,
        "rmse_per_axis_nm": lateral / np.sqrt(2),
        "rmse_axial_nm": axial,
        "efficiency_lateral": efficiency_lateral,
        "efficiency_axial": efficiency_axial,
        "efficiency_3d": (efficiency_lateral + efficiency_axial) / 2,
        "bias_x_nm": bias[0],
        "bias_y_nm": bias[1],
        "bias_z_nm": bias[2],
        "n_true_positive": tp,
        "n_false_positive": fp,
        "n_false_negative": fn,
    }


def z_score_moments(z_scores: Floats) -> dict[str, float]:
    """Return mean and standard deviation of the z-scores along the axes that have any."""
    moments = {}
    for axis, column in zip("xyz", z_scores.T, strict=False):
        known = column[np.isfinite(column)]
        if len(known):
            moments[f"z_score_mean_{axis}"] = float(known.mean())
            moments[f"z_score_sd_{axis}"] = float(known.std())
    return moments


def mean_by_group(values: Floats, group: Indices, n_groups: int) -> Floats:
    """Return (3, n_groups) means of (N, 2 or 3) values, NaN for a missing axis or empty group."""
    means = np.full((3, n_groups), np.nan)
    count = np.bincount(group, minlength=n_groups)
    for axis, column in enumerate(values.T):
        means[axis] = ratio(np.bincount(group, column, minlength=n_groups), count)
    return means


def ratio(part: np.ndarray[Any, Any], whole: np.ndarray[Any, Any]) -> Floats:
    """Return part / whole, NaN where there is nothing."""
    fraction = np.full(len(whole), np.nan)
    np.divide(part, whole, out=fraction, where=whole > 0)
    return fraction


def _efficiency(jaccard: Floats, rmse_nm: Floats, alpha: float) -> Floats:
    return np.asarray(100 - np.hypot(100 * (1 - jaccard), alpha * rmse_nm))
