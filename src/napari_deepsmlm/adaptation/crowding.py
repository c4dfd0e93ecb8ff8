"""Crowding: the molecules of which as many are found, and as bright ones, as in the stack.

Of crowded molecules a part is never found, and two that are taken for one are as bright as both. So
the twin is made with more and with fewer molecules, and those are taken of which the finder makes
what it makes of the stack. What level and gain the camera has does not matter then.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

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

# Molecules that are tried, over those that are found.
FACTORS = (0.9, 1.6, 2.8)
FRAMES, SIDE_PX = 16, 48
LEAST_SLOPE = 0.2
# Those that are found are the brighter ones: some have half the light of the dimmest tenth of them.
DIMMEST = 0.5
SEED = 77_100_000
"""Of frames that neither train nor judge."""


def as_crowded(
    measured: Estimate,
    findings: Findings,
    finder: str,
    like: Callable[[Estimate], Experiment],
) -> Estimate:
    """Return an estimate with the molecules of which that is found which is in the stack.

    Where frames are too crowded to tell, it is the same.

    Parameters
    ----------
    like : the experiment of an estimate.
    """
    seen = _Seen(float(findings.counts.mean()) / findings.area_um2, findings.photons.mean())
    if seen.per_um2 == 0:
        return measured
    model = find_model(finder).load()
    tried = [_with(measured, findings, factor, 1.0) for factor in FACTORS]
    found = [_found(model, like(one)) for one in tried]
    if not all(one.per_um2 > 0 for one in found):
        return measured
    # Frames are few, so a line through all of them tells more than the nearest two.
    factors = np.log(FACTORS)
    slope, level = np.polyfit(factors, [math.log(one.per_um2) for one in found], 1)
    if slope < LEAST_SLOPE:  # so crowded that more are not more found
        return measured
    factor = np.clip((math.log(seen.per_um2) - level) / slope, factors[0], factors[-1])
    brighter = np.polyval(np.polyfit(factors, [math.log(one.photons) for one in found], 1), factor)
    right = _with(measured, findings, float(np.exp(factor)), float(seen.photons / np.exp(brighter)))
    sentence = (
        f"As some of crowded molecules are not found, and some are two: {right.photons:.0f} "
        f"photons each, and {right.density_per_um2:.2g} per um² and frame, as then simulated "
        "frames show what these do."
    )
    return right.replace(sentences=[*measured.sentences, sentence])


class _Seen(NamedTuple):
    """What is found in frames."""

    per_um2: float
    photons: float
    """Mean of a molecule."""


def _with(measured: Estimate, findings: Findings, more: float, brighter: float) -> Estimate:
    """Return an estimate with so many times the molecules that are found, and so bright ones."""
    photons = brighter * float(findings.photons.mean())
    dimmest = DIMMEST * brighter * float(np.percentile(findings.photons, 10))
    per_um2 = more * findings.counts / findings.area_um2
    return measured.replace(
        photons=photons,
        photons_percentiles={10: dimmest, 50: photons, 90: 2 * photons - dimmest},
        density_per_um2=float(per_um2.mean()),
        density_percentiles={p: float(np.percentile(per_um2, p)) for p in (10, 50, 90)},
    )


@torch.inference_mode()
def _found(model: SMLMModel, experiment: Experiment) -> _Seen:
    """Return what a model finds in simulated frames."""
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
    tables = [model.to_localizations(model(part)) for part in batch.frames.split(4)]
    photons = torch.cat([table["photons"] for table in tables])
    area_um2 = (SIDE_PX * pixel_nm / 1000) ** 2
    return _Seen(len(photons) / FRAMES / area_um2, float(photons.mean()))
