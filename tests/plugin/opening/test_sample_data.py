from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from npe2 import PluginManager, PluginManifest

from napari_deepsmlm.calibration.calibrate import calibrate
from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.io import PixelSize
from napari_deepsmlm.plugin.layers.world import can_hold_frames, n_planes_of, pixel_size_of

PLUGIN = "napari-deepsmlm"
KEY = "napari_deepsmlm"
SAMPLES = {
    "microtubules": ((200, 64, 64), 100, ["image"]),
    "sparse_molecules": ((200, 64, 64), 100, ["image", "points"]),
    "astigmatic": ((200, 64, 64), 100, ["image", "points"]),
    "quad_plane": ((200, 4, 64, 64), 192, ["image", "points"]),
    "beads": ((29, 96, 96), 100, ["image"]),
}


@pytest.mark.parametrize("key", SAMPLES)
def test_samples_open_in_nm_and_know_how_they_were_made(viewer: Any, key: str) -> None:
    shape, pixel_size_nm, kinds = SAMPLES[key]
    layers = viewer.open_sample(PLUGIN, key)
    assert [layer._type_string for layer in layers] == kinds
    stack = layers[0]
    assert stack.data.shape == shape
    assert pixel_size_of(stack) == PixelSize(pixel_size_nm, "simulated")
    assert [str(unit) for unit in stack.units[-2:]] == ["nanometer", "nanometer"]
    assert can_hold_frames(stack)
    known = stack.metadata[KEY]
    made = Experiment.from_dict(known["experiment"])
    assert made.camera.model_dump(mode="json") == known["camera"]
    assert n_planes_of(stack) == made.psf.n_planes


def test_microtubules_are_dense(viewer: Any) -> None:
    (layer,) = viewer.open_sample(PLUGIN, "microtubules")
    assert layer.metadata[KEY]["n_molecules"] > 10_000


def test_true_positions_lie_on_the_brightest_pixels(viewer: Any) -> None:
    signal, values = signal_at_true_positions(viewer, "sparse_molecules")
    assert np.median(values) > 0.5 * np.median(signal.max(axis=(1, 2)))


def test_true_positions_in_planes_lie_on_bright_pixels(viewer: Any) -> None:
    """Most planes are out of focus, which spreads the light: far from the peak, yet bright."""
    signal, values = signal_at_true_positions(viewer, "quad_plane")
    assert np.median(values) > np.percentile(signal, 95)


def signal_at_true_positions(viewer: Any, key: str) -> tuple[np.ndarray, list[float]]:
    """Return (T, H, W) frames above their median, of planes the brightest, and some values."""
    image, points = viewer.open_sample(PLUGIN, key)
    frames = np.asarray(image.data).reshape(len(image.data), -1, 64, 64).max(axis=1)
    signal = frames - np.median(frames)
    values = []
    for place in points.data[:300]:
        t, *_, y, x = np.round(image.world_to_data(points.data_to_world(place))).astype(int)
        values.append(signal[t, y, x])
    return signal, values


def test_depth_shows_in_the_shape_of_astigmatic_spots(viewer: Any) -> None:
    """Above the focus spots are long in one direction, below it in the other."""
    image, points = viewer.open_sample(PLUGIN, "astigmatic")
    frames, table = np.asarray(image.data, float), points.features
    frames -= np.median(frames)
    grid = np.arange(-3, 4)
    spread: dict[bool, list[float]] = {True: [], False: []}
    for (t, y_nm, x_nm), z_nm in zip(points.data, table["z_nm"], strict=True):
        y, x = int(y_nm // 100), int(x_nm // 100)
        if abs(z_nm) < 300 or not (3 <= y < 61 and 3 <= x < 61):
            continue
        spot = frames[int(t), y - 3 : y + 4, x - 3 : x + 4]
        along_y, along_x = (spot.sum(axis) for axis in (1, 0))
        spread[z_nm > 0].append(float((along_y * grid**2).sum() - (along_x * grid**2).sum()))
    assert np.mean(spread[True]) * np.mean(spread[False]) < 0


def test_the_beads_can_be_calibrated(viewer: Any) -> None:
    (layer,) = viewer.open_sample(PLUGIN, "beads")
    step_nm = layer.metadata[KEY]["z_step_nm"]
    assert layer.scale[0] == step_nm
    assert layer.axis_labels == ("z", "y", "x")
    found = calibrate(layer.data, z_step_nm=step_nm, pixel_size_nm=100.0)
    assert found.n_beads == 5


def test_the_same_sample_comes_each_time(viewer: Any) -> None:
    first, second = (viewer.open_sample(PLUGIN, "microtubules")[0] for _ in range(2))
    np.testing.assert_array_equal(first.data[:3], second.data[:3])


def test_samples_are_in_the_menu() -> None:
    manifest = PluginManifest.from_distribution(PLUGIN)
    assert [sample.key for sample in manifest.contributions.sample_data] == list(SAMPLES)
    offered = dict(PluginManager.instance().iter_sample_data())[PLUGIN]
    assert {sample.key for sample in offered} == set(SAMPLES)
