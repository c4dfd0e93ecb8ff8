"""Judging a network: the threshold with most true molecules, and honest standard errors."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.metrics import match
from napari_deepsmlm.models import ModelCard, built_in_models, load_model
from napari_deepsmlm.training.data import SimulatedBatches
from napari_deepsmlm.training.validation import THRESHOLDS, judge, z_score_widths


def validation_set(card: ModelCard) -> object:
    experiment = Experiment.from_dict(card.experiment)
    data = SimulatedBatches(experiment.simulator(), batch_size=4, shape=(24, 24), seed=9)
    return data.validation(12)


@pytest.mark.parametrize("name", ["deep-storm:2d-100nm", "dilated-loc:2d-100nm"])
def test_the_threshold_finds_the_largest_share_of_molecules(name: str) -> None:
    model, card = load_model(built_in_models()[name])
    batch = validation_set(card)
    judged = judge(model, batch)  # type: ignore[arg-type]
    true = batch.truth.to_numpy().without("z_nm")  # type: ignore[attr-defined]
    with torch.no_grad():
        prediction = model(batch.frames)  # type: ignore[attr-defined]
    mean_jaccard, pooled = {}, {}
    for threshold in THRESHOLDS:
        found = model.to_localizations(prediction, threshold).to_numpy()
        pooled[threshold] = match(found, true).scores()["jaccard"]
        each = [
            match(found[found.frame == i], true[true.frame == i]).scores()["jaccard"]
            if ((found.frame == i).any() or (true.frame == i).any())
            else 1.0
            for i in range(12)
        ]
        mean_jaccard[threshold] = float(np.mean(each))
    chosen = judged.scores["threshold"]
    assert model.config.threshold == chosen
    assert mean_jaccard[chosen] == pytest.approx(max(mean_jaccard.values()), abs=1e-9)
    assert pooled[chosen] == pytest.approx(judged.scores["jaccard"], abs=1e-6)


def test_standard_errors_are_scaled_to_the_errors() -> None:
    model, card = load_model(built_in_models()["dilated-loc:2d-100nm"])
    batch = validation_set(card)
    model.scale_uncertainty({"lateral": 3.0})  # as if it had been far too modest
    judge(model, batch)  # type: ignore[arg-type]
    with torch.no_grad():
        found = model.to_localizations(model(batch.frames)).to_numpy()  # type: ignore[attr-defined]
    matching = match(found, batch.truth.to_numpy().without("z_nm"))  # type: ignore[attr-defined]
    sigma = np.stack([found["uncertainty_x_nm"], found["uncertainty_y_nm"]], 1)
    z_scores = matching.difference_nm / sigma[matching.predicted]
    assert (np.abs(z_scores) < 1).mean() == pytest.approx(0.6827, abs=0.01)


def test_width_of_z_scores_is_the_spread_of_errors_that_are_not_outliers() -> None:
    rng = np.random.default_rng(0)
    n = 20_000
    zero = np.zeros(n)
    matched = Localizations(
        frame=zero,
        x_nm=zero,
        y_nm=zero,
        error_x_nm=rng.normal(0, 10, n),
        error_y_nm=rng.normal(0, 30, n),
        error_z_nm=rng.normal(0, 50, n),
        uncertainty_x_nm=zero + 5,
        uncertainty_y_nm=zero + 15,
        uncertainty_z_nm=zero + 100,
    )
    matched["error_z_nm"][:20] = 1e6
    spread = z_score_widths(matched)
    assert spread["lateral"] == pytest.approx(2.0, rel=0.02)
    assert spread["axial"] == pytest.approx(0.5, rel=0.03)
    assert (
        z_score_widths(
            matched.without(
                "uncertainty_x_nm", "uncertainty_y_nm", "error_z_nm", "uncertainty_z_nm"
            )
        )
        == {}
    )
