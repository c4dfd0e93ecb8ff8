"""Steps: what frames were rounded to tells their noise, simulated or stated, in any scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_deepsmlm.adaptation import AdaptOptions
from napari_deepsmlm.adaptation.twin import make_twin
from napari_deepsmlm.camera import EMCCD, SCMOS, AdditiveNoise, Camera, IdealCamera
from napari_deepsmlm.estimation import estimate, know_camera
from napari_deepsmlm.estimation.steps import step_adu
from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.io import open_frames
from napari_deepsmlm.reconstruction import reconstruct

if TYPE_CHECKING:
    from pathlib import Path

EXPERIMENT: dict[str, Any] = {
    "camera": {"kind": "scmos", "e_per_adu": 0.5, "quantum_efficiency": 1.0},
    "image_px": [64, 64],
    "simulation": {
        "density_per_um2": [1.0, 1.0],
        "photons": [900.0, 1500.0],
        "background": [20.0, 20.0],
    },
}


@pytest.fixture(scope="module")
def stack() -> np.ndarray:
    """(60, 1, 64, 64) uint16."""
    return Experiment.from_dict(EXPERIMENT).simulate(60, seed=2).stack


@pytest.fixture(scope="module")
def scaled(stack: np.ndarray) -> np.ndarray:
    """The same between 0 and 1."""
    return (stack / stack.max()).astype(np.float32)


# -- the step of numbers -------------------------------------------------------------------------


@given(
    highest=st.integers(20, 65_535),
    lowest=st.integers(-1000, 1000),
    scale=st.sampled_from([1.0, 1 / 65_535, 0.25, 3.7, 1e-9]),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_whole_numbers_in_any_scale_have_its_step(
    highest: int, lowest: int, scale: float, dtype: Any
) -> None:
    rng = np.random.default_rng(highest)
    counts = rng.poisson(highest / 10, 5000).clip(0, highest) + np.array([lowest])
    counts[:20] = lowest + np.arange(20)
    assert step_adu((counts * scale).astype(dtype)) == pytest.approx(scale, rel=1e-4)


def test_numbers_that_were_never_rounded_have_none() -> None:
    rng = np.random.default_rng(0)
    for values in (rng.normal(100, 5, 10_000), rng.poisson(50, 9999) - rng.normal(0, 1, 9999)):
        assert step_adu(values) == step_adu(values.astype(np.float32)) == 0.0
    assert step_adu(np.full(10, 0.5, np.float32)) == 0.0


# -- cameras of other steps ----------------------------------------------------------------------

CAMERAS = [
    SCMOS(baseline=100, e_per_adu=0.5),
    EMCCD(baseline=100),
    AdditiveNoise(gain=2.0, baseline=100),
    IdealCamera(gain=2.0),
]


def in_scale(camera: Camera, scale: float, **changes: Any) -> Camera:
    """The camera of the same frames divided by `scale`."""
    more: dict[str, Any] = {"baseline": camera.baseline / scale, "step_adu": 1 / scale}
    if camera.kind in ("scmos", "emccd"):
        more["e_per_adu"] = camera.e_per_adu * scale
    else:
        more["gain"] = camera.gain / scale
    return camera.replace(**{**more, **changes})


@pytest.mark.parametrize("camera", CAMERAS, ids=lambda camera: camera.kind)
@pytest.mark.parametrize("n_summed", [None, 3.0], ids=["single", "sums"])
def test_a_rescaled_camera_has_the_same_photons_and_noise(
    camera: Camera, n_summed: float | None
) -> None:
    photons = torch.linspace(2, 3000, 4000).reshape(1, 1, 40, 100)
    n_frames = None if n_summed is None else torch.tensor([n_summed])
    small = in_scale(camera, 1024.0)  # a power of two: every number is exact

    def exposed(which: Camera) -> torch.Tensor:
        return which.expose(photons, torch.Generator().manual_seed(0), n_frames=n_frames)

    adu, scaled = exposed(camera), exposed(small)
    assert adu.mean() > 200  # ADU
    assert torch.equal(scaled * 1024, adu)
    back = small.to_photons(scaled, n_frames=n_frames)
    assert torch.allclose(back, camera.to_photons(adu, n_frames=n_frames), rtol=1e-5, atol=1e-3)
    assert torch.allclose(small.variance(photons), camera.variance(photons))
    assert small.full_scale_adu * 1024 == camera.full_scale_adu == 65_535


@pytest.mark.parametrize("camera", CAMERAS, ids=lambda camera: camera.kind)
def test_numbers_without_steps_are_neither_rounded_nor_cut_off(camera: Camera) -> None:
    smooth = in_scale(camera, 1e4, step_adu=0.0)
    bright = smooth.expose(torch.full((9,), 1e6), torch.Generator().manual_seed(0))
    assert smooth.to_photons(bright).mean().item() == pytest.approx(1e6, rel=0.1)
    dark = smooth.to_photons(smooth.expose(torch.full((9999,), 5.0), torch.Generator()))
    assert dark.mean().item() == pytest.approx(5.0, abs=4 * dark.std().item() / 100)
    assert smooth.variance(torch.tensor(5.0)) < camera.variance(torch.tensor(5.0)) * 1.001


def test_a_camera_of_another_step_comes_back_from_its_file(tmp_path: Path) -> None:
    camera = SCMOS(e_per_adu=800.0, step_adu=1 / 2867)
    Experiment(camera=camera).to_file(tmp_path / "experiment.yaml")
    assert Experiment.from_file(tmp_path / "experiment.yaml").camera == camera
    assert SCMOS.from_dict({"kind": "scmos", "baseline": 100.0}).step_adu == 1.0  # of before


def test_a_simulated_stack_between_0_and_1_is_written_as_such(tmp_path: Path) -> None:
    experiment = Experiment.from_dict(EXPERIMENT)
    experiment = experiment.replace(camera=in_scale(experiment.camera, 4096.0))
    stack = experiment.simulate(3, seed=1).stack
    experiment.write_movie(tmp_path, 3, seed=1)
    written = open_frames(tmp_path / "stack.tif")
    assert written.dtype == stack.dtype == np.float32
    np.testing.assert_array_equal(written.read(0, 3), stack)
    whole = Experiment.from_dict(EXPERIMENT).simulate(3, seed=1).stack
    np.testing.assert_array_equal(stack * 4096, whole)


# -- what is made of frames between 0 and 1 ------------------------------------------------------


@pytest.mark.parametrize(
    "camera",
    ["auto", IdealCamera(baseline=100, gain=2.0), SCMOS(baseline=100, e_per_adu=0.5)],
    ids=["auto", "two numbers", "stated"],
)
def test_the_noise_of_the_camera_is_that_of_the_frames(
    stack: np.ndarray, scaled: np.ndarray, camera: Any
) -> None:
    highest = float(stack.max())
    whole = know_camera(open_frames(stack), camera)
    if camera != "auto":
        camera = in_scale(camera, highest, step_adu=1.0)  # as a person would state it
    known = know_camera(open_frames(scaled), camera)
    assert known.camera is not None
    assert whole.camera is not None
    assert known.camera.step_adu == pytest.approx(1 / highest, rel=1e-4)
    twenty = torch.tensor([0.0, 20.0])
    expected = whole.camera.variance(twenty).numpy()
    assert known.camera.variance(twenty).numpy() == pytest.approx(expected, rel=0.3, abs=2)


def test_an_estimate_is_that_of_whole_numbers(stack: np.ndarray, scaled: np.ndarray) -> None:
    whole, found = estimate(stack, pixel_size_nm=100), estimate(scaled, pixel_size_nm=100)
    assert found.photons == pytest.approx(whole.photons, rel=0.01)
    assert found.photons == pytest.approx(1200, rel=0.1)
    assert found.density_per_um2 == pytest.approx(whole.density_per_um2, rel=0.01)
    assert whole.background == pytest.approx(20, abs=3)
    assert found.background == pytest.approx(whole.background, abs=4)  # no usual offset there
    assert found.psf_sigma_nm == pytest.approx(whole.psf_sigma_nm, rel=1e-4)
    assert found.to_experiment().camera.step_adu == pytest.approx(1 / stack.max(), rel=1e-4)


@pytest.mark.parametrize("model", ["dilated-loc:2d", "deep-storm:2d"])
def test_networks_find_the_same_molecules(
    stack: np.ndarray, scaled: np.ndarray, model: str
) -> None:
    few = (slice(0, 5), slice(None), slice(0, 40), slice(0, 40))
    whole, found = (
        reconstruct(
            frames[few],
            model,
            pixel_size_nm=100,
            camera=know_camera(open_frames(frames)).camera,
            force=True,
        )
        for frames in (stack, scaled)
    )
    assert len(found.localizations) == pytest.approx(len(whole.localizations), rel=0.05)
    assert len(found.localizations) == pytest.approx(5 * 16, rel=0.2)
    if "photons" in found.localizations:
        photons = [np.median(each.localizations["photons"]) for each in (whole, found)]
        assert photons[1] == pytest.approx(photons[0], rel=0.2)


def test_the_twin_of_rescaled_frames_looks_like_them(scaled: np.ndarray) -> None:
    options = AdaptOptions(model="dilated-loc:2d", pixel_size_nm=100)
    twin = make_twin(open_frames(scaled[:40, :, :40, :40]), options)
    stack = twin.like_data.replace(image_px=(40, 40)).simulate(10, seed=3).stack
    assert stack.dtype == np.float32
    for percent in (5, 50, 99):
        expected = np.percentile(scaled[:40, :, :40, :40], percent)
        assert np.percentile(stack, percent) == pytest.approx(expected, rel=0.2)


def test_means_of_bright_frames_are_not_cut_off_at_a_quarter(stack: np.ndarray) -> None:
    bright = stack.astype(np.float32) + 20_000
    means = bright.reshape(15, 4, *bright.shape[1:]).mean(axis=1)
    assert step_adu(means) == 0.25
    known = know_camera(open_frames(means))
    assert known.camera is not None
    assert known.camera.step_adu == 0
