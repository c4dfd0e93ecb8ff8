"""Validation: how good a network is on frames it is not trained on, in the field's measures."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.metrics import match

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from napari_deepsmlm.metrics import Matching
    from napari_deepsmlm.models import SMLMModel
    from napari_deepsmlm.simulation.simulator import Batch

THRESHOLDS = tuple(round(0.1 + 0.05 * i, 2) for i in range(17))
"""Decision thresholds that are tried: 0.1 to 0.9."""

FRAMES_AT_ONCE = 8

SCORES = ("jaccard", "precision", "recall", "rmse_lateral_nm", "rmse_axial_nm", "efficiency")


class Judged(NamedTuple):
    """What a network reaches on the validation set."""

    loss: float
    scores: dict[str, float]
    """The threshold, and those of `SCORES` with it; `efficiency` is lateral, or of 3-D."""


@torch.no_grad()
def judge(model: SMLMModel, batch: Batch, dtype: torch.dtype = torch.float32) -> Judged:
    """Judge a network, and set what is measured rather than learnt.

    That is the scale of images, the decision threshold, and that of predicted standard errors.
    The threshold is the one of the highest Jaccard index, as the mean over frames: one index over
    all molecules would choose for crowded frames alone, where so much is uncertain that a low
    threshold pays, and make sparse frames full of false ones. Efficiency is nearly the same over a
    wide range of thresholds, as the molecules that a lower one adds are the less precise ones.

    Parameters
    ----------
    model : in evaluation mode; changed in place.
    dtype : number format of the layers.
    """
    losses = []
    with torch.autocast(batch.frames.device.type, dtype, enabled=dtype != torch.float32):
        predictions = [model(part) for part in batch.frames.split(FRAMES_AT_ONCE)]
        model.calibrate(batch.frames, batch.truth)
    for number, prediction in enumerate(predictions):
        first = number * FRAMES_AT_ONCE
        inside = batch.truth.in_frames(first, first + len(prediction))
        inside = inside.with_columns(frame=inside.frame - first)
        losses.append(model.loss(prediction, inside).item() * len(prediction))
    best = _best(model, predictions, batch.truth.to_numpy())
    model.config = model.config.replace(threshold=best.threshold)
    model.scale_uncertainty(z_score_widths(best.matched))
    return Judged(sum(losses) / len(batch.frames), {"threshold": best.threshold, **best.scores})


def z_score_widths(matched: Localizations) -> dict[str, float]:
    """Return the width of the distribution of error / standard error, 1 if these are honest.

    It is the absolute value that 68.27 % stay below, and so the standard deviation of a normal
    distribution, but does not see the few pairs of molecules that are no partners.

    Returns
    -------
    `lateral` (x and y together) and `axial`, as far as there are standard errors.
    """
    axes = {"lateral": ("x", "y"), "axial": ("z",)}
    widths = {}
    for name, letters in axes.items():
        parts = [
            matched[f"error_{axis}_nm"] / matched[f"uncertainty_{axis}_nm"]
            for axis in letters
            if f"uncertainty_{axis}_nm" in matched
        ]
        if parts and len(matched) > 1:
            widths[name] = float(np.quantile(np.abs(np.concatenate(parts)), 0.6827))
    return widths


class _Scored(NamedTuple):
    threshold: float
    scores: dict[str, float]
    frame_jaccard: float
    """Mean over frames."""
    matched: Localizations
    """Predictions with a partner, and columns error_x_nm, error_y_nm and error_z_nm."""


def _best(model: SMLMModel, predictions: Sequence[Tensor], true: Localizations) -> _Scored:
    if not model.is_3d:
        true = true.without("z_nm")
    found = (_scored(model, predictions, true, threshold) for threshold in THRESHOLDS)
    return max(found, key=lambda one: one.frame_jaccard)


def _scored(
    model: SMLMModel, predictions: Sequence[Tensor], true: Localizations, threshold: float
) -> _Scored:
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
    per_frame = _mean_jaccard(matching, predicted, true, first_frame)
    return _Scored(threshold, {name: scores[name] for name in SCORES}, per_frame, matched)


def _mean_jaccard(
    matching: Matching, predicted: Localizations, true: Localizations, n_frames: int
) -> float:
    """Return the mean Jaccard index of frames; an empty one in which nothing is found has 1."""
    parts = predicted[matching.predicted], predicted, true
    hits, found, there = (np.bincount(part.frame, minlength=n_frames) for part in parts)
    union = found + there - hits
    return float(np.where(union > 0, hits / np.maximum(union, 1), 1.0).mean())
