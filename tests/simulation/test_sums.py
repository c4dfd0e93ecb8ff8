"""Sums of frames are distributed as frames that are summed, and come back as photons."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from napari_deepsmlm.camera import EMCCD, SCMOS, IdealCamera, SensorMaps
from napari_deepsmlm.psf import GaussianPSF
from napari_deepsmlm.simulation import Exponential, Filaments, FromTable, Simulation, Simulator
from napari_deepsmlm.training.data import SimulatedBatches

SHAPE = (12, 16)
CAMERAS = {
    "ideal": IdealCamera(gain=2.0),
    "scmos": SCMOS(spurious_e=0.3),
    "scmos without read noise": SCMOS(quantum_efficiency=1.0, read_noise_e=0.0, e_per_adu=0.5),
    "emccd": EMCCD(spurious_e=0.5),
}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def simulator(camera=CAMERAS["scmos"], **settings) -> Simulator:
    settings = {"density_per_um2": (2, 2), **settings}
    return Simulator(GaussianPSF(sigma_nm=(110, 110)), camera, Simulation(**settings))


def assert_same_moments(sums: torch.Tensor, explicit: torch.Tensor) -> None:
    """Means and variances agree within 4.5 standard errors; the first axis counts draws."""
    sums, explicit = sums.double().flatten(1).mT, explicit.double().flatten(1).mT
    n = sums.shape[1]
    mean_error = ((sums.var(1) + explicit.var(1)) / n).sqrt()
    z = (sums.mean(1) - explicit.mean(1)) / mean_error.clamp(min=1e-9)
    assert z.square().sum() < stats.chi2.isf(1e-5, len(z))

    def variance_and_error(x: torch.Tensor) -> tuple[float, float]:
        squares = (x - x.mean(1, keepdim=True)).square()
        return squares.mean().item(), squares.std().item() / math.sqrt(squares.numel())

    (a, da), (b, db) = variance_and_error(sums), variance_and_error(explicit)
    assert abs(a - b) < 4.5 * math.hypot(da, db)


@pytest.mark.parametrize("camera", CAMERAS.values(), ids=CAMERAS)
@pytest.mark.parametrize("n_frames", [2, 9])
def test_one_exposure_of_a_sum_is_a_sum_of_exposures(camera, n_frames: int) -> None:
    light = torch.linspace(0, 40, 20).reshape(1, 1, 4, 5).expand(4000, -1, -1, -1)
    explicit = sum(camera.expose(light, generator(i)) for i in range(n_frames))
    counts = torch.full((4000,), float(n_frames))
    sums = camera.expose(n_frames * light, generator(99), n_frames=counts)
    assert_same_moments(sums, explicit)
    photons = camera.to_photons(explicit, n_frames=counts)
    lost = 0.5 / camera.adu_per_photon if getattr(camera, "read_noise_e", 0) else 0.0
    expected = n_frames * (light[0] - lost)
    error = (photons.var(0) / 4000).sqrt().clamp(min=1e-3)
    assert ((photons.mean(0) - expected).abs() < 4.5 * error).all()


@pytest.mark.parametrize("name", ["scmos", "emccd"])
def test_a_simulated_sum_is_a_sum_of_simulated_frames(name: str) -> None:
    sim = simulator(CAMERAS[name], photons=(800, 800), background=(10, 10))
    n, n_frames = 1500, 6
    explicit = sim.batch(n * n_frames, SHAPE, generator(1))
    summed = sim.batch(n, SHAPE, generator(2), n_summed=torch.full((n,), float(n_frames)))
    # Pixels of a frame share molecules: a few far from each other.
    pixels = (slice(None), slice(None), slice(1, None, 5), slice(1, None, 7))
    added = explicit.frames.unflatten(0, (n, n_frames)).sum(1)
    assert_same_moments(summed.frames[pixels], added[pixels])
    expected = n * n_frames * 2 * SHAPE[0] * SHAPE[1] / 100
    assert abs(len(summed.truth) - expected) < 4.5 * math.sqrt(expected)
    assert summed.truth["background"].unique().tolist() == [60.0]


def test_sums_of_different_sizes_stand_in_one_batch() -> None:
    sizes = torch.tensor([1.0, 10.0, 100.0]).repeat(100)
    batch = simulator().batch(300, SHAPE, generator(), n_summed=sizes)
    counts = torch.bincount(batch.truth.frame, minlength=300).reshape(100, 3).sum(0)
    expected = 100 * torch.tensor([1, 10, 100]) * 2 * SHAPE[0] * SHAPE[1] / 100
    assert ((counts - expected).abs() < 4.5 * expected.sqrt()).all()


def test_numbers_of_frames_are_log_uniform() -> None:
    drawn = simulator(sum_frames=(2, 9)).draw_sums(20_000, generator())
    found = np.bincount(drawn.long().numpy(), minlength=10)[2:]
    share = np.diff(np.log(np.arange(1.5, 10)))
    assert stats.chisquare(found, 20_000 * share / share.sum()).pvalue > 1e-3
    assert found.sum() == 20_000
    assert simulator().draw_sums(5, generator()) is None


def test_filaments_have_room_for_the_molecules_of_all_frames() -> None:
    sim = simulator(structure=Filaments(most_per_um=5), density_per_um2=(200, 200))
    sizes = torch.tensor([1.0, 10.0]).repeat_interleave(40)
    ones = sim.batch(80, SHAPE, generator(), n_summed=torch.ones(80))
    mixed = sim.batch(80, SHAPE, generator(), n_summed=sizes)
    one, many = (torch.bincount(b.truth.frame, minlength=80).double() for b in (ones, mixed))
    assert many[:40].sum().item() == pytest.approx(one[:40].sum().item(), rel=0.1)
    assert many[40:].sum().item() == pytest.approx(10 * one[40:].sum().item(), rel=0.1)


def test_sites_of_a_table_shine_in_many_frames(tmp_path) -> None:
    sites = np.array([[600.0, 500.0], [900.0, 700.0], [300.0, 600.0]])
    table = FromTable.from_points(tmp_path / "sites.npy", sites)
    sim = simulator(structure=table, density_per_um2=(1, 1), sum_frames=(200, 200))
    truth = sim.batch(4, SHAPE, generator()).truth
    places = torch.stack([truth.x_nm, truth.y_nm], -1).round().unique(dim=0)
    assert len(places) == 3
    area = (SHAPE[0] + 2 * sim.psf.reach_px) * (SHAPE[1] + 2 * sim.psf.reach_px) / 100
    assert abs(len(truth) - 800 * area) < 4.5 * math.sqrt(800 * area)


@pytest.mark.parametrize("kind", [SCMOS, EMCCD])
def test_training_sees_the_photons_of_the_sum(kind, tmp_path) -> None:
    offset = np.random.default_rng(0).uniform(80, 400, (50, 60))
    camera = kind(maps=SensorMaps.from_arrays(tmp_path, offset=offset), spurious_e=0.2)
    settings = {"density_per_um2": (0, 0), "background": (30, 30), "sum_frames": (50, 50)}
    data = SimulatedBatches(simulator(camera, **settings), batch_size=60, shape=(12, 12), seed=0)
    frames, _ = data.at(3)
    expected = 50 * (30 - 0.5 / camera.adu_per_photon)
    variance = 50 * camera.replace(maps=None).variance(torch.tensor(30.0)).item()
    assert frames.mean().item() == pytest.approx(expected, abs=4.5 * (variance / 8640) ** 0.5)
    assert frames.var().item() == pytest.approx(variance, rel=4.5 * (2 / 8640) ** 0.5)


def test_movies_are_not_summed() -> None:
    sim = simulator(density_per_um2=(0, 0), background=(30, 30), sum_frames=(20, 20))
    chunk = next(sim.movie(40, SHAPE, generator()))
    assert sim.camera.to_photons(chunk.frames).mean().item() == pytest.approx(30, abs=1)


def test_sums_that_cannot_be_are_refused() -> None:
    for value in ((0, 5), (5, 2), (1, 10**6)):
        with pytest.raises(ValueError, match="sum_frames': must be two numbers from 1 to 10000"):
            Simulation.from_dict({"sum_frames": value}, source="simulation")
    with pytest.raises(ValueError, match="sum_frames: needs blinking that is independent"):
        Simulation(sum_frames=(1, 5), blinking=Exponential())
    with pytest.raises(ValueError, match="no temporal context"):
        simulator(sum_frames=(1, 5)).batch(1, SHAPE, generator(), context=1)
