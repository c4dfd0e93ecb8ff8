"""Fits of lone molecules: as precise as the Cramér-Rao bound allows, and honest about it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import kstest
from tests.sweeps import thinned

from napari_deepsmlm.camera import EMCCD, SCMOS
from napari_deepsmlm.fitting import Noise, SpotFits, fit_spots
from napari_deepsmlm.metrics import crlb
from napari_deepsmlm.psf import PSF, AstigmaticPSF, GaussianPSF, MultiplanePSF

SIDE = 11
# 12,000 errors (x and y): the standard error of a standard deviation is 0.65 %
N = 6000


def gaussian(sigma_nm: float, spread_nm: float = 0.0) -> GaussianPSF:
    return GaussianPSF(pixel_size_nm=100, sigma_nm=(sigma_nm - spread_nm, sigma_nm + spread_nm))


def places(n: int, side: int = SIDE, depth_nm: float = 0.0) -> torch.Tensor:
    """Positions over the central pixel of a window."""
    generator = torch.Generator().manual_seed(1)
    u = torch.rand(n, 3, generator=generator, dtype=torch.float64)
    middle = 100 * (side // 2)
    return torch.cat([middle + 100 * u[:, :2], depth_nm * (2 * u[:, 2:] - 1)], 1)


def windows(
    psf: PSF, xyz: torch.Tensor, photons: float, background: float, side: int = SIDE
) -> torch.Tensor:
    """Expected photons, (N, C, side, side)."""
    light = torch.full((len(xyz), 1), photons, dtype=torch.float64)
    return psf.render(xyz[:, None], light, (side, side)) + background


def shot(expected: torch.Tensor) -> torch.Tensor:
    return torch.poisson(expected, generator=torch.Generator().manual_seed(2))


def errors(fit: SpotFits, xyz: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Errors of x and y, nm, and in standard errors."""
    error = torch.stack([fit.values["x_nm"], fit.values["y_nm"]], 1) - xyz[:, :2]
    deviation = torch.stack([fit.deviations["x_nm"], fit.deviations["y_nm"]], 1)
    return error[fit.is_converged], (error / deviation)[fit.is_converged]


LIGHT = [(200, 5), (500, 10), (1000, 100), (5000, 5), (5000, 100)]
"""Photons of a molecule and of the background in a pixel."""


@pytest.mark.parametrize(
    ("sigma_nm", "spread_nm", "photons", "background"),
    thinned(
        [
            (sigma, spread, *light)
            for light in LIGHT
            for sigma in (100.0, 150.0)
            for spread in (0.0, 10.0)
        ],
        keep=(0, 7, 10, 17),
    ),
)
def test_the_error_is_the_cramer_rao_bound(sigma_nm, spread_nm, photons, background):
    """The spread is 0 where the width is known; else it is fitted."""
    psf, xyz = gaussian(sigma_nm, spread_nm), places(N)
    fit = fit_spots(shot(windows(psf, xyz, photons, background)), psf)
    error, z = errors(fit, xyz)
    assert len(error) > 0.995 * N
    bound = crlb(psf, xyz[:500], photons=photons, background=background, shape=(SIDE, SIDE))
    expected = bound.x_nm.square().mean().sqrt().item()
    assert error.square().mean().sqrt().item() == pytest.approx(expected, rel=0.05)
    assert z.std().item() == pytest.approx(1, abs=0.05)
    assert (error.mean(0).abs() < 4 * error.std(0) / len(error) ** 0.5).all()
    level = fit.values["background"].mean().item()
    assert level == pytest.approx(background, rel=0.01)


@pytest.mark.parametrize(
    "camera", [SCMOS(), SCMOS(quantum_efficiency=0.5, read_noise_e=4), EMCCD()], ids=str
)
def test_the_camera_s_noise_is_accounted_for(camera):
    psf, xyz = gaussian(110), places(N)
    generator = torch.Generator().manual_seed(3)
    adu = camera.expose(windows(psf, xyz, 1000, 10), generator)
    fit = fit_spots(camera.to_photons(adu), psf, noise=Noise.of(camera, (SIDE, SIDE)))
    error, z = errors(fit, xyz)
    bound = crlb(psf, xyz[:500], photons=1000, background=10, shape=(SIDE, SIDE), camera=camera)
    expected = bound.x_nm.square().mean().sqrt().item()
    assert error.square().mean().sqrt().item() == pytest.approx(expected, rel=0.05)
    assert z.std().item() == pytest.approx(1, abs=0.05)


def test_a_pixel_of_much_read_noise_is_not_trusted():
    psf, xyz = gaussian(110), places(2000)
    constant = torch.ones(1, SIDE, SIDE, dtype=torch.float64)
    constant[:, 4, 6] = 1e4
    generator = torch.Generator().manual_seed(4)
    expected = windows(psf, xyz, 1000, 10)
    noise = torch.randn(expected.shape, generator=generator, dtype=torch.float64) * constant.sqrt()
    data = shot(expected) + noise
    known = fit_spots(data, psf, noise=Noise(1.0, constant))
    alike = fit_spots(data, psf, noise=Noise(1.0, 1.0))
    assert errors(known, xyz)[1].std().item() == pytest.approx(1, abs=0.05)
    assert errors(known, xyz)[0].std() < 0.6 * errors(alike, xyz)[0].std()


@pytest.mark.parametrize("photons", [300, 2000])
def test_p_values_of_lone_molecules_are_uniform(photons):
    psf, xyz = gaussian(110), places(3000)
    fit = fit_spots(shot(windows(psf, xyz, photons, 5)), psf)
    assert kstest(fit.p_value.numpy(), "uniform").statistic < 0.04


def test_two_molecules_in_one_window_are_told_by_the_p_value():
    psf, xyz = gaussian(110), places(500)
    other = xyz + torch.tensor([300.0, 0.0, 0.0])
    both = windows(psf, xyz, 1000, 10) + windows(psf, other, 1000, 0)
    fit = fit_spots(shot(both), psf)
    assert (fit.p_value < 1e-3).double().mean() > 0.99


def test_a_width_is_fitted_where_the_psf_has_a_range_of_widths():
    psf, xyz = gaussian(110, 20), places(2000)
    light = torch.full((2000, 1), 2000.0, dtype=torch.float64)
    sigma = torch.linspace(95, 125, 2000, dtype=torch.float64)
    images = psf.render(xyz[:, None], light, (SIDE, SIDE), sigma_nm=sigma[:, None])
    fit = fit_spots(shot(images + 10), psf)
    z = (fit.values["sigma_nm"] - sigma) / fit.deviations["sigma_nm"]
    assert abs(z.mean()) < 0.1
    assert z.std().item() == pytest.approx(1, abs=0.06)


def test_depth_is_found_on_the_right_side_of_the_focus():
    psf = AstigmaticPSF()
    xyz = places(400, 25, depth_nm=500)
    fit = fit_spots(shot(windows(psf, xyz, 3000, 10, side=25)), psf)
    z = (fit.values["z_nm"] - xyz[:, 2]) / fit.deviations["z_nm"]
    assert fit.is_converged.all()
    assert z.abs().max() < 5
    assert z.std().item() == pytest.approx(1, abs=0.12)


def test_planes_are_fitted_together():
    psf = MultiplanePSF()
    side = 2 * psf.reach_px + 1
    xyz = places(100, side, depth_nm=200)
    xyz[:, :2] *= psf.pixel_size_nm / 100
    fit = fit_spots(shot(windows(psf, xyz, 5000, 5, side=side)), psf)
    z = (fit.values["z_nm"] - xyz[:, 2]) / fit.deviations["z_nm"]
    assert fit.is_converged.all()
    assert z.std().item() == pytest.approx(1, abs=0.25)


def test_a_black_background_is_no_obstacle():
    psf, xyz = gaussian(110), places(1000)
    fit = fit_spots(shot(windows(psf, xyz, 1000, 0)), psf)
    error, _ = errors(fit, xyz)
    assert len(error) > 990
    # Without background the bound is (sigma^2 + a^2 / 12) / N and a little more
    assert error.std().item() == pytest.approx(np.sqrt((110**2 + 100**2 / 12) / 1000), rel=0.1)
