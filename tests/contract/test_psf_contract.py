"""Laws that every point spread function obeys; a new one joins by a line in `PSFS`."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.psf import (
    PSF,
    AstigmaticPSF,
    CalibratedPSF,
    GaussianPSF,
    MultiplanePSF,
    PupilPSF,
    TabulatedPSF,
)

SIDE = 41
PIXEL = 100.0


def _calibrated() -> CalibratedPSF:
    """A bead stack of the astigmatic PSF."""
    z = torch.linspace(-300, 300, 13)
    xyz = torch.stack([torch.full_like(z, 1050.0)] * 2 + [z], 1)[:, None]
    volume = AstigmaticPSF().render(xyz, torch.ones(13, 1), (21, 21))[:, 0]
    return CalibratedPSF.from_volume(volume.numpy(), pixel_size_nm=PIXEL, z_step_nm=50)


_pupil = PupilPSF(
    aberrations=((2, 2, 60.0), (4, 0, 20.0)), numerical_aperture=1.2, patch_px=25, pupil_px=32
)
PSFS: dict[str, PSF] = {
    "gaussian": GaussianPSF(),
    "astigmatic": AstigmaticPSF(),
    "quad-plane": MultiplanePSF(),
    "two-plane": MultiplanePSF(
        psf=AstigmaticPSF(), plane_z_nm=(-200, 200), split=(0.7, 0.3), shift_nm=((0, 0), (30, -20))
    ),
    "pupil": _pupil,
    "pupil-scalar": _pupil.replace(model="scalar", blur_px=(0.5, 0.5)),
    "pupil-evanescent": _pupil.replace(
        numerical_aperture=1.4, index_medium=1.33, depth_nm=400, oversampling=2
    ),
    "tabulated": TabulatedPSF(psf=_pupil.replace(z_range_nm=(-300, 300)), patch_px=25),
    "calibrated": _calibrated(),
}
# What a patch of 25 pixels cannot hold of a defocused pupil PSF.
LOST = {"pupil": 0.06, "pupil-scalar": 0.06, "pupil-evanescent": 0.2, "tabulated": 0.06}

each_psf = pytest.mark.parametrize("psf", PSFS.values(), ids=PSFS.keys())
few = settings(
    max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
offsets = st.floats(-0.49, 0.49)  # at 0.5 the patch jumps to the next pixel
depths = st.floats(-300, 300)


def emitter(x_px: float, y_px: float, z_nm: float, dtype: torch.dtype = torch.float64):
    """One emitter near the centre of the window."""
    centre = SIDE / 2
    return torch.tensor([[[(centre + x_px) * PIXEL, (centre + y_px) * PIXEL, z_nm]]], dtype=dtype)


def one(dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.ones(1, 1, dtype=dtype)


@each_psf
@given(x=offsets, y=offsets, z=depths)
@few
def test_photons_are_conserved_in_a_window_that_holds_the_image(psf, x, y, z):
    image = psf.render(emitter(x, y, z), 1000 * one(), (SIDE, SIDE))
    name = next(key for key, value in PSFS.items() if value is psf)
    assert image.shape == (1, psf.n_planes, SIDE, SIDE)
    assert 1000 * (1 - LOST.get(name, 0.002)) < image.sum().item() < 1000.01 * 1.002


@each_psf
@given(x=offsets, y=offsets, z=depths, right=st.integers(-4, 4), down=st.integers(-4, 4))
@few
def test_moving_by_whole_pixels_moves_the_image(psf, x, y, z, right, down):
    still = psf.render(emitter(x, y, z), one(), (SIDE, SIDE))
    moved = psf.render(emitter(x + right, y + down, z), one(), (SIDE, SIDE))
    inner = slice(5, -5)
    back = torch.roll(moved, (-down, -right), (2, 3))
    torch.testing.assert_close(back[..., inner, inner], still[..., inner, inner], atol=1e-6, rtol=0)


@each_psf
@given(x=offsets, y=offsets, z=depths)
@few
def test_an_image_without_odd_aberrations_mirrors_with_its_emitter(psf, x, y, z):
    if psf is PSFS["two-plane"]:
        return  # its planes are shifted
    image = psf.render(emitter(x, y, z), one(), (SIDE, SIDE))
    mirrored = psf.render(emitter(-x, y, z), one(), (SIDE, SIDE))
    torch.testing.assert_close(mirrored.flip(3), image, atol=1e-6, rtol=0)


@each_psf
def test_a_batch_equals_its_emitters_rendered_one_by_one(psf):
    generator = torch.Generator().manual_seed(1)
    xyz = torch.rand(3, 4, 3, generator=generator, dtype=torch.float64) * SIDE * PIXEL
    xyz[..., 2] = xyz[..., 2] / (SIDE * PIXEL) * 600 - 300
    photons = torch.rand(3, 4, generator=generator, dtype=torch.float64) * 1000
    together = psf.render(xyz, photons, (SIDE, SIDE))
    single = torch.zeros_like(together)
    for frame in range(3):
        for slot in range(4):
            place = (slice(frame, frame + 1), slice(slot, slot + 1))
            single[frame] += psf.render(xyz[place], photons[place], (SIDE, SIDE))[0]
    torch.testing.assert_close(together, single)


@each_psf
def test_padding_emitters_add_nothing_wherever_they_are(psf):
    xyz = torch.cat([emitter(0.1, 0.2, 30), emitter(0, 0, 9999), emitter(1e6, 0, 0)], dim=1)
    photons = torch.tensor([[500.0, 0.0, 0.0]], dtype=torch.float64)
    alone = psf.render(xyz[:, :1], photons[:, :1], (SIDE, SIDE))
    torch.testing.assert_close(psf.render(xyz, photons, (SIDE, SIDE)), alone)
    empty = psf.render(xyz[:, :0], photons[:, :0], (SIDE, SIDE))
    assert empty.shape == alone.shape
    assert empty.sum() == 0


@each_psf
def test_the_window_may_be_smaller_than_the_image_and_the_emitter_outside(psf):
    whole = psf.render(emitter(0, 0, 50), one(), (SIDE, SIDE))
    corner = (torch.tensor([1, 1, 0]) * (SIDE // 2 - 3) * PIXEL).double()
    cut = psf.render(emitter(0, 0, 50) - corner, one(), (5, 8))
    start = SIDE // 2 - 3
    torch.testing.assert_close(cut, whole[..., start : start + 5, start : start + 8])
    beside = psf.render(emitter(0, 0, 0) - 2 * corner, one(), (5, 8))
    assert 0 <= beside.abs().sum() < 0.02


@each_psf
def test_gradients_are_those_of_finite_differences(psf):
    shape = (7, 6)
    xyz = torch.tensor([[[312.0, 287.0, 40.0], [420.0, 370.0, -110.0]]], dtype=torch.float64)
    photons = torch.tensor([[1.0, 2.0]], dtype=torch.float64)

    def render(xyz_um, photons):
        return psf.render(xyz_um * 1000, photons, shape)

    inputs = ((xyz / 1000).requires_grad_(), photons.requires_grad_())
    assert torch.autograd.gradcheck(render, inputs, eps=1e-5, atol=1e-4, check_forward_ad=True)


@each_psf
def test_photons_may_be_whole_numbers(psf):
    whole = psf.render(emitter(0, 0, 0), torch.tensor([[500]]), (9, 9))
    torch.testing.assert_close(whole, psf.render(emitter(0, 0, 0), 500 * one(), (9, 9)))


@each_psf
def test_single_precision_agrees_with_double(psf):
    exact = psf.render(emitter(0.3, -0.2, 120), one(), (SIDE, SIDE))
    single = psf.render(emitter(0.3, -0.2, 120, torch.float32), one(torch.float32), (SIDE, SIDE))
    assert single.dtype == torch.float32
    assert (single - exact).abs().max() < 1e-4 * exact.max()


@each_psf
def test_depths_outside_the_range_are_refused_in_one_sentence(psf):
    if psf.depth_range_nm is None:
        return
    with pytest.raises(ValueError, match=r"z = 5000 nm is outside the range of the \w+, "):
        psf.render(emitter(0, 0, 5000), one(), (9, 9))
    with pytest.raises(ValueError, match="outside the range"):
        psf.render(emitter(0, 0, float("nan")), one(), (9, 9))


@each_psf
def test_an_experiment_file_names_the_psf(psf, tmp_path):
    if isinstance(psf, CalibratedPSF):
        psf = psf.save(tmp_path / "beads.safetensors")
    experiment = Experiment(psf=psf, image_px=(16, 16))
    experiment.to_file(tmp_path / "experiment.yaml")
    again = Experiment.from_file(tmp_path / "experiment.yaml")
    assert again.psf == psf
    assert hash(again.psf) == hash(psf)
    light = again.psf.render(emitter(0, 0, 0), one(), (SIDE, SIDE))
    assert light.shape[1] == psf.n_planes


@pytest.mark.gpu
@each_psf
def test_a_gpu_renders_the_same_image(psf):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    here = psf.render(emitter(0.2, 0.1, 60), one(), (SIDE, SIDE))
    there = psf.render(emitter(0.2, 0.1, 60).cuda(), one().cuda(), (SIDE, SIDE))
    torch.testing.assert_close(there.cpu(), here)
