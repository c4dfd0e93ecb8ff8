"""The statistics behind an estimate, against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import integrate

from napari_deepsmlm.estimation import light
from napari_deepsmlm.estimation.correlation import (
    autocorrelation,
    covariance_width,
    measure_blinking,
)
from napari_deepsmlm.estimation.drift import measure_drift
from napari_deepsmlm.estimation.light import partial_share, psf_values
from napari_deepsmlm.estimation.noise import CameraNoise, photon_transfer, usual_offset
from napari_deepsmlm.psf import GaussianPSF


def one_molecule(sigma_px: float, side: int = 31, x_px: float = 15.5, y_px: float = 15.5):
    psf = GaussianPSF(pixel_size_nm=100, sigma_nm=(100 * sigma_px,) * 2)
    place = torch.tensor([[[100 * x_px, 100 * y_px, 0.0]]], dtype=torch.float64)
    photons = torch.ones(1, 1, dtype=torch.float64)
    return psf.render(place, photons, (side, side))[0, 0].numpy()


@pytest.mark.parametrize("sigma_px", [0.9, 1.1, 2.0])
def test_the_autocorrelation_is_that_of_rendered_molecules_averaged_over_their_place(
    sigma_px: float,
) -> None:
    shifts = (np.arange(10) + 0.5) / 10
    rows = [one_molecule(sigma_px, x_px=15 + shift).sum(axis=0) for shift in shifts]
    lags = np.arange(6)
    measured = [np.mean([(r[: 31 - d] * r[d:]).sum() for r in rows]) for d in lags]
    assert autocorrelation(lags, sigma_px) == pytest.approx(np.array(measured), rel=2e-3, abs=1e-9)


def test_the_autocorrelation_over_all_distances_is_one_molecule_squared() -> None:
    assert autocorrelation(np.arange(-30, 31), 1.3).sum() == pytest.approx(1, abs=1e-9)


def test_the_width_of_one_molecule_is_its_own() -> None:
    assert covariance_width(one_molecule(1.4)) == pytest.approx(1.4, rel=0.01)


@pytest.mark.parametrize("sigma_px", [0.6, 1.3, 2.0])
def test_finer_bins_change_the_transform_of_a_molecule_by_less_than_a_fiftieth_percent(
    sigma_px: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def transform(t: float) -> float:
        values, areas = psf_values(sigma_px)
        return float((areas * -np.expm1(-t * values)).sum())

    light_of_t = (0.1, 1.0, 5.0, 20.0)
    found = [transform(t) for t in light_of_t]
    monkeypatch.setattr(light, "SUBPIXELS", 32)
    monkeypatch.setattr(light, "H_BINS", 2000)
    np.testing.assert_allclose(found, [transform(t) for t in light_of_t], rtol=2e-4)


@pytest.mark.parametrize("sigma_px", [0.9, 1.1, 2.0])
def test_psf_values_hold_all_light_and_its_square(sigma_px: float) -> None:
    values, areas = psf_values(sigma_px)
    assert values @ areas == pytest.approx(1, abs=2e-3)
    expected = autocorrelation(np.zeros(1), sigma_px)[0] ** 2
    assert values**2 @ areas == pytest.approx(expected, rel=5e-3)


@pytest.mark.parametrize("t", [0.05, 0.5, 2.0])
def test_arrivals_are_the_transform_of_shot_noise(t: float) -> None:
    counts = np.arange(60)
    poisson = np.exp(-1.0) / np.array([math.factorial(k) for k in counts], float)
    expected = math.log((poisson * np.exp(-t * counts)).sum())
    assert CameraNoise("shot", 1.0, 0.0).arrivals(np.array([t]))[0] == pytest.approx(expected)


def test_multiplied_arrivals_have_twice_the_variance_of_light() -> None:
    noise, t = CameraNoise("multiplied", 0.9, 0.0), np.array([1e-3])
    electrons_variance = 2 / 0.9  # of one photon: excess 2, a share QE of photons is seen
    curvature = (noise.arrivals(t) + noise.arrivals(-t)) / t**2
    assert curvature[0] == pytest.approx(electrons_variance, rel=1e-3)


def test_frames_that_share_nothing_have_no_partial_molecules() -> None:
    assert partial_share(0.0) == 0


def test_partial_molecules_of_exponential_times_as_integrated() -> None:
    """Tau = 2: the share of filled frames, and the correlation of neighbours, by quadrature."""
    tau = 2.0
    filled, _ = integrate.quad(lambda on: max(on - 1, 0) * math.exp(-on / tau) / tau, 0, 80)

    def overlap(lag: float) -> float:
        return float(
            integrate.quad(lambda u: (1 - abs(u)) * math.exp(-abs(lag + u) / tau), -1, 1)[0]
        )

    expected = 1 - filled / (tau + 1)
    assert partial_share(overlap(1) / overlap(0)) == pytest.approx(expected, abs=0.005)


def flashes(
    sigma_px: float, density_px: float, light: float, n_frames: int, seed: int, side: int = 48
):
    """Frames of molecules without any noise."""
    generator = np.random.default_rng(seed)
    psf = GaussianPSF(pixel_size_nm=100, sigma_nm=(100 * sigma_px,) * 2)
    margin = 6
    counts = generator.poisson(density_px * (side + 2 * margin) ** 2, n_frames)
    most = counts.max()
    places = generator.uniform(-margin, side + margin, (n_frames, most, 2)) * 100
    xyz = torch.from_numpy(np.concatenate([places, np.zeros((n_frames, most, 1))], axis=2))
    photons = torch.from_numpy(light * (np.arange(most) < counts[:, None]))
    return psf.render(xyz.float(), photons.float(), (side, side))[:, 0].numpy()


@pytest.mark.parametrize("density_px", [0.005, 0.05])
def test_covariance_gives_width_and_power_at_any_density(density_px: float) -> None:
    frames = flashes(1.2, density_px, 1000.0, 400, seed=1)
    found = measure_blinking(frames[None])
    assert found.sigma_px == pytest.approx(1.2, rel=0.03)
    assert found.power == pytest.approx(density_px * 1e6, rel=0.08)
    assert found.lag == 1
    assert found.is_gaussian


def test_a_static_scene_does_not_blink() -> None:
    generator = np.random.default_rng(0)
    scene = flashes(1.2, 0.02, 1000.0, 1, seed=3)[0]
    assert not measure_blinking(generator.poisson(scene + 20, (1, 100, 48, 48))).is_seen


def test_photon_transfer_finds_gain_and_offset_of_structured_light() -> None:
    generator = np.random.default_rng(0)
    scene = 10 + flashes(1.5, 0.01, 3000.0, 1, seed=3)[0]
    frames = 100 + 2.5 * generator.poisson(scene, (300, 48, 48))
    line = photon_transfer(frames)
    assert line.slope == pytest.approx(2.5, rel=0.05)
    assert line.zero_adu == pytest.approx(100, abs=3)


def test_even_light_has_no_gain() -> None:
    """Brightness that is the same everywhere shows one point of the line, not its slope."""
    frames = np.random.default_rng(0).normal(300, 20, (100, 48, 48))
    assert not photon_transfer(frames).is_line


def test_read_noise_leaves_the_usual_offset_likely() -> None:
    generator = np.random.default_rng(0)
    scene = 10 + flashes(1.5, 0.01, 3000.0, 1, seed=3)[0]
    electrons = generator.poisson(scene, (300, 48, 48)) + generator.normal(0, 1.6, (300, 48, 48))
    offset, error = usual_offset(photon_transfer(100 + 2 * electrons))
    assert offset == 100
    assert 0 < error < 15


def test_drift_of_a_structure_is_measured() -> None:
    generator = np.random.default_rng(0)
    sites = generator.uniform(0, 64, (60, 2))
    psf = GaussianPSF(pixel_size_nm=100, sigma_nm=(120, 120))
    frames = []
    for frame in range(240):
        moved = sites + np.array([1.2, -0.6]) * frame / 239
        on = generator.random(60) < 0.3
        xyz = torch.from_numpy(np.concatenate([moved * 100, np.zeros((60, 1))], axis=1))
        light = psf.render(xyz[None].float(), torch.from_numpy(500.0 * on)[None].float(), (64, 64))
        frames.append(generator.poisson(light[0, 0].numpy() + 5))
    drift = measure_drift(np.array(frames, np.float32)[None])
    assert drift.is_seen
    assert drift.xy_px == pytest.approx((1.2, -0.6), abs=0.15)


def test_without_a_lasting_structure_drift_is_not_judged() -> None:
    frames = flashes(1.2, 0.005, 1000.0, 200, seed=1)
    assert not measure_drift(frames[None]).has_structure
