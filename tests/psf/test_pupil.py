"""The pupil PSF against an independent integral, an independent program and energy laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from napari_deepsmlm.psf import PupilPSF
from napari_deepsmlm.psf.pupil_presets import PRESETS

OIL = PupilPSF(numerical_aperture=1.4, patch_px=31)


def on_axis(psf: PupilPSF, depths_nm: list[float], side: int = 31) -> torch.Tensor:
    centre = side / 2 * psf.pixel_size_nm
    xyz = torch.tensor([[[centre, centre, z]] for z in depths_nm], dtype=torch.float64)
    return psf.render(xyz, torch.ones(len(depths_nm), 1).double(), (side, side))[:, 0]


def richards_wolf(
    rho_nm: np.ndarray, z_nm: float, *, na: float, wavelength_nm: float, index: float
) -> np.ndarray:
    """Intensity of a freely rotating dipole at distances from the axis, by slow quadrature.

    Richards & Wolf 1959, doi:10.1098/rspa.1959.0200, turned round for emission: azimuthal
    integrals of the dipole's far field are Bessel functions of order 0, 1, 2.
    """
    from scipy.special import jv

    n_theta = 1500
    top = math.asin(na / index)
    theta = (np.arange(n_theta) + 0.5) * top / n_theta
    k = 2 * math.pi * index / wavelength_nm
    # d2k = k^2 sin cos dtheta dphi; amplitude 1 / sqrt(cos)
    weight = np.sqrt(np.cos(theta)) * np.sin(theta) * np.exp(1j * k * z_nm * np.cos(theta))
    argument = k * np.sin(theta) * rho_nm[:, None]
    i0 = (weight * (1 + np.cos(theta)) * jv(0, argument)).sum(1)
    i2 = (weight * (1 - np.cos(theta)) * jv(2, argument)).sum(1)
    i1 = (weight * np.sin(theta) * jv(1, argument)).sum(1)
    # Dipoles along x and y give 2 (|i0|^2 + |i2|^2) together, the one along z 4 |i1|^2.
    return 2 * (abs(i0) ** 2 + abs(i2) ** 2) + 4 * abs(i1) ** 2


@pytest.mark.parametrize("na", [1.0, 1.4])
def test_the_image_is_the_richards_wolf_integral(na):
    psf = OIL.replace(numerical_aperture=na, oversampling=1)  # the integral is at points
    depths = [0.0, 300.0, -600.0]
    images = on_axis(psf, depths).numpy()
    y, x = np.indices((31, 31)) - 15
    rho = np.hypot(x, y) * psf.pixel_size_nm
    for image, z in zip(images, depths, strict=True):
        slow = richards_wolf(np.unique(rho), z, na=na, wavelength_nm=660, index=1.518)
        expected = slow[np.searchsorted(np.unique(rho), rho)]
        expected *= image.sum() / expected.sum()
        assert np.abs(image - expected).max() < 0.01 * expected.max()


@pytest.mark.parametrize("na", [1.4, PupilPSF().numerical_aperture])
def test_psfmodels_gives_the_same_images_within_2_percent(na):
    import psfmodels  # here: the other tests need no oracle

    n = 1.518
    depths = [-0.6, -0.4, -0.2, 0.0, 0.2, 0.4, 0.6]
    lens = {"NA": na, "ng0": n, "ng": n, "ni0": n, "ni": n, "ns": n, "sf": 3}
    other = psfmodels.vectorial_psf(
        np.array(depths), nx=31, dxy=0.1, pz=0.0, wvl=0.66, params=lens, normalize=False
    )
    ours = on_axis(PupilPSF(numerical_aperture=na), [1000 * z for z in depths]).numpy()
    for image, expected in zip(ours, other, strict=True):
        error = np.abs(image / image.max() - expected / expected.max()).max()
        assert error < 0.02


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_keeps_its_photons_in_a_large_patch(name):
    psf = PupilPSF.preset(name)
    # 64 pupil samples make images periodic over 64 lambda / 2 NA: such a patch holds one period.
    period_px = 32 * psf.wavelength_nm / psf.numerical_aperture / psf.pixel_size_nm
    side = 2 * int(period_px / 2) + 1
    image = on_axis(psf.replace(patch_px=side), [0.0, psf.z_range_nm[1] / 2], side)
    np.testing.assert_allclose(image.sum((1, 2)), 1, atol=0.02)
    assert (image >= 0).all()


def test_evanescent_light_keeps_detected_photons_at_every_depth():
    psf = OIL.replace(index_medium=1.33, patch_px=141, z_range_nm=(-100, 900))
    image = on_axis(psf, [0.0, 100.0, 800.0], 141)
    np.testing.assert_allclose(image.sum((1, 2)), 1, atol=0.03)


def test_deep_emitters_suffer_from_index_mismatch_but_stay_in_focus():
    shallow = PupilPSF(numerical_aperture=1.2, index_medium=1.33, patch_px=31, pupil_px=32)
    deep = shallow.replace(depth_nm=10_000)
    peaks = [on_axis(psf, [0.0]).max().item() for psf in (shallow, deep)]
    assert peaks[1] < 0.8 * peaks[0]
    matched = PupilPSF(numerical_aperture=1.2, patch_px=31, pupil_px=32)
    torch.testing.assert_close(
        on_axis(matched, [100.0]), on_axis(matched.replace(depth_nm=10_000), [100.0])
    )


def test_oversampling_converges_to_pixel_integration():
    coarse, fine, finest = (on_axis(OIL.replace(oversampling=s), [100.0]) for s in (1, 3, 7))
    assert (fine - finest).abs().max() < 0.01 * finest.max()
    assert (coarse - finest).abs().max() > 5 * (fine - finest).abs().max()


def test_a_focus_offset_moves_the_zero_of_z():
    moved = OIL.replace(focus_nm=120.0, aberrations=((3, 1, 40.0),))
    torch.testing.assert_close(
        on_axis(moved, [320.0]), on_axis(moved.replace(focus_nm=0.0), [200.0])
    )


def test_blur_widens_and_keeps_the_light():
    sharp, soft = on_axis(OIL, [0.0]), on_axis(OIL.replace(blur_px=(0.5, 0.5)), [0.0])
    assert soft.max() < 0.95 * sharp.max()
    assert soft.sum().item() == pytest.approx(sharp.sum().item(), rel=0.005)


def test_the_scalar_model_is_the_vectorial_one_at_low_aperture():
    low = PupilPSF(numerical_aperture=0.3, pixel_size_nm=400)
    vectorial, scalar = on_axis(low, [0.0]), on_axis(low.replace(model="scalar"), [0.0])
    assert (vectorial - scalar).abs().max() < 0.02 * scalar.max()


def test_measured_sets_in_wavelengths_become_nm():
    measured = {(a.n, a.m): a.rms_nm for a in PupilPSF.preset("tetrapod-6um-measured").aberrations}
    assert measured[4, -2] == pytest.approx(-0.370426472 * 680)
    third = {(a.n, a.m): a.rms_nm for a in PupilPSF.preset("tetrapod-3um-measured").aberrations}
    assert third[4, -2] == pytest.approx(0.172353124 * 670)
    assert PupilPSF.preset("astigmatic").aberrations == ((2, 2, 70.0),)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"aberrations": [(2, 1, 10.0)]}, r"'aberrations': no Zernike polynomial has n = 2, m = 1"),
        ({"aberrations": [(2, 2, float("nan"))]}, "number"),
        ({"patch_px": 50}, "'patch_px': must be odd"),
        ({"numerical_aperture": 1.52}, r"must be below the refractive indices .*\(1.518\)"),
        ({"wavelength_nm": -660}, "'wavelength_nm': .*greater than"),
        ({"z_range_nm": (300, -300)}, "'z_range_nm': must be two numbers, the smaller first"),
    ],
)
def test_impossible_optics_are_refused_in_one_sentence(values, message):
    with pytest.raises(ValueError, match=message):
        PupilPSF.from_dict(values)


def test_unknown_presets_are_listed():
    with pytest.raises(ValueError, match=r"Unknown preset 'x'. Available: astigmatic, saddle"):
        PupilPSF.preset("x")
