"""Findings: a model tells the light of a molecule where the frames alone do not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from napari_deepsmlm.adaptation import Adapted, AdaptJob, AdaptOptions, Planned
from napari_deepsmlm.adaptation.findings import Findings, look, structure_of, told_by
from napari_deepsmlm.estimation import Estimate, estimate, know_camera
from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.io import open_frames
from napari_deepsmlm.simulation import Independent
from napari_deepsmlm.training.data import SimulatedBatches

if TYPE_CHECKING:
    from napari_deepsmlm.io import FrameSource
    from napari_deepsmlm.localizations import Localizations

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
def findings(crowded: Experiment, movie: FrameSource) -> Findings:
    found = look(movie, 100.0, crowded.camera)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def measured(crowded: Experiment, movie: FrameSource) -> Estimate:
    found = estimate(movie, pixel_size_nm=100.0, camera=crowded.camera)
    return found.replace(photons=None, photons_percentiles={}, density_percentiles={})


def test_photons_and_density_of_crowded_frames_are_told(
    measured: Estimate, findings: Findings
) -> None:
    told = told_by(findings, measured)
    assert told.photons == pytest.approx(PHOTONS, rel=0.2)
    assert told.density_per_um2 == pytest.approx(DENSITY, rel=0.2)
    low, middle, high = told.photons_percentiles.values()
    assert low < middle < high
    assert list(told.density_percentiles) == [10, 50, 90]
    assert "molecules that dilated-loc:2d finds in 24 of them" in told.sentences[-1]


def test_the_density_is_at_least_the_light_of_all_over_that_of_one(
    measured: Estimate, findings: Findings
) -> None:
    light = 2 * PHOTONS * DENSITY
    more = told_by(findings, measured.replace(light_per_um2=light))
    assert more.photons is not None
    assert more.density_per_um2 == pytest.approx(light / more.photons)
    none = told_by(findings, measured.replace(light_per_um2=None))
    assert none.density_per_um2 == pytest.approx(DENSITY, rel=0.3)
    few = findings._replace(sites_nm=findings.sites_nm[:30])
    assert told_by(few, measured.replace(light_per_um2=light)) == told_by(
        few, measured.replace(light_per_um2=light / 4)
    ).replace(light_per_um2=light)


def test_what_frames_tell_stays(measured: Estimate, findings: Findings) -> None:
    known = measured.replace(photons=1000.0)
    assert told_by(findings, known) == known


def test_a_few_molecules_tell_no_structure_and_fewer_nothing(crowded: Experiment) -> None:
    few = look(open_frames(crowded.simulate(1, seed=5).stack), 100.0, crowded.camera)
    assert few is not None
    assert structure_of(few) is None
    fewer = crowded.replace(image_px=(16, 16)).simulate(1, seed=5)
    assert look(open_frames(fewer.stack), 100.0, crowded.camera) is None


def test_more_frames_are_looked_at_where_molecules_are_few(crowded: Experiment) -> None:
    sparse = crowded.simulation.replace(density_per_um2=(0.3, 0.3))
    small = crowded.replace(image_px=(16, 16), simulation=sparse)
    found = look(open_frames(small.simulate(90, seed=5).stack), 100.0, crowded.camera)
    assert found is not None
    assert len(found.counts) == 90, "three rounds of every third frame"


def test_a_bead_is_no_site_and_no_molecule(crowded: Experiment) -> None:
    stack = crowded.simulate(24, seed=5).stack.copy()
    spot = np.exp(-((np.arange(-4, 5) / 1.1) ** 2) / 2)
    stack[:, 0, 16:25, 26:35] += (20_000 * np.outer(spot, spot)).astype(np.uint16)
    found = look(open_frames(stack), 100.0, crowded.camera)
    assert found is not None
    assert np.hypot(*(found.sites_nm - (3050, 2050)).T).min() > 150
    assert found.photons.max() < 20 * PHOTONS
    assert "rows of a bead" in found.remarks[0]


def test_a_hot_pixel_is_no_site(crowded: Experiment) -> None:
    stack = crowded.simulate(24, seed=5).stack.copy()
    stack[:, 0, 20, 30] = 60_000
    movie = open_frames(stack)

    def n_there(hot_pixels: Any) -> int:
        found = look(movie, 100.0, crowded.camera, hot_pixels)
        assert found is not None
        return int((np.hypot(*(found.sites_nm - (3050, 2050)).T) < 60).sum())

    assert n_there(know_camera(movie).hot_pixels) < 12
    assert n_there(()) == 0, "nobody said that it is hot, so it is a bead"


def test_large_frames_are_looked_at_in_their_middle(crowded: Experiment) -> None:
    wide = crowded.replace(image_px=(40, 200)).simulate(6, seed=6).stack
    found = look(open_frames(wide), 100.0, crowded.camera)
    assert found is not None
    assert found.area_um2 == pytest.approx(4.0 * 12.8)
    x, y = found.sites_nm.T
    assert 3500 < x.min() < 4000
    assert 16_000 < x.max() < 16_500
    assert y.max() < 4100


def test_the_twin_has_the_structure_of_the_stack_and_its_mirror(findings: Findings) -> None:
    structure = structure_of(findings)
    assert structure is not None
    assert structure == structure_of(findings), "a training that was stopped is found again"
    points = structure.points_nm()[:, :2]
    is_inside = ((points >= 0) & (points <= 4800)).all(1)
    same = points[is_inside][: len(findings.sites_nm)]
    np.testing.assert_allclose(same, findings.sites_nm, atol=0.51)
    assert len(points) == 9 * len(same)
    for corner in ((0, 0), (0, 4800), (4800, 0)):
        mirrored = cKDTree(points).query(2 * np.array(corner) - same)[0]
        assert mirrored.max() < 1


def test_the_twins_molecules_are_as_near_each_other_as_the_stacks() -> None:
    values: dict[str, Any] = {
        "image_px": [48, 48],
        "simulation": {
            "structure": {"kind": "filaments"},
            "blinking": {"kind": "exponential", "on_frames": 3.0},
            "density_per_um2": [1.5, 1.5],
            "photons": [1500.0, 3000.0],
        },
    }
    experiment = Experiment.from_dict(values)
    stack, truth = experiment.simulate(40, seed=3)
    findings = look(open_frames(stack), 100.0, experiment.camera)
    assert findings is not None
    assert len(findings.sites_nm) < 0.6 * findings.counts.sum(), "molecules, not rows"
    structure = structure_of(findings)
    assert structure is not None
    simulation = experiment.simulation.replace(structure=structure, blinking=Independent())
    twin = SimulatedBatches(
        experiment.replace(simulation=simulation).simulator(),
        batch_size=1,
        shape=(48, 48),
        seed=0,
        device=torch.device("cpu"),
    ).validation(40)
    theirs, ours = (_to_the_next(table) for table in (truth, twin.truth))
    assert np.percentile(ours, (25, 50, 75)) == pytest.approx(
        np.percentile(theirs, (25, 50, 75)), rel=0.5
    )


def _to_the_next(table: Localizations) -> np.ndarray[Any, Any]:
    """Return the distance of each molecule to the nearest one in its frame, nm."""
    table = table.to_numpy()
    frames = (np.flatnonzero(table.frame == t) for t in np.unique(table.frame))
    places = [np.stack([table.x_nm[k], table.y_nm[k]], 1) for k in frames if len(k) > 1]
    return np.concatenate([cKDTree(xy).query(xy, k=2)[0][:, 1] for xy in places])


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
    assert any("do not tell the light of a molecule" in said for said in planned.sentences)
    assert isinstance(events[-1], Adapted)
