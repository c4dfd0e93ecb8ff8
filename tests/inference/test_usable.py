"""Frames that cannot be used are filled with their background, and only they."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from napari_deepsmlm.inference.inputs import Groups, read_inputs
from napari_deepsmlm.inference.tiles import Region
from napari_deepsmlm.inference.usable import usable_frames
from napari_deepsmlm.io import FrameReadError, open_frames

if TYPE_CHECKING:
    from pathlib import Path


def movie(n: int = 6) -> np.ndarray:
    return np.random.default_rng(0).integers(100, 900, (n, 12, 16)).astype(np.float32)


def test_a_frame_with_nan_becomes_its_background() -> None:
    frames = movie()
    frames[4, 3, 5] = np.nan
    read, is_bad = usable_frames(open_frames(frames), 0, 6)
    assert is_bad.tolist() == [False] * 4 + [True, False]
    assert (read[4] == np.nanmedian(frames[4])).all()
    assert (read[[0, 1, 2, 3, 5], 0] == frames[[0, 1, 2, 3, 5]]).all()


def test_only_the_region_that_is_asked_for_has_to_be_finite() -> None:
    frames = movie()
    frames[:, :, :2] = np.nan
    read, is_bad = usable_frames(open_frames(frames), 0, 6, Region(0, 2, 12, 16))
    assert not is_bad.any()
    assert np.isfinite(read).all()
    assert (read[:, 0, :, 2:] == frames[:, :, 2:]).all()


def test_a_margin_without_values_is_answered_with_the_region_to_give() -> None:
    frames = movie()
    frames[:, :, :2] = np.nan
    frames[:, -1] = np.inf
    with pytest.raises(ValueError, match=r"frames 0:6 .* hold NaN .* --region 0,2,11,16\."):
        usable_frames(open_frames(frames), 0, 6)
    frames[:, 6, 8] = np.nan
    frames[:, 2, 3] = np.nan
    with pytest.raises(ValueError, match=r"frames 0:6 \(counted from 0\) hold NaN"):
        usable_frames(open_frames(frames), 0, 6)


def damaged_tiff(path: Path, pages: tuple[int, ...], n: int = 6) -> np.ndarray:
    frames = movie(n).astype(np.uint16)
    with tifffile.TiffWriter(path) as tiff:
        for frame in frames:
            tiff.write(frame, compression="zlib", metadata=None)
    with tifffile.TiffFile(path) as tiff:
        places = [(p.dataoffsets[0], p.databytecounts[0]) for p in tiff.pages]
    data = bytearray(path.read_bytes())
    for page in pages:
        at, size = places[page]
        data[at + 5 : at + size - 5] = bytes(size - 10)
    path.write_bytes(data)
    return frames


def test_a_page_that_cannot_be_decoded_costs_no_other(tmp_path: Path) -> None:
    frames = damaged_tiff(tmp_path / "m.tif", (4,))
    read, is_bad = usable_frames(open_frames(tmp_path / "m.tif"), 2, 6)
    assert np.flatnonzero(is_bad).tolist() == [2]
    assert (read[[0, 1, 3], 0] == frames[[2, 3, 5]]).all()
    assert (read[2] == int(np.median(frames[3]))).all()
    damaged_tiff(tmp_path / "all.tif", (1, 2, 3, 4, 5))
    with pytest.raises(FrameReadError, match="could not be decoded"):
        usable_frames(open_frames(tmp_path / "all.tif"), 1, 6)


def test_sums_leave_a_lost_frame_out_and_name_it() -> None:
    frames = movie()
    frames[3, 0, 0] = np.inf
    batches = list(read_inputs(open_frames(frames), Groups(6, sum_frames=2), 2))
    assert [batch.unusable for batch in batches] == [(3,), ()]
    assert [batch.n_constant for batch in batches] == [0, 0]
    assert batches[0].counts.tolist() == [2, 1]
    np.testing.assert_array_equal(batches[0].frames[1, 0], frames[2])
