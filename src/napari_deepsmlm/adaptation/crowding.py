"""Crowding: how many molecules there are, for as many to be found as are found in the stack.

Of crowded molecules a part is never found, and the light of those found is not that of all. So the
twin is made with more and with fewer molecules, of the same light together, and the number is taken
at which as many are found in it as in the stack.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_deepsmlm.models import find_model
from napari_deepsmlm.training.data import SimulatedBatches

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_deepsmlm.adaptation.findings import Findings
    from napari_deepsmlm.estimation import Estimate
    from napari_deepsmlm.experiment import Experiment
    from napari_deepsmlm.models import SMLMModel

# Molecules that are tried, over those of the first estimate.
FACTORS = (0.5, 0.7, 1.0, 1.4, 2.0)
FRAMES, SIDE_PX = 16, 48
LEAST_SLOPE = 0.2
SEED = 77_100_000
"""Of frames that neither train nor judge."""


def as_crowded(
    measured: Estimate,
    findings: Findings,
    finder: str,
    like: Callable[[Estimate], Experiment],
) -> Estimate:
    """Return an estimate with the density, and the photons, at which as many are found; it says so.

    Parameters
    ----------
    measured : knows photons and density about.
    like : the experiment of an estimate.
    """
    wanted = float(findings.counts.mean()) / findings.area_um2
    model = find_model(finder).load()
    found = [_found_per_um2(model, like(_scaled(measured, factor))) for factor in FACTORS]
    if not (wanted > 0 and min(found) > 0):
        return measured
    # Frames are few, so a line through all of them tells more than the nearest two.
    slope, level = np.polyfit(np.log(FACTORS), np.log(found), 1)
    if slope < LEAST_SLOPE:  # so crowded that more are not more found
        return measured
    factor = math.exp((math.log(wanted) - level) / slope)
    counted = _scaled(measured, min(max(factor, FACTORS[0]), FACTORS[-1]))
    sentence = (
        f"As some of crowded molecules are not found: {counted.photons:.0f} photons each, and "
        f"{counted.density_per_um2:.2g} per um² and frame, as then as many are found in simulated "
        "frames."
    )
    return counted.replace(sentences=[*measured.sentences, sentence])


def _scaled(measured: Estimate, factor: float) -> Estimate:
    """Return it with so many times the molecules, and the same light together."""
    assert measured.photons is not None  # noqa: S101 - known about
    assert measured.density_per_um2 is not None  # noqa: S101
    return measured.replace(
        photons=measured.photons / factor,
        photons_percentiles={k: v / factor for k, v in measured.photons_percentiles.items()},
        density_per_um2=measured.density_per_um2 * factor,
        density_percentiles={k: v * factor for k, v in measured.density_percentiles.items()},
    )


@torch.inference_mode()
def _found_per_um2(model: SMLMModel, experiment: Experiment) -> float:
    """Return the molecules that a model finds in simulated frames."""
    pixel_nm = experiment.psf.pixel_size_nm
    model.pixel_size_nm = pixel_nm
    batch = SimulatedBatches(
        experiment.simulator(),
        batch_size=1,
        shape=(SIDE_PX, SIDE_PX),
        seed=SEED,
        device=torch.device("cpu"),
        context=model.context,
        model=model,
    ).validation(FRAMES)
    n_found = sum(len(model.to_localizations(model(part))) for part in batch.frames.split(4))
    return n_found / FRAMES / (SIDE_PX * pixel_nm / 1000) ** 2
