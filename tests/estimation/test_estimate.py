"""Estimates of simulated movies against what was simulated, and of data that tell little."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import napari_deepsmlm as ds
from napari_deepsmlm.camera import IdealCamera
from napari_deepsmlm.estimation import Estimate, estimate

if TYPE_CHECKING:
    from pathlib import Path

# What is asked of an estimate, as shares.
SIGMA, BACKGROUND, PHOTONS, DENSITY = 0.05, 0.10, 0.20, 0.25


def movie(
    sigma_nm: float,
    background: float,
    photons: float,
    density: float,
    *,
    structure: str = "uniform",
    camera: str = "scmos-qe95",
    n_frames: int = 200,
    seed: int = 0,
    **more: Any,
):
    simulation = {
        "structure": {"kind": structure},
        "density_per_um2": (density, density),
        "photons": (0.9 * photons, 1.1 * photons),
        "background": (background, background),
        **more,
    }
    experiment = ds.Experiment.from_dict(
        {
            "psf": {"kind": "gaussian", "sigma_nm": (sigma_nm, sigma_nm)},
            "camera": camera,
            "simulation": simulation,
        }
    )
    return experiment, *experiment.simulate(n_frames, seed=seed)


@pytest.fixture(scope="module")
def usual():
    return movie(110, 20, 2000, 1.0)


@pytest.mark.parametrize(
    ("sigma_nm", "background", "photons", "density", "more"),
    [
        (110, 20, 2000, 1.0, {}),
        (90, 100, 1500, 0.3, {}),
        (200, 30, 5000, 3.0, {}),
        (130, 5, 500, 3.0, {}),
        (130, 30, 2000, 2.0, {"structure": "filaments"}),
        (110, 20, 2000, 1.0, {"camera": "challenge-emccd"}),
        (110, 20, 2000, 1.0, {"blinking": {"kind": "exponential", "on_frames": 3}}),
        (110, 20, 2000, 1.0, {"unevenness": 0.2}),
    ],
    ids=["usual", "dim", "wide and dense", "dark", "filaments", "emccd", "slow", "uneven"],
)
def test_what_was_simulated_is_found(
    sigma_nm: float, background: float, photons: float, density: float, more: dict[str, Any]
) -> None:
    experiment, stack, truth = movie(sigma_nm, background, photons, density, **more)
    found = estimate(stack, pixel_size_nm=100, camera=experiment.camera)
    true_density = len(truth) / len(stack) / 6.4**2
    assert found.unit == "photons"
    assert found.psf_sigma_nm == pytest.approx(sigma_nm, rel=SIGMA)
    assert found.background == pytest.approx(background, rel=BACKGROUND)
    assert found.photons == pytest.approx(truth["photons"].mean(), rel=PHOTONS)
    assert found.density_per_um2 == pytest.approx(true_density, rel=DENSITY)


def test_errors_are_stated_and_percentiles_ascend(usual) -> None:
    found = estimate(usual[1], pixel_size_nm=100, camera=usual[0].camera)
    assert {"psf_sigma_nm", "background", "photons", "density_per_um2"} <= set(found.errors)
    for levels in (found.photons_percentiles, found.density_percentiles):
        assert list(levels) == [10, 50, 90]
        assert levels[10] < levels[50] < levels[90]


def test_widths_of_lone_molecules_have_a_range() -> None:
    experiment = movie(110, 20, 3000, 0.4)[0]
    even = estimate(experiment.simulate(200).stack, pixel_size_nm=100, camera=experiment.camera)
    mixed = experiment.replace(psf=experiment.psf.replace(sigma_nm=(90.0, 130.0)))
    spread = estimate(mixed.simulate(200).stack, pixel_size_nm=100, camera=experiment.camera)
    assert even.psf_sigma_range_nm == pytest.approx((110, 110), abs=4)
    assert spread.psf_sigma_range_nm == pytest.approx((94, 126), abs=4)  # 80 % of 90 to 130


def test_gain_and_offset_are_read_from_the_noise(usual) -> None:
    found = estimate(usual[1], pixel_size_nm=100)
    camera = usual[0].camera
    assert found.gain == pytest.approx(1 / camera.e_per_adu, rel=0.1)  # per detected photon
    assert abs(found.offset_adu - camera.baseline) < 2 * found.errors["offset_adu"]
    assert found.photons == pytest.approx(2000 * camera.quantum_efficiency, rel=PHOTONS)
    assert any("EMCCD" in sentence for sentence in found.sentences)


def test_a_wrong_gain_is_said(usual) -> None:
    found = estimate(usual[1], pixel_size_nm=100, camera=IdealCamera(gain=5.0))
    assert any("check the camera" in sentence for sentence in found.sentences)


def test_a_camera_may_be_named(usual) -> None:
    stack = usual[1]
    unknown = estimate(stack, pixel_size_nm=100)
    assert estimate(stack, pixel_size_nm=100, camera="auto") == unknown
    assert estimate(stack, pixel_size_nm=100, camera="scmos-qe95").photons != unknown.photons
    as_photons = estimate(stack, pixel_size_nm=100, camera="none")
    assert as_photons == estimate(stack, pixel_size_nm=100, camera=IdealCamera(baseline=0.0))
    with pytest.raises(ValueError, match="no-such-camera"):
        estimate(stack, pixel_size_nm=100, camera="no-such-camera")


def test_an_emccd_is_recognised_where_two_numbers_were_given() -> None:
    experiment, stack, truth = movie(110, 20, 2000, 1.0, camera="challenge-emccd")
    gain = experiment.camera.adu_per_photon
    found = estimate(stack, pixel_size_nm=100, camera=IdealCamera(gain=gain))
    assert any("electron-multiplying" in sentence for sentence in found.sentences)
    assert found.camera.kind == "emccd"
    assert found.to_experiment().camera.adu_per_photon == pytest.approx(gain)
    assert found.background == pytest.approx(20, rel=BACKGROUND)
    assert found.photons == pytest.approx(truth["photons"].mean(), rel=PHOTONS)


def test_an_estimate_trains(usual) -> None:
    experiment = estimate(usual[1], pixel_size_nm=100).to_experiment("dilated-loc")
    simulation = experiment.simulation
    low, high = experiment.psf.sigma_nm
    assert low < 110 < high
    assert simulation.photons[0] < 1900 < simulation.photons[1]
    assert simulation.background[0] < 19 < simulation.background[1]
    assert simulation.density_per_um2[0] < 1 < simulation.density_per_um2[1]
    assert experiment.model["photon_max"] > simulation.photons[1]
    stack, _ = experiment.simulate(3, seed=0)
    assert stack.shape == (3, 1, 64, 64)


def test_the_pixel_of_the_chip_is_doubted(usual) -> None:
    (said,) = [s for s in estimate(usual[1], pixel_size_nm=6500).sentences if "6500 nm" in s]
    assert "divided by the magnification" in said


def test_a_network_of_several_planes_is_refused(usual) -> None:
    found = estimate(usual[1], pixel_size_nm=100)
    with pytest.raises(ValueError, match="several focal planes"):
        found.to_experiment("voxel-regression")


def test_without_a_pixel_size_lengths_are_in_pixels(usual) -> None:
    found = estimate(usual[1], camera=usual[0].camera)
    assert found.psf_sigma_nm is None
    assert found.density_per_um2 is None
    assert found.psf_sigma_px == pytest.approx(1.1, rel=SIGMA)
    assert any("pixel size" in sentence for sentence in found.sentences)
    with pytest.raises(ValueError, match="pixel size is not known"):
        found.to_experiment()


def test_drift_of_crossing_filaments_is_measured() -> None:
    drift = {"per_frame_nm": (0.5, -0.3, 0)}
    _, stack, _ = movie(110, 20, 2000, 1.0, structure="microtubules", n_frames=300, drift=drift)
    found = estimate(stack, pixel_size_nm=100)
    assert found.drift_xy_nm == pytest.approx((150, -90), abs=25)
    assert any("drifts by" in sentence for sentence in found.sentences)


def test_still_filaments_do_not_drift() -> None:
    _, stack, _ = movie(110, 20, 2000, 1.0, structure="microtubules")
    found = estimate(stack, pixel_size_nm=100)
    assert found.drift_nm is None
    assert any(sentence.startswith("No drift is seen") for sentence in found.sentences)


def test_lines_in_one_direction_do_not_show_drift() -> None:
    drift = {"per_frame_nm": (0.5, -0.3, 0)}
    _, stack, _ = movie(110, 20, 2000, 1.0, structure="filaments", n_frames=300, drift=drift)
    found = estimate(stack, pixel_size_nm=100)
    assert found.drift_nm is None
    assert any("lines in one direction" in sentence for sentence in found.sentences)


def test_a_long_movie_is_sampled_all_over_with_bounded_memory() -> None:
    class Endless:
        """A million frames of 256 x 256 pixels that are made when they are read."""

        shape, dtype, ndim = (1_000_000, 256, 256), np.dtype(np.uint16), 3
        n_read = 0
        first, last = 1_000_000, 0

        def __getitem__(self, key: Any) -> Any:
            frames = key[0] if isinstance(key, tuple) else key
            start, stop, _ = frames.indices(self.shape[0])
            type(self).n_read += stop - start
            type(self).first, type(self).last = min(self.first, start), max(self.last, stop)
            return noise[np.arange(start, stop) % len(noise)]

    noise = np.random.default_rng(0).poisson(20, (64, 256, 256)).astype(np.uint16) + 100
    found = estimate(Endless(), pixel_size_nm=100)
    assert Endless.n_read < 3000
    assert Endless.first == 0
    assert Endless.last == 1_000_000
    assert any("of 1,000,000 frames" in sentence for sentence in found.sentences)


def test_what_does_not_blink_has_no_width() -> None:
    frames = np.random.default_rng(0).poisson(50, (100, 48, 48)).astype(np.uint16) + 100
    found = estimate(frames, pixel_size_nm=100)
    assert found.psf_sigma_nm is None
    assert found.photons is None
    assert any("Nothing is seen to blink" in sentence for sentence in found.sentences)


def test_light_that_is_too_dense_to_tell_is_not_guessed() -> None:
    _, stack, truth = movie(250, 50, 300, 12.0, n_frames=60)
    found = estimate(stack, pixel_size_nm=100, camera=movie(250, 50, 300, 1, n_frames=1)[0].camera)
    if found.photons is not None:
        assert found.photons == pytest.approx(truth["photons"].mean(), rel=PHOTONS)
    else:
        assert any("cannot be told apart" in sentence for sentence in found.sentences)


def test_eight_bit_frames_have_no_camera(usual) -> None:
    stack = usual[1]
    scaled = (255.0 * stack / stack.max()).astype(np.uint8)
    found = estimate(scaled, pixel_size_nm=100)
    assert found.unit == "ADU"
    assert found.gain is None
    assert found.offset_adu is None
    assert found.psf_sigma_nm == pytest.approx(110, rel=SIGMA)
    assert any("8 bits" in sentence for sentence in found.sentences)
    with pytest.raises(ValueError, match="gain is not known"):
        found.to_experiment()


def test_background_that_was_subtracted_is_noticed(usual) -> None:
    stack = usual[1].astype(np.int32)
    found = estimate(np.clip(stack - 130, 0, None).astype(np.uint16), pixel_size_nm=100)
    assert found.offset_adu is None
    assert found.background is None
    assert any("subtracted" in sentence for sentence in found.sentences)


def test_saturated_pixels_are_said(usual) -> None:
    assert not any("saturated" in sentence for sentence in estimate(usual[1]).sentences)
    for cut_off in (np.minimum(usual[1], 255), np.minimum(4 * usual[1], 1023)):
        found = estimate(cut_off, pixel_size_nm=100)
        assert any("saturated" in sentence for sentence in found.sentences)


def test_dark_frames_in_between_are_left_out(usual) -> None:
    stack = usual[1].copy()
    stack[50:60] = 100
    found = estimate(stack, pixel_size_nm=100)
    assert any(sentence.startswith("10 frames without") for sentence in found.sentences)
    assert found.psf_sigma_nm == pytest.approx(110, rel=SIGMA)


@pytest.mark.parametrize(
    ("frames", "match"),
    [
        (np.full((50, 32, 32), 100, np.uint16), "no contrast"),
        (np.random.default_rng(0).poisson(50, (1, 32, 32)), "cannot tell what blinks"),
        (np.random.default_rng(0).poisson(50, (50, 8, 32)), "too small"),
    ],
    ids=["constant", "one frame", "small"],
)
def test_what_cannot_be_measured_is_one_sentence(frames: np.ndarray, match: str) -> None:
    with pytest.raises(ValueError, match=match) as caught:
        estimate(frames.astype(np.uint16), pixel_size_nm=100)
    assert "\n" not in str(caught.value)


def test_nan_is_refused() -> None:
    frames = np.random.default_rng(0).normal(100, 5, (20, 32, 32)).astype(np.float32)
    frames[7, 3, 3] = np.nan
    with pytest.raises(ValueError, match="Frame 7"):
        estimate(frames, pixel_size_nm=100)


def test_an_estimate_survives_a_file(usual, tmp_path: Path) -> None:
    found = estimate(usual[1], pixel_size_nm=100)
    found.to_file(tmp_path / "estimate.yaml")
    assert Estimate.from_file(tmp_path / "estimate.yaml") == found


def test_the_real_stack_gives_what_is_known_of_it(real_stack: Path) -> None:
    """About 225 molecules per frame, 100 nm pixels, baseline 100, 0.5 photons per ADU."""
    found = estimate(real_stack, pixel_size_nm=100, camera=IdealCamera(baseline=100, gain=2))
    assert found.density_per_um2 * 6.4**2 == pytest.approx(225, rel=0.1)
    assert found.psf_sigma_nm == pytest.approx(110.5, rel=SIGMA)  # 106 to 115 in its training
    blind = estimate(real_stack, pixel_size_nm=100)
    assert abs(blind.offset_adu - 100) < 2 * blind.errors["offset_adu"]
    assert blind.gain == pytest.approx(4, rel=0.1)  # twice the stated: an EMCCD was simulated
