"""Zernike polynomials are orthonormal on the disc."""

from __future__ import annotations

import pytest
import torch

from napari_deepsmlm.psf.zernike import MODES, aberrations_of, zernike


def test_the_21_modes_are_orthonormal():
    grid = (torch.arange(600).double() + 0.5) / 300 - 1
    y, x = torch.meshgrid(grid, grid, indexing="ij")
    rho, phi = torch.hypot(x, y), torch.atan2(y, x)
    inside = rho <= 1
    modes = torch.stack([zernike(n, m, rho, phi)[inside] for n, m in MODES])
    gram = modes @ modes.T / inside.sum()
    torch.testing.assert_close(gram, torch.eye(21).double(), atol=0.02, rtol=0)


def test_known_polynomials():
    rho, phi = torch.rand(50).double(), torch.rand(50).double() * 6
    torch.testing.assert_close(zernike(4, 0, rho, phi), 5**0.5 * (6 * rho**4 - 6 * rho**2 + 1))
    expected = 8**0.5 * (3 * rho**3 - 2 * rho) * torch.sin(phi)
    torch.testing.assert_close(zernike(3, -1, rho, phi), expected)


def test_unknown_sets_are_refused():
    with pytest.raises(ValueError, match=r"Unknown coefficient set 'x'. Available: astig, "):
        aberrations_of("x", 660)
