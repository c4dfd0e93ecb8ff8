"""Matching predicted to true molecules by the SMLM Challenge's protocol, and what follows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from napari_deepsmlm.localizations import Localizations

    Indices = np.ndarray[Any, np.dtype[np.intp]]
    Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class Matching:
    """Pairs of predicted and true molecules.

    Attributes
    ----------
    predicted, true : (TP,) rows of the pairs in both tables.
    difference_nm : (TP, 2 or 3) predicted minus true position: x, y and z where both have it.
    n_false_positive, n_false_negative : molecules without a partner.
    """

    predicted: Indices
    true: Indices
    difference_nm: Floats
    n_false_positive: int
    n_false_negative: int

    def scores(self) -> dict[str, float]:
        """Return counts, fractions (0-1), errors in nm and efficiencies in percent.

        `rmse_lateral_nm` is over both axes together, as in the challenge; `rmse_per_axis_nm` is
        smaller by the root of two. Efficiency is 100 - sqrt((100 - JI)^2 + (alpha RMSE)^2) with
        alpha 1/nm laterally and 0.5/nm axially (Sage et al. 2019, doi:10.1038/s41592-019-0364-4).
        Where nothing matched, errors are NaN.
        """
        tp, fp, fn = len(self.true), self.n_false_positive, self.n_false_negative
        jaccard = _ratio(tp, tp + fp + fn)
        lateral = _rms(self.difference_nm[:, :2])
        axial = _rms(self.difference_nm[:, 2:])
        efficiencies = _efficiency(jaccard, lateral, 1.0), _efficiency(jaccard, axial, 0.5)
        bias = self.difference_nm.mean(0) if tp else np.full(3, math.nan)
        return {
            "jaccard": jaccard,
            "precision": _ratio(tp, tp + fp),
            "recall": _ratio(tp, tp + fn),
            "f1": _ratio(2 * tp, 2 * tp + fp + fn),
            "rmse_lateral_nm": lateral,
            "rmse_per_axis_nm": lateral / math.sqrt(2),
            "rmse_axial_nm": axial,
            "efficiency_lateral": efficiencies[0],
            "efficiency_axial": efficiencies[1],
            "efficiency_3d": sum(efficiencies) / 2,
            "bias_x_nm": float(bias[0]),
            "bias_y_nm": float(bias[1]),
            "n_true_positive": tp,
            "n_false_positive": fp,
            "n_false_negative": fn,
        }


def match(
    predicted: Localizations,
    truth: Localizations,
    *,
    lateral_nm: float = 250.0,
    axial_nm: float = 500.0,
    least_photons: float = 0.0,
) -> Matching:
    """Pair molecules of the same frame, nearest first (the challenge's "GS-NN").

    All pairs within both tolerances (inclusive) are sorted by distance, in 3-D if both tables
    have z, and taken in that order unless one of the two is taken already.

    Parameters
    ----------
    predicted, truth : tables in nm; frames need not be sorted.
    lateral_nm, axial_nm : tolerances.
    least_photons : if above 0, true molecules with as many photons or fewer, and what is matched
        to them, count as nothing at all.
    """
    has_z = predicted.is_3d and truth.is_3d
    ours, theirs = _positions(predicted, has_z), _positions(truth, has_z)
    rows, columns = _pairs_within(ours, theirs, predicted.frame, truth.frame, lateral_nm)
    difference = ours[rows] - theirs[columns]
    is_near = np.square(difference[:, :2]).sum(1) <= lateral_nm**2
    if has_z:
        is_near &= np.abs(difference[:, 2]) <= axial_nm
    rows, columns, difference = rows[is_near], columns[is_near], difference[is_near]
    order = np.argsort(np.square(difference).sum(1), kind="stable")
    taken = order[_greedy(rows[order], columns[order])]
    is_counted = np.ones(len(truth), bool)
    if least_photons > 0:
        is_counted = np.asarray(truth["photons"]) > least_photons
    kept = taken[is_counted[columns[taken]]]
    return Matching(
        predicted=rows[kept],
        true=columns[kept],
        difference_nm=difference[kept],
        n_false_positive=len(predicted) - len(taken),
        n_false_negative=int(is_counted.sum()) - len(kept),
    )


def _positions(table: Localizations, has_z: bool) -> Floats:
    names = ("x_nm", "y_nm", "z_nm") if has_z else ("x_nm", "y_nm")
    positions = np.stack([np.asarray(table[name], np.float64) for name in names], axis=1)
    if not np.isfinite(positions).all():
        raise ValueError("Positions must be finite to be matched; remove the rows with NaN first.")
    return positions


def _pairs_within(
    ours: Floats, theirs: Floats, our_frames: Indices, their_frames: Indices, radius: float
) -> tuple[Indices, Indices]:
    """Rows of all pairs in the same frame that are about `radius` apart laterally, or less."""
    if not len(ours) or not len(theirs):
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    # Frames become a third axis with steps too long to reach over.
    step = 4 * radius
    reach = radius * (1 + 1e-9)
    ours = np.column_stack([ours[:, :2], our_frames * step])
    theirs = np.column_stack([theirs[:, :2], their_frames * step])
    found = cKDTree(ours).sparse_distance_matrix(cKDTree(theirs), reach, output_type="ndarray")
    order = np.lexsort((found["j"], found["i"]))
    return found["i"][order], found["j"][order]


def _greedy(rows: Indices, columns: Indices) -> Indices:
    """Positions of the pairs that are taken when pairs are offered in the order given.

    A pair that is the first of those left for both its molecules is certain to be taken; taking
    all of these at once and repeating gives the same pairs as going through one by one.
    """
    left = np.arange(len(rows))
    taken = []
    while len(left):
        first_of_row = np.zeros(len(left), bool)
        first_of_row[np.unique(rows[left], return_index=True)[1]] = True
        first_of_column = np.zeros(len(left), bool)
        first_of_column[np.unique(columns[left], return_index=True)[1]] = True
        now = left[first_of_row & first_of_column]
        taken.append(now)
        is_free = ~np.isin(rows[left], rows[now]) & ~np.isin(columns[left], columns[now])
        left = left[is_free]
    return np.sort(np.concatenate(taken)) if taken else left


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


def _rms(difference: Floats) -> float:
    if not difference.size:
        return math.nan
    return math.sqrt(float(np.square(difference).sum(1).mean()))


def _efficiency(jaccard: float, rmse_nm: float, alpha: float) -> float:
    return 100 - math.hypot(100 * (1 - jaccard), alpha * rmse_nm)
