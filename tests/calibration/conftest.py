"""Simulated beads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

if TYPE_CHECKING:
    from napari_deepsmlm.psf import PSF

PLACES_NM = ((2534.0, 2871.0, -20.0), (7512.0, 2333.0, 12.0), (4987.0, 7243.0, 7.0))


def simulate_beads(
    psf: PSF,
    *,
    z_step_nm: float = 35.0,
    n_depths: int = 41,
    photons: float = 5000.0,
    places_nm: tuple[tuple[float, float, float], ...] = PLACES_NM,
    side_px: int = 101,
    background: float = 10.0,
) -> np.ndarray[Any, Any]:
    """A noisy stack (Z, H, W) or (C, Z, H, W) of beads at (x, y, z)."""
    z = (torch.arange(n_depths) - (n_depths - 1) / 2) * z_step_nm
    xyz = torch.tensor(places_nm).repeat(n_depths, 1, 1)
    xyz[..., 2] += z[:, None]
    light = psf.render(xyz, torch.full((n_depths, len(places_nm)), photons), (side_px, side_px))
    noisy = np.random.default_rng(0).poisson(light.clamp(min=0).numpy() + background)
    return noisy.transpose(1, 0, 2, 3) if psf.n_planes > 1 else noisy[:, 0]


@pytest.fixture(scope="session")
def beads():
    """The function that simulates beads."""
    return simulate_beads
