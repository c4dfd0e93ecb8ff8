"""Images and stacks are written whole, with pixel size and report, for us and for others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_deepsmlm.io import (
    ImageWriter,
    StackWriter,
    open_frames,
    read_report,
    write_image,
    write_rgb,
    write_stack,
    write_volume,
)

if TYPE_CHECKING:
    from pathlib import Path

Movie = npt.NDArray[Any]
REPORT = {"model": "deep-storm", "warnings": ["µ < 1 & > 0"], "seconds": 1.5, "frames": None}


@pytest.mark.parametrize("shape", [(20, 30), (1, 20, 30), (4, 20, 30)])
def test_an_image_comes_back_with_pixel_size_and_report(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    image = np.random.default_rng(0).normal(size=shape)
    write_image(tmp_path / "i.tif", image, pixel_size_nm=12.5, report=REPORT)
    source = open_frames(tmp_path / "i.tif")
    assert source.dtype == np.float32
    assert (source.pixel_size_nm, source.pixel_size_origin) == (12.5, "OME metadata")
    assert (source.read(0, source.n_frames)[:, 0] == image.astype(np.float32)).all()
    assert read_report(tmp_path / "i.tif") == REPORT


def test_other_programs_see_an_ome_tiff_with_axes_and_resolution(
    tmp_path: Path, movie: Movie
) -> None:
    write_stack(tmp_path / "s.tif", movie.reshape(6, 2, 16, 24), pixel_size_nm=100)
    with tifffile.TiffFile(tmp_path / "s.tif") as tiff:
        assert tiff.is_ome
        assert not tiff.is_bigtiff
        assert (tiff.series[0].axes, tiff.series[0].shape) == ("TCYX", (6, 2, 16, 24))
        assert (tiff.asarray() == movie.reshape(6, 2, 16, 24)).all()
        pixels = tifffile.xml2dict(tiff.ome_metadata or "")["OME"]["Image"]["Pixels"]
        assert (pixels["PhysicalSizeX"], pixels["PhysicalSizeXUnit"]) == (100.0, "nm")
        page = tiff.pages.first
        assert page.get_resolution("MICROMETER") == pytest.approx((10, 10))
    plain = tifffile.imread(tmp_path / "s.tif", key=range(12))
    assert (plain == movie).all()


@pytest.mark.parametrize("kind", ["image", "time-lapse", "stack", "volume", "colour"])
def test_imagej_s_reader_finds_axes_and_pixel_size(tmp_path: Path, movie: Movie, kind: str) -> None:
    path = tmp_path / "for_imagej.tif"
    colours = np.random.default_rng(0).integers(0, 256, (16, 24, 3), np.uint8)
    frames: Movie = movie.reshape(6, 2, 16, 24)
    if kind == "volume":
        write_volume(path, movie, pixel_size_nm=20, z_step_nm=50)
    elif kind == "stack":
        write_stack(path, frames, pixel_size_nm=20)
    elif kind == "colour":
        write_rgb(path, colours / 255, pixel_size_nm=20)
    else:
        write_image(path, movie if kind == "time-lapse" else movie[0], pixel_size_nm=20)
    told = {
        "image": ("YX", movie[0]),
        "time-lapse": ("TYX", movie),
        "stack": ("TCYX", frames),
        "volume": ("ZYX", movie),
        "colour": ("YXS", colours),
    }
    with tifffile.TiffFile(path) as tiff:
        assert tiff.is_ome
        assert tiff.is_imagej
        header = tiff.imagej_metadata
        assert header is not None
        for which in ("ome", "imagej"):  # tifffile's two readers of such files
            (series,) = getattr(tiff, f"_series_{which}")()
            assert series.axes == told[kind][0], which
            assert (series.asarray() == told[kind][1]).all(), which
        # ImageJ takes the size from the resolution, in the unit of its own description
        nm_per_unit = {"cm": 1e7}[header["unit"]]
        x, y = tiff.pages.first.get_resolution()
        assert (nm_per_unit / x, nm_per_unit / y) == pytest.approx((20, 20))
        if kind == "volume":
            assert header["spacing"] * nm_per_unit == pytest.approx(50)


@pytest.mark.parametrize("n_frames", [None, 12])
def test_a_stack_may_arrive_in_pieces(tmp_path: Path, movie: Movie, n_frames: int | None) -> None:
    blocks = (movie[i : i + 5, None] for i in range(0, 12, 5))
    write_stack(tmp_path / "s.tif", blocks, pixel_size_nm=100, n_frames=n_frames)
    source = open_frames(tmp_path / "s.tif")
    assert source.shape == (12, 1, 16, 24)
    assert (source.read(0, 12)[:, 0] == movie).all()


def test_two_planes_of_one_frame_stay_planes(tmp_path: Path, movie: Movie) -> None:
    write_stack(tmp_path / "s.tif", movie[:2].reshape(1, 2, 16, 24), pixel_size_nm=100)
    assert open_frames(tmp_path / "s.tif").shape == (1, 2, 16, 24)


def test_windows_are_appended_and_the_report_comes_last(tmp_path: Path, movie: Movie) -> None:
    with ImageWriter(tmp_path / "t.tif", pixel_size_nm=25, n_images=12) as writer:
        for image in movie:
            writer.append(image)
        assert not (tmp_path / "t.tif").exists()
        writer.report = REPORT
    assert read_report(tmp_path / "t.tif") == REPORT
    assert open_frames(tmp_path / "t.tif").shape == (12, 1, 16, 24)


def test_an_image_may_come_in_bands_of_rows(tmp_path: Path) -> None:
    images = np.random.default_rng(0).random((2, 16, 24)).astype(np.float32)
    write_image(tmp_path / "all.tif", images[0], pixel_size_nm=25, report=REPORT)
    how: dict[str, Any] = {"pixel_size_nm": 25, "report": REPORT}
    with ImageWriter(tmp_path / "one.tif", n_images=1, **how) as writer:
        writer.append_bands((images[0, k : k + 5] for k in range(0, 16, 5)), (16, 24))
    whole, one = (tmp_path / f"{name}.tif" for name in ("all", "one"))
    assert one.stat().st_size == whole.stat().st_size
    assert read_report(one) == REPORT
    np.testing.assert_array_equal(tifffile.imread(one), images[0])
    with ImageWriter(tmp_path / "two.tif", **how) as writer:
        for image in images:
            writer.append_bands(np.split(image, 4), (16, 24))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "two.tif"), images)


@pytest.mark.parametrize("n_rows", [15, 17])
def test_bands_that_do_not_make_an_image_are_refused(tmp_path: Path, n_rows: int) -> None:
    with (
        pytest.raises(ValueError, match=r"i\.tif: the bands do not make .* \(16, 24\) pixels"),
        ImageWriter(tmp_path / "i.tif", pixel_size_nm=25) as writer,
    ):
        writer.append_bands([np.ones((n_rows, 24), np.float32)], (16, 24))
    assert not (tmp_path / "i.tif").exists()


def test_an_error_while_writing_leaves_the_old_file(tmp_path: Path, movie: Movie) -> None:
    write_image(tmp_path / "i.tif", movie[0], pixel_size_nm=10)
    before = (tmp_path / "i.tif").read_bytes()

    def blocks() -> Any:
        yield movie[:2]
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        write_stack(tmp_path / "i.tif", blocks(), pixel_size_nm=100)
    with pytest.raises(ValueError, match="no frame was written"):
        write_stack(tmp_path / "i.tif", iter([]), pixel_size_nm=100)
    assert (tmp_path / "i.tif").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["i.tif"]


@pytest.mark.parametrize(
    ("frames", "sentence"),
    [
        ([np.zeros((2, 8, 8), "u2"), np.zeros((2, 8, 9), "u2")], "do not fit those before"),
        ([np.zeros((2, 8, 8), "u2"), np.zeros((2, 8, 8), "f4")], "do not fit those before"),
        ([np.zeros((2, 8, 8), complex)], "has no complex128 pixels; convert to uint16"),
        ([np.zeros((0, 8, 8), "u2")], r"cannot write shape \(0, 1, 8, 8\)"),
        ([np.zeros(8, "u2")], r"cannot write shape \(8,\)"),
    ],
)
def test_frames_that_do_not_fit_are_refused(
    tmp_path: Path, frames: list[Movie], sentence: str
) -> None:
    with pytest.raises(ValueError, match=rf"s\.tif: .*{sentence}"):
        write_stack(tmp_path / "s.tif", iter(frames), pixel_size_nm=100)
    assert list(tmp_path.iterdir()) == []


def test_wrong_arguments_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="pixel size must be above 0"):
        StackWriter(tmp_path / "s.tif", pixel_size_nm=0)
    with pytest.raises(ValueError, match=r"axes \(Y, X\) or \(T, Y, X\)"):
        write_image(tmp_path / "i.tif", np.zeros((2, 2, 8, 8)), pixel_size_nm=10)
    with pytest.raises(ValueError, match="in a `with` block"):
        StackWriter(tmp_path / "s.tif", pixel_size_nm=10).append(np.zeros((8, 8), "u2"))


def test_a_stack_that_outgrows_4_gb_is_announced_or_bigtiff(tmp_path: Path) -> None:
    frame = np.zeros((1, 1, 64, 64), np.uint16)
    with StackWriter(tmp_path / "s.tif", pixel_size_nm=100, n_frames=10**6) as writer:
        writer.append(frame)
    with tifffile.TiffFile(tmp_path / "s.tif") as tiff:
        assert tiff.is_bigtiff
    with StackWriter(tmp_path / "t.tif", pixel_size_nm=100, n_frames=1) as writer:
        writer.append(frame)
        writer.n_written = 10**6
        with pytest.raises(ValueError, match=r"not fit a 4 GB TIFF .* give the right n_frames"):
            writer.append(frame)
        writer.n_written = 1


def test_an_image_without_report_has_none(tmp_path: Path, movie: Movie) -> None:
    write_image(tmp_path / "i.tif", movie[0], pixel_size_nm=10)
    assert read_report(tmp_path / "i.tif") is None
    tifffile.imwrite(tmp_path / "j.tif", movie)
    assert read_report(tmp_path / "j.tif") is None


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    frames=hnp.arrays(
        st.sampled_from([np.uint8, np.uint16, np.int16, np.float32, np.float64]),
        st.tuples(st.integers(1, 12), st.integers(1, 3), st.integers(1, 9), st.integers(1, 9)),
    ),
    pixel_size_nm=st.floats(1, 2_000),  # beyond: the camera's own, and asked for
    report=st.dictionaries(st.text(), st.text() | st.integers() | st.booleans(), max_size=4),
)
def test_a_round_trip_keeps_frames_pixel_size_and_report(
    tmp_path: Path, frames: Movie, pixel_size_nm: float, report: dict[str, Any]
) -> None:
    path = tmp_path / "r.tif"
    write_stack(path, frames, pixel_size_nm=pixel_size_nm, report=report)
    source = open_frames(path)
    assert source.pixel_size_nm == pytest.approx(pixel_size_nm)
    np.testing.assert_array_equal(source.read(0, source.n_frames), frames)
    assert (read_report(path) or {}) == report
