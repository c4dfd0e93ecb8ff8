"""Whole frames: what is found, what is not, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_deepsmlm.camera import SCMOS, SensorMaps
from napari_deepsmlm.fitting import find_spots, localize
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.metrics import match
from napari_deepsmlm.psf import AstigmaticPSF, GaussianPSF

PSF = GaussianPSF(pixel_size_nm=100, sigma_nm=(110, 110))
CAMERA = SCMOS()


def lone_molecules(n_frames: int) -> Localizations:
    """One molecule near each point of a grid 16 pixels wide, frames of 64 x 64."""
    generator = np.random.default_rng(0)
    grid = 800 + 1600 * np.stack(np.meshgrid(range(4), range(4)), -1).reshape(-1, 2)
    xy = grid + generator.uniform(-50, 50, (n_frames, 16, 2))
    frame = np.repeat(np.arange(n_frames), 16)
    x_nm, y_nm = xy.reshape(-1, 2).T
    return Localizations(frame=frame, x_nm=x_nm, y_nm=y_nm)


def photographed(truth: Localizations, photons: float, background: float, camera=CAMERA):
    """Noisy frames in photons, (T, 1, 64, 64)."""
    n_frames = int(truth.frame.max()) + 1
    xyz = np.stack([truth.x_nm, truth.y_nm, 0 * truth.x_nm], -1).reshape(n_frames, -1, 3)
    light = torch.full(xyz.shape[:2], photons, dtype=torch.float64)
    expected = PSF.render(torch.as_tensor(xyz), light, (64, 64)) + background
    return camera.to_photons(camera.expose(expected, torch.Generator().manual_seed(0)))


def test_lone_molecules_are_all_found_once_and_none_besides():
    truth = lone_molecules(60)
    found = localize(photographed(truth, 800, 10), PSF, camera=CAMERA)
    matching = match(found, truth)
    assert len(matching.true) == len(truth)
    assert len(matching.false_positive) <= 3  # 0.01 a frame are expected
    scores = matching.scores()
    for axis in "xy":
        assert scores[f"z_score_sd_{axis}"] == pytest.approx(1, abs=0.08)
        assert abs(scores[f"z_score_mean_{axis}"]) < 0.13


@pytest.mark.parametrize("background", [2, 20, 100])
def test_empty_frames_hold_hardly_any_spot(background):
    frames = torch.full((150, 1, 64, 64), float(background))
    frames = CAMERA.to_photons(CAMERA.expose(frames, torch.Generator().manual_seed(1)))
    assert len(localize(frames, PSF, camera=CAMERA)) <= 0.03 * 150
    n_low = len(find_spots(frames, PSF, threshold=3.0).frame)
    assert n_low > 150  # the threshold is what keeps noise out


def test_a_molecule_near_the_border_is_found_in_a_window_moved_inwards():
    xyz = torch.tensor([[[350.0, 3000.0, 0.0]], [[6050.0, 6080.0, 0.0]]])
    frames = PSF.render(xyz, torch.full((2, 1), 1000.0), (64, 64)) + 10
    found = localize(frames, PSF)
    np.testing.assert_allclose(found.x_nm, xyz[:, 0, 0], atol=0.1)
    np.testing.assert_allclose(found.y_nm, xyz[:, 0, 1], atol=0.1)


def test_sensor_maps_are_read_where_the_molecule_is(tmp_path):
    variance = np.full((64, 64), 2.0)
    variance[:16] = 300.0
    camera = SCMOS(maps=SensorMaps.from_arrays(tmp_path, variance=variance))
    truth = lone_molecules(60)
    matching = match(localize(photographed(truth, 800, 10, camera), PSF, camera=camera), truth)
    assert matching.scores()["z_score_sd_x"] == pytest.approx(1, abs=0.1)
    is_noisy = truth.y_nm[matching.true] < 1600
    spread = [matching.difference_nm[rows, 0].std() for rows in (is_noisy, ~is_noisy)]
    assert spread[0] > 1.4 * spread[1]


def test_frames_without_spots_give_an_empty_table_of_all_columns():
    found = localize(np.full((3, 32, 32), 5.0), AstigmaticPSF(), window_px=15)
    assert len(found) == 0
    assert {"z_nm", "uncertainty_z_nm", "photons", "background", "p_value"} <= set(found.names)


@pytest.mark.parametrize(
    ("frames", "sentence"),
    [
        (np.zeros((3, 8, 8)), "smaller than the window of 11 x 11"),
        (np.zeros((3, 2, 32, 32)), r"must be \(T, H, W\) or \(T, 1, H, W\)"),
        (np.zeros((32, 32)), r"got shape \(32, 32\)"),
        (np.full((2, 32, 32), np.nan), "NaN"),
    ],
)
def test_what_cannot_be_fitted_is_refused_in_one_sentence(frames, sentence):
    with pytest.raises(ValueError, match=sentence):
        localize(frames, PSF)


def test_an_even_window_is_refused():
    with pytest.raises(ValueError, match="odd"):
        localize(np.zeros((1, 32, 32)), PSF, window_px=8)
