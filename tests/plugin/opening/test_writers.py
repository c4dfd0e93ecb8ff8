from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dask.array
import numpy as np
import pytest

from napari_deepsmlm.io import open_frames, read_report

if TYPE_CHECKING:
    from pathlib import Path

PLUGIN = "napari-deepsmlm"
NM = ("nm", "nm")
FRAMES = np.random.default_rng(0).integers(0, 500, (12, 4, 16, 24), np.uint16)


@pytest.mark.parametrize("shape", ["YX", "TYX", "TCYX"])
@pytest.mark.parametrize("name", ["m.tif", "m.ome.tif"])
def test_an_image_keeps_its_values_and_pixel_size(
    viewer: Any, tmp_path: Path, shape: str, name: str
) -> None:
    frames = {"YX": FRAMES[0, 0], "TYX": FRAMES[:, 0], "TCYX": FRAMES}[shape]
    rest = ("pixel",) * (frames.ndim - 2)
    scale = (1,) * (frames.ndim - 2) + (0.108, 0.108)
    layer = viewer.add_image(frames, scale=scale, units=(*rest, "um", "um"))
    (path,) = layer.save(str(tmp_path / name), plugin=PLUGIN)
    source = open_frames(path)
    assert source.pixel_size_nm == pytest.approx(108)
    np.testing.assert_array_equal(source.read(0, source.n_frames).squeeze(), frames)


def test_a_lazy_stack_and_its_provenance_are_written(viewer: Any, tmp_path: Path) -> None:
    lazy = dask.array.from_array(FRAMES[:, 0], chunks=(5, -1, -1))
    layer = viewer.add_image(
        lazy,
        scale=(1, 100, 100),
        units=("pixel", *NM),
        metadata={"napari_deepsmlm": {"kind": "reconstruction", "of": "cells"}},
        contrast_limits=(0, 500),
    )
    (path,) = layer.save(str(tmp_path / "m.tif"), plugin=PLUGIN)
    np.testing.assert_array_equal(open_frames(path).read(0, 12)[:, 0], FRAMES[:, 0])
    assert read_report(path) == {"kind": "reconstruction", "of": "cells"}


@pytest.mark.parametrize("dtype", ["f2", "f4", ">u2", "i8", "?"])
def test_types_that_ome_tiff_does_not_know_are_converted(
    viewer: Any, tmp_path: Path, dtype: str
) -> None:
    frames = (FRAMES[:, 0] % 2).astype(dtype)
    layer = viewer.add_image(frames, scale=(1, 100, 100), units=("pixel", *NM))
    (path,) = layer.save(str(tmp_path / "m.tif"), plugin=PLUGIN)
    np.testing.assert_array_equal(open_frames(path).read(0, 12)[:, 0], frames)


def test_what_cannot_keep_its_pixel_size_is_one_sentence(viewer: Any, tmp_path: Path) -> None:
    layer = viewer.add_image(FRAMES[:, 0])
    with pytest.raises(RuntimeError, match="the layer has no pixel size; enter it"):
        layer.save(str(tmp_path / "m.tif"), plugin=PLUGIN)
    colour = viewer.add_image(np.zeros((16, 24, 3), np.uint8), rgb=True)
    with pytest.raises(RuntimeError, match="only grey-level images"):
        colour.save(str(tmp_path / "m.tif"), plugin=PLUGIN)
    assert not list(tmp_path.glob("*.tif"))
