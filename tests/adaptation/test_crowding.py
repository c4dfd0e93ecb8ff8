"""Crowding: simulated frames tell how many molecules there are where some are never found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_deepsmlm.adaptation.crowding import as_crowded
from napari_deepsmlm.adaptation.findings import FINDER, Findings, look
from napari_deepsmlm.estimation import Estimate, estimate
from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.io import open_frames

if TYPE_CHECKING:
    from collections.abc import Callable

PHOTONS, DENSITY = 1500.0, 4.0


@pytest.fixture(scope="module")
def crowded() -> Experiment:
    values = {
        "psf": {"kind": "gaussian", "pixel_size_nm": 100.0, "sigma_nm": [110.0, 110.0]},
        "camera": {"kind": "scmos", "e_per_adu": 0.5, "baseline": 100.0},
        "image_px": [48, 48],
        "simulation": {
            "structure": {"kind": "filaments"},
            "density_per_um2": [DENSITY, DENSITY],
            "photons": [PHOTONS, PHOTONS],
            "brightness": [1.0, 1.0],
            "background": [30.0, 30.0],
        },
    }
    return Experiment.from_dict(values)


@pytest.fixture(scope="module")
def findings(crowded: Experiment) -> Findings:
    found = look(open_frames(crowded.simulate(24, seed=5).stack), 100.0, crowded.camera)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def like(crowded: Experiment) -> Callable[[Estimate], Experiment]:
    def experiment(of: Estimate) -> Experiment:
        simulation = crowded.simulation.replace(
            density_per_um2=(of.density_per_um2,) * 2, photons=(of.photons,) * 2
        )
        return crowded.replace(simulation=simulation)

    return experiment


def test_molecules_and_their_light_are_those_that_make_what_is_found(
    crowded: Experiment, findings: Findings, like: Callable[[Estimate], Experiment]
) -> None:
    assert findings.counts.mean() / findings.area_um2 < 0.9 * DENSITY, "some are not found"
    stack = crowded.simulate(5, seed=6).stack
    nothing = estimate(stack, pixel_size_nm=100.0, camera=crowded.camera).replace(
        photons=None, density_per_um2=None, photons_percentiles={}, density_percentiles={}
    )
    right = as_crowded(nothing, findings, FINDER, like)
    assert right.density_per_um2 == pytest.approx(DENSITY, rel=0.2)
    assert right.photons == pytest.approx(PHOTONS, rel=0.2)
    low, middle, high = right.photons_percentiles.values()
    assert low < middle < high
    assert (low + high) / 2 == pytest.approx(right.photons)
    assert "some of crowded molecules are not found" in right.sentences[-1]
    none = findings._replace(counts=np.zeros(3, int))
    assert as_crowded(right, none, FINDER, like) == right
