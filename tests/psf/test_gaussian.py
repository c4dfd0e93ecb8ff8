"""The Gaussian PSF against its closed form and the laws of light."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import dblquad

from napari_deepsmlm.psf import GaussianPSF


def one(x_nm: float, y_nm: float, photons: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    place = torch.tensor([[[x_nm, y_nm, 0.0]]], dtype=torch.float64)
    return place, torch.tensor([[photons]], dtype=torch.float64)


def test_a_pixel_holds_the_integral_of_the_gaussian() -> None:
    psf = GaussianPSF(pixel_size_nm=100, sigma_nm=(130, 130))
    image = psf.render(*one(437.0, 512.0, 900.0), (9, 9))

    def density(y: float, x: float) -> float:
        r2 = (x - 437) ** 2 + (y - 512) ** 2
        return 900 / (2 * math.pi * 130**2) * math.exp(-r2 / (2 * 130**2))

    for row, column in [(5, 4), (3, 6), (0, 0)]:
        limits = (100 * column, 100 * (column + 1), 100 * row, 100 * (row + 1))
        assert image[0, 0, row, column].item() == pytest.approx(dblquad(density, *limits)[0])


@settings(deadline=None)
@given(st.floats(1500, 2500), st.floats(1500, 2500), st.floats(60, 200), st.floats(1, 1e5))
def test_photons_are_conserved(x: float, y: float, sigma: float, photons: float) -> None:
    psf = GaussianPSF(sigma_nm=(sigma, sigma))
    assert psf.render(*one(x, y, photons), (40, 40)).sum().item() == pytest.approx(photons)


@given(st.integers(-5, 5), st.integers(-5, 5))
def test_moving_by_whole_pixels_moves_the_image(dx: int, dy: int) -> None:
    psf = GaussianPSF()
    image = psf.render(*one(1530.0, 1570.0), (32, 32))
    moved = psf.render(*one(1530.0 + 100 * dx, 1570.0 + 100 * dy), (32, 32))
    torch.testing.assert_close(torch.roll(image, (dy, dx), (2, 3)), moved, atol=1e-12, rtol=0)


def test_centre_of_gravity_is_the_position() -> None:
    image = GaussianPSF().render(*one(1234.0, 1678.0), (32, 32))[0, 0]
    centres = (torch.arange(32) + 0.5) * 100.0
    assert (image.sum(0) * centres).sum().item() == pytest.approx(1234, abs=1e-6)
    assert (image.sum(1) * centres).sum().item() == pytest.approx(1678, abs=1e-6)


def test_padding_and_batches_add_nothing() -> None:
    torch.manual_seed(0)
    place, photons = 1600 * torch.rand(3, 7, 3), torch.rand(3, 7)
    photons[1, 4:] = 0
    image = GaussianPSF().render(place, photons, (16, 16))
    alone = GaussianPSF().render(place[1:2, :4], photons[1:2, :4], (16, 16))
    torch.testing.assert_close(image[1:2], alone)


def test_every_emitter_can_have_its_own_width() -> None:
    place, photons = one(850.0, 850.0)
    narrow, wide = (
        GaussianPSF().render(place, photons, (17, 17), sigma_nm=torch.full((1, 1), s).double())
        for s in (80.0, 160.0)
    )
    # Peak of a pixel-integrated Gaussian: erf(a / (2 sqrt(2) sigma))^2.
    expected = (math.erf(100 / (2 * math.sqrt(2) * 80))) ** 2
    assert narrow.max().item() == pytest.approx(expected)
    assert wide.max() < narrow.max()


def test_gradients_are_exact() -> None:
    place, photons = one(431.0, 377.0, 3.0)
    place.requires_grad_()
    photons.requires_grad_()
    sigma = torch.full((1, 1), 110.0, dtype=torch.float64, requires_grad=True)

    def render(*inputs: torch.Tensor) -> torch.Tensor:
        return GaussianPSF().render(inputs[0], inputs[1], (8, 8), sigma_nm=inputs[2])

    assert torch.autograd.gradcheck(render, (place, photons, sigma))
