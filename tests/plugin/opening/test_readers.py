from __future__ import annotations

import math
import os
import tracemalloc
from typing import TYPE_CHECKING, Any

import dask.array
import numpy as np
import pytest
import tifffile
import zarr
from napari.settings import get_settings
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent

from napari_deepsmlm.io import FrameSource, open_frames, write_stack
from napari_deepsmlm.plugin.layers.world import (
    can_hold_frames,
    contrast_of,
    frames_of,
    pixel_size_of,
)
from napari_deepsmlm.plugin.opening.planes import stack_as_planes
from napari_deepsmlm.plugin.opening.readers import get_reader

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


# -- other formats ------------------------------------------------------------------------------


def write(path: Path, kind: str) -> Path:
    """Write the frames in a format; return what is dropped on the window."""
    if kind == "npy":
        np.save(path / "m.npy", FRAMES)
        return path / "m.npy"
    if kind == "dax":
        (path / "m.dax").write_bytes(FRAMES.astype(">u2").tobytes())
        lines = "frame dimensions = 24 x 16\nnumber of frames = 12\nbinary, big endian\n"
        (path / "m.inf").write_text(lines)
        return path / "m.dax"
    if kind == "raw":
        (path / "m.raw").write_bytes(FRAMES.tobytes())
        header = "Frames: 12\nHeight: 16\nWidth: 24\nData Type: uint16\nPixelsize: 130\n"
        (path / "m.yaml").write_text(header)
        return path / "m.raw"
    if kind == "zarr":
        array = zarr.create_array(path / "m.zarr", shape=FRAMES.shape, dtype="u2", chunks=(4, 8, 8))
        array[:] = FRAMES
        return path / "m.zarr"
    if kind == "big":
        tifffile.imwrite(path / "m.btf", FRAMES, bigtiff=True, photometric="minisblack")
        return path / "m.btf"
    folder = path / "m"
    folder.mkdir()
    for number, frame in enumerate(FRAMES):
        tifffile.imwrite(folder / f"m{number}.tif", frame)
    return folder


@pytest.mark.parametrize("kind", ["npy", "dax", "raw", "zarr", "big", "folder"])
def test_every_format_opens_as_a_lazy_layer(viewer: Any, tmp_path: Path, kind: str) -> None:
    (layer,) = viewer.open(str(write(tmp_path, kind)), plugin=PLUGIN)
    assert isinstance(layer.data, dask.array.Array)
    np.testing.assert_array_equal(np.asarray(layer.data), FRAMES)
    assert layer.axis_labels == ("t", "y", "x")
    assert open_frames(frames_of(layer)).shape == (12, 1, 16, 24)
    assert can_hold_frames(layer)
    expected_nm = 130 if kind == "raw" else None
    assert pixel_size_of(layer).nm == expected_nm
    assert layer.scale[-1] == (expected_nm or 1)


def test_a_picasso_movie_opens_in_nm(viewer: Any, real_stack: Path) -> None:
    (layer,) = viewer.open(str(real_stack.parent / "picasso_raw" / "testdata.raw"), plugin=PLUGIN)
    assert layer.data.shape == (100, 32, 32)
    np.testing.assert_array_equal(layer.scale, [1, 160, 160])
    assert layer.metadata["napari_deepsmlm"]["camera_name"] == "Simulation"


@pytest.mark.parametrize("ending", [".raw", ".dax"])
def test_a_raw_movie_alone_says_what_is_missing(viewer: Any, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"m{ending}"
    path.write_bytes(FRAMES.tobytes())
    with pytest.raises(ValueError, match="beside it, which states its size"):
        viewer.open(str(path), plugin=PLUGIN)


def test_a_folder_without_movies_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert get_reader(str(tmp_path / "empty")) is None
    tifffile.imwrite(tmp_path / "image.tif", FRAMES[0])
    assert get_reader(str(tmp_path)) is None


# -- focal planes -------------------------------------------------------------------------------


@pytest.fixture
def plane_files(tmp_path: Path) -> list[str]:
    paths = [str(tmp_path / f"cell_plane{k}.tif") for k in (1, 2, 3, 4)]
    for k, path in enumerate(paths):
        write_stack(path, FRAMES + k, pixel_size_nm=100)
    return paths


PLANES = np.stack([FRAMES + k for k in range(4)], axis=1)


def test_files_named_as_planes_and_dropped_together_are_planes(
    viewer: Any, plane_files: list[str]
) -> None:
    (layer,) = viewer.open(plane_files, plugin=PLUGIN, stack=True)
    np.testing.assert_array_equal(np.asarray(layer.data), PLANES)
    assert layer.axis_labels == ("t", "c", "y", "x")
    np.testing.assert_array_equal(layer.scale, [1, 1, 100, 100])
    np.testing.assert_array_equal(open_frames(frames_of(layer)).read(2, 5), PLANES[2:5])


def test_layers_opened_one_by_one_can_be_stacked_as_planes(
    viewer: Any, plane_files: list[str]
) -> None:
    for path in reversed(plane_files):
        viewer.open(path, plugin=PLUGIN)
    viewer.layers.selection = set(viewer.layers)
    viewer.dims.set_current_step(0, 7)
    stack_as_planes(viewer)
    (layer,) = viewer.layers
    assert viewer.dims.current_step[:2] == (7, 0)
    assert layer.name == "cell_plane1 (4 planes)"
    np.testing.assert_array_equal(np.asarray(layer.data), PLANES)
    np.testing.assert_array_equal(layer.scale, [1, 1, 100, 100])
    assert pixel_size_of(layer).nm == 100


def test_a_series_that_should_have_been_planes_is_opened_again(viewer: Any, tmp_path: Path) -> None:
    paths = [str(tmp_path / f"cell{k}.tif") for k in range(4)]
    for k, path in enumerate(paths):
        write_stack(path, FRAMES + k, pixel_size_nm=100)
    (series,) = viewer.open(paths, plugin=PLUGIN, stack=True)
    assert series.data.shape == (48, 16, 24)
    stack_as_planes(viewer)
    (layer,) = viewer.layers
    np.testing.assert_array_equal(np.asarray(layer.data), PLANES)


def test_what_cannot_be_stacked_is_one_sentence(viewer: Any) -> None:
    def last_error() -> str:
        return notification_manager.records[-1].message

    stack_as_planes(viewer)
    assert "Select the stacks" in last_error()
    viewer.add_image(np.zeros((12, 16, 24), np.uint16), name="a")
    viewer.add_image(np.zeros((11, 16, 24), np.uint16), name="b")
    viewer.layers.selection = set(viewer.layers)
    stack_as_planes(viewer)
    assert "b holds 11 frames of 16 × 24 px, uint16 but a 12 frames" in last_error()
    assert len(viewer.layers) == 2


def test_stacking_is_in_the_menu_and_gets_the_viewer(make_napari_viewer: Any) -> None:
    from napari._app_model import get_app_model  # what the menu does when it is clicked

    viewer = make_napari_viewer()
    for name in ("a", "b"):
        viewer.add_image(FRAMES, name=name)
    viewer.layers.selection = set(viewer.layers)
    get_app_model().commands.execute_command("napari-deepsmlm.stack_as_planes").result()
    assert [layer.data.shape for layer in viewer.layers] == [(12, 2, 16, 24)]


# -- size ---------------------------------------------------------------------------------------


def hole(path: Path, kind: str) -> Path:
    """Write a 31 GB stack that takes no room on the disk: 60,000 frames of 512 x 512."""
    shape = (60_000, 512, 512)
    if kind == "bigtiff":
        tifffile.memmap(path / "m.tif", shape=shape, dtype=np.uint16, bigtiff=True)
        return path / "m.tif"
    if kind == "imagej":  # one page; the others follow without pages of their own
        tifffile.imwrite(path / "m.tif", np.zeros(shape[1:], np.uint16), imagej=True)
        data = (path / "m.tif").read_bytes()
        with tifffile.TiffFile(path / "m.tif") as tiff:
            tag, start = tiff.pages.first.tags["ImageDescription"], tiff.pages.first.dataoffsets[0]
        text = f"ImageJ=1.54f\nimages={shape[0]}\nframes={shape[0]}\n".encode()
        assert len(text) <= tag.count
        head = data[: tag.valueoffset] + text.ljust(tag.count, b"\0")
        (path / "m.tif").write_bytes(head + data[len(head) :])
        os.truncate(path / "m.tif", start + math.prod(shape) * 2)
        return path / "m.tif"
    if kind == "npy":
        np.lib.format.open_memmap(path / "m.npy", "w+", np.uint16, shape)
        return path / "m.npy"
    (path / "m.inf").write_text("frame dimensions = 512 x 512\nnumber of frames = 60000\n")
    with (path / "m.dax").open("wb") as file:
        file.truncate(math.prod(shape) * 2)
    return path / "m.dax"


@pytest.mark.parametrize("kind", ["bigtiff", "imagej", "npy", "dax"])
def test_31_gb_open_without_being_read(tmp_path: Path, kind: str) -> None:
    path = hole(tmp_path, kind)
    assert path.stat().st_size > 31e9
    reader = get_reader(str(path))
    assert reader is not None
    tracemalloc.start()
    ((data, keywords, _),) = reader(str(path))
    shown = np.asarray(data[59_999])
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert data.shape == (60_000, 512, 512)
    assert not shown.any()
    assert "contrast_limits" in keywords
    assert peak_bytes < 100e6, "three hundredths of a percent of the file, and its list of pages"


def test_contrast_comes_from_a_few_frames(tmp_path: Path) -> None:
    read: list[int] = []

    class Counting(FrameSource):
        def read(self, start: int, stop: int) -> np.ndarray:
            read.extend(range(start, stop))
            return super().read(start, stop)

    frames = np.full((1000, 16, 24), 100, np.uint16)
    frames[:, 2, 2] = 900
    source = open_frames(frames)
    source.__class__ = Counting
    low, high = contrast_of(source)
    assert len(read) == 8
    assert (read[0], read[-1]) == (0, 999)
    assert low == 100
    assert 100 < high <= 900
    frames = frames.astype(np.float32)
    frames[:, 0, 0] = np.nan
    assert np.isfinite(contrast_of(open_frames(frames))).all()
    assert contrast_of(open_frames(np.full((5, 8, 8), np.nan))) == (0, 1)


# -- dropping on the window ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["npy", "dax", "raw", "zarr", "big", "folder"])
def test_what_is_dropped_on_the_window_opens(
    make_napari_viewer: Any, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, kind)
    # the person chose this plugin in napari's dialog once, and let it remember
    patterns = {f"*{path.suffix}": PLUGIN, "*": PLUGIN}
    monkeypatch.setattr(get_settings().plugins, "extension2reader", patterns)
    viewer = make_napari_viewer()
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path))])
    event = QDropEvent(
        QPointF(5, 5),
        Qt.DropAction.CopyAction,
        mime,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    viewer.window._qt_viewer.dropEvent(event)
    (layer,) = viewer.layers
    assert isinstance(layer.data, dask.array.Array)
    np.testing.assert_array_equal(np.asarray(layer.data), FRAMES)
    assert layer.source.reader_plugin == PLUGIN
