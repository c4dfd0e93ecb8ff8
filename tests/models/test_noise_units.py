"""Input in noise units: offset, gain and background cancel, and networks read it as they say."""

from __future__ import annotations

import pytest
import torch

from napari_deepsmlm.camera import EMCCD, SCMOS, Camera, IdealCamera
from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.models import build_model, take_over
from napari_deepsmlm.models.noise_units import (
    KNEE,
    background_level,
    to_noise_units,
    to_robust_range,
)

CAMERAS: list[Camera] = [
    IdealCamera(baseline=0.0),
    SCMOS(read_noise_e=3.0, e_per_adu=0.5, baseline=400.0),
    EMCCD(baseline=100.0, e_per_adu=10.0),
]


def exposed(camera: Camera, photons: torch.Tensor, seed: int = 0) -> torch.Tensor:
    """Equivalent photons of an exposure."""
    adu = camera.expose(photons, torch.Generator().manual_seed(seed))
    return camera.to_equivalent(camera.to_photons(adu))


@pytest.mark.parametrize("camera", CAMERAS, ids=lambda camera: camera.kind)
@pytest.mark.parametrize("level", [20.0, 300.0])
def test_equivalent_photons_have_a_variance_equal_to_their_mean(
    camera: Camera, level: float
) -> None:
    seen = exposed(camera, torch.full((200, 200), level))
    assert seen.var().item() == pytest.approx(seen.mean().item(), rel=0.03)


@pytest.mark.parametrize("camera", CAMERAS, ids=lambda camera: camera.kind)
@pytest.mark.parametrize("level", [5.0, 50.0, 900.0])
def test_an_empty_frame_is_standard_noise_on_any_camera_and_background(
    camera: Camera, level: float
) -> None:
    units = to_noise_units(exposed(camera, torch.full((1, 1, 128, 128), level)))
    # The root of Poisson numbers below about 5 varies less than 1.
    assert units.frames.std().item() == pytest.approx(1.0, abs=0.06 if level > 5 else 0.12)
    assert abs(units.frames.mean().item()) < 0.35  # the level is that of the fainter pixels
    true_noise = (camera.variance(torch.tensor(level)).sqrt() / camera.variance_per_photon).item()
    assert units.noise.mean().item() == pytest.approx(true_noise, rel=0.06)


def test_sums_of_frames_hold_as_many_read_noises() -> None:
    camera = SCMOS(read_noise_e=3.0)
    light = torch.full((2, 1, 200, 200), 40.0)
    counts = torch.tensor([1.0, 20.0])
    adu = camera.expose(light, torch.Generator().manual_seed(1), n_frames=counts)
    photons = camera.to_photons(adu, n_frames=counts)
    seen = camera.to_equivalent(photons, n_frames=counts)
    ratio = seen.var((1, 2, 3)) / seen.mean((1, 2, 3))
    assert ratio.tolist() == pytest.approx([1.0, 1.0], abs=0.05)


def test_the_level_follows_a_slope_and_not_the_molecules() -> None:
    slope = torch.linspace(10, 20, 96).expand(1, 1, 96, 96).clone()
    with_molecules = slope.clone()
    with_molecules[..., ::9, ::9] += 50
    level = background_level(with_molecules)
    inside = (slice(None), slice(None), slice(16, -16), slice(16, -16))
    assert (level - slope)[inside].abs().max() < 1.0


def test_bright_light_is_compressed_and_faint_light_is_not() -> None:
    frames = torch.full((1, 1, 64, 64), 100.0)
    frames[..., 10, 10], frames[..., 40, 40] = 110.0, 65_535.0
    units = to_noise_units(frames).frames[0, 0]
    assert units[10, 10].item() == pytest.approx(2 * (110.375**0.5 - 100.375**0.5), rel=0.01)
    assert units[40, 40] < KNEE * 6


@pytest.mark.parametrize("shape", [(8, 8), (9, 31), (17, 100)])
def test_any_frame_has_a_level_of_its_own_shape(shape: tuple[int, int]) -> None:
    units = to_noise_units(torch.rand(2, 3, *shape))
    assert units.frames.shape == units.noise.shape == (2, 3, *shape)
    assert torch.isfinite(units.frames).all()


def test_a_second_channel_costs_dilated_loc_4608_parameters() -> None:
    assert build_model("dilated-loc", {"input": "noise"}).n_parameters == 453_835 + 4_608
    assert build_model("deep-storm", {"input": "noise"}).n_parameters == 1_366_208


def test_photons_come_back_as_they_were_stated() -> None:
    model = build_model("dilated-loc", {"input": "noise", "photon_max": 10_000.0})
    truth = Localizations(
        frame=torch.tensor([0]),
        x_nm=torch.tensor([1050.0]),
        y_nm=torch.tensor([850.0]),
        photons=torch.tensor([700.0]),
    )
    prediction = torch.full((1, 10, 16, 16), 0.0)
    prediction[:, 0], prediction[:, 9] = -16.0, 12.0  # nothing anywhere; 12 photons of noise
    prediction[0, 0, 8, 10] = 8.0
    prediction[0, 4] = (700 / (10_000 * 12)) ** 0.5
    prediction[0, 5:9] = 0.1
    found = model.to_localizations(prediction)
    assert found["photons"].tolist() == pytest.approx([700.0])
    assert found.x_nm.tolist() == pytest.approx([1050.0])
    right = model.loss(prediction, truth)
    prediction[0, 4] *= 2
    assert model.loss(prediction, truth) > right


def test_neighbouring_frames_each_have_their_level() -> None:
    model = build_model("dilated-loc", {"input": "noise", "frames": 3})
    prepared = model.prepare(torch.rand(2, 3, 16, 16) * 100)
    assert prepared.shape == (2, 6, 16, 16)
    assert model(torch.rand(2, 3, 16, 16) * 100).shape == (2, 10, 16, 16)


def test_a_network_for_photons_is_a_start_for_one_in_noise_units() -> None:
    trained, model = build_model("dilated-loc"), build_model("dilated-loc", {"input": "noise"})
    take_over(model, trained)
    first = model.state_dict()["early.0.conv.weight"]
    assert torch.equal(first[:, :1], trained.state_dict()["early.0.conv.weight"])
    assert not first[:, 1:].any()
    with pytest.raises(ValueError, match="others"):
        take_over(model, build_model("deep-storm"))
    with pytest.raises(ValueError, match="shape"):
        take_over(trained, model)


def test_a_start_read_otherwise_has_its_input_measured_anew() -> None:
    noise = Experiment(
        network="deep-storm", start_from="deep-storm:2d-100nm", model={"input": "noise"}
    )
    assert noise._needs_fitting(noise.build_model())
    same = Experiment(network="deep-storm", start_from="deep-storm:2d-100nm")
    assert not same._needs_fitting(same.build_model())


def test_a_robust_range_depends_neither_on_offset_nor_gain_nor_a_hot_pixel() -> None:
    generator = torch.Generator().manual_seed(4)
    frames = torch.poisson(torch.full((1, 1, 64, 64), 30.0), generator=generator)
    for row, column in ((20, 20), (40, 10), (12, 50), (50, 30)):
        frames[..., row : row + 4, column : column + 4] += 400
    scaled, span = to_robust_range(frames)
    again, wider = to_robust_range(1000 + 7 * frames)
    assert torch.allclose(scaled, again, atol=1e-4)
    assert wider.item() == pytest.approx(7 * span.item(), rel=1e-4)
    frames[..., 30, 55] = 65_535
    hot, _ = to_robust_range(frames)
    change = (hot - scaled).abs()
    change[..., 30, 55] = 0
    assert change.max() < 0.15


def test_nothing_is_made_of_noise_or_of_a_constant_frame() -> None:
    noise, _ = to_robust_range(100 + 5 * torch.randn(1, 1, 64, 64))
    assert noise.std() < 0.3
    flat, span = to_robust_range(torch.full((1, 1, 32, 32), 7.0))
    assert not flat.any()
    assert span.item() == 0


def test_drsn_storm_reads_a_robust_range_and_gives_light() -> None:
    model = build_model("drsn-storm", {"input": "robust"}).eval()
    assert model.n_parameters == 446_337
    frames = torch.poisson(torch.full((2, 1, 16, 16), 30.0))
    with torch.no_grad():
        ours, double = model(frames), model(2 * frames)
    assert torch.allclose(2 * ours, double, rtol=1e-3, atol=1e-3)
