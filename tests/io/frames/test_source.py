"""Every kind of stack opens with the right axes and pixel size, lazily."""

from __future__ import annotations

import json
import logging
import os
import pickle
import struct
import threading
import time
import tracemalloc
from typing import TYPE_CHECKING, Any

import dask.array
import numpy as np
import numpy.typing as npt
import pytest
import tifffile
import zarr

from napari_deepsmlm.io import FrameReadError, FrameSource, looks_like_frames, open_frames

if TYPE_CHECKING:
    from pathlib import Path

Movie = npt.NDArray[Any]


def planes_equal(source: FrameSource, expected: Movie) -> bool:
    """Whether the source holds `expected` (T, Y, X) or (T, C, Y, X), read in odd pieces."""
    expected = expected if expected.ndim == 4 else expected[:, None]
    read = np.concatenate(list(source.chunks(5)))
    return read.dtype.isnative and read.shape == expected.shape and bool((read == expected).all())


# -- kinds of TIFF ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"bigtiff": True},
        {"byteorder": ">"},
        {"bigtiff": True, "byteorder": ">"},
        {"rowsperstrip": 3},
        {"metadata": None},
        {"ome": True},
        {"imagej": True},
        {"compression": "zlib"},
        {"compression": "lzw"},
        {"compression": "lzw", "predictor": True, "byteorder": ">"},
        {"compression": "zstd", "rowsperstrip": 5},
        {"tile": (16, 16)},
        {"tile": (16, 16), "compression": "zlib"},
    ],
    ids=str,
)
def test_a_movie_reads_back_from_every_kind_of_tiff(
    tmp_path: Path, movie: Movie, options: dict[str, Any]
) -> None:
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, movie, photometric="minisblack", **options)
    with open_frames(path) as source:
        assert source.shape == (12, 1, 16, 24)
        assert source.dtype == np.uint16
        assert source.warnings == ()
        assert planes_equal(source, movie)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_frames_written_one_by_one_are_one_movie(
    tmp_path: Path, movie: Movie, compression: str | None
) -> None:
    with tifffile.TiffWriter(tmp_path / "movie.tif") as writer:
        for frame in movie:
            writer.write(frame, compression=compression, metadata=None)
    assert planes_equal(open_frames(tmp_path / "movie.tif"), movie)


@pytest.mark.parametrize("dtype", ["u1", "i2", "u4", "i4", "f2", "f4", "f8"])
def test_every_grey_level_type_is_kept(tmp_path: Path, movie: Movie, dtype: str) -> None:
    values = (movie % 100).astype(dtype)
    tifffile.imwrite(tmp_path / "movie.tif", values, photometric="minisblack", byteorder=">")
    source = open_frames(tmp_path / "movie.tif")
    assert source.dtype == np.dtype(dtype)
    assert planes_equal(source, values)


def test_packed_12_bit_frames_are_unpacked(tmp_path: Path, movie: Movie) -> None:
    values = movie % 4096
    path = tmp_path / "movie.tif"
    try:
        tifffile.imwrite(path, values, bitspersample=12, photometric="minisblack")
    except NotImplementedError:
        pytest.skip("This imagecodecs reads packed bits and cannot write them.")
    assert planes_equal(open_frames(path), values)


def test_a_palette_image_gives_its_grey_levels(tmp_path: Path, movie: Movie) -> None:
    values = (movie % 256).astype(np.uint8)
    colours = np.zeros((3, 256), np.uint16)
    tifffile.imwrite(tmp_path / "movie.tif", values, photometric="palette", colormap=colours)
    assert planes_equal(open_frames(tmp_path / "movie.tif"), values)


@pytest.mark.parametrize("shape", [(16, 24), (1, 24), (7, 13)])
def test_a_single_image_is_one_frame(tmp_path: Path, shape: tuple[int, int]) -> None:
    image = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    tifffile.imwrite(tmp_path / "one.tif", image)
    assert open_frames(tmp_path / "one.tif").shape == (1, 1, *shape)
    assert planes_equal(open_frames(tmp_path / "one.tif"), image[None])


def test_names_with_unicode_spaces_and_200_characters_open(tmp_path: Path, movie: Movie) -> None:
    path = tmp_path / ("µ molécule 分子 " + "x" * 170 + ".tif")
    tifffile.imwrite(path, movie)
    assert planes_equal(open_frames(str(path)), movie)


# -- axes ------------------------------------------------------------------------------------


def test_an_imagej_hyperstack_gives_time_and_planes(tmp_path: Path, movie: Movie) -> None:
    hyperstack = movie.reshape(6, 2, 16, 24)
    tifffile.imwrite(tmp_path / "h.tif", hyperstack, imagej=True, metadata={"axes": "TCYX"})
    assert planes_equal(open_frames(tmp_path / "h.tif"), hyperstack)


def test_an_imagej_movie_saved_as_slices_is_a_movie(tmp_path: Path, movie: Movie) -> None:
    tifffile.imwrite(tmp_path / "z.tif", movie, imagej=True, metadata={"axes": "ZYX"})
    assert open_frames(tmp_path / "z.tif").shape == (12, 1, 16, 24)


def test_the_longest_axis_is_time_where_no_t_is_named(tmp_path: Path, movie: Movie) -> None:
    stack = movie.reshape(2, 6, 16, 24)
    tifffile.imwrite(tmp_path / "q.tif", stack, metadata={"axes": "QZYX"})
    assert planes_equal(open_frames(tmp_path / "q.tif"), stack.swapaxes(0, 1))


@pytest.mark.parametrize("first", ["shape", "axes"])
def test_axes_are_found_wherever_tifffile_wrote_them(
    tmp_path: Path, movie: Movie, first: str
) -> None:
    stack = movie.reshape(6, 2, 16, 24)
    told = {"shape": list(stack.shape), "axes": "TCYX"}
    text = json.dumps({first: told.pop(first), **told})
    tifffile.imwrite(tmp_path / "old.tif", stack, description=text, metadata=None)
    assert planes_equal(open_frames(tmp_path / "old.tif"), stack)


def test_channels_alone_are_planes_up_to_four_and_a_movie_beyond(tmp_path: Path) -> None:
    for n_channels, expected in ((4, (1, 4, 8, 8)), (5, (5, 1, 8, 8))):
        stack = np.zeros((n_channels, 8, 8), np.uint16)
        tifffile.imwrite(tmp_path / "c.tif", stack, ome=True, metadata={"axes": "CYX"})
        assert open_frames(tmp_path / "c.tif").shape == expected


def test_axes_given_by_the_caller_override_the_file(tmp_path: Path, movie: Movie) -> None:
    tifffile.imwrite(tmp_path / "m.tif", movie.reshape(6, 2, 16, 24), imagej=True)
    source = open_frames(tmp_path / "m.tif", axes="CTYX")
    assert planes_equal(source, movie.reshape(6, 2, 16, 24).swapaxes(0, 1))


@pytest.mark.parametrize("axes", ["TCYX", "YX", "TTYX", "TYXC"])
def test_axes_that_do_not_fit_are_refused(tmp_path: Path, movie: Movie, axes: str) -> None:
    tifffile.imwrite(tmp_path / "m.tif", movie, metadata=None)
    with pytest.raises(ValueError, match="axes"):
        open_frames(tmp_path / "m.tif", axes=axes)


def test_ome_dimension_order_decides_which_page_is_which_plane(
    tmp_path: Path, movie: Movie
) -> None:
    stack = movie.reshape(2, 6, 16, 24)
    tifffile.imwrite(tmp_path / "o.ome.tif", stack, metadata={"axes": "CTYX"})
    assert planes_equal(open_frames(tmp_path / "o.ome.tif"), stack.swapaxes(0, 1))


# -- pixel size ------------------------------------------------------------------------------


def test_ome_pixel_size_defaults_to_micrometres(tmp_path: Path, movie: Movie) -> None:
    tifffile.imwrite(tmp_path / "a.ome.tif", movie, metadata={"PhysicalSizeX": 0.16})
    source = open_frames(tmp_path / "a.ome.tif")
    assert source.pixel_size_nm == pytest.approx(160)
    assert source.pixel_size_origin == "OME metadata"


@pytest.mark.parametrize(("size", "unit"), [(106.7, "nm"), (0.1067, "µm"), (1067, "Å")])
def test_ome_units_are_converted(tmp_path: Path, movie: Movie, size: float, unit: str) -> None:
    metadata = {"PhysicalSizeX": size, "PhysicalSizeXUnit": unit}
    tifffile.imwrite(tmp_path / "a.ome.tif", movie, metadata=metadata)
    assert open_frames(tmp_path / "a.ome.tif").pixel_size_nm == pytest.approx(106.7)


@pytest.mark.parametrize(
    ("per_unit", "unit"),
    [(10, "um"), (10, "\\u00B5m"), (10, "micron"), (0.01, "nm"), (10_000, "mm")],
)
def test_imagej_resolution_and_unit_give_the_pixel_size(
    tmp_path: Path, movie: Movie, per_unit: float, unit: str
) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif",
        movie,
        imagej=True,
        resolution=(per_unit, per_unit),
        metadata={"unit": unit},
    )
    source = open_frames(tmp_path / "a.tif")
    assert source.pixel_size_nm == pytest.approx(100)
    assert source.pixel_size_origin == "ImageJ metadata"


@pytest.mark.parametrize("unit", ["inch", "pixel", ""])
def test_printer_resolutions_are_no_pixel_size(tmp_path: Path, movie: Movie, unit: str) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif", movie, imagej=True, resolution=(72, 72), metadata={"unit": unit}
    )
    source = open_frames(tmp_path / "a.tif")
    assert (source.pixel_size_nm, source.pixel_size_origin, source.warnings) == (None, "", ())


@pytest.mark.parametrize("per_um", [0.01, 5000])
def test_an_absurd_pixel_size_is_dropped_with_a_warning(
    tmp_path: Path, movie: Movie, per_um: float
) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif", movie, imagej=True, resolution=(per_um, per_um), metadata={"unit": "um"}
    )
    source = open_frames(tmp_path / "a.tif")
    assert source.pixel_size_nm is None
    assert "not between 1 nm and 10 um" in source.warnings[0]


def test_oblong_pixels_are_reported(tmp_path: Path, movie: Movie) -> None:
    metadata = {"PhysicalSizeX": 0.1, "PhysicalSizeY": 0.2}
    tifffile.imwrite(tmp_path / "a.ome.tif", movie, metadata=metadata)
    assert "square pixels of 100 nm" in open_frames(tmp_path / "a.ome.tif").warnings[0]


@pytest.mark.parametrize("size_um", [0.16, 0])
def test_micro_manager_pixel_size_is_read_and_zero_means_unset(
    tmp_path: Path, movie: Movie, size_um: float
) -> None:
    text = json.dumps({"PixelSizeUm": size_um, "Binning": "1"})
    tifffile.imwrite(
        tmp_path / "mm.tif", movie, metadata=None, extratags=[(51123, 2, 0, text, True)]
    )
    source = open_frames(tmp_path / "mm.tif")
    assert source.pixel_size_nm == (pytest.approx(160) if size_um else None)
    assert source.pixel_size_origin == ("Micro-Manager metadata" if size_um else "")


def test_the_pixel_size_given_wins_and_is_checked(tmp_path: Path, movie: Movie) -> None:
    tifffile.imwrite(tmp_path / "a.ome.tif", movie, metadata={"PhysicalSizeX": 0.16})
    source = open_frames(tmp_path / "a.ome.tif", pixel_size_nm=120)
    assert (source.pixel_size_nm, source.pixel_size_origin) == (120.0, "given")
    assert open_frames(source, pixel_size_nm=90).pixel_size_nm == 90
    for absurd in (0, -1, 0.1, 1e6, float("nan")):
        with pytest.raises(ValueError, match="between 1 and 10000 nm"):
            open_frames(tmp_path / "a.ome.tif", pixel_size_nm=absurd)


# -- sets and series -------------------------------------------------------------------------


def write_ome_set(folder: Path, parts: dict[str, Movie], file_names_in_xml: bool = True) -> None:
    """Write an OME set whose first file describes all planes, as Micro-Manager does."""
    blocks, t = [], 0
    for name, part in parts.items():
        for ifd in range(len(part)):
            blocks.append(
                f'<TiffData FirstT="{t}" FirstC="0" FirstZ="0" IFD="{ifd}" PlaneCount="1">'
                f'<UUID FileName="{name}">urn:uuid:{name}</UUID></TiffData>'
            )
            t += 1
    xml = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2013-06">'
        '<Image ID="Image:0"><Pixels DimensionOrder="XYCZT" Type="uint16" SizeX="24" SizeY="16" '
        f'SizeC="1" SizeZ="1" SizeT="{t}" PhysicalSizeX="0.1">{"".join(blocks)}</Pixels></Image>'
        "</OME>"
    )
    for name, part in parts.items():
        tifffile.imwrite(folder / name, part, description=xml, metadata=None)


def test_a_micro_manager_set_opens_whole_from_its_first_file(tmp_path: Path, movie: Movie) -> None:
    write_ome_set(tmp_path, {"a.ome.tif": movie[:7], "a_1.ome.tif": movie[7:]})
    source = open_frames(tmp_path / "a.ome.tif")
    assert planes_equal(source, movie)
    assert source.pixel_size_nm == pytest.approx(100)


def test_a_file_that_is_named_twice_is_no_longer_movie(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((12, 8, 8), np.uint16))
    with pytest.raises(ValueError, match=r"a.npy: is given twice"):
        open_frames([tmp_path / "a.npy", tmp_path / "." / "a.npy"])


def test_a_set_given_as_a_list_is_not_counted_twice(tmp_path: Path, movie: Movie) -> None:
    write_ome_set(tmp_path, {"a.ome.tif": movie[:7], "a_1.ome.tif": movie[7:]})
    assert planes_equal(open_frames([tmp_path / "a_1.ome.tif", tmp_path / "a.ome.tif"]), movie)


def test_a_missing_part_of_a_set_is_named(tmp_path: Path, movie: Movie) -> None:
    write_ome_set(tmp_path, {"a.ome.tif": movie[:7], "a_1.ome.tif": movie[7:]})
    (tmp_path / "a_1.ome.tif").unlink()
    with pytest.raises(ValueError, match=r"a_1.ome.tif of its set of files is missing, 7 of 12"):
        open_frames(tmp_path / "a.ome.tif")
    source = open_frames(tmp_path / "a.ome.tif", allow_truncated=True)
    assert planes_equal(source, movie[:7])
    assert "first 7 of 12" in source.warnings[0]


def test_an_ome_file_that_was_renamed_opens(tmp_path: Path, movie: Movie) -> None:
    write_ome_set(tmp_path, {"a.ome.tif": movie})
    (tmp_path / "a.ome.tif").rename(tmp_path / "renamed.tif")
    assert planes_equal(open_frames(tmp_path / "renamed.tif"), movie)


def test_an_ome_file_cannot_name_files_of_other_folders(tmp_path: Path, movie: Movie) -> None:
    (tmp_path / "set").mkdir()
    tifffile.imwrite(tmp_path / "secret.tif", movie)
    write_ome_set(tmp_path / "set", {"a.tif": movie[:2]})
    with tifffile.TiffFile(tmp_path / "set" / "a.tif") as tiff:
        xml = (tiff.ome_metadata or "").replace(
            '<UUID FileName="a.tif">urn:uuid:a.tif</UUID></TiffData></Pixels>',
            '<UUID FileName="../secret.tif">u</UUID></TiffData></Pixels>',
        )
    tifffile.imwrite(tmp_path / "set" / "a.tif", movie[:2], description=xml, metadata=None)
    with pytest.raises(ValueError, match=r"secret\.tif of its set of files is missing"):
        open_frames(tmp_path / "set" / "a.tif")


def test_a_list_of_files_is_one_movie_in_natural_order(tmp_path: Path, movie: Movie) -> None:
    for i, frame in enumerate(movie):
        tifffile.imwrite(tmp_path / f"frame{i}.tif", frame)
    names = sorted(str(tmp_path / f"frame{i}.tif") for i in range(12))  # 0, 1, 10, 11, 2, ...
    source = open_frames(names)
    assert planes_equal(source, movie)
    assert planes_equal(source.slice(3, 11), movie[3:11])


def test_files_of_different_movies_are_refused(tmp_path: Path, movie: Movie) -> None:
    tifffile.imwrite(tmp_path / "a.tif", movie)
    tifffile.imwrite(tmp_path / "b.tif", movie[:, :8])
    with pytest.raises(ValueError, match=r"b.tif: its frames are .* give files of one movie"):
        open_frames([tmp_path / "a.tif", tmp_path / "b.tif"])


# -- arrays and other files --------------------------------------------------------------------


def test_arrays_in_memory_are_frames(movie: Movie) -> None:
    assert planes_equal(open_frames(movie), movie)
    assert planes_equal(open_frames(movie[0]), movie[:1])
    assert planes_equal(open_frames(movie.astype(">u2")), movie)
    assert planes_equal(open_frames(movie.reshape(6, 2, 16, 24)), movie.reshape(6, 2, 16, 24))
    assert open_frames(movie).path is None


def test_a_dask_array_is_computed_only_where_it_is_read(movie: Movie) -> None:
    def block(block_info: Any = None) -> Movie:
        start, stop = block_info[None]["array-location"][0]
        assert stop <= 8, "a chunk that nobody asked for"
        return movie[start:stop]

    lazy = dask.array.map_blocks(block, chunks=((4, 4, 4), 16, 24), dtype=movie.dtype)
    assert (open_frames(lazy).read(1, 7)[:, 0] == movie[1:7]).all()


def test_what_is_read_can_be_changed_without_harm(movie: Movie) -> None:
    source = open_frames(movie)
    source.read(0, 1)[:] = 0
    assert movie[0].any()


def test_arrays_with_many_axes_need_their_names(movie: Movie) -> None:
    stack = movie.reshape(3, 2, 2, 16, 24)
    with pytest.raises(ValueError, match=r"5 axes .* axes='TZCYX'"):
        open_frames(stack)
    assert planes_equal(open_frames(stack, axes="TZCYX"), stack.reshape(3, 4, 16, 24))


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.zeros(5), r"need two axes \(Y, X\) or more, got 1"),
        (np.zeros((0, 8, 8)), "holds no pixels"),
        (np.zeros((3, 8, 0)), "holds no pixels"),
        (np.zeros((3, 8, 8), complex), "complex128"),
        (np.zeros((3, 8, 8), bool), "must be integers or real numbers"),
        (np.zeros((3, 8, 8), object), "must be integers or real numbers"),
        (np.zeros((30, 64, 64, 3), np.uint8), "looks like colour"),
        (7, "got int"),
        ([], "got list"),
    ],
)
def test_arrays_that_are_no_frames_are_refused(array: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        open_frames(array)


@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_files_open(tmp_path: Path, movie: Movie, order: Any) -> None:
    np.save(tmp_path / "m.npy", np.array(movie, dtype=">u2", order=order))
    assert planes_equal(open_frames(tmp_path / "m.npy"), movie)


def test_a_damaged_npy_file_is_refused(tmp_path: Path, movie: Movie) -> None:
    path = tmp_path / "m.npy"
    np.save(path, movie)
    data = path.read_bytes()
    path.write_bytes(data[: 128 + 5 * 16 * 24 * 2 + 7])
    with pytest.raises(ValueError, match="5 of 12 frames are complete"):
        open_frames(path)
    assert planes_equal(open_frames(path, allow_truncated=True), movie[:5])
    path.write_bytes(data[:50])
    with pytest.raises(ValueError, match="NumPy header is damaged"):
        open_frames(path)
    np.save(path, np.array([{}]), allow_pickle=True)
    with pytest.raises(ValueError, match="object"):
        open_frames(path)


def test_a_zarr_array_opens(tmp_path: Path, movie: Movie) -> None:
    array = zarr.create_array(tmp_path / "m.zarr", shape=movie.shape, chunks=(4, 8, 8), dtype="u2")
    array[:] = movie
    assert planes_equal(open_frames(tmp_path / "m.zarr"), movie)
    (tmp_path / "empty.zarr").mkdir()
    with pytest.raises(ValueError, match="not a readable zarr array"):
        open_frames(tmp_path / "empty.zarr")


def test_a_movie_longer_than_its_header_says_is_doubted(tmp_path: Path) -> None:
    header = "Frames: 6\nHeight: 8\nWidth: 10\nData Type: uint16\n"
    (tmp_path / "m.yaml").write_text(header)
    (tmp_path / "m.raw").write_bytes(bytes(12 * 8 * 10 * 2))
    with open_frames(tmp_path / "m.raw") as source:
        assert source.shape == (6, 1, 8, 10)
        assert "room for 12 frames of 8 x 10 pixels, and 6 were read" in source.warnings[0]


def test_a_picasso_raw_movie_opens_with_its_pixel_size(shared_data: Path) -> None:
    source = open_frames(shared_data / "picasso_raw" / "testdata.raw")
    assert source.shape == (100, 1, 32, 32)
    assert source.pixel_size_nm == 160
    expected = np.fromfile(source.path or "", "<u2").reshape(100, 32, 32)
    assert planes_equal(source, expected)


def test_a_raw_movie_without_its_header_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.raw").write_bytes(bytes(100))
    with pytest.raises(ValueError, match=r"needs m\.yaml beside it"):
        open_frames(tmp_path / "m.raw")
    (tmp_path / "m.yaml").write_text("Frames: 3\nHeight: 4\n")
    with pytest.raises(ValueError, match="must state Frames, Height, Width and Data Type"):
        open_frames(tmp_path / "m.raw")


# -- a source ----------------------------------------------------------------------------------


def test_slices_chunks_and_ranges_agree(tmp_path: Path, movie: Movie) -> None:
    tifffile.imwrite(tmp_path / "m.tif", movie)
    part = open_frames(tmp_path / "m.tif").slice(2, 10).slice(1, 6)
    assert (part.n_frames, len(part), part.shape) == (5, 5, (5, 1, 16, 24))
    assert planes_equal(part, movie[3:8])
    assert [len(c) for c in part.chunks(2, 1, 4)] == [2, 1]
    with pytest.raises(IndexError, match="not within 0:5"):
        part.read(3, 6)
    with pytest.raises(ValueError, match="select nothing"):
        part.slice(5, 9)
    with pytest.raises(ValueError, match="chunk size"):
        next(part.chunks(0))


def test_dask_and_pickle_give_the_same_frames(tmp_path: Path, movie: Movie) -> None:
    for options in ({}, {"compression": "zlib"}):
        tifffile.imwrite(tmp_path / "m.tif", movie, **options)
        source = open_frames(tmp_path / "m.tif", pixel_size_nm=100)
        lazy = source.as_dask()
        assert (lazy.shape, lazy.dtype) == (source.shape, source.dtype)
        assert (lazy[3:9:2, 0, 4:].compute() == movie[3:9:2, 4:]).all()
        assert planes_equal(pickle.loads(pickle.dumps(source)), movie)  # noqa: S301 - our own
        source.close()
        assert planes_equal(source, movie)  # closed files open again


@pytest.mark.parametrize("compression", [None, "lzw"])
def test_threads_may_read_at_once(tmp_path: Path, movie: Movie, compression: str | None) -> None:
    tifffile.imwrite(tmp_path / "m.tif", movie, compression=compression, metadata=None)
    source = open_frames(tmp_path / "m.tif")
    wrong: list[int] = []

    def read(seed: int) -> None:
        for t in np.random.default_rng(seed).integers(0, 12, 50).tolist():
            wrong.extend([] if (source.read(t, t + 1)[0, 0] == movie[t]).all() else [t])

    threads = [threading.Thread(target=read, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_file_that_shrinks_while_it_is_read_is_a_read_error(tmp_path: Path, movie: Movie) -> None:
    path = tmp_path / "m.tif"
    for options in ({}, {"compression": "zlib"}):
        tifffile.imwrite(path, movie, **options)
        source = open_frames(path)
        os.truncate(path, path.stat().st_size // 4)
        with pytest.raises(FrameReadError, match="has become shorter since it was opened"):
            list(source.chunks(3))


def test_a_file_that_vanishes_is_a_read_error(tmp_path: Path, movie: Movie) -> None:
    path = tmp_path / "m.tif"
    tifffile.imwrite(path, movie)
    source = open_frames(path)
    source.close()
    path.unlink()
    with pytest.raises(FrameReadError, match=r"reading failed at byte .* check that the file"):
        source.read(0, 1)


def test_a_disk_error_is_a_read_error(
    tmp_path: Path, movie: Movie, monkeypatch: pytest.MonkeyPatch
) -> None:
    tifffile.imwrite(tmp_path / "m.tif", movie)
    source = open_frames(tmp_path / "m.tif")

    def fail(*_: Any) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "preadv", fail)
    with pytest.raises(FrameReadError, match=r"m\.tif: reading failed .*Input/output error"):
        source.read(0, 3)


def test_damage_inside_a_compressed_page_is_a_read_error(tmp_path: Path, movie: Movie) -> None:
    path = tmp_path / "m.tif"
    tifffile.imwrite(path, movie, compression="zlib")
    with tifffile.TiffFile(path) as tiff:
        offset = tiff.pages[6].dataoffsets[0]
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xff" * 200)
    source = open_frames(path)
    assert (source.read(0, 6)[:, 0] == movie[:6]).all()
    with pytest.raises(FrameReadError, match=r"page 6 .* could not be decoded"):
        source.read(4, 8)


def test_reading_does_not_silence_tifffile_for_others(
    tmp_path: Path, movie: Movie, caplog: pytest.LogCaptureFixture
) -> None:
    tifffile.imwrite(tmp_path / "m.tif", movie, compression="zlib")
    open_frames(tmp_path / "m.tif").read(0, 2)
    logging.getLogger("tifffile").warning("still heard")
    assert "still heard" in caplog.text


# -- load --------------------------------------------------------------------------------------


def test_a_6_gb_imagej_stack_opens_at_once_and_reads_in_bounded_memory(tmp_path: Path) -> None:
    n_frames, path = 12_000, tmp_path / "huge.tif"  # 512 x 512 x 2 bytes each, one page in all
    tifffile.imwrite(path, np.zeros((2, 512, 512), np.uint16), imagej=True)
    with tifffile.TiffFile(path) as tiff:
        offset = tiff.pages[0].dataoffsets[0]
    patch_first_page(path, images=n_frames)
    os.truncate(path, offset + n_frames * 512 * 512 * 2)  # a hole: takes no disk
    with path.open("r+b") as file:
        file.seek(offset + (n_frames - 1) * 512 * 512 * 2)
        file.write(b"\x07\x00" * 3)
    tracemalloc.start()
    begin = time.perf_counter()
    source = open_frames(path)
    opening_s = time.perf_counter() - begin
    for start in (0, 5000, n_frames - 100):
        block = source.read(start, start + 100)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert source.shape == (n_frames, 1, 512, 512)
    assert block[-1, 0, 0, :4].tolist() == [7, 7, 7, 0]
    assert opening_s < 0.5
    assert peak_bytes < 3 * 100 * 512 * 512 * 2


def test_60000_pages_open_within_seconds(tmp_path: Path) -> None:
    path = tmp_path / "long.tif"
    tifffile.memmap(path, shape=(60_000, 64, 64), dtype=np.uint16, bigtiff=True)  # a hole
    begin = time.perf_counter()
    source = open_frames(path)
    assert time.perf_counter() - begin < 5
    assert source.shape == (60_000, 1, 64, 64)
    assert not source.read(59_990, 60_000).any()


def patch_first_page(path: Path, images: int) -> None:
    """Make the page list end after the first page and the header announce `images`."""
    data = bytearray(path.read_bytes())
    (ifd,) = struct.unpack_from("<I", data, 4)
    (n_tags,) = struct.unpack_from("<H", data, ifd)
    struct.pack_into("<I", data, ifd + 2 + 12 * n_tags, 0)
    for i in range(n_tags):
        tag, kind, count, value = struct.unpack_from("<HHII", data, ifd + 2 + 12 * i)
        if tag == 270:
            text = f"ImageJ=1.53t\nimages={images}\nslices={images}\n".encode()
            struct.pack_into("<HHII", data, ifd + 2 + 12 * i, tag, kind, len(text), len(data))
            data += text
    path.write_bytes(data)


# -- which files a viewer should claim ---------------------------------------------------------


def test_movies_are_claimed_and_other_images_are_not(tmp_path: Path, movie: Movie) -> None:
    path = tmp_path / "a.tif"
    for options in ({}, {"imagej": True}, {"ome": True}, {"compression": "lzw"}):
        tifffile.imwrite(path, movie, **options)
        assert looks_like_frames(path)
    tifffile.imwrite(path, movie.reshape(3, 4, 16, 24), imagej=True)
    assert not looks_like_frames(path), "a few volumes over time"
    tifffile.imwrite(path, np.zeros((20, 12, 8, 8), "u2"), ome=True, metadata={"axes": "TZYX"})
    assert not looks_like_frames(path), "two long axes"
    tifffile.imwrite(path, movie[:5])
    assert not looks_like_frames(path), "a handful of images"
    tifffile.imwrite(path, np.zeros((20, 8, 8, 3), np.uint8), photometric="rgb")
    assert not looks_like_frames(path), "colour"
    tifffile.imwrite(path, np.zeros((20, 4, 8), np.uint8), photometric="minisblack")
    assert not looks_like_frames(path), "too small for a camera"
    with tifffile.TiffWriter(path) as writer:
        writer.write(movie[0], subifds=1)
        writer.write(movie[0, ::2, ::2], subfiletype=1)
    assert not looks_like_frames(path), "a pyramid"
    path.write_bytes(b"II*\0garbage")
    assert not looks_like_frames(path)
    assert not looks_like_frames(tmp_path / "missing.tif")
    assert not looks_like_frames(tmp_path)


# -- the real files ----------------------------------------------------------------------------


def test_the_microtubule_movie_has_its_published_pixel_size(shared_data: Path) -> None:
    source = open_frames(shared_data / "microtubules_361x64x64.tif")
    assert source.shape == (361, 1, 64, 64)
    assert source.dtype == np.uint16
    assert source.pixel_size_nm == pytest.approx(100)  # 10 pixels per micrometre
    assert source.pixel_size_origin == "ImageJ metadata"
    assert source.warnings == ()
    assert planes_equal(source, tifffile.imread(source.path))
    assert looks_like_frames(source.path or "")


def test_the_telomere_image_is_one_frame_without_pixel_size(shared_data: Path) -> None:
    source = open_frames(shared_data / "telomeres_253x197.tif")
    assert source.shape == (1, 1, 253, 197)
    assert source.pixel_size_nm is None
    assert not looks_like_frames(source.path or "")
