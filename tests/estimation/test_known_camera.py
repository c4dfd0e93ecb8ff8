"""The camera of a stack: who says so, and how near the estimated one is to the truth."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
import yaml
from scipy.special import j1

from napari_deepsmlm import known_cameras
from napari_deepsmlm.camera import EMCCD, SCMOS, AdditiveNoise, IdealCamera, camera_preset
from napari_deepsmlm.estimation import know_camera
from napari_deepsmlm.estimation.noise import (
    FINER_ORDERS,
    ORDER,
    _levels,
    _line_through,
    _without_leak,
    stated_noise,
)
from napari_deepsmlm.fitting import Noise
from napari_deepsmlm.io import open_frames

if TYPE_CHECKING:
    from pathlib import Path

    from napari_deepsmlm.camera import Camera
    from napari_deepsmlm.estimation import KnownCamera

SPARSE, DENSE = 0.0005, 0.01
"""Molecules per pixel: 2 and 40 in a frame of 64 x 64."""
NOISELESS_OFFSET = 100


def light_of(
    background: float, per_px: float, *, n_frames: int = 60, side: int = 64, seed: int = 0
) -> np.ndarray:
    """(T, H, W) expected photons: molecules of 1000 photons, σ 1.2 px, on an even background."""
    rng = np.random.default_rng(seed)
    light = np.full((n_frames, side, side), float(background))
    at = np.arange(side)
    for frame in light:
        for y, x in rng.uniform(0, side, (rng.poisson(per_px * side**2), 2)):
            spot = [np.exp(-((at + 0.5 - c) ** 2) / (2 * 1.2**2)) for c in (y, x)]
            frame += rng.exponential(1000) * np.outer(*spot) / (2 * math.pi * 1.2**2)
    return light


def movie(camera: Camera, background: float, per_px: float, **more: Any) -> np.ndarray:
    """(T, H, W) uint16."""
    light = torch.from_numpy(light_of(background, per_px, **more)).float()
    return camera.expose(light, torch.Generator().manual_seed(1)).numpy().astype(np.uint16)


def found(frames: np.ndarray, wanted: Any = "auto") -> KnownCamera:
    return know_camera(open_frames(frames), wanted)


def detected_per_adu(camera: Camera) -> float:
    """Detected photons per ADU: noise knows nothing of those that got lost."""
    return getattr(camera, "quantum_efficiency", 1.0) / camera.adu_per_photon


# -- estimated ------------------------------------------------------------------------------

CAMERAS = [
    SCMOS(baseline=100),
    SCMOS(baseline=400, e_per_adu=0.46, quantum_efficiency=0.8),
    EMCCD(baseline=100, em_gain=300),
    EMCCD(baseline=1000, em_gain=300, e_per_adu=16),
]


@pytest.mark.parametrize("camera", CAMERAS, ids=lambda c: f"{c.kind}-{c.baseline:g}")
@pytest.mark.parametrize("background", [2, 30, 300, 900])
@pytest.mark.parametrize("per_px", [SPARSE, DENSE], ids=["sparse", "dense"])
def test_offset_and_gain_are_within_their_errors(
    camera: Camera, background: float, per_px: float
) -> None:
    known = found(movie(camera, background, per_px))
    assert known.source == "estimated"
    truth = detected_per_adu(camera)
    assert abs(known.photons_per_adu - truth) < 3 * known.photons_per_adu_error
    assert abs(known.baseline - camera.baseline) < 3 * known.baseline_error + 1
    if background <= 30 or (per_px == DENSE and background <= 300):
        assert known.photons_per_adu == pytest.approx(truth, rel=0.3)


def light_of_a_lens(cutoff_px: float, *, n_frames: int = 30, side: int = 40) -> np.ndarray:
    """(T, H, W) expected photons of crowded molecules of 6000 photons, whose spots are narrow.

    Parameters
    ----------
    cutoff_px : 2π NA / wavelength, per pixel.
    """
    rng, fine, reach = np.random.default_rng(0), 4, 10
    light = np.full((n_frames, side + 2 * reach, side + 2 * reach), 300.0)
    at = (np.arange(2 * reach * fine) + 0.5) / fine
    for frame in light:
        for y, x in rng.uniform(reach / 2, side + 1.5 * reach, (rng.poisson(0.05 * side**2), 2)):
            top, left = (int(v) - reach for v in (y, x))
            r = np.hypot(at[:, None] - y + top, at - x + left) * cutoff_px + 1e-9
            spot = (2 * j1(r) / r) ** 2 * cutoff_px**2 / (4 * math.pi)
            spot = spot.reshape(2 * reach, fine, 2 * reach, fine).mean((1, 3))
            part = frame[max(top, 0) : top + 2 * reach, max(left, 0) : left + 2 * reach]
            part += 6000 * spot[-part.shape[0] :, -part.shape[1] :][: part.shape[0]]
    return light[:, reach:-reach, reach:-reach]


@pytest.mark.parametrize("camera", [CAMERAS[0], CAMERAS[2]], ids=["scmos", "emccd"])
def test_bright_molecules_as_narrow_as_a_pixel_are_not_taken_for_noise(camera: Camera) -> None:
    light = torch.from_numpy(light_of_a_lens(1.8)).float()
    frames = camera.expose(light, torch.Generator().manual_seed(1)).numpy().astype(np.uint16)
    known = found(frames)
    assert known.camera is not None
    assert known.camera.kind == camera.kind
    assert known.photons_per_adu == pytest.approx(detected_per_adu(camera), rel=0.2)
    assert known.photons_per_adu_error < 0.25 * known.photons_per_adu
    assert abs(known.baseline - camera.baseline) < 2 * known.baseline_error


def test_the_error_of_an_offset_holds_how_far_the_frames_are_from_it() -> None:
    camera = CAMERAS[2]
    dark, bright = (found(movie(camera, background, DENSE)) for background in (2, 300))
    gain = camera.adu_per_photon
    assert dark.baseline_error < 5 * gain
    assert bright.baseline_error > 0.15 * 250 * gain


@pytest.mark.parametrize("camera", [CAMERAS[0], CAMERAS[2]], ids=["scmos", "emccd"])
def test_its_variance_is_that_of_the_frames(camera: Camera) -> None:
    known = found(movie(camera, 30, DENSE))
    even = movie(camera, 50, 0.0, seed=5)
    photons = known.camera.to_photons(torch.from_numpy(even.astype(np.float32)))
    stated = known.camera.variance(photons.mean())
    assert float(stated) == pytest.approx(float(photons.var()), rel=0.2)


@pytest.mark.parametrize(
    "frames",
    [
        np.full((20, 32, 32), 7, np.uint16),
        np.zeros((1, 16, 16), np.uint16),
        np.random.default_rng(0).normal(100, 2, (1, 32, 32)),
        np.random.default_rng(0).poisson(5, (3, 9, 9)).astype(np.uint8),
        np.random.default_rng(0).poisson(5, (30, 32, 32)) + 100,
        np.full((5, 32, 32), np.nan),
        np.random.default_rng(0).normal(0, 1e-3, (30, 32, 32)).astype(np.float32),
    ],
    ids=["constant", "zero", "one frame", "tiny", "no molecules", "nan", "near zero"],
)
def test_there_is_always_a_camera_that_can_be_used(frames: np.ndarray) -> None:
    with np.errstate(all="raise", under="ignore"):
        known = found(frames)
    assert known.camera is not None
    assert math.isfinite(known.baseline_error)
    assert 0 < known.photons_per_adu < math.inf
    assert 0 < known.photons_per_adu_error < math.inf
    values = known.camera.variance(torch.tensor([0.0, 10.0]))
    assert (values > 0).all()


def test_an_assumption_is_said_and_has_a_large_error() -> None:
    rng = np.random.default_rng(2)
    known = found(rng.normal(500, 4, (10, 32, 32)).astype(np.uint16))
    assert known.photons_per_adu_error >= known.photons_per_adu
    assert "were assumed" in " ".join(known.warnings)


def test_a_hot_pixel_does_not_change_the_gain() -> None:
    frames = movie(CAMERAS[0], 30, DENSE)
    spoilt = frames.copy()
    spoilt[:, 20, 30] = 65_535
    known = found(spoilt)
    assert known.hot_pixels == ((0, 20, 30),)
    assert known.photons_per_adu == pytest.approx(found(frames).photons_per_adu, rel=0.02)
    assert "1 hot pixel was replaced" in " ".join(known.warnings)


def test_frames_between_0_and_1_have_a_gain_in_their_own_scale() -> None:
    frames = movie(SCMOS(baseline=0, read_noise_e=0.5), 30, DENSE)
    scale = float(frames.max())
    known = found((frames / scale).astype(np.float32))
    expected = 0.7471 * scale
    assert abs(known.photons_per_adu - expected) < 3 * known.photons_per_adu_error
    assert "between 0 and 1" in " ".join(known.warnings)


def test_the_name_of_the_camera_tells_an_emccd(monkeypatch: pytest.MonkeyPatch) -> None:
    camera = EMCCD(baseline=100, em_gain=50, e_per_adu=16)
    source = open_frames(movie(camera, 30, DENSE))
    assert know_camera(source).photons_per_adu == pytest.approx(
        detected_per_adu(camera) / 2, rel=0.3
    )
    assert "Of an EMCCD they are twice as many" in " ".join(know_camera(source).warnings)
    monkeypatch.setattr(source, "camera", "Andor iXon Ultra 897")
    known = know_camera(source)
    assert known.photons_per_adu == pytest.approx(detected_per_adu(camera), rel=0.3)
    assert known.camera.kind == "emccd"
    assert known.warnings == ()


# -- who says so ----------------------------------------------------------------------------


@pytest.fixture
def stack() -> np.ndarray:
    return movie(SCMOS(quantum_efficiency=1.0), 30, DENSE)


def enter(stack: np.ndarray, **camera: Any) -> None:
    kind = known_cameras.kind_of_stack("", stack.shape[1:], stack.dtype)
    known_cameras.remember(kind, camera={"kind": "ideal", **camera})


def picasso(stack: np.ndarray, folder: Path, **more: Any) -> Path:
    stack.astype("<u2").tofile(folder / "movie.raw")
    size = {"Frames": len(stack), "Height": stack.shape[1], "Width": stack.shape[2]}
    values = {**size, "Data Type": "uint16", "Byte Order": "<", **more}
    (folder / "movie.yaml").write_text(yaml.safe_dump(values))
    return folder / "movie.raw"


def test_what_is_said_counts_more_than_the_file_than_memory_than_noise(
    stack: np.ndarray, tmp_path: Path
) -> None:
    enter(stack, baseline=101.0, gain=1.3)
    path = picasso(stack, tmp_path, Baseline=102, Sensitivity=0.75, Gain=1)
    given = know_camera(open_frames(path), IdealCamera(baseline=103, gain=1.3))
    assert (given.source, given.baseline) == ("given", 103)
    stated = know_camera(open_frames(path))
    assert (stated.source, stated.baseline, stated.photons_per_adu) == ("file", 102, 0.75)
    assert "movie.raw" in stated.sentences[0]
    kept = found(stack)
    assert (kept.source, kept.baseline) == ("remembered", 101)
    assert "entered for such stacks on" in kept.sentences[0]
    known_cameras.switch(is_on=False)
    assert found(stack).source == "estimated"
    none = know_camera(open_frames(path), "none")
    assert (none.source, none.camera, none.photons_per_adu) == ("none", None, 1.0)


def test_presets_and_files_are_cameras_too(stack: np.ndarray, tmp_path: Path) -> None:
    assert found(stack, "scmos-qe95").camera == camera_preset("scmos-qe95")
    SCMOS(baseline=97).to_file(tmp_path / "camera.yaml")
    assert found(stack, tmp_path / "camera.yaml").baseline == 97
    with pytest.raises(ValueError, match="Presets: ideal"):
        found(stack, "no-such-camera")


def test_a_remembered_camera_that_cannot_be_right_is_not_used(stack: np.ndarray) -> None:
    enter(stack, baseline=400.0, gain=1.3)
    known = found(stack)
    assert known.source == "estimated"
    assert "does not fit these frames and was not used" in known.warnings[0]
    enter(stack, baseline=100.0, gain=13.0)
    assert found(stack).source == "estimated"


def test_a_camera_in_the_file_that_makes_no_sense_is_said(
    stack: np.ndarray, tmp_path: Path
) -> None:
    path = picasso(stack, tmp_path, Baseline=100, Sensitivity=-1)
    known = know_camera(open_frames(path))
    assert known.source == "estimated"
    assert "'Sensitivity'" in known.warnings[0]


def test_added_noise_is_that_of_its_background_and_gaussian_noise() -> None:
    noise = stated_noise(AdditiveNoise(gaussian_photons=3.0))
    assert (noise.kind, noise.quantum_efficiency, noise.read_variance) == ("shot", 1.0, 9.0)
    fit = Noise.of(AdditiveNoise(gain=10.0), (2, 2))
    at_background = fit.variance(torch.full((2, 2), 10.0))
    assert at_background.numpy() == pytest.approx(np.full((2, 2), 19.0), abs=0.01)


def test_two_numbers_get_the_noise_of_the_frames() -> None:
    camera = EMCCD(quantum_efficiency=1.0)
    stated = IdealCamera(baseline=100, gain=camera.adu_per_photon)
    known = found(movie(camera, 30, DENSE), stated)
    assert known.camera.kind == "emccd"
    adu = torch.tensor([100.0, 500.0])
    torch.testing.assert_close(known.camera.to_photons(adu), stated.to_photons(adu))
    slope = known.camera.variance(torch.tensor(10.0)) - known.camera.variance(torch.tensor(0.0))
    assert float(slope) == pytest.approx(20)
    assert known.warnings == ()


# -- what does not fit ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("baseline", "change"),
    [
        (400, lambda frames: frames),
        (100, lambda frames: np.clip(frames.astype(int) - 140, 0, None).astype(np.uint16)),
        (100, lambda frames: (frames / frames.max()).astype(np.float32)),
    ],
    ids=["of another camera", "background subtracted", "between 0 and 1"],
)
def test_an_offset_above_the_data_is_said(stack: np.ndarray, baseline: float, change: Any) -> None:
    known = found(change(stack), IdealCamera(baseline=baseline, gain=1.3))
    assert f"(baseline) of {baseline} ADU lies above" in known.warnings[0]


def test_the_right_camera_has_no_warnings(stack: np.ndarray) -> None:
    assert found(stack, IdealCamera(baseline=100, gain=1 / 0.7471)).warnings == ()
    dark = movie(SCMOS(quantum_efficiency=1.0), 0, SPARSE)  # half of the pixels below the offset
    assert found(dark, SCMOS(quantum_efficiency=1.0)).warnings == ()


def test_a_gain_that_the_noise_contradicts_is_said(stack: np.ndarray) -> None:
    known = found(stack, IdealCamera(baseline=100, gain=10))
    assert "but the noise of the frames says 0.7" in known.warnings[0]


@pytest.mark.parametrize(
    ("frames", "sentence"),
    [
        (np.clip(light_of(5, DENSE), 0, 255).astype(np.uint8), "have 8 bits"),
        (light_of(0, DENSE).astype(np.uint16), "background was subtracted already"),
        (np.minimum(light_of(5, DENSE) * 100, 4095).astype(np.uint16), "saturated (4095 ADU)"),
        ((light_of(30, DENSE) + 32_868).astype(np.uint16), "signed 16-bit"),
    ],
    ids=["8 bits", "subtracted", "saturated", "signed"],
)
def test_numbers_that_no_camera_writes_are_said(frames: np.ndarray, sentence: str) -> None:
    noisy = np.clip(frames + np.random.default_rng(0).integers(0, 2, frames.shape), 0, None)
    kept = np.minimum(noisy, frames.max()).astype(frames.dtype)
    assert sentence in " ".join(found(kept).warnings)


# -- the report -----------------------------------------------------------------------------


def test_what_goes_into_a_report_is_plain(stack: np.ndarray) -> None:
    known = found(stack)
    values = known.to_json()
    assert values["source"] == "estimated"
    for name in ("baseline", "baseline_error", "photons_per_adu", "photons_per_adu_error"):
        assert values[name] == getattr(known, name)
    assert values["model"]["kind"] == "scmos"
    assert "photons per ADU" in known.in_words()


def test_damaged_and_constant_frames_are_left_out(stack: np.ndarray) -> None:
    spoilt = stack.copy()
    spoilt[::3] = 65_535
    assert found(spoilt).photons_per_adu == pytest.approx(0.7471, rel=0.2)


def test_a_finer_filter_that_sees_two_levels_of_light_tells_no_line() -> None:
    chance = np.random.default_rng(554)
    shape = (int(chance.integers(2, 6)), side := int(chance.integers(40, 49)), side)
    light = np.full(shape, chance.uniform(0.5, 100))
    for _ in range(int(chance.integers(0, 40))):
        t, y, x = chance.integers(shape[0]), *chance.integers(side - 2, size=2)
        light[t, y : y + 2, x : x + 2] += chance.uniform(50, 3000)
    frames = chance.poisson(light).astype(np.float32)
    counts = [len(_levels(frames, n, are_steps_noise=True)[2]) for n in (ORDER, *FINER_ORDERS)]
    assert counts == [3, 3, 2]
    first = _line_through(*_levels(frames, ORDER, are_steps_noise=True), ORDER)
    guess = first._replace(coefficients=first.coefficients * 0.9)
    line = _without_leak(frames, first, guess, are_steps_noise=True)
    np.testing.assert_array_equal(line.coefficients, guess.coefficients)
    np.testing.assert_allclose(line.step, -0.1 * first.coefficients)
