from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from napari_deepsmlm.inference import time_lapse as module
from napari_deepsmlm.inference.time_lapse import Lapse


@pytest.mark.parametrize("most_bytes", [1 << 20, 0])
def test_images_come_back_from_memory_and_from_a_file(
    most_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", most_bytes)
    lapse = Lapse(4, (5, 7))
    assert isinstance(lapse.images, np.memmap) == (most_bytes == 0)
    images = np.random.default_rng(0).random((3, 5, 7)).astype(np.float32)
    lapse.write(0, torch.from_numpy(images[2]))
    for number, image in enumerate(images):
        lapse.write(number, torch.from_numpy(image))
    lapse.close()
    seen = lapse.images
    del lapse
    np.testing.assert_array_equal(seen[:3], images)
    assert seen[3].max() == 0


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_images_are_added_up_on_their_device_and_seen_at_any_time(device: str) -> None:
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    parts = torch.from_numpy(np.random.default_rng(1).random((3, 5, 7)).astype(np.float32))
    dark = torch.zeros(()).expand(5, 7)  # of frames without light, on the CPU
    lapse = Lapse(2, (5, 7))
    lapse.write(0, dark)
    lapse.add(0, parts[0].to(device))
    np.testing.assert_array_equal(lapse.images[0], parts[0])
    lapse.add(0, parts[1].to(device))
    np.testing.assert_array_equal(lapse.images[0], parts[0] + parts[1])
    lapse.add(0, dark)
    lapse.write(1, parts[2].to(device))
    lapse.close()
    np.testing.assert_array_equal(lapse.images, np.stack([parts[0] + parts[1], parts[2]]))


@pytest.mark.parametrize("n_images", [1, 2])
def test_a_large_image_is_added_to_in_bands(n_images: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 0)
    monkeypatch.setattr(module, "BAND_BYTES", 4 * 7 * 2)  # two rows: the last band is shorter
    lapse = Lapse(n_images, (5, 7))
    assert isinstance(lapse.images, np.memmap)
    one, other = np.random.default_rng(1).random((2, 5, 7)).astype(np.float32)
    last = n_images - 1
    lapse.write(last, torch.from_numpy(one))
    lapse.add(last, torch.from_numpy(other))
    bands = list(lapse.bands(last))
    assert [len(band) for band in bands] == [2, 2, 1]
    np.testing.assert_array_equal(np.concatenate(bands), one + other)
    lapse.close()
    np.testing.assert_array_equal(lapse.images[last], one + other)
    assert lapse.images[:last].sum() == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a full disk at hand")
def test_a_full_disk_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 0)
    lapse = Lapse(2, (3, 3))
    lapse.close()
    with Path("/dev/full").open("wb", buffering=0) as full:
        monkeypatch.setattr(lapse, "_file", full)
        with pytest.raises(OSError, match="No space left"):
            lapse.write(0, np.ones((3, 3), np.float32))
