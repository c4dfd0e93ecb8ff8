"""Bounds against closed forms, published figures and each other."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from napari_deepsmlm.camera import EMCCD, SCMOS, IdealCamera
from napari_deepsmlm.metrics.crlb import (
    crlb,
    fisher_information,
    least_squares_precision,
    mortensen_precision,
    relative_background,
    rieger_stallinga_precision,
)
from napari_deepsmlm.psf import AstigmaticPSF, GaussianPSF, MultiplanePSF, PupilPSF, TabulatedPSF

GAUSSIAN = GaussianPSF(pixel_size_nm=100, sigma_nm=(110, 110))
# photons, background, and the precision in nm that evaluation.md gives for s = 110, a = 100
FIGURES = [(1000, 10, 4.580), (5000, 50, 2.048), (2250, 20, 3.005), (500, 10, 7.269)]


def over_a_pixel(n: int = 4) -> torch.Tensor:
    """Positions on a grid over the central pixel of a 21 x 21 window."""
    steps = (torch.arange(n) + 0.5) / n
    xy = 1000 + 100 * torch.cartesian_prod(steps, steps)
    return torch.cat([xy, torch.zeros(n * n, 1)], dim=1)


@pytest.mark.parametrize(("photons", "background", "figure"), FIGURES)
def test_closed_forms_give_the_published_figures(photons, background, figure):
    arguments = (110, 100, photons, background)
    assert mortensen_precision(*arguments) == pytest.approx(figure, rel=0.001)
    assert rieger_stallinga_precision(*arguments) == pytest.approx(figure, rel=0.02)
    assert least_squares_precision(*arguments) > mortensen_precision(*arguments)


@pytest.mark.parametrize(("photons", "background", "figure"), FIGURES)
def test_the_bound_of_a_gaussian_is_mortensens(photons, background, figure):
    bounds = crlb(GAUSSIAN, over_a_pixel(), photons=photons, background=background, shape=(21, 21))
    assert bounds.x_nm.mean().item() == pytest.approx(figure, rel=0.02)
    assert bounds.y_nm.mean().item() == pytest.approx(figure, rel=0.02)
    assert torch.isinf(bounds.z_nm).all()


def test_mortensens_integral_is_the_one_of_the_paper():
    tau = float(relative_background(110, 100, 700, 13))
    integral, _ = quad(lambda t: np.log(t) / (1 + t / tau), 0, 1)
    expected = np.sqrt((110**2 + 100**2 / 12) / 700 / (1 + integral))
    assert mortensen_precision(110, 100, 700, 13) == pytest.approx(expected, rel=1e-6)
    without = mortensen_precision(110, 100, 700, 0)
    assert without == pytest.approx(np.sqrt((110**2 + 100**2 / 12) / 700))


def test_least_squares_follows_its_formula():
    s2 = 110**2 + 100**2 / 12
    expected = s2 / 500 * (16 / 9 + 8 * np.pi * s2 * 10 / (500 * 100**2))
    assert least_squares_precision(110, 100, 500, 10) ** 2 == pytest.approx(expected)


def test_information_is_that_of_finite_differences():
    psf = AstigmaticPSF()
    place = torch.tensor([[1043.0, 1071.0, 120.0]], dtype=torch.float64)
    got = fisher_information(psf, place, photons=1000, background=5, shape=(21, 21))[0]

    def frame(theta: torch.Tensor) -> torch.Tensor:
        light = psf.render(theta[:3].view(1, 1, 3), theta[3].view(1, 1), (21, 21))
        return (light + theta[4])[0, 0]

    theta = torch.tensor([1043.0, 1071.0, 120.0, 1000.0, 5.0], dtype=torch.float64)
    step = 1e-3
    slopes = torch.stack(
        [(frame(theta + step * e) - frame(theta - step * e)) / (2 * step)
         for e in torch.eye(5, dtype=torch.float64)]
    )  # fmt: skip
    expected = torch.einsum("ihw,jhw,hw->ij", slopes, slopes, 1 / frame(theta))
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-9)


# PSF, window in pixels, sqrt of the bound in nm (x, z) at 5000/50 and at 10000/20 photons.
# Means over nine depths; the figures of the physics notes for the astigmatic PSF are those of a
# 31-pixel window, the others' of 51 pixels.
TABLE = [
    ("astigmatic", 31, (13.1, 14.6), (5.9, 6.6)),
    ("saddle-2um", 51, (7.0, 12.5), (3.4, 6.0)),
    ("tetrapod-3um", 51, (9.2, 15.4), (4.1, 6.6)),
    ("tetrapod-6um", 51, (15.2, 26.8), (5.9, 10.5)),
]


@pytest.mark.parametrize(("name", "side", "dim", "bright"), TABLE, ids=[row[0] for row in TABLE])
def test_engineered_psfs_reach_the_tabulated_bounds(name, side, dim, bright):
    psf = PupilPSF.preset(name).replace(patch_px=side)
    z = torch.linspace(*psf.z_range_nm, 9)
    centre = torch.full_like(z, side / 2 * psf.pixel_size_nm)
    places = torch.stack([centre, centre, z], dim=1)
    for photons, background, (lateral, axial) in ((5000, 50, dim), (10000, 20, bright)):
        bounds = crlb(psf, places, photons=photons, background=background, shape=(side, side))
        assert bounds.x_nm.mean().item() == pytest.approx(lateral, rel=0.05)
        assert bounds.y_nm.mean().item() == pytest.approx(lateral, rel=0.05)
        assert bounds.z_nm.mean().item() == pytest.approx(axial, rel=0.05)


def test_the_tabulated_psf_has_the_bound_of_the_exact_one():
    exact = PupilPSF(aberrations=((2, 2, 70.0),), z_range_nm=(-300, 300), numerical_aperture=1.3)
    place = torch.tensor([[1543.0, 1571.0, 120.0]])
    arguments = {"photons": 3000, "background": 10, "shape": (31, 31)}
    table = crlb(TabulatedPSF(psf=exact, patch_px=31), place, **arguments)
    for got, expected in zip(table, crlb(exact, place, **arguments), strict=True):
        torch.testing.assert_close(got, expected, rtol=0.01, atol=0)


def test_cameras_raise_the_bound_as_their_noise_does():
    place = torch.tensor([[1050.0, 1050.0, 0.0]])
    arguments = {"photons": 2000, "background": 20, "shape": (21, 21)}
    ideal = crlb(GAUSSIAN, place, **arguments, camera=IdealCamera()).x_nm
    noiseless = SCMOS(quantum_efficiency=1, read_noise_e=0)
    torch.testing.assert_close(crlb(GAUSSIAN, place, **arguments, camera=noiseless).x_nm, ideal)
    half = crlb(GAUSSIAN, place, **arguments, camera=noiseless.replace(quantum_efficiency=0.5))
    torch.testing.assert_close(half.x_nm, ideal * 2**0.5)
    # Read noise of variance v acts like v photons of background more.
    read = crlb(GAUSSIAN, place, **arguments, camera=noiseless.replace(read_noise_e=3))
    more = crlb(GAUSSIAN, place, **{**arguments, "background": 29})
    torch.testing.assert_close(read.x_nm, more.x_nm)
    multiplied = EMCCD(quantum_efficiency=1, spurious_e=0, read_noise_e=0)
    torch.testing.assert_close(
        crlb(GAUSSIAN, place, **arguments, camera=multiplied).x_nm, ideal * 2**0.5
    )


def test_planes_add_information_on_depth():
    place = torch.tensor([[1050.0, 1050.0, 30.0]])
    arguments = {"photons": 2000, "background": 5, "shape": (21, 21)}
    planes = MultiplanePSF(plane_z_nm=(-250, 250))
    single = MultiplanePSF(plane_z_nm=(0.0,))
    assert crlb(planes, place, **arguments).z_nm < 0.5 * crlb(single, place, **arguments).z_nm


def test_a_symmetric_psf_in_focus_tells_nothing_about_depth():
    place = torch.tensor([[1050.0, 1050.0, 0.0]])
    single = MultiplanePSF(plane_z_nm=(0.0,))
    bounds = crlb(single, place, photons=2000, background=5, shape=(21, 21))
    assert bounds.z_nm.item() == float("inf")


def test_bounds_need_light_and_noise():
    place = torch.tensor([[1050.0, 1050.0, 0.0]])
    with pytest.raises(ValueError, match="photons above 0"):
        crlb(GAUSSIAN, place, photons=0, background=5, shape=(21, 21))
    with pytest.raises(ValueError, match="give a background above 0"):
        crlb(GAUSSIAN, place * 9, photons=10, background=0, shape=(21, 21))
