from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dask.array
import numpy as np
import pytest
import tifffile

from napari_deepsmlm.io import write_stack
from napari_deepsmlm.plugin.readers import get_reader

if TYPE_CHECKING:
    from pathlib import Path

PLUGIN = "napari-deepsmlm"
FRAMES = np.random.default_rng(0).integers(0, 500, (12, 16, 24), np.uint16)


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    path = tmp_path / "movie.ome.tif"
    write_stack(path, FRAMES, pixel_size_nm=106.5)
    return path


def test_the_real_stack_opens_lazily_in_nm(viewer: Any, real_stack: Path) -> None:
    (layer,) = viewer.open(str(real_stack), plugin=PLUGIN)
    assert isinstance(layer.data, dask.array.Array)
    assert layer.data.shape == (361, 64, 64)
    np.testing.assert_array_equal(layer.scale, [1, 100, 100])
    assert [str(unit) for unit in layer.units] == ["pixel", "nanometer", "nanometer"]
    assert layer.axis_labels == ("t", "y", "x")
    assert layer.metadata["napari_deepsmlm"]["paths"] == [str(real_stack.absolute())]


def test_pixel_size_name_and_values_come_from_the_file(viewer: Any, movie: Path) -> None:
    (layer,) = viewer.open(str(movie), plugin=PLUGIN)
    assert layer.name == "movie"
    assert layer.metadata["napari_deepsmlm"]["pixel_size_nm"] == 106.5
    assert layer.metadata["napari_deepsmlm"]["pixel_size_origin"] == "OME metadata"
    np.testing.assert_array_equal(np.asarray(layer.data), FRAMES)


def test_several_files_open_as_one_movie_in_natural_order(viewer: Any, tmp_path: Path) -> None:
    paths = [tmp_path / f"part{i}.tif" for i in (2, 10)]
    for path, value in zip(paths, (2, 10), strict=True):
        write_stack(path, np.full_like(FRAMES, value), pixel_size_nm=100)
    (layer,) = viewer.open([str(p) for p in reversed(paths)], plugin=PLUGIN, stack=True)
    assert layer.data.shape == (24, 16, 24)
    assert np.asarray(layer.data[:, 0, 0]).tolist() == [2] * 12 + [10] * 12


def test_unknown_pixel_size_is_said_once_and_the_layer_stays_in_pixels(
    viewer: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from napari.utils.notifications import notification_manager

    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, FRAMES, photometric="minisblack")
    notification_manager.records.clear()
    (layer,) = viewer.open(str(path), plugin=PLUGIN)
    assert [r.message for r in notification_manager.records] == [
        "movie.tif: It states no pixel size and is shown in pixels: Reconstruct asks for it."
    ]
    assert {str(unit) for unit in layer.units} == {"pixel"}


@pytest.mark.parametrize(
    "kind", ["rgb", "one frame", "pyramid", "few frames", "text", "missing", "tiny"]
)
def test_other_images_are_left_to_other_readers(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "other.tif"
    shapes = {"rgb": (12, 16, 24, 3), "one frame": (64, 64), "few frames": (5, 64, 64)}
    if kind in shapes:
        photometric = "rgb" if kind == "rgb" else "minisblack"
        tifffile.imwrite(path, np.zeros(shapes[kind], np.uint8), photometric=photometric)
    elif kind == "pyramid":
        with tifffile.TiffWriter(path) as writer:
            image = np.zeros((12, 256, 256), np.uint8)
            writer.write(image, subifds=1, photometric="minisblack")
            writer.write(image[:, ::2, ::2], subfiletype=1, photometric="minisblack")
    elif kind == "tiny":
        tifffile.imwrite(path, np.zeros((20, 4, 64), np.uint8), photometric="minisblack")
    elif kind == "text":
        path.write_text("not an image")
    assert get_reader(str(path)) is None


def test_a_mixed_list_is_left_alone(movie: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.tif"
    tifffile.imwrite(other, np.zeros((64, 64), np.uint8))
    assert get_reader([str(movie), str(other)]) is None
    assert get_reader([]) is None


def test_a_damaged_movie_is_one_sentence(movie: Path) -> None:
    whole = movie.read_bytes()
    reader = get_reader(str(movie))
    assert reader is not None
    movie.write_bytes(whole[:200])
    with pytest.raises(ValueError, match=r"^movie.ome.tif: [^\n]+\.$"):
        reader(str(movie))
