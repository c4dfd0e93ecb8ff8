"""Which plane of which file: colours, positions and files are never mixed in silence."""

from __future__ import annotations

import json
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr

from napari_deepsmlm.io import looks_like_frames, movies_in_folder, open_frames
from napari_deepsmlm.io.frames.file_names import natural_order

H, W = 16, 24


def page_file(
    path: Path, values: list[int], *, texts: list[str] | None = None, zeros: int = 0
) -> Path:
    """A TIFF as Micro-Manager lays it out: page, pixels and metadata, then the next page."""
    blob, next_at = bytearray(b"II*\0" + struct.pack("<I", 8)), 4
    for number, value in enumerate(values):
        struct.pack_into("<I", blob, next_at, len(blob))
        pixels = np.full((H, W), value, "<u2").tobytes()
        notes = [text.encode() + b"\0" for text in texts or ()] if number == 0 else []
        n_tags = 9 + len(notes)
        data_at = len(blob) + 2 + 12 * n_tags + 4
        entries = [(256, 4, 1, W), (257, 4, 1, H), (258, 3, 1, 16), (259, 3, 1, 1), (262, 3, 1, 1)]
        note_at = data_at + len(pixels)
        for note in notes:
            entries.append((270, 2, len(note), note_at))
            note_at += len(note)
        entries += [(273, 4, 1, data_at), (277, 3, 1, 1), (278, 4, 1, H), (279, 4, 1, len(pixels))]
        blob += struct.pack("<H", n_tags) + b"".join(struct.pack("<HHII", *e) for e in entries)
        next_at = len(blob)
        blob += struct.pack("<I", 0) + pixels + b"".join(notes)
    if zeros:
        struct.pack_into("<I", blob, next_at, len(blob))
        blob += bytes(zeros)
    path.write_bytes(bytes(blob))
    return path


OME = '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:0">'


def image(n_t: int, n_c: int, blocks: list[tuple[str, int, int, int]]) -> str:
    """An OME image; blocks are (file, page, t, c)."""
    placed = "".join(
        f'<TiffData FirstC="{c}" FirstT="{t}" FirstZ="0" IFD="{page}" PlaneCount="1">'
        f'<UUID FileName="{file}">urn:uuid:{file}</UUID></TiffData>'
        for file, page, t, c in blocks
    )
    return (
        f'<Image><Pixels DimensionOrder="XYCZT" Type="uint16" SizeX="{W}" SizeY="{H}" '
        f'SizeC="{n_c}" SizeZ="1" SizeT="{n_t}" PhysicalSizeX="0.1">{placed}</Pixels></Image>'
    )


def only(master: str) -> str:
    return f'{OME}<BinaryOnly MetadataFile="{master}" UUID="urn:uuid:{master}"/></OME>'


def imagej(n_t: int, n_c: int) -> str:
    return f"ImageJ=1.49\nimages={n_t * n_c}\nchannels={n_c}\nframes={n_t}\nhyperstack=true\n"


def plain(file: str, n_t: int, n_c: int = 1) -> list[tuple[str, int, int, int]]:
    return [(file, i, i // n_c, i % n_c) for i in range(n_t * n_c)]


def corner_values(source: Any) -> list[int]:
    return [int(v) for v in source.read(0, source.n_frames)[:, :, 0, 0].ravel()]


# -- positions of a set ---------------------------------------------------------------------------


@pytest.mark.parametrize("master", ["p0.ome.tif", "p1.ome.tif", "set.companion.ome"])
@pytest.mark.parametrize("n_c", [1, 2])
def test_each_file_opens_the_position_it_belongs_to(tmp_path: Path, master: str, n_c: int) -> None:
    lengths = {"p0.ome.tif": 10, "p1.ome.tif": 15}
    xml = (
        OME + "".join(image(n, n_c, plain(name, n, n_c)) for name, n in lengths.items()) + "</OME>"
    )
    (tmp_path / "set.companion.ome").write_text(xml)
    for start, (name, n) in zip((1000, 2000), lengths.items(), strict=True):
        text = xml if name == master else only(master)
        values = [start + i for i in range(n * n_c)]
        page_file(tmp_path / name, values, texts=[text, imagej(n, n_c)])
        if master == "p1.ome.tif" and name == "p0.ome.tif":
            continue  # its master is not there yet
    for start, (name, n) in zip((1000, 2000), lengths.items(), strict=True):
        source = open_frames(tmp_path / name)
        assert source.shape == (n, n_c, H, W)
        assert corner_values(source) == [start + i for i in range(n * n_c)]
        assert source.warnings == ()
    assert [[p.name for p in files] for files in movies_in_folder(tmp_path)] == [
        ["p0.ome.tif"],
        ["p1.ome.tif"],
    ]


def test_a_position_in_two_files_opens_whole_from_either(tmp_path: Path) -> None:
    second = [("p1.tif", i, i, 0) for i in range(12)] + [
        ("p1_1.tif", i, 12 + i, 0) for i in range(5)
    ]
    xml = OME + image(10, 1, plain("p0.tif", 10)) + image(17, 1, second) + "</OME>"
    page_file(tmp_path / "p0.tif", [1000 + i for i in range(10)], texts=[xml])
    page_file(tmp_path / "p1.tif", [2000 + i for i in range(12)], texts=[only("p0.tif")])
    page_file(tmp_path / "p1_1.tif", [2012 + i for i in range(5)], texts=[only("p0.tif")])
    for name in ("p1.tif", "p1_1.tif"):
        source = open_frames(tmp_path / name)
        assert corner_values(source) == [2000 + i for i in range(17)]
        assert corner_values(pickle.loads(pickle.dumps(source))) == corner_values(source)  # noqa: S301
    assert len(movies_in_folder(tmp_path)) == 2


def test_a_pointer_to_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    path = page_file(tmp_path / "p1.tif", list(range(40)), texts=[only("p0.tif"), imagej(20, 2)])
    source = open_frames(path)
    assert source.shape == (20, 2, H, W)  # ImageJ's own words of it
    assert "one part of a set that p0.tif describes, which is not beside it" in source.warnings[0]


# -- stopped recordings ---------------------------------------------------------------------------


def test_a_recording_that_was_stopped_opens_with_what_was_recorded(tmp_path: Path) -> None:
    xml = OME + image(1000, 1, plain("m.ome.tif", 30)) + "</OME>"
    source = open_frames(page_file(tmp_path / "m.ome.tif", list(range(30)), texts=[xml]))
    assert source.shape == (30, 1, H, W)
    assert source.warnings == ("30 of 1000 planned frames were recorded.",)
    assert looks_like_frames(tmp_path / "m.ome.tif")


def test_a_frame_of_which_a_colour_is_missing_is_left_out(tmp_path: Path) -> None:
    xml = OME + image(500, 2, plain("m.ome.tif", 16, 2)[:31]) + "</OME>"
    source = open_frames(page_file(tmp_path / "m.ome.tif", list(range(31)), texts=[xml]))
    assert source.shape == (15, 2, H, W)
    assert source.warnings == (
        "15 of 500 planned frames were recorded (1 image of an incomplete frame left out).",
    )


def test_a_recording_that_crashed_opens_up_to_its_zeros(tmp_path: Path) -> None:
    source = open_frames(page_file(tmp_path / "m.tif", list(range(30)), zeros=50_000))
    assert source.shape == (30, 1, H, W)
    assert source.warnings == (
        "The recording ended before the file was finished: 30 frames were found.",
    )


def test_a_file_that_was_cut_is_still_refused_with_the_option(tmp_path: Path) -> None:
    xml = OME + image(30, 1, plain("m.ome.tif", 30)) + "</OME>"
    path = page_file(tmp_path / "m.ome.tif", list(range(30)), texts=[xml])
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(ValueError, match=r"cut short: \d+ of 30 frames .*--frames 0:\d+\)"):
        open_frames(path)
    assert open_frames(path, allow_truncated=True).n_frames < 30


def test_channels_that_a_header_does_not_count_are_not_skipped(tmp_path: Path) -> None:
    xml = OME + image(10, 1, plain("m.ome.tif", 10, 3)) + "</OME>"
    source = open_frames(page_file(tmp_path / "m.ome.tif", list(range(30)), texts=[xml]))
    assert corner_values(source) == list(range(30))
    assert source.shape == (10, 3, H, W)
    assert "says T=10 x Z=1 x C=1 but places images at T=10 x Z=1 x C=3" in source.warnings[0]


# -- MetaMorph and ImageJ -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["m.stk", "m_stk.tif"])
def test_all_planes_of_a_metamorph_stack_are_frames(tmp_path: Path, name: str) -> None:
    n = 30
    movie = np.random.default_rng(0).integers(0, 999, (n, H, W)).astype("<u2")
    data, tags = movie.tobytes(), 12
    after = 8 + len(data) + 2 + 12 * tags + 4
    entries = [(256, 4, 1, W), (257, 4, 1, H), (258, 3, 1, 16), (259, 3, 1, 1), (262, 3, 1, 1)]
    entries += [(273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, H), (279, 4, 1, H * W * 2)]
    entries += [(33628, 4, 1, 0), (33629, 5, n, after), (33630, 5, n, after + 24 * n)]
    ifd = struct.pack("<H", tags) + b"".join(struct.pack("<HHII", *e) for e in entries)
    head = b"II*\0" + struct.pack("<I", 8 + len(data))
    (tmp_path / name).write_bytes(head + data + ifd + bytes(4) + bytes(32 * n))
    source = open_frames(tmp_path / name)
    np.testing.assert_array_equal(source.read(0, n)[:, 0], movie)
    assert looks_like_frames(tmp_path / name)


def test_signed_values_of_imagej_are_those_that_it_shows(tmp_path: Path) -> None:
    movie = np.random.default_rng(0).integers(-50, 900, (12, H, W)).astype(np.int16)
    text = "ImageJ=1.53t\nimages=12\nframes=12\ncf=0\nc0=-32768.0\nc1=1.0\n"
    stored = (movie.astype(np.int32) + 32768).astype(">u2")
    path = tmp_path / "signed.tif"
    tifffile.imwrite(path, stored, byteorder=">", metadata=None, description=text)
    source = open_frames(path)
    assert source.dtype == np.int16
    np.testing.assert_array_equal(source.read(0, 12)[:, 0], movie)
    np.testing.assert_array_equal(source.slice(3, 5).read(0, 2)[:, 0], movie[3:5])
    tifffile.imwrite(path, stored, metadata=None, description=text.replace("c1=1.0", "c1=0.5"))
    source = open_frames(path)
    assert source.dtype == np.uint16
    assert "ImageJ shows its values as -32768 + 0.5 x those stored" in source.warnings[0]


# -- axes without names ---------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["tif", "npy"])
def test_a_long_second_axis_without_a_name_is_time(tmp_path: Path, ending: str) -> None:
    stack = np.random.default_rng(0).integers(0, 999, (5, 40, H, W)).astype(np.uint16)
    path = tmp_path / f"m.{ending}"
    tifffile.imwrite(path, stack) if ending == "tif" else np.save(path, stack)
    source = open_frames(path)
    np.testing.assert_array_equal(source.read(0, 40), stack.swapaxes(0, 1))
    assert source.layout.describe() == "5 planes"
    assert open_frames(path, axes="TZYX").shape == (5, 40, H, W)


@pytest.mark.parametrize("shape", [(5, 100, 8, 6), (100, 5, 8, 6)])
def test_the_longer_axis_of_a_zarr_array_without_names_is_time(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    zarr.save_array(str(tmp_path / "m.zarr"), np.zeros(shape, np.uint16))
    assert open_frames(tmp_path / "m.zarr").shape == (100, 5, 8, 6)


@pytest.mark.parametrize("before", [(30, 1, 1), (1, 30, 1), (1, 1, 1, 30)])
def test_axes_of_length_one_need_no_names(tmp_path: Path, before: tuple[int, ...]) -> None:
    movie = np.arange(30 * 8 * 6, dtype=np.uint16).reshape(*before, 8, 6)
    np.save(tmp_path / "m.npy", movie)
    for source in (movie, tmp_path / "m.npy"):
        assert np.array_equal(open_frames(source).read(0, 30), movie.reshape(30, 1, 8, 6))


def test_a_movie_with_time_last_is_doubted(tmp_path: Path) -> None:
    np.save(tmp_path / "matlab.npy", np.zeros((64, 64, 100), np.uint16))
    (told,) = open_frames(tmp_path / "matlab.npy").warnings
    assert told.startswith("It was read as 64 frames of 64 x 100 px. If its last axis is time")
    np.save(tmp_path / "plain.npy", np.zeros((100, 64, 64), np.uint16))
    assert open_frames(tmp_path / "plain.npy").warnings == ()


def test_two_long_axes_without_names_are_refused_with_the_option(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "m.tif", np.zeros((40, 20, H, W), np.uint16))
    with pytest.raises(ValueError, match=r"its axes 40 x 20 .* have no names.*--axes, as TZYX"):
        open_frames(tmp_path / "m.tif")
    assert open_frames(tmp_path / "m.tif", axes="TZYX").shape == (40, 20, H, W)


# -- colours --------------------------------------------------------------------------------------


def colours(tmp_path: Path) -> tuple[Path, np.ndarray]:
    movie = np.random.default_rng(0).integers(0, 999, (20, 2, H, W)).astype(np.uint16)
    path = tmp_path / "two.ome.tif"
    names = {"Channel": {"Name": ["AF647", "CF568"]}}
    tifffile.imwrite(path, movie, metadata={"axes": "TCYX", **names})
    return path, movie


@pytest.mark.parametrize(("channel", "index"), [(1, 0), ("2", 1), ("cf568", 1)])
def test_one_colour_is_taken_by_number_or_name(tmp_path: Path, channel: Any, index: int) -> None:
    path, movie = colours(tmp_path)
    assert open_frames(path).layout.describe() == "2 channels (AF647, CF568)"
    source = open_frames(path, channel=channel)
    np.testing.assert_array_equal(source.read(0, 20)[:, 0], movie[:, index])
    array = open_frames(movie, channel=index + 1)
    np.testing.assert_array_equal(array.read(4, 9)[:, 0], movie[4:9, index])


def test_a_colour_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    path, _ = colours(tmp_path)
    for bad in (0, 3, "GFP"):
        with pytest.raises(
            ValueError, match=r"has no channel '.*'; it has 2 \(AF647, CF568\): give"
        ):
            open_frames(path, channel=bad)
    with pytest.raises(ValueError, match="it has 1"):
        open_frames(np.zeros((5, H, W)), channel=2)


def ndtiff(folder: Path, axes: list[dict[str, Any]], n_first: int) -> list[Path]:
    """A data set of two files with its index, values counting up."""
    names = ["m_NDTiffStack.tif", "m_NDTiffStack_1.tif"]
    parts = [list(range(n_first)), list(range(n_first, len(axes)))]
    index = b""
    for name, values in zip(names, parts, strict=True):
        page_file(folder / name, values)
        with tifffile.TiffFile(folder / name) as tiff:
            offsets = [page.dataoffsets[0] for page in tiff.pages]
        for value, offset in zip(values, offsets, strict=True):
            key = json.dumps(axes[value]).encode()
            index += (
                struct.pack("<I", len(key)) + key + struct.pack("<I", len(name)) + name.encode()
            )
            index += struct.pack("<8I", offset, W, H, 1, 0, 0, 0, 0)
    (folder / "NDTiff.index").write_bytes(index)
    return [folder / name for name in names]


def test_an_ndtiff_index_tells_time_and_colour_of_each_page(tmp_path: Path) -> None:
    axes = [{"time": t, "channel": c} for t in range(12) for c in ("DAPI", "Cy5")]
    first, second = ndtiff(tmp_path, axes, 14)
    for path in (first, second):
        source = open_frames(path)
        assert source.shape == (12, 2, H, W)
        assert corner_values(source) == list(range(24))
        assert source.layout.channels == ("DAPI", "Cy5")
    assert corner_values(open_frames(first, channel="Cy5")) == list(range(1, 24, 2))


def test_positions_of_an_ndtiff_file_are_not_mixed(tmp_path: Path) -> None:
    axes = [{"time": t, "position": p} for t in range(12) for p in (0, 1)]
    first, _ = ndtiff(tmp_path, axes, 14)
    with pytest.raises(ValueError, match=r"holds 2 movies \(position 0; position 1\) in one file"):
        open_frames(first)


# -- names of files -------------------------------------------------------------------------------


def singles(folder: Path, names: list[str]) -> list[Path]:
    for value, name in enumerate(names):
        tifffile.imwrite(folder / name, np.full((H, W), value, np.uint16))
    return [folder / name for name in names]


@pytest.mark.parametrize(
    ("pattern", "channels"),
    [
        ("img_channel00{c}_position000_time{t:09d}_z000.tif", ["0", "1"]),
        ("cell_t{t:04d}_c{c}.tif", ["0", "1"]),
        ("img_{t:09d}_Cy{c}_000.tif", ["cy0", "cy1"]),
        ("cell_w{c}GFP_s1_t{t}.tif", ["0", "1"]),
    ],
)
def test_colours_of_single_images_are_movies_of_their_own(
    tmp_path: Path, pattern: str, channels: list[str]
) -> None:
    paths = singles(tmp_path, [pattern.format(t=t, c=c) for t in range(12) for c in range(2)])
    movies = movies_in_folder(tmp_path)
    assert [len(files) for files in movies] == [12, 12]
    values = [corner_values(open_frames(files)) for files in movies]
    assert values == [list(range(0, 24, 2)), list(range(1, 24, 2))]
    with pytest.raises(
        ValueError, match=r"24 files say that they are of 2 places .*--channel take"
    ):
        open_frames(paths)
    assert corner_values(open_frames(paths, channel=channels[1])) == list(range(1, 24, 2))


@pytest.mark.parametrize(
    ("pattern", "kinds"),
    [
        ("{k}_{t:03d}.tif", ["green", "red"]),
        ("{k}_{t:03d}.tif", ["488nm", "647nm"]),
        ("A - 01(fld 1 wv {k} time {t}).tif", ["Cy3 - Cy3", "FITC"]),
    ],
)
def test_words_that_count_the_same_numbers_are_movies_of_their_own(
    tmp_path: Path, pattern: str, kinds: list[str]
) -> None:
    names = [pattern.format(t=t, k=kind) for kind in kinds for t in range(12)]
    paths = singles(tmp_path, names)
    values = [corner_values(open_frames(files)) for files in movies_in_folder(tmp_path)]
    assert values == [list(range(12)), list(range(12, 24))]
    with pytest.raises(ValueError, match=r"24 files say that they are of 2 places"):
        open_frames(paths)


def test_words_that_go_on_counting_are_one_movie(tmp_path: Path) -> None:
    names = [f"before_{t:02d}.tif" for t in range(6)] + [
        f"during_{t:02d}.tif" for t in range(6, 12)
    ]
    assert corner_values(open_frames(singles(tmp_path, names))) == list(range(12))


def test_plain_numbers_are_one_movie(tmp_path: Path) -> None:
    for folder, pattern in (("a", "p{t}.tif"), ("b", "cell_{t}.tif"), ("c", "s{t:03d}.tif")):
        (tmp_path / folder).mkdir()
        paths = singles(tmp_path / folder, [pattern.format(t=t) for t in range(12)])
        assert corner_values(open_frames(paths)) == list(range(12))
        assert len(movies_in_folder(tmp_path / folder)) == 1


@pytest.mark.parametrize(
    "names",
    [
        ["m.tif", "m2.tif", "m10.tif"],
        ["m.tif", "m (1).tif", "m (2).tif"],
        ["m.tif", "m-1.tif", "m-2.tif"],
        ["m.ome.tif", "m_1.ome.tif", "m_2.ome.tif"],
        ["m.tif", "m_X2.tif", "m_X3.tif"],
    ],
)
def test_the_part_without_a_number_is_the_first(names: list[str]) -> None:
    assert [p.name for p in natural_order(map(Path, reversed(names)))] == names


# -- what else a file carries ---------------------------------------------------------------------


def test_a_thumbnail_behind_the_frames_is_left_out(tmp_path: Path) -> None:
    movie = np.random.default_rng(0).integers(0, 999, (12, H, W)).astype(np.uint16)
    with tifffile.TiffWriter(tmp_path / "m.tif") as tiff:
        for frame in movie:
            tiff.write(frame, metadata=None)
        tiff.write(movie[0, ::2, ::2], subfiletype=1, metadata=None)
    np.testing.assert_array_equal(open_frames(tmp_path / "m.tif").read(0, 12)[:, 0], movie)


def test_the_cameras_own_pixel_is_not_that_of_the_sample(tmp_path: Path) -> None:
    per_cm = (1e4 / 6.5, 1e4 / 6.5)
    movie = np.zeros((12, H, W), np.uint16)
    tifffile.imwrite(tmp_path / "m.tif", movie, resolution=per_cm, resolutionunit=3, metadata=None)
    source = open_frames(tmp_path / "m.tif")
    assert source.pixel_size_nm is None
    assert "gives pixels of 6.5 um, which is the size of a camera's own" in source.warnings[0]


def test_a_micro_sign_in_latin_1_is_understood(tmp_path: Path) -> None:
    text = "ImageJ=1.40\nimages=12\nframes=12\nunit=µm\n".encode("latin-1")
    movie = np.zeros((12, H, W), np.uint16)
    tifffile.imwrite(
        tmp_path / "m.tif", movie, description=text, resolution=(10, 10), metadata=None
    )
    assert open_frames(tmp_path / "m.tif").pixel_size_nm == pytest.approx(100)


@pytest.mark.parametrize("n_images", [1, 2])
def test_an_image_of_bioformats2raw_opens_if_it_is_the_only_one(
    tmp_path: Path, n_images: int
) -> None:
    movie = np.random.default_rng(0).integers(0, 999, (12, H, W)).astype(np.uint16)
    root = zarr.open_group(tmp_path / "m.zarr", mode="w", zarr_format=2)
    root.attrs["bioformats2raw.layout"] = 3
    for number in range(n_images):
        inner = root.create_group(str(number))
        inner.create_array("0", shape=movie.shape, chunks=(4, H, W), dtype="u2")[:] = movie
        axes = [{"name": name} for name in "tyx"]
        inner.attrs["multiscales"] = [{"axes": axes, "datasets": [{"path": "0"}]}]
    if n_images == 1:
        np.testing.assert_array_equal(open_frames(tmp_path / "m.zarr").read(0, 12)[:, 0], movie)
        return
    with pytest.raises(ValueError, match=r"holds 2 images \(0, 1\), .*one, as m\.zarr/0\."):
        open_frames(tmp_path / "m.zarr")
    assert open_frames(tmp_path / "m.zarr" / "1").n_frames == 12


def plate(path: Path, movie: np.ndarray, wells: list[str], n_fields: int) -> Path:
    """A high-content plate as OME-NGFF 0.4 lays it out: rows, columns, fields of view."""
    root = zarr.open_group(path, mode="w", zarr_format=2)
    root.attrs["plate"] = {"version": "0.4", "wells": [{"path": well} for well in wells]}
    for well in wells:
        group = root.create_group(well)
        group.attrs["well"] = {"images": [{"path": str(k)} for k in range(n_fields)]}
        for k in range(n_fields):
            field = group.create_group(str(k))
            field.create_array("0", shape=movie.shape, chunks=(4, H, W), dtype="u2")[:] = movie
            axes = [{"name": name} for name in "tyx"]
            field.attrs["multiscales"] = [{"axes": axes, "datasets": [{"path": "0"}]}]
    return path


def test_a_plate_opens_if_it_has_one_field_and_else_says_how(tmp_path: Path) -> None:
    movie = np.random.default_rng(0).integers(0, 999, (12, H, W)).astype(np.uint16)
    one = plate(tmp_path / "one.zarr", movie, ["B/03"], 1)
    np.testing.assert_array_equal(open_frames(one).read(0, 12)[:, 0], movie)
    wells = plate(tmp_path / "wells.zarr", movie, ["A/01", "B/03"], 1)
    with pytest.raises(ValueError, match=r"2 images \(A/01, B/03\), .* as wells\.zarr/A/01\."):
        open_frames(wells)
    fields = plate(tmp_path / "fields.zarr", movie, ["B/03"], 2)
    with pytest.raises(ValueError, match=r"2 images \(0, 1\), .* as fields\.zarr/B/03/0\."):
        open_frames(fields)
    np.testing.assert_array_equal(open_frames(fields / "B/03/1").read(0, 12)[:, 0], movie)


@pytest.mark.parametrize("well", ["../../secret", "/etc", ""])
def test_a_plate_names_nothing_outside_itself(tmp_path: Path, well: str) -> None:
    movie = np.zeros((4, H, W), np.uint16)
    path = plate(tmp_path / "p.zarr", movie, ["A/01"], 1)
    zarr.open_group(path).attrs["plate"] = {"wells": [{"path": well}]}
    with pytest.raises(ValueError, match=r"p\.zarr"):
        open_frames(path)


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-8-sig"])
def test_a_header_of_picasso_is_read_in_the_encoding_of_its_editor(
    tmp_path: Path, encoding: str
) -> None:
    movie = np.random.default_rng(0).integers(0, 999, (12, H, W)).astype("<u2")
    movie.tofile(tmp_path / "m.raw")
    header = f"Data Type: uint16\nFrames: 12\nHeight: {H}\nWidth: {W}\nPixelsize: 130\nUnit: µm\n"
    (tmp_path / "m.yaml").write_bytes(header.encode(encoding))
    source = open_frames(tmp_path / "m.raw")
    np.testing.assert_array_equal(source.read(0, 12)[:, 0], movie)
    assert source.pixel_size_nm == 130
