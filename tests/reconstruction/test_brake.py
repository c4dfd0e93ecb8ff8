"""Brake: what cannot be stops a reconstruction, what can be never does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_deepsmlm import reconstruct
from napari_deepsmlm.camera import IdealCamera
from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.inference.predicted import Predicted
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.reconstruction import BrakeError
from napari_deepsmlm.reconstruction.brake import Brake, Expected

if TYPE_CHECKING:
    from pathlib import Path

MODEL = "dilated-loc:2d-100nm"
N_PX = 32 * 32


def movie(density_per_um2: float, *, baseline: float = 100.0, n_frames: int = 12) -> Any:
    """A movie as the built-in model was trained for, but for what the camera adds."""
    values: dict[str, Any] = {
        "psf": {"kind": "gaussian", "pixel_size_nm": 100.0, "sigma_nm": [105.0, 115.0]},
        "camera": {"kind": "scmos", "e_per_adu": 0.5, "baseline": baseline},
        "image_px": [32, 32],
        "simulation": {
            "density_per_um2": [density_per_um2, density_per_um2],
            "photons": [800.0, 1600.0],
            "background": [20.0, 20.0],
        },
    }
    experiment = Experiment.from_dict(values)
    return experiment.simulate(n_frames, seed=5).stack, experiment.camera


def test_an_offset_that_is_taken_for_light_stops_the_run_and_leaves_earlier_results(
    tmp_path: Path,
) -> None:
    stack, camera = movie(1.0, baseline=900.0)
    reconstruct(stack, MODEL, out=tmp_path, pixel_size_nm=100.0, camera=camera)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(BrakeError, match=r"above the background.*--adapt.*--camera.*--force"):
        reconstruct(stack, MODEL, out=tmp_path, overwrite=True, pixel_size_nm=100.0, camera=None)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_stopped_run_writes_nothing_into_an_empty_folder(tmp_path: Path) -> None:
    stack, _ = movie(1.0, baseline=900.0)
    with pytest.raises(BrakeError):
        reconstruct(stack, MODEL, out=tmp_path / "out", pixel_size_nm=100.0, camera=None)
    assert list((tmp_path / "out").iterdir()) == []


def test_force_goes_on_and_the_sentence_becomes_a_warning(tmp_path: Path) -> None:
    stack, _ = movie(1.0, baseline=900.0)
    result = reconstruct(stack, MODEL, out=tmp_path, pixel_size_nm=100.0, camera=None, force=True)
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["warnings"] == result.report["warnings"]
    assert any("cannot be right" in warning for warning in report["warnings"])


@pytest.mark.parametrize("density_per_um2", [0.2, 6.0])
def test_honest_stacks_are_never_stopped(density_per_um2: float) -> None:
    stack, camera = movie(density_per_um2)
    result = reconstruct(stack, MODEL, pixel_size_nm=100.0, camera=camera)
    assert result.report["localizations"] > 0
    assert not any("cannot be" in warning for warning in result.report["warnings"])


def test_frames_of_noise_are_no_reason_to_stop() -> None:
    stack = np.random.default_rng(0).poisson(30, (12, 1, 32, 32)).astype(np.uint16)
    camera = IdealCamera(baseline=0.0, gain=1.0)
    assert reconstruct(stack, MODEL, pixel_size_nm=100.0, camera=camera).report["frames"] == 12


def predicted(n_found: int, *, light: float, photons: float = 100.0, **more: Any) -> Predicted:
    zeros = np.zeros(n_found)
    table = Localizations(
        frame=zeros.astype(int), x_nm=zeros, y_nm=zeros, photons=np.full(n_found, photons)
    )
    values = {"n_frames": 1, "n_constant": 0, "n_inputs": 1, **more}
    values |= {"image_on_device": torch.zeros(32, 32), "unusable": ()}
    return Predicted(first_frame=0, localizations=table, light=light, **values)


def judged(expected: Expected, part: Predicted, *, is_counted: bool = True) -> str:
    brake = Brake(expected, n_px=N_PX, is_counted=is_counted)
    brake.add(part)
    return brake.objection()


def test_more_light_than_four_times_what_the_frames_have_cannot_be() -> None:
    # 100 molecules of 100 photons
    assert "4.1 times the light" in judged(Expected(), predicted(100, light=10_000 / 4.1))
    assert judged(Expected(), predicted(100, light=10_000 / 3.9)) == ""


def test_more_molecules_than_four_times_what_the_light_is_enough_for_cannot_be() -> None:
    dim = predicted(100, light=5000.0, photons=1.0)
    assert "is that of 24 at the most" in judged(Expected(photons=5000.0 / 24), dim)
    assert judged(Expected(photons=5000.0 / 26), dim) == ""


def test_molecules_closer_everywhere_than_any_network_tells_apart_cannot_be() -> None:
    bright = predicted(256, light=1e9)  # one in 4 pixels
    assert "one in 4 pixels" in judged(Expected(sigma_px=0.95), bright)
    assert judged(Expected(sigma_px=0.85), bright) == ""


def test_maxima_of_summed_frames_are_not_counted_as_molecules() -> None:
    bright = predicted(256, light=1e9, photons=1.0)
    assert judged(Expected(photons=1e9, sigma_px=2.0), bright, is_counted=False) == ""


def test_molecules_in_frames_without_contrast_cannot_be() -> None:
    dark = predicted(100, light=1e9, n_constant=1)
    assert "without any contrast" in judged(Expected(), dark)


def test_few_molecules_say_nothing() -> None:
    assert judged(Expected(), predicted(99, light=0.0)) == ""
