"""Findings: a model tells the light of a molecule where the frames alone do not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch

from napari_deepsmlm._devices import Compute
from napari_deepsmlm.adaptation import Adapted, AdaptJob, AdaptOptions, Planned
from napari_deepsmlm.adaptation.findings import with_findings
from napari_deepsmlm.estimation import Estimate, estimate
from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.io import open_frames

if TYPE_CHECKING:
    from napari_deepsmlm.io import FrameSource

CPU = Compute(torch.device("cpu"), torch.float32, "as the test wants it")
PHOTONS, DENSITY = 1500.0, 3.0


@pytest.fixture(scope="module")
def crowded() -> Experiment:
    values: dict[str, Any] = {
        "psf": {"kind": "gaussian", "pixel_size_nm": 100.0, "sigma_nm": [110.0, 110.0]},
        "camera": {"kind": "scmos", "e_per_adu": 0.5, "baseline": 100.0},
        "image_px": [48, 48],
        "simulation": {
            "density_per_um2": [DENSITY, DENSITY],
            "photons": [0.8 * PHOTONS, 1.2 * PHOTONS],
            "brightness": [1.0, 1.0],
            "background": [30.0, 30.0],
        },
    }
    return Experiment.from_dict(values)


@pytest.fixture(scope="module")
def movie(crowded: Experiment) -> FrameSource:
    return open_frames(crowded.simulate(24, seed=5).stack)


@pytest.fixture(scope="module")
def measured(crowded: Experiment, movie: FrameSource) -> Estimate:
    found = estimate(movie, pixel_size_nm=100.0, camera=crowded.camera)
    return found.replace(photons=None, photons_percentiles={}, density_percentiles={})


def test_photons_and_density_of_crowded_frames_are_told(
    crowded: Experiment, movie: FrameSource, measured: Estimate
) -> None:
    told = with_findings(measured, movie, crowded.camera, CPU)
    assert told.photons == pytest.approx(PHOTONS, rel=0.2)
    assert told.density_per_um2 == pytest.approx(DENSITY, rel=0.2)
    low, middle, high = told.photons_percentiles.values()
    assert low < middle < high
    assert list(told.density_percentiles) == [10, 50, 90]
    assert "molecules that dilated-loc:2d finds in 24 of them" in told.sentences[-1]


def test_the_density_is_at_least_the_light_of_all_over_that_of_one(
    crowded: Experiment, movie: FrameSource, measured: Estimate
) -> None:
    half = with_findings(
        measured.replace(light_per_um2=2 * PHOTONS * DENSITY), movie, crowded.camera, CPU
    )
    assert half.density_per_um2 == pytest.approx(2 * PHOTONS * DENSITY / half.photons)
    none = with_findings(measured.replace(light_per_um2=None), movie, crowded.camera, CPU)
    assert none.density_per_um2 == pytest.approx(DENSITY, rel=0.3)


def test_what_is_known_stays(crowded: Experiment, movie: FrameSource, measured: Estimate) -> None:
    for known in (
        measured.replace(photons=1000.0),
        measured.replace(psf_sigma_nm=None),
        measured.replace(pixel_size_nm=None),
    ):
        assert with_findings(known, movie, crowded.camera, CPU) is known


def test_few_molecules_tell_nothing(
    crowded: Experiment, movie: FrameSource, measured: Estimate
) -> None:
    assert with_findings(measured, movie.slice(0, 1), crowded.camera, CPU) is measured


def test_a_short_crowded_movie_can_be_adapted_to() -> None:
    values: dict[str, Any] = {
        "image_px": [32, 32],
        "simulation": {
            "structure": {"kind": "filaments"},
            "density_per_um2": [8.0, 8.0],
            "photons": [900.0, 1800.0],
        },
    }
    stack = Experiment.from_dict(values).simulate(14, seed=2).stack
    assert estimate(stack, pixel_size_nm=100.0).photons is None
    options = AdaptOptions.from_dict(
        {
            "model": "dilated-loc:2d",
            "pixel_size_nm": 100.0,
            "steps": 1,
            "patch_px": 16,
            "held_out_frames": 2,
            "held_out_px": 32,
        }
    )
    events = list(AdaptJob(stack, options).run())
    planned = next(event for event in events if isinstance(event, Planned))
    assert "do not tell the light of a molecule" in planned.sentences[-1]
    assert isinstance(events[-1], Adapted)
