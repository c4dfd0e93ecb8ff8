"""Cameras: means, variances and the way back to photons."""

from __future__ import annotations

import pytest
import torch

from napari_deepsmlm.camera import EMCCD, SCMOS, IdealCamera

CAMERAS = [IdealCamera(gain=2.0), SCMOS(), SCMOS(read_noise_e=0), EMCCD(), EMCCD(em_gain=20)]


def exposures(camera, photons: float, n: int = 200_000) -> torch.Tensor:
    generator = torch.Generator().manual_seed(7)
    return camera.expose(torch.full((n,), photons), generator).double()


@pytest.mark.parametrize("camera", CAMERAS, ids=str)
@pytest.mark.parametrize("photons", [5.0, 80.0, 900.0])
def test_photons_come_back_in_the_mean(camera, photons: float) -> None:
    found = camera.to_photons(exposures(camera, photons))
    error = found.std() / len(found) ** 0.5
    # Rounding down takes half an ADU, none where values are whole already.
    lost = 0.5 / camera.adu_per_photon
    assert abs(found.mean() + lost - photons) < 5 * error + lost


@pytest.mark.parametrize("photons", [20.0, 300.0])
def test_variance_is_shot_noise_plus_read_noise(photons: float) -> None:
    camera = SCMOS()
    electrons = camera.quantum_efficiency * photons + camera.read_noise_e**2
    expected = electrons / camera.e_per_adu**2 + 1 / 12  # rounding
    assert exposures(camera, photons).var().item() == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("photons", [20.0, 300.0])
def test_electron_multiplication_doubles_the_variance(photons: float) -> None:
    camera = EMCCD()
    mean = camera.quantum_efficiency * photons + camera.spurious_e
    expected = (2 * camera.em_gain**2 * mean + camera.read_noise_e**2) / camera.e_per_adu**2
    assert exposures(camera, photons).var().item() == pytest.approx(expected, rel=0.02)


def test_a_dark_pixel_of_an_emccd_shows_baseline_and_read_noise_only() -> None:
    camera = EMCCD(spurious_e=0)
    dark = exposures(camera, 0.0)
    assert dark.mean().item() == pytest.approx(camera.baseline - 0.5, abs=0.05)
    expected = (camera.read_noise_e / camera.e_per_adu) ** 2 + 1 / 12
    assert dark.var().item() == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("camera", CAMERAS, ids=str)
def test_adu_are_whole_and_saturate(camera) -> None:
    adu = camera.expose(torch.tensor([0.0, 1.0, 1e7]), torch.Generator().manual_seed(0))
    assert (adu == adu.floor()).all()
    assert adu[2] == 2**camera.bits - 1
    assert adu.min() >= 0


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: SCMOS(quantum_efficiency=0),
        lambda: SCMOS(e_per_adu=0),
        lambda: EMCCD(em_gain=0.5),
        lambda: EMCCD(read_noise_e=-1),
        lambda: IdealCamera(gain=0),
    ],
)
def test_impossible_cameras_are_refused(wrong) -> None:
    with pytest.raises(ValueError, match="greater than"):
        wrong()
