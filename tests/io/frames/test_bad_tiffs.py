"""A bad TIFF ends in one sentence: what is wrong, where, and what to do."""

from __future__ import annotations

import os
import random
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile

from napari_deepsmlm.io import looks_like_frames, open_frames
from napari_deepsmlm.io.frames._pages import PageTable

if TYPE_CHECKING:
    from pathlib import Path

Movie = npt.NDArray[Any]
FRAME_BYTES = 16 * 24 * 2

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, SAMPLE_FORMAT = 256, 257, 258, 259, 262, 339


def entry_offset(data: bytes, tag: int, ifd: int | None = None) -> int:
    """Return where a tag's 12 bytes start in a little-endian classic TIFF."""
    ifd = struct.unpack_from("<I", data, 4)[0] if ifd is None else ifd
    (n_tags,) = struct.unpack_from("<H", data, ifd)
    places = range(ifd + 2, ifd + 2 + 12 * n_tags, 12)
    return next(p for p in places if struct.unpack_from("<H", data, p)[0] == tag)


def set_tag(path: Path, tag: int, value: int) -> None:
    """Overwrite the value of a tag of the first page."""
    data = bytearray(path.read_bytes())
    struct.pack_into("<HII", data, entry_offset(data, tag) + 2, 4, 1, value)
    path.write_bytes(data)


def page_offsets(path: Path) -> list[int]:
    with tifffile.TiffFile(path) as tiff:
        return [page.offset for page in tiff.pages]


def data_offset(path: Path, page: int = 0) -> int:
    with tifffile.TiffFile(path) as tiff:
        return tiff.pages[page].dataoffsets[0]


def one_by_one(path: Path, movie: Movie) -> None:
    """Write pages and frames in turn, so that nothing promises how many there will be."""
    with tifffile.TiffWriter(path) as writer:
        for frame in movie:
            writer.write(frame, metadata=None)


# -- no TIFF -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", r"bad\.tif: the file is empty; export or fetch it again\."),
        (b"frame,x,y\n1,2,3\n", r"bad\.tif: is text, not a TIFF; check that this is the image"),
        (bytes(range(128, 256)) * 9, r"bad\.tif: is not a TIFF or NumPy file; export the frames"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), r"bad\.tif: is a PNG image, not a TIFF; export"),
        (b"PK\x03\x04" + bytes(50), r"bad\.tif: is a ZIP archive, not a TIFF; export"),
        (b"II*\0\x08\0", r"bad\.tif: too short for a TIFF file; export"),
        (b"MM\0+\0\x08\0\0\0", r"bad\.tif: too short for a TIFF file; export"),
        (b"II*\0\x08\0\0\0", r"bad\.tif: no image was found \(.*past the end .*; the file is dam"),
        (b"II*\0\0\0\0\0" + bytes(40), r"bad\.tif: no image was found \(the list of pages is emp"),
        (b"II*\0\x08\0\0\0" + bytes(40), r"bad\.tif: no image was found \(byte 8 should hold"),
    ],
    ids=["empty", "text", "bytes", "png", "zip", "6-byte", "big", "no-page", "no-list", "zeros"],
)
def test_what_is_no_tiff_is_refused(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "bad.tif"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=sentence):
        open_frames(path)


def test_a_missing_file_a_folder_and_a_pipe_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.tif: no such file in .*; check the name"):
        open_frames(tmp_path / "none.tif")
    with pytest.raises(FileNotFoundError, match="no such file"):
        open_frames("a\0b.tif")
    with pytest.raises(FileNotFoundError, match="no such file"):
        open_frames(tmp_path / ("x" * 500 + ".tif"))
    with pytest.raises(ValueError, match="this is a folder; give the files in it instead"):
        open_frames(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.tif")
        with pytest.raises(ValueError, match="this is a device or a pipe; save the images"):
            open_frames(tmp_path / "pipe.tif")


def test_a_file_without_read_permission_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> int:
        raise PermissionError

    (tmp_path / "mine.tif").write_bytes(b"II*\0")
    monkeypatch.setattr(os, "open", refuse)  # root may read everything
    with pytest.raises(PermissionError, match=r"mine\.tif: no permission to read it; change"):
        open_frames(tmp_path / "mine.tif")


# -- cut short ---------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"imagej": True}, {}, {"ome": True}, {"bigtiff": True}])
def test_a_stack_cut_in_half_says_how_many_frames_are_complete(
    tmp_path: Path, movie: Movie, options: dict[str, Any]
) -> None:
    path = tmp_path / "cut.tif"
    tifffile.imwrite(path, movie, metadata={"axes": "TYX"}, **options)
    os.truncate(path, data_offset(path) + 6 * FRAME_BYTES + FRAME_BYTES // 2)
    sentence = r"cut\.tif: cut short: 6 of 12 frames .* open frames 0:6 with allow_truncated=True"
    with pytest.raises(ValueError, match=sentence):
        open_frames(path)
    source = open_frames(path, allow_truncated=True)
    assert (source.read(0, 6)[:, 0] == movie[:6]).all()
    assert (source.n_frames, source.warnings) == (
        6,
        ("Only the first 6 of 12 frames are complete.",),
    )


def test_a_real_imagej_stack_cut_in_half_says_180_of_361(tmp_path: Path, shared_data: Path) -> None:
    data = (shared_data / "microtubules_361x64x64.tif").read_bytes()
    (tmp_path / "cut.tif").write_bytes(data[: 267 + 180 * 8192 + 5])
    with pytest.raises(ValueError, match="180 of 361 frames are complete"):
        open_frames(tmp_path / "cut.tif")


def test_a_stack_whose_page_list_was_cut_off_is_read_with_a_warning(
    tmp_path: Path, movie: Movie
) -> None:
    path = tmp_path / "cut.tif"
    tifffile.imwrite(path, movie, imagej=True, metadata={"axes": "TYX"})
    os.truncate(path, data_offset(path) + 12 * FRAME_BYTES)
    source = open_frames(path)
    assert (source.read(0, 12)[:, 0] == movie).all()
    assert "all its frames were found" in source.warnings[0]


def test_a_stack_cut_between_pages_says_how_many_frames_it_has(
    tmp_path: Path, movie: Movie
) -> None:
    path = tmp_path / "cut.tif"
    one_by_one(path, movie)
    os.truncate(path, page_offsets(path)[7] + 5)
    with pytest.raises(ValueError, match="cut short: after 7 complete frames the list of pages"):
        open_frames(path)
    assert open_frames(path, allow_truncated=True).n_frames == 7


def test_a_file_that_still_grows_is_refused_or_read_as_far_as_it_is(
    tmp_path: Path, movie: Movie
) -> None:
    path = tmp_path / "growing.tif"
    one_by_one(path, movie)
    os.truncate(path, data_offset(path, 4) + 100)
    with pytest.raises(ValueError, match=r"4 .*complete.* \(or wait until it is written\)"):
        open_frames(path)
    assert (open_frames(path, allow_truncated=True).read(0, 4)[:, 0] == movie[:4]).all()


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_every_truncation_is_noticed(tmp_path: Path, movie: Movie, compression: str | None) -> None:
    whole, path = tmp_path / "whole.tif", tmp_path / "cut.tif"
    tifffile.imwrite(whole, movie, compression=compression, metadata=None)
    data = whole.read_bytes()
    for size in range(0, len(data) - 1, 97):
        path.write_bytes(data[:size])
        try:
            source = open_frames(path, allow_truncated=True)
        except ValueError as error:
            assert str(error).startswith("cut.tif: ")  # noqa: PT017 - either outcome is right
            continue
        assert source.warnings
        assert (source.read(0, source.n_frames)[:, 0] == movie[: source.n_frames]).all()


def test_a_stack_without_one_complete_frame_is_refused_always(tmp_path: Path, movie: Movie) -> None:
    path = tmp_path / "cut.tif"
    tifffile.imwrite(path, movie)
    os.truncate(path, data_offset(path) + 100)
    with pytest.raises(ValueError, match=r"cut\.tif: cut short: not one frame is complete"):
        open_frames(path, allow_truncated=True)


# -- damaged or hostile headers ------------------------------------------------------------------


def test_a_page_offset_past_the_end_is_refused(tmp_path: Path, movie: Movie) -> None:
    path = tmp_path / "bad.tif"
    tifffile.imwrite(path, movie)
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, 4, len(data) + 1000)
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"no image was found \(the list of pages leads past the"):
        open_frames(path)


def test_pages_in_a_circle_are_refused(tmp_path: Path, movie: Movie) -> None:
    path = tmp_path / "bad.tif"
    one_by_one(path, movie)
    offsets, data = page_offsets(path), bytearray(path.read_bytes())
    (n_tags,) = struct.unpack_from("<H", data, offsets[5])
    struct.pack_into("<I", data, offsets[5] + 2 + 12 * n_tags, offsets[0])
    path.write_bytes(data)
    with pytest.raises(ValueError, match="after 6 complete frames the list of pages runs in a cir"):
        open_frames(path)


@pytest.mark.parametrize(
    ("tag", "value", "sentence"),
    [
        (HEIGHT, 0, r"first page has 24 x 0 pixels; the file is damaged, export it again"),
        (WIDTH, 0, r"first page has 0 x 16 pixels"),
        (WIDTH, 2**31, r"declares frames of 2147483648 x 16 pixels, more than 1 GB each"),
        (WIDTH, 40_000, r"bad\.tif: cut short: not one frame is complete"),
        (BITS, 13 * 8, r"stores 104-bit values in a way no camera uses"),
        (PHOTOMETRIC, 2, r"this is a colour image \(RGB\), but frames must be grey levels; split"),
        (PHOTOMETRIC, 32803, r"this is a colour image \(a colour filter\)"),
    ],
)
def test_a_header_no_camera_writes_is_refused(
    tmp_path: Path, movie: Movie, tag: int, value: int, sentence: str
) -> None:
    path = tmp_path / "bad.tif"
    tifffile.imwrite(path, movie[0], metadata=None)
    set_tag(path, tag, value)
    with pytest.raises(ValueError, match=sentence):
        open_frames(path)


@pytest.mark.parametrize(
    ("image", "options", "sentence"),
    [
        (np.zeros((5, 8, 8, 3), np.uint8), {"photometric": "rgb"}, r"colour image \(RGB\)"),
        (
            np.zeros((8, 8, 2), np.uint16),
            {"photometric": "minisblack", "planarconfig": "contig"},
            r"colour image \(2 values per pixel\)",
        ),
        (np.zeros((5, 8, 8), np.complex64), {}, "its values are complex numbers"),
    ],
)
def test_images_that_are_no_grey_levels_are_refused(
    tmp_path: Path, image: Movie, options: dict[str, Any], sentence: str
) -> None:
    tifffile.imwrite(tmp_path / "bad.tif", image, **options)
    with pytest.raises(ValueError, match=sentence):
        open_frames(tmp_path / "bad.tif")


def test_pages_of_different_sizes_are_refused(tmp_path: Path, movie: Movie) -> None:
    path = tmp_path / "mixed.tif"
    with tifffile.TiffWriter(path) as writer:
        for frame in (*movie[:4], movie[4, :8]):
            writer.write(frame)
    sentence = r"mixed\.tif: page 0 has 24 x 16 pixels but page 4 has 24 x 8; all frames"
    with pytest.raises(ValueError, match=sentence):
        open_frames(path)


def test_pages_of_different_types_are_refused(tmp_path: Path, movie: Movie) -> None:
    path = tmp_path / "mixed.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(movie[0])
        writer.write(movie[1].astype(np.float32))
    with pytest.raises(ValueError, match="page 1 stores its values in another way than page 0"):
        open_frames(path)


def test_an_imagej_header_that_counts_too_few_is_not_believed(tmp_path: Path, movie: Movie) -> None:
    path = tmp_path / "lie.tif"
    description = b"ImageJ=1.53t\nimages=5\nslices=5\n"
    tifffile.imwrite(path, movie, description=description, metadata=None)
    source = open_frames(path)
    assert source.n_frames == 12
    assert source.warnings[0].startswith("The ImageJ header says 5 images but the file has 12")


def test_an_imagej_header_that_counts_too_many_is_not_believed(
    tmp_path: Path, movie: Movie
) -> None:
    path = tmp_path / "lie.tif"
    description = b"ImageJ=1.53t\nimages=999999999999\nslices=999999999999\n"
    tifffile.imwrite(path, movie, description=description, metadata=None)
    assert open_frames(path).n_frames == 12
    tifffile.imwrite(path, movie[0], description=description, metadata=None)
    with pytest.raises(ValueError, match="1 of 999999999999 frames are complete"):
        open_frames(path)


def test_an_ome_header_that_counts_too_many_is_not_believed(tmp_path: Path, movie: Movie) -> None:
    path = tmp_path / "aborted.ome.tif"
    tifffile.imwrite(path, movie, metadata={"axes": "TYX"})
    data = path.read_bytes()
    for count in ("90", "1" * 30):
        path.write_bytes(data)
        with tifffile.TiffFile(path, mode="r+b") as tiff:
            text = (tiff.ome_metadata or "").replace('SizeT="12"', f'SizeT="{count}"')
            tiff.pages[0].tags[270].overwrite(text)
        if count == "90":  # it places the 12 that are there: a recording that was stopped
            assert open_frames(path).warnings == ("12 of 90 planned frames were recorded.",)
            continue
        with pytest.raises(ValueError, match=rf"12 of {count} frames are complete"):
            open_frames(path)


def test_an_ome_header_that_counts_too_few_is_reported(tmp_path: Path, movie: Movie) -> None:
    path = tmp_path / "few.ome.tif"
    tifffile.imwrite(path, movie, metadata={"axes": "TYX"})
    with tifffile.TiffFile(path, mode="r+b") as tiff:
        text = (tiff.ome_metadata or "").replace('SizeT="12"', 'SizeT="5"')
        tiff.pages.first.tags[270].overwrite(text.replace('PlaneCount="12"', 'PlaneCount="5"'))
    source = open_frames(path)
    assert source.n_frames == 5
    assert source.warnings[0].startswith("The OME header describes 5 images but the file has 12")


def test_an_entity_bomb_in_the_description_is_not_expanded(tmp_path: Path, movie: Movie) -> None:
    levels = "".join(
        f'<!ENTITY l{i} "{f"&l{i - 1};" * 10 if i else "lol" * 10}">' for i in range(12)
    )
    bomb = f'<?xml version="1.0"?><!DOCTYPE OME [{levels}]><OME xmlns="x">&l11;</OME>'
    tifffile.imwrite(tmp_path / "bomb.tif", movie, description=bomb, metadata=None)
    source = open_frames(tmp_path / "bomb.tif")
    assert source.n_frames == 12
    assert "OME description is damaged" in source.warnings[0]


# -- compression -----------------------------------------------------------------------------


def test_a_deflate_bomb_is_refused_before_it_unpacks(tmp_path: Path) -> None:
    path = tmp_path / "bomb.tif"
    tifffile.imwrite(path, np.zeros((64, 64), np.uint8), compression="zlib", metadata=None)
    set_tag(path, WIDTH, 20_000)
    set_tag(path, HEIGHT, 20_000)
    set_tag(path, 278, 20_000)
    with pytest.raises(ValueError, match=r"declares frames of 20000 x 20000 pixels but holds only"):
        open_frames(path)


def test_a_tile_bomb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.tif"
    tifffile.imwrite(path, np.zeros((64, 64), np.uint8), tile=(64, 64), compression="zlib")
    set_tag(path, 322, 2**20)
    set_tag(path, 323, 2**20)
    with pytest.raises(ValueError, match="declares tiles of more than 1 GB"):
        open_frames(path)
    set_tag(path, 322, 2**14)
    set_tag(path, 323, 2**14)
    with pytest.raises(ValueError, match="the file is damaged or malicious"):
        open_frames(path)


def test_a_blank_compressed_movie_is_no_bomb(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "blank.tif", np.zeros((2, 2048, 2048), "u2"), compression="zlib")
    assert not open_frames(tmp_path / "blank.tif").read(1, 2).any()


def test_a_missing_codec_is_named_with_its_package(
    tmp_path: Path, movie: Movie, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_codec(self: PageTable) -> Any:
        raise ValueError("<COMPRESSION.LZW: 5> requires the 'imagecodecs' package")

    tifffile.imwrite(tmp_path / "lzw.tif", movie, compression="lzw")
    monkeypatch.setattr(PageTable, "_make_decoder", no_codec)
    with pytest.raises(ValueError, match=r"stored with LZW compression.*pip install imagecodecs"):
        open_frames(tmp_path / "lzw.tif")


def test_an_unknown_compression_is_refused(tmp_path: Path, movie: Movie) -> None:
    path = tmp_path / "odd.tif"
    tifffile.imwrite(path, movie[0], metadata=None)
    set_tag(path, COMPRESSION, 4242)
    with pytest.raises(ValueError, match=r"type 4242 compression\) could not be decoded; the file"):
        open_frames(path)


# -- fuzzing -----------------------------------------------------------------------------------


def seeds(folder: Path, movie: Movie) -> list[bytes]:
    """Return small valid files of every kind."""
    options: list[dict[str, Any]] = [
        {},
        {"bigtiff": True, "byteorder": ">"},
        {"imagej": True, "metadata": {"axes": "TYX", "unit": "um"}, "resolution": (10, 10)},
        {"ome": True, "metadata": {"axes": "TYX", "PhysicalSizeX": 0.1}},
        {"compression": "zlib"},
        {"compression": "lzw", "predictor": True, "rowsperstrip": 5},
        {"tile": (16, 16), "compression": "zlib"},
        {"metadata": None},
    ]
    files = []
    for option in options:
        tifffile.imwrite(folder / "seed.tif", movie, photometric="minisblack", **option)
        files.append((folder / "seed.tif").read_bytes())
    return files


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Return the bytes with a few of them changed, cut or repeated, mostly where headers are."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        n = len(changed)
        if n < 16:
            break
        where = chance.choice(
            [
                chance.randrange(min(n, 900)),
                chance.randrange(n),
                n - 1 - chance.randrange(min(n, 900)),
            ]
        )
        kind = chance.random()
        if kind < 0.4:
            changed[where] = chance.randrange(256)
        elif kind < 0.7:
            value = chance.choice([0, 1, 0xFF, 0xFFFF, 2**31, 2**32 - 1, chance.randrange(2**32)])
            changed[where : where + 4] = struct.pack("<I", value)[: len(changed[where : where + 4])]
        elif kind < 0.85:
            del changed[where : where + chance.randint(1, 40)]
        else:
            del changed[where:]
    return bytes(changed)


def test_damaged_files_end_in_documented_errors_only(tmp_path: Path, movie: Movie) -> None:
    chance = random.Random(20240607)
    files, path = seeds(tmp_path, movie), tmp_path / "fuzz.tif"
    outcomes = {"opened": 0, "refused": 0}
    for _ in range(2000):
        data = mutated(chance.choice(files), chance)
        path.write_bytes(data)
        for action in (fuzz_open, looks_like_frames):
            try:
                action(path)
            except (ValueError, OSError) as error:
                outcomes["refused"] += 1
                message = str(error)
                assert message.startswith("fuzz.tif: "), message
                assert "\n" not in message
            else:
                outcomes["opened"] += 1
    assert min(outcomes.values()) > 100


def fuzz_open(path: Path) -> None:
    source = open_frames(path, allow_truncated=True)
    for t in {0, source.n_frames // 2, source.n_frames - 1}:
        source.read(t, t + 1)
    source.close()


def test_frames_of_one_pixel_are_too_small_and_not_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "pixel.tif"
    tifffile.imwrite(path, np.full((30, 1, 1), 7, np.uint16), photometric="minisblack")
    with pytest.raises(ValueError, match=r"pixel\.tif: frames of 1 x 1 pixels are too small"):
        open_frames(path)
