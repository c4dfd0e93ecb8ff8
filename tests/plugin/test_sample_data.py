from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_deepsmlm.plugin.layers import can_hold_frames, pixel_size_of

PLUGIN = "napari-deepsmlm"


def test_microtubules_open_in_nm_with_their_truth_counted(viewer: Any) -> None:
    (layer,) = viewer.open_sample(PLUGIN, "microtubules")
    assert layer.data.shape == (200, 64, 64)
    assert pixel_size_of(layer).nm == 100
    assert layer.metadata["napari_deepsmlm"]["n_molecules"] > 10_000
    assert can_hold_frames(layer)


def test_true_positions_lie_on_the_brightest_pixels(viewer: Any) -> None:
    image, points = viewer.open_sample(PLUGIN, "sparse_molecules")
    frames = np.asarray(image.data)
    signal = frames - np.median(frames)
    values = [
        signal[tuple(np.round(image.world_to_data(points.data_to_world(place))).astype(int))]
        for place in points.data[:300]
    ]
    assert np.median(values) > 0.5 * np.median(signal.max(axis=(1, 2)))


def test_the_same_sample_comes_each_time(viewer: Any) -> None:
    first, second = (viewer.open_sample(PLUGIN, "microtubules")[0] for _ in range(2))
    np.testing.assert_array_equal(first.data[:3], second.data[:3])


@pytest.mark.parametrize("key", ["microtubules", "sparse_molecules"])
def test_samples_are_in_the_menu(key: str) -> None:
    from npe2 import PluginManager

    samples = dict(PluginManager.instance().iter_sample_data())[PLUGIN]
    assert key in [sample.key for sample in samples]
