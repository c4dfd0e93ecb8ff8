"""Validation: how good a network is on frames it is not trained on, in the field's measures."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.metrics import match

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from napari_deepsmlm.models import SMLMModel

THRESHOLDS = tuple(round(0.1 + 0.05 * i, 2) for i in range(17))
"""Decision thresholds that are tried: 0.1 to 0.9."""

SCORES = ("jaccard", "precision", "recall", "rmse_lateral_nm", "rmse_axial_nm", "efficiency")


class Scored(NamedTuple):
    """Scores at the threshold where they are best."""

    threshold: float
    scores: dict[str, float]
    """Those of `SCORES`; `efficiency` is lateral, or that of 3-D where molecules have z."""
    matched: Localizations
    """Predictions with a partner, and columns error_x_nm, error_y_nm and error_z_nm."""


def score(model: SMLMModel, predictions: Sequence[Tensor], truth: Localizations) -> Scored:
    """Try all thresholds on predictions of consecutive frames; the highest Jaccard index wins.

    Efficiency is nearly the same over a wide range of thresholds, as those molecules that a lower
    one adds are the less precise ones.

    Parameters
    ----------
    predictions : batches of the network's output.
    truth : molecules, `frame` counted through all batches.
    """
    true = truth.to_numpy()
    if not model.is_3d:
        true = true.without("z_nm")
    found = (_scored(model, predictions, true, threshold) for threshold in THRESHOLDS)
    return max(found, key=lambda one: np.nan_to_num(one.scores["jaccard"], nan=-1.0))


def z_scores_sd(matched: Localizations) -> dict[str, float]:
    """Return the standard deviation of error / standard error, which is 1 if they are honest.

    Returns
    -------
    `lateral` (x and y together) and `axial`, as far as there are standard errors.
    """
    axes = {"lateral": ("x", "y"), "axial": ("z",)}
    spreads = {}
    for name, letters in axes.items():
        parts = [
            matched[f"error_{axis}_nm"] / matched[f"uncertainty_{axis}_nm"]
            for axis in letters
            if f"uncertainty_{axis}_nm" in matched
        ]
        if parts and len(matched) > 1:
            spreads[name] = float(np.concatenate(parts).std())
    return spreads


def _scored(
    model: SMLMModel, predictions: Sequence[Tensor], true: Localizations, threshold: float
) -> Scored:
    tables, first_frame = [], 0
    for prediction in predictions:
        table = model.to_localizations(prediction, threshold)
        tables.append(table.with_columns(frame=table.frame + first_frame))
        first_frame += len(prediction)
    predicted = Localizations.concatenate(tables).to_numpy()
    matching = match(predicted, true)
    scores = matching.scores()
    scores["efficiency"] = scores["efficiency_3d" if model.is_3d else "efficiency_lateral"]
    errors = dict(zip(("x", "y", "z"), matching.difference_nm.T, strict=False))
    matched = predicted[matching.predicted].with_columns(
        **{f"error_{axis}_nm": error for axis, error in errors.items()}
    )
    return Scored(threshold, {name: scores[name] for name in SCORES}, matched)
