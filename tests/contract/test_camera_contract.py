"""What every camera promises, presets and cameras with maps alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from napari_deepsmlm.camera import EMCCD, SCMOS, IdealCamera, SensorMaps, camera_presets
from napari_deepsmlm.camera.presets import camera_preset

if TYPE_CHECKING:
    from napari_deepsmlm.camera import Camera

SHAPE = (3, 2, 12, 14)


@pytest.fixture(params=[*camera_presets(), "emccd with maps", "scmos with maps"])
def camera(request: pytest.FixtureRequest, tmp_path) -> Camera:
    """Return each kind of camera in turn."""
    if "maps" not in request.param:
        return camera_preset(request.param)
    rng = np.random.default_rng(1)
    maps = SensorMaps.from_arrays(
        tmp_path, gain=rng.uniform(1, 2, (30, 30)), offset=rng.uniform(99, 101, (30, 30))
    )
    return (EMCCD if "emccd" in request.param else SCMOS)(maps=maps)


def test_adu_are_whole_numbers_that_a_file_can_hold(camera: Camera) -> None:
    photons = 500 * torch.rand(SHAPE, generator=torch.Generator().manual_seed(0))
    adu = camera.expose(photons, torch.Generator().manual_seed(1))
    assert adu.shape == photons.shape
    assert adu.dtype == photons.dtype
    assert torch.equal(adu, adu.to(torch.int32).float())
    assert 0 <= adu.min() <= adu.max() <= camera.full_scale_adu


def test_a_seed_gives_the_same_noise(camera: Camera) -> None:
    photons = torch.full(SHAPE, 40.0)
    first, again, other = (
        camera.expose(photons, torch.Generator().manual_seed(seed)) for seed in (5, 5, 6)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_exposing_leaves_the_light_as_it_was(camera: Camera) -> None:
    photons = torch.full(SHAPE, 40.0)
    camera.expose(photons, torch.Generator().manual_seed(0))
    assert (photons == 40).all()


def test_a_configuration_survives_a_file(camera: Camera, tmp_path) -> None:
    camera.to_file(tmp_path / "camera.yaml")
    assert type(camera).from_file(tmp_path / "camera.yaml") == camera


def test_variance_grows_with_light_and_never_vanishes(camera: Camera) -> None:
    dim = camera.variance(torch.full(SHAPE, 1.0))
    bright = camera.variance(torch.full(SHAPE, 100.0))
    assert (dim > 0).all()
    assert (bright > dim).all()


def test_no_light_and_no_pixels_are_fine(camera: Camera) -> None:
    generator = torch.Generator().manual_seed(0)
    dark = camera.to_photons(camera.expose(torch.zeros(SHAPE), generator))
    assert torch.isfinite(dark).all()
    assert camera.expose(torch.zeros(0, 1, 12, 14), generator).shape == (0, 1, 12, 14)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_means_agree_between_devices(camera: Camera) -> None:
    means = []
    for device in ("cpu", "cuda"):
        photons = torch.full((200, 1, 12, 14), 60.0, device=device)
        generator = torch.Generator(device).manual_seed(0)
        means.append(camera.to_photons(camera.expose(photons, generator)).mean().item())
    assert means[0] == pytest.approx(means[1], rel=0.02)


def test_the_ideal_camera_is_poisson() -> None:
    counts = IdealCamera(baseline=0).expose(torch.full((50_000,), 7.0), torch.Generator())
    assert counts.mean().item() == pytest.approx(7, abs=0.06)
    assert counts.var().item() == pytest.approx(7, abs=0.25)
