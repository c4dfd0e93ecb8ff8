"""Bead calibration recovers the truth, and says what is wrong with a stack."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_deepsmlm.calibration.calibrate import calibrate, search_beads
from napari_deepsmlm.psf import (
    AstigmaticPSF,
    CalibratedPSF,
    DefocusCurve,
    MultiplanePSF,
    PupilPSF,
    TabulatedPSF,
)
from napari_deepsmlm.psf.files import load_psf, save_psf

TRUTH = AstigmaticPSF(z_range_nm=(-900, 900))
OPTICS = PupilPSF(
    numerical_aperture=1.35, pupil_px=24, oversampling=1, blur_px=(0.5, 0.5), z_range_nm=(-900, 900)
)


@pytest.fixture(scope="module")
def stack(request):
    from tests.calibration.conftest import simulate_beads

    return simulate_beads(TRUTH)


@pytest.fixture(scope="module")
def calibration(stack):
    return calibrate(stack, z_step_nm=35, pixel_size_nm=100)


def test_widths_through_z_are_recovered_within_2_percent(calibration):
    z = torch.linspace(-600, 600, 25)
    for axis in "xy":
        fitted, true = getattr(calibration.gaussian, axis), getattr(TRUTH, axis)
        assert (fitted.sigma_at(z) / true.sigma_at(z) - 1).abs().max() < 0.02
    assert calibration.n_beads == 3
    assert calibration.warnings == ()


def test_the_spline_equals_the_true_psf(calibration):
    xyz = torch.tensor([[[1040.0, 1070.0, z]] for z in (-500.0, -250.0, 0.0, 130.0, 450.0)])
    fitted = calibration.psf.render(xyz, torch.ones(5, 1), (21, 21))
    true = TRUTH.render(xyz, torch.ones(5, 1), (21, 21))
    error = (fitted - true).abs().amax((1, 2, 3)) / true.amax((1, 2, 3))
    assert error.max() < 0.08  # 15,000 noisy photons per image


def test_one_bead_is_enough(stack):
    one = calibrate(stack[:, :50, :50], z_step_nm=35, pixel_size_nm=100)
    assert one.n_beads == 1
    assert one.gaussian.x.sigma_nm == pytest.approx(130, rel=0.02)


def test_beads_of_several_stacks_are_averaged(stack):
    several = calibrate([stack[:, :50, :50], stack[:, :50, 50:]], z_step_nm=35, pixel_size_nm=100)
    assert several.n_beads == 2
    assert several.gaussian.y.sigma_nm == pytest.approx(130, rel=0.02)


def test_beads_can_be_left_out(stack):
    small = stack[::4, :50, :]  # two beads, eleven depths
    found = [(bead.y_px, bead.x_px) for bead in search_beads(small, window_px=25).beads]
    assert len(found) == 2
    step = {"z_step_nm": 140, "pixel_size_nm": 100}
    one = calibrate(small, **step, keep=[np.array(found[1:])])
    alone = slice(0, 50) if found[1][1] < 50 else slice(50, None)
    expected = calibrate(small[:, :, alone], **step)
    assert one.n_beads == 1
    np.testing.assert_allclose(one.measured, expected.measured)
    assert calibrate(small, **step, keep=[None]).n_beads == 2
    with pytest.raises(ValueError, match="None was chosen"):
        calibrate(small, **step, keep=[np.zeros((0, 2))])


def test_zernike_coefficients_are_recovered_within_5_nm(beads):
    true = {(2, 2): 60.0, (2, -2): -20.0, (3, 1): 15.0, (4, 0): 25.0}
    optics = PupilPSF(
        numerical_aperture=1.35,
        blur_px=(0.5, 0.5),
        z_range_nm=(-900, 900),
        pupil_px=32,
        oversampling=1,
    )
    aberrated = optics.replace(aberrations=[(*mode, value) for mode, value in true.items()])
    stack = beads(aberrated, photons=10_000, z_step_nm=70, n_depths=21)
    result = calibrate(stack, z_step_nm=70, pixel_size_nm=100, optics=optics, window_px=21)
    assert result.zernike is not None
    errors = [a.rms_nm - true.get((a.n, a.m), 0.0) for a in result.zernike.psf.aberrations]
    assert np.sqrt(np.sum(np.square(errors))) < 5


@pytest.fixture(scope="module")
def pupil_stack():
    from tests.calibration.conftest import simulate_beads

    places = ((1534.0, 1571.0, -60.0),)
    return simulate_beads(
        OPTICS.replace(aberrations=((2, 2, 60.0), (3, 1, 15.0))),
        places_nm=places, side_px=31, z_step_nm=60, n_depths=21, photons=20000,
    )  # fmt: skip


@pytest.fixture(scope="module")
def with_pupil(pupil_stack):
    return calibrate(pupil_stack, 60, 100, optics=OPTICS, window_px=15)


@pytest.mark.parametrize("factor", [0.8, 1.0, pytest.param(1.5, marks=pytest.mark.slow)])
def test_a_z_step_that_does_not_fit_the_optics_is_noticed(pupil_stack, with_pupil, factor):
    result = with_pupil
    if factor != 1.0:
        result = calibrate(pupil_stack, 60 * factor, 100, optics=OPTICS, window_px=15)
    assert result.zernike is not None
    # Aberrations take up a part of a large error: what is named lies on the way to the truth.
    low, high = sorted((1.0, 1 / factor))
    assert 0.95 * low < result.zernike.z_scale < 1.05 * high
    said = [sentence for sentence in result.warnings if "check the z-step" in sentence]
    assert len(said) == (factor != 1.0)


def test_the_pupil_file_shows_what_was_fitted(with_pupil, tmp_path):
    result = with_pupil
    assert isinstance(result.zernike.psf, PupilPSF)
    assert abs(result.zernike.psf.focus_nm) > 5
    save_psf(result.fitted, tmp_path / "pupil.yaml")
    written = load_psf(tmp_path / "pupil.yaml")
    place = 750 + 100 * np.array(result.zernike.shift_px)
    xyz = torch.tensor([[[*place, z]] for z in result.z_nm], dtype=torch.float32)
    images = written.render(xyz, torch.ones(len(xyz), 1), (15, 15))[:, 0].numpy()
    measured = result.measured[0] / result.measured[0].sum((1, 2), keepdims=True)
    images = images / images.sum((1, 2), keepdims=True)
    alike = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(images, measured, strict=True)]
    assert min(alike) > 0.98
    torch.testing.assert_close(
        written.render(xyz, torch.ones(len(xyz), 1), (15, 15)),
        result.zernike.psf.render(xyz, torch.ones(len(xyz), 1), (15, 15)),
    )


def test_planes_are_registered_within_2_nm(beads):
    curve = DefocusCurve()
    truth = MultiplanePSF(
        psf=AstigmaticPSF(x=curve, y=curve, z_range_nm=(-2500, 2500)),
        plane_z_nm=(-300, 0, 300),
        shift_nm=((0, 0), (233, -151), (-402, 87)),
        split=(0.3, 0.4, 0.3),
    )
    result = calibrate(beads(truth, photons=5000, z_step_nm=40), z_step_nm=40, pixel_size_nm=100)
    assert isinstance(result.gaussian, MultiplanePSF)
    # The Cramér-Rao bound of a shift is 0.9 nm for each axis: 41 depths of three beads.
    np.testing.assert_allclose(result.gaussian.shift_nm, truth.shift_nm, atol=2)
    np.testing.assert_allclose(result.gaussian.split, truth.split, atol=0.01)
    np.testing.assert_allclose(result.gaussian.plane_z_nm, (0, 300, 600), atol=10)
    there = result.planes[1].apply(np.array([[5000.0, 5000.0]]))
    np.testing.assert_allclose(there, [[5233, 4849]], atol=3)
    np.testing.assert_allclose(result.planes[1].inverse().apply(there), [[5000, 5000]], atol=1e-6)
    assert result.psf.n_planes == 3


def test_a_pupil_fitted_to_the_first_plane_describes_all_planes(beads):
    optics = PupilPSF(
        numerical_aperture=1.35,
        blur_px=(0.5, 0.5),
        z_range_nm=(-1400, 1400),
        pupil_px=32,
        oversampling=1,
    )
    true = {(2, 2): 60.0, (3, 1): 15.0, (4, 0): 25.0}
    truth = MultiplanePSF(
        psf=optics.replace(aberrations=[(*mode, value) for mode, value in true.items()]),
        plane_z_nm=(-200, 200),
        split=(0.6, 0.4),
        shift_nm=((0, 0), (150, -80)),
    )
    stack = beads(truth, photons=20_000, z_step_nm=80, n_depths=21)
    result = calibrate(stack, z_step_nm=80, pixel_size_nm=100, optics=optics, window_px=21)
    assert result.zernike is not None
    errors = [a.rms_nm - true.get((a.n, a.m), 0.0) for a in result.zernike.psf.aberrations]
    assert np.sqrt(np.sum(np.square(errors))) < 5
    assert isinstance(result.fitted, MultiplanePSF)
    np.testing.assert_allclose(np.diff(result.fitted.plane_z_nm), 400, atol=10)
    np.testing.assert_allclose(result.fitted.split, truth.split, atol=0.01)
    np.testing.assert_allclose(result.fitted.shift_nm, truth.shift_nm, atol=5)
    at_centre = torch.tensor([[[1050.0, 1050.0, z]] for z in result.z_nm], dtype=torch.float32)
    centred = result.fitted.replace(shift_nm=((0, 0), (0, 0)))
    images = centred.render(at_centre, torch.ones(len(at_centre), 1), (21, 21)).numpy()
    for plane, measured in enumerate(result.measured):
        pairs = zip(images[:, plane], measured, strict=True)
        assert min(np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in pairs) > 0.9


def test_a_calibration_saves_and_loads(calibration, tmp_path):
    saved = calibration.psf.save(tmp_path / "beads.safetensors")
    assert CalibratedPSF(file=str(tmp_path / "beads.safetensors")) == saved
    xyz = torch.tensor([[[1000.0, 1000.0, 33.0]]])
    before = calibration.psf.render(xyz, torch.ones(1, 1), (21, 21))
    torch.testing.assert_close(saved.render(xyz, torch.ones(1, 1), (21, 21)), before)
    calibration.gaussian.to_file(tmp_path / "curve.yaml")
    assert AstigmaticPSF.from_file(tmp_path / "curve.yaml") == calibration.gaussian


# -- bad inputs ----------------------------------------------------------------------------


def test_touching_beads_are_refused_and_the_others_used(beads):
    touching = ((2534.0, 2871.0, 0.0), (3134.0, 2871.0, 0.0), (7512.0, 7333.0, 0.0))
    result = calibrate(beads(TRUTH, places_nm=touching), z_step_nm=35, pixel_size_nm=100)
    assert result.n_beads == 1
    assert "has a neighbour 5 px away, so their light mixes" in result.warnings[0]
    with pytest.raises(ValueError, match=r"No usable bead in the stack\. The spot at y = 28"):
        calibrate(beads(TRUTH, places_nm=touching[:2]), z_step_nm=35, pixel_size_nm=100)


@pytest.mark.parametrize("step", [0.0, -20.0, float("nan"), 5000.0])
def test_an_impossible_z_step_is_refused(stack, step):
    with pytest.raises(ValueError, match="z-step must be above 0 and at most 1000 nm, got"):
        calibrate(stack, z_step_nm=step, pixel_size_nm=100)


def test_a_wrong_z_step_is_noticed_by_the_focal_depth(stack):
    result = calibrate(stack, z_step_nm=350, pixel_size_nm=100)
    assert "is the z-step right?" in result.warnings[-1]


def test_empty_saturated_and_broken_stacks_are_named(stack):
    def message(changed) -> str:
        with pytest.raises(ValueError, match=r"\.$") as caught:
            calibrate(changed, z_step_nm=35, pixel_size_nm=100)
        return str(caught.value)

    empty = stack.copy()
    empty[7] = 3
    assert message(empty).startswith("Image 7 of the bead stack is empty (all pixels equal); 1")
    saturated = stack.astype(np.uint16)
    saturated[12, 28, 25] = 65535
    assert "Image 12 of the bead stack has 1 saturated pixels (65535 ADU); lower" in message(
        saturated
    )
    assert "holds NaN" in message(np.where(stack == stack.max(), np.nan, stack))
    assert "at least 5" in message(stack[:3])
    assert "axes (z, y, x)" in message(stack[0])
    assert "larger than the images" in message(stack[:, :20, :20])
    assert "No usable bead" in message(stack[:, :60, 35:65])
    assert "the focus lies outside" in message(stack[:10])


def test_lobes_of_a_wide_psf_are_one_bead(beads):
    exact = PupilPSF.preset("tetrapod-3um").replace(z_range_nm=(-1300, 1300), pupil_px=32)
    psf = TabulatedPSF(psf=exact, patch_px=45)
    places = ((4893.0, 5530.0, -20.0), (12496.0, 4871.0, 12.0))
    stack = beads(psf, z_step_nm=150, n_depths=15, places_nm=places, side_px=161)
    result = calibrate(stack, z_step_nm=150, pixel_size_nm=108, window_px=41)
    assert result.n_beads == 2
    place = torch.tensor([[[20.5 * 108, 20.5 * 108, 450.0]]])
    got = result.psf.render(place, torch.ones(1, 1), (41, 41))[0, 0]
    true = psf.render(place, torch.ones(1, 1), (41, 41))[0, 0]
    alike = torch.corrcoef(torch.stack([got.flatten(), true.flatten()]))[0, 1]
    assert alike > 0.9
