"""The simulator keeps its promises: densities, ranges, truth that fits the frames."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from napari_deepsmlm.camera import IdealCamera
from napari_deepsmlm.psf import GaussianPSF
from napari_deepsmlm.simulation import Filaments, Mixture, Simulation, Simulator, Uniform

STRUCTURES = [Uniform(), Filaments(), Mixture()]


def simulator(**simulation) -> Simulator:
    return Simulator(GaussianPSF(), IdealCamera(), Simulation(**simulation))


def draw(sim: Simulator, n: int = 50, shape: tuple[int, int] = (32, 40), seed: int = 0):
    return sim.batch(n, shape, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("structure", STRUCTURES, ids=lambda s: s.kind)
def test_a_seed_gives_the_same_batch_again(structure) -> None:
    sim = simulator(structure=structure)
    first, second, other = draw(sim, seed=1), draw(sim, seed=1), draw(sim, seed=2)
    assert torch.equal(first.frames, second.frames)
    assert torch.equal(first.truth.x_nm, second.truth.x_nm)
    assert not torch.equal(first.frames, other.frames)


def test_uniform_density_is_the_one_asked_for() -> None:
    batch = draw(simulator(density_per_um2=(3, 3)), n=400)
    expected = 400 * 3 * 3.2 * 4.0
    assert abs(len(batch.truth) - expected) < 5 * math.sqrt(expected)
    x = batch.truth.x_nm.numpy() / 4000
    assert abs(x.mean() - 0.5) < 5 / math.sqrt(12 * len(x))


@pytest.mark.parametrize("structure", STRUCTURES, ids=lambda s: s.kind)
def test_truth_lies_in_the_window_sorted_by_frame(structure) -> None:
    truth = draw(simulator(structure=structure)).truth
    assert truth.is_sorted
    assert (truth.x_nm >= 0).all()
    assert (truth.x_nm < 4000).all()
    assert (truth.y_nm < 3200).all()
    assert truth.frame.max() < 50


def test_frames_hold_the_light_of_their_molecules() -> None:
    psf = GaussianPSF(sigma_nm=(110, 110))
    sim = Simulator(psf, IdealCamera(baseline=0), Simulation(background=(7, 7)))
    frames, truth = draw(sim, n=200, shape=(64, 64))
    rest = frames.sum((1, 2, 3)) - 7 * 64 * 64
    inside = torch.zeros(200).index_add_(0, truth.frame, truth["photons"].float())
    # What molecules outside shine in and those inside shine out cancels in the mean.
    assert (rest.sum() / inside.sum()).item() == pytest.approx(1, abs=0.01)


def test_ranges_are_kept() -> None:
    ranges = {"photons": (500, 700), "brightness": (0.5, 2.0), "background": (3, 9)}
    truth = draw(simulator(**ranges)).truth
    assert truth["photons"].min() >= 250
    assert truth["photons"].max() <= 1400
    assert truth["background"].min() >= 3
    assert truth["background"].max() <= 9
    assert truth["sigma_nm"].min() >= 100


@pytest.mark.parametrize("structure", STRUCTURES, ids=lambda s: s.kind)
def test_no_molecules_means_empty_frames(structure) -> None:
    batch = draw(simulator(structure=structure, density_per_um2=(0, 0)), n=3)
    assert len(batch.truth) == 0
    assert batch.frames.shape == (3, 1, 32, 40)


def test_filament_molecules_lie_on_tubes() -> None:
    straight = Filaments(
        bundles=(1, 1),
        filaments_per_bundle=(1, 1),
        bend_um=1e6,
        wave_nm=(0, 0),
        tube_diameter_nm=25,
        centred=1,
        most_per_um=1e6,
    )
    sim = simulator(structure=straight, density_per_um2=(8, 8))
    table = next(sim.movie(40, (32, 32), torch.Generator().manual_seed(4))).truth.to_numpy()
    xy = np.stack([table.x_nm, table.y_nm], axis=1)
    xy = xy - xy.mean(0)
    _, _, axes = np.linalg.svd(xy, full_matrices=False)
    across = xy @ axes[1]
    # Points on the surface of a tube project to an arcsine law: variance r^2 / 2.
    assert across.std() == pytest.approx(12.5 / math.sqrt(2), rel=0.03)
    assert np.abs(across).max() < 13.5
    assert table["z_nm"].std() == pytest.approx(12.5 / math.sqrt(2), rel=0.03)


def test_filaments_hold_no_more_molecules_than_allowed() -> None:
    sparse = Filaments(bundles=(1, 1), filaments_per_bundle=(1, 1), most_per_um=2, centred=1)
    truth = draw(simulator(structure=sparse, density_per_um2=(8, 8)), n=100, shape=(64, 64)).truth
    # A filament through a 6.4 um window is at most about 1.5 times as long.
    assert len(truth) / 100 < 2 * 6.4 * 1.6


def test_a_movie_is_one_structure_and_counts_frames_on() -> None:
    sim = simulator(structure=Filaments(centred=1), density_per_um2=(4, 4))
    chunks = list(sim.movie(25, (32, 32), torch.Generator().manual_seed(1), chunk=10))
    assert [len(chunk.frames) for chunk in chunks] == [10, 10, 5]
    assert chunks[2].truth.frame.min() >= 20
    sums = [chunk.frames.sum((0, 1)).flatten() for chunk in chunks]
    other = draw(sim, n=10, shape=(32, 32)).frames.sum((0, 1)).flatten()
    same = torch.corrcoef(torch.stack([sums[0], sums[1]]))[0, 1]
    assert same > 0.8 > torch.corrcoef(torch.stack([sums[0], other]))[0, 1]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"density_per_um2": (-1, 2)}, "smaller first"),
        ({"photons": (5, 2)}, "smaller first"),
        ({"brightness": (0, 2)}, "above 0"),
        ({"structure": {"kind": "helix"}}, "helix"),
        ({"structure": {"kind": "mixture", "parts": []}}, "at least one structure"),
        ({"structure": {"kind": "mixture", "weights": [1, 2, 3]}}, "one number >= 0"),
        ({"structure": {"kind": "filaments", "bundles": [0, 2]}}, "bundles"),
    ],
)
def test_impossible_simulations_are_refused(wrong: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Simulation(**wrong)
