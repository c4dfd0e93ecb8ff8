"""Measures: what was found in a stack, held against what was there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from judging.stacks import BEAD_CLEAR_NM
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.metrics import Matching, match, without_border

if TYPE_CHECKING:
    from judging.grid import Condition
    from judging.sample import Rows
    from judging.stacks import Stack

    Floats = np.ndarray[Any, np.dtype[np.float64]]

BORDER_NM = 450.0
"""Left out at every side, of truth and result, as in the challenge."""
LATERAL_NM = 250.0
LONE_SIGMAS = 6.0
"""A molecule is alone if no other one shines within so many widths of the spot in its frame."""
Scores = dict[str, float]


class Held(NamedTuple):
    """A result beside the truth, both without what does not count."""

    found: Localizations
    truth: Localizations
    """With `photons`, and `is_lone` 0 or 1."""
    pairs: Matching

    @property
    def lone(self) -> Any:
        """(TP,) whether the true molecule of a pair is alone."""
        return self.truth["is_lone"][self.pairs.true] > 0


def hold(found: Localizations, condition: Condition, stack: Stack) -> Held:
    """Return result and truth away from borders and beads, and how they pair.

    Truth too dim to be told from noise counts as nothing, found or not.
    """
    field = (0.0, 0.0, condition.size_nm, condition.size_nm)
    truth = table_of(stack.truth)
    truth = truth.with_columns(is_lone=_is_lone(stack.truth, LONE_SIGMAS * condition.sigma_nm))
    ours, theirs = (
        _away_from_bead(without_border(table, BORDER_NM, field), condition, stack)
        for table in (found.without("z_nm") if found.is_3d else found, truth)
    )
    pairs = match(ours, theirs, lateral_nm=LATERAL_NM, least_photons=condition.least_photons)
    return Held(ours, theirs, pairs)


def measure(held: Held, condition: Condition, stack: Stack) -> Scores:
    """Return Jaccard, precision, recall, errors, efficiency, counts and false molecules.

    Results near molecules out of focus are no fault.
    """
    pairs = held.pairs
    false = held.found[pairs.false_positive]
    if len(stack.haze) and len(false):
        false = false[match(false, table_of(stack.haze), lateral_nm=LATERAL_NM).false_positive]
    n_true, n_false, n_missed = len(pairs.true), len(false), len(pairs.false_negative)
    jaccard = _share(n_true, n_true + n_false + n_missed)
    rmse_nm = _root_mean_square(pairs.difference_nm)
    area_um2 = ((condition.size_nm - 2 * BORDER_NM) / 1e3) ** 2
    known = pairs.z_scores[np.isfinite(pairs.z_scores)]
    return {
        "n_true": float(n_true + n_missed),
        "n_found": float(n_true + n_false),
        "count_ratio": _share(n_true + n_false, n_true + n_missed),
        "jaccard": jaccard,
        "precision": _share(n_true, n_true + n_false),
        "recall": _share(n_true, n_true + n_missed),
        "rmse_nm": rmse_nm,
        "lone_rmse_nm": _root_mean_square(pairs.difference_nm[held.lone]),
        "efficiency": 100 - float(np.hypot(100 * (1 - jaccard), rmse_nm)),
        "z_score_sd": float(known.std()) if len(known) else np.nan,
        "false_per_um2": n_false / area_um2 / condition.n_frames,
    }


def table_of(rows: Rows) -> Localizations:
    """Return molecules as the package's table."""
    return Localizations(frame=rows.frame, x_nm=rows.x_nm, y_nm=rows.y_nm, photons=rows.photons)


def _is_lone(rows: Rows, clear_nm: float) -> Floats:
    """1 where no other molecule of the frame is within `clear_nm`, else 0."""
    if len(rows) < 2:
        return np.ones(len(rows))
    # Frames are set apart in a third direction, further than anything is looked for.
    points = np.stack([rows.x_nm, rows.y_nm, rows.frame * 10.0 * clear_nm], 1)
    nearest = cKDTree(points).query(points, k=2)[0][:, 1]
    return (nearest > clear_nm).astype(np.float64)


def _away_from_bead(table: Localizations, condition: Condition, stack: Stack) -> Localizations:
    if condition.trap != "bead" or stack.odd_xy_nm is None:
        return table
    x_nm, y_nm = stack.odd_xy_nm
    return table[np.hypot(table.x_nm - x_nm, table.y_nm - y_nm) > BEAD_CLEAR_NM]


def _root_mean_square(difference_nm: Floats) -> float:
    """Root of the mean squared lateral distance, NaN of none."""
    if not len(difference_nm):
        return float("nan")
    return float(np.sqrt(np.square(difference_nm[:, :2]).sum(1).mean()))


def _share(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
