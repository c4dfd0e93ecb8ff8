"""Margins follow the PSF, and streams of random numbers that others rely on stay as they were."""

from __future__ import annotations

import pytest
import torch

from napari_deepsmlm.camera import SCMOS
from napari_deepsmlm.psf import (
    PSF,
    AstigmaticPSF,
    CalibratedPSF,
    GaussianPSF,
    MultiplanePSF,
    PupilPSF,
    TabulatedPSF,
)
from napari_deepsmlm.simulation import Simulation, Simulator


@pytest.mark.parametrize("sigma_nm", [30.0, 100.0, 110.0, 120.0])
def test_narrow_gaussians_keep_the_margin_of_5_pixels_and_their_frames(sigma_nm: float) -> None:
    psf = GaussianPSF(sigma_nm=(sigma_nm, sigma_nm))
    assert psf.reach_px == 5
    followed, fixed = (
        Simulator(psf, SCMOS(), Simulation(margin_px=margin)) for margin in (None, 5)
    )
    frames = [
        s.batch(3, (20, 24), torch.Generator().manual_seed(1)).frames for s in (followed, fixed)
    ]
    assert torch.equal(*frames)


@pytest.mark.parametrize(
    ("psf", "z_nm"),
    [
        (GaussianPSF(sigma_nm=(300, 300)), 0.0),
        (AstigmaticPSF(), 750.0),
        (MultiplanePSF(shift_nm=((0, 0), (250, 0), (0, 0), (0, 0))), -600.0),
        (PupilPSF(patch_px=21), 700.0),
        (TabulatedPSF(psf=PupilPSF(pupil_px=16, z_range_nm=(-100, 100)), patch_px=15), 0.0),
        (
            CalibratedPSF.from_volume(torch.ones(5, 9, 9).numpy(), pixel_size_nm=100, z_step_nm=50),
            0.0,
        ),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_emitters_beyond_the_margin_light_nothing_to_speak_of(psf: PSF, z_nm: float) -> None:
    assert Simulation().margin_nm(psf) == psf.reach_px * psf.pixel_size_nm
    outside = torch.tensor([[[-psf.reach_px * psf.pixel_size_nm, 1000.0, z_nm]]])
    assert psf.render(outside, torch.ones(1, 1), (21, 21)).sum() < 2e-3


def test_a_margin_that_is_given_is_taken() -> None:
    assert Simulation(margin_px=0).margin_nm(PupilPSF()) == 0
