"""Astigmatic, multi-plane and tabulated PSFs: widths, presets and refusals."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.psf import (
    AstigmaticPSF,
    DefocusCurve,
    GaussianPSF,
    MultiplanePSF,
    PupilPSF,
    TabulatedPSF,
)
from napari_deepsmlm.psf.tabulated import worst_error


def second_moments_nm(image: torch.Tensor, pixel_nm: float) -> tuple[float, float]:
    """Standard deviations along x and y, the pixel's own width taken off."""
    steps = (torch.arange(image.shape[-1]) + 0.5) * pixel_nm
    light = image / image.sum()
    found = []
    for profile in (light.sum(0), light.sum(1)):
        mean = (profile * steps).sum()
        found.append(math.sqrt((profile * (steps - mean) ** 2).sum() - pixel_nm**2 / 12))
    return found[0], found[1]


@given(z=st.floats(-700, 700))
def test_widths_follow_the_defocus_curve(z):
    psf = AstigmaticPSF()
    place = torch.tensor([[[3050.0, 3050.0, z]]], dtype=torch.float64)
    image = psf.render(place, torch.ones(1, 1).double(), (61, 61))[0, 0]
    sigma_x, sigma_y = second_moments_nm(image, 100)
    assert sigma_x == pytest.approx(130 * math.sqrt(1 + ((z - 250) / 280) ** 2), rel=0.01)
    assert sigma_y == pytest.approx(130 * math.sqrt(1 + ((z + 250) / 280) ** 2), rel=0.01)


def test_equal_curves_without_defocus_are_the_gaussian():
    flat = DefocusCurve(sigma_nm=115)
    place = torch.tensor([[[830.0, 760.0, 0.0]]])
    got = AstigmaticPSF(x=flat, y=flat).render(place, torch.ones(1, 1), (16, 16))
    expected = GaussianPSF(sigma_nm=(115, 115)).render(place, torch.ones(1, 1), (16, 16))
    torch.testing.assert_close(got, expected)


def test_each_emitter_may_have_its_own_width():
    place = torch.tensor([[[830.0, 760.0, 0.0]]])
    flat = DefocusCurve(sigma_nm=115)
    psf = AstigmaticPSF(x=flat, y=flat)
    wide = psf.render(place, torch.ones(1, 1), (16, 16), sigma_nm=torch.tensor([[150.0]]))
    expected = GaussianPSF(sigma_nm=(150, 150)).render(place, torch.ones(1, 1), (16, 16))
    torch.testing.assert_close(wide, expected)
    with pytest.raises(ValueError, match="PupilPSF has no width to replace: omit sigma_nm"):
        PupilPSF().render(place, torch.ones(1, 1), (16, 16), sigma_nm=torch.ones(1, 1))


@pytest.mark.parametrize(("preset", "quartic"), [("paper", 6.27e-3), ("code", 0.122484)])
def test_the_quad_plane_presets_follow_the_published_curve(preset, quartic):
    psf = MultiplanePSF.voxelwise(f"voxelwise-{preset}")
    assert (psf.n_planes, psf.pixel_size_nm) == (4, 192)
    place = torch.tensor([[[6240.0, 6240.0, 130.0]]], dtype=torch.float64)
    planes = psf.render(place, torch.full((1, 1), 4.0).double(), (65, 65))[0]
    for plane, focus in zip(planes, (-600, -200, 200, 600), strict=True):
        u = (130 - focus) / 302
        expected = 133 * math.sqrt(1 + u**2 + 7.37e-4 * u**3 + quartic * u**4)
        assert plane.sum().item() == pytest.approx(1, abs=1e-3)
        assert second_moments_nm(plane, 192)[0] == pytest.approx(expected, rel=0.01)


def test_planes_drift_and_share_light_as_told():
    psf = MultiplanePSF(
        plane_z_nm=(0, 0), split=(0.8, 0.2), shift_nm=((0, 0), (100, -200)),
    )  # fmt: skip
    place = torch.tensor([[[1050.0, 1050.0, 0.0]]])
    first, second = psf.render(place, torch.full((1, 1), 10.0), (21, 21))[0]
    assert first.sum().item() == pytest.approx(8, rel=1e-4)
    torch.testing.assert_close(torch.roll(first, (-2, 1), (0, 1)) / 4, second, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("psf", "message"),
    [
        ({"kind": "astigmatic", "x": {"sigma_nm": -1}}, "sigma_nm.*greater than 0"),
        ({"kind": "astigmatic", "x": {"depth_nm": float("nan")}}, "depth_nm.*finite"),
        ({"kind": "astigmatic", "x": {"cubic": 2.0}}, "makes the squared width negative"),
        ({"kind": "multiplane", "split": [0.5, 0.5]}, "split has 2 values for 4 planes"),
        ({"kind": "multiplane", "plane_z_nm": [0, 1], "split": [0.9, 0.9]}, "at most 1, got 1.8"),
        ({"kind": "multiplane", "plane_z_nm": [-9000, 9000]}, "further apart than the range"),
        (
            {
                "kind": "tabulated",
                "pixel_size_nm": 90,
                "psf": {"kind": "pupil", "pixel_size_nm": 99},
            },
            "pixel_size_nm is 90 here and 99 in the psf inside",
        ),
        ({"kind": "airy"}, "psf.*tag 'airy'"),
    ],
)  # fmt: skip
def test_impossible_psfs_are_refused_in_one_sentence(psf, message):
    with pytest.raises(ValueError, match=message) as caught:
        Experiment.from_dict({"psf": psf}, source="experiment.yaml")
    assert str(caught.value).count("\n") == 0


def test_the_inner_psf_takes_the_pixel_size_of_the_outer():
    psf = MultiplanePSF.from_dict({"pixel_size_nm": 160, "psf": {"kind": "gaussian"}})
    assert psf.psf.pixel_size_nm == 160
    assert MultiplanePSF(psf=GaussianPSF(pixel_size_nm=120)).pixel_size_nm == 120


@pytest.mark.parametrize("name", ["astigmatic", "saddle-2um", "tetrapod-3um"])
def test_tables_are_within_1_percent_of_the_exact_psf(name):
    exact = PupilPSF.preset(name)
    z = min(exact.z_range_nm[1], 500.0)
    table = TabulatedPSF(psf=exact.replace(z_range_nm=(-z, z)), patch_px=31)
    assert worst_error(table, n=60) < 0.01
