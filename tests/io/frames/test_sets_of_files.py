"""Movies in several files or with a neighbour: .dax, OME-Zarr, planes, folders of images."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
import zarr

from napari_deepsmlm.io import are_planes, looks_like_frames, movies_in_folder, open_frames

if TYPE_CHECKING:
    from pathlib import Path

Movie = npt.NDArray[Any]


def frames_of(source: Any) -> Movie:
    return np.concatenate(list(source.chunks(5)))


# -- .dax ------------------------------------------------------------------------------------


def write_dax(path: Path, movie: Movie, byte_order: str = "big", **lines: Any) -> Path:
    """Write a movie as HAL4000 does."""
    path.write_bytes(movie.astype(">u2" if byte_order == "big" else "<u2").tobytes())
    values = {
        "frame dimensions": f"{movie.shape[2]} x {movie.shape[1]}",
        "number of frames": len(movie),
        "data type": f"16 bit integers (binary, {byte_order} endian)",
        **lines,
    }
    text = "\n".join(f"{name} = {value}" for name, value in values.items())
    path.with_suffix(".inf").write_text(text)
    return path


@pytest.mark.parametrize("byte_order", ["big", "little"])
def test_a_dax_movie_opens_with_the_size_its_neighbour_states(
    tmp_path: Path, movie: Movie, byte_order: str
) -> None:
    source = open_frames(write_dax(tmp_path / "m.dax", movie, byte_order))
    assert source.dtype == np.uint16
    np.testing.assert_array_equal(frames_of(source)[:, 0], movie)
    assert source.pixel_size_nm is None


def test_a_dax_movie_needs_its_neighbour(tmp_path: Path, movie: Movie) -> None:
    path = write_dax(tmp_path / "m.dax", movie)
    path.with_suffix(".inf").rename(tmp_path / "m.INF")
    assert open_frames(path).n_frames == len(movie)
    (tmp_path / "m.INF").unlink()
    with pytest.raises(ValueError, match=r"m\.dax: a \.dax movie needs m\.inf beside it"):
        open_frames(path)


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ({"frame dimensions": "twelve"}, r"m\.inf: must state 'frame dimensions"),
        ({"number of frames": ""}, r"m\.inf: must state"),
        ({"frame dimensions": "0 x 16"}, "holds no pixels"),
        ({"number of frames": 20}, "cut short: 12 of 20 frames are complete"),
    ],
)
def test_a_dax_movie_that_does_not_fit_its_neighbour_is_one_sentence(
    tmp_path: Path, movie: Movie, lines: dict[str, Any], sentence: str
) -> None:
    path = write_dax(tmp_path / "m.dax", movie, **lines)
    with pytest.raises(ValueError, match=sentence):
        open_frames(path)


def test_the_complete_frames_of_a_cut_dax_movie_open_on_demand(
    tmp_path: Path, movie: Movie
) -> None:
    path = write_dax(tmp_path / "m.dax", movie)
    path.write_bytes(path.read_bytes()[:-10])
    source = open_frames(path, allow_truncated=True)
    np.testing.assert_array_equal(frames_of(source)[:, 0], movie[:-1])
    assert source.warnings == ("Only the first 11 of 12 frames are complete.",)


def test_the_camera_of_a_picasso_movie_is_known(shared_data: Path) -> None:
    assert open_frames(shared_data / "picasso_raw" / "testdata.raw").camera == "Simulation"


# -- zarr ------------------------------------------------------------------------------------


def write_ome_zarr(path: Path, stack: Movie, axes: str, version: str) -> None:
    group = zarr.open_group(path, mode="w", zarr_format=2 if version == "0.4" else 3)
    group.create_array("0", shape=stack.shape, chunks=(5, *stack.shape[1:]), dtype=stack.dtype)
    group["0"][:] = stack
    group.create_array("1", shape=(2, 2), chunks=(2, 2), dtype="u2")
    spatial = {"type": "space", "unit": "micrometer"}
    image = {
        "version": version,
        "axes": [{"name": a, **(spatial if a in "zyx" else {})} for a in axes],
        "datasets": [
            {
                "path": path_,
                "coordinateTransformations": [
                    {"type": "scale", "scale": [1.0] * (len(axes) - 2) + [0.108, 0.108]}
                ],
            }
            for path_ in ("0", "1")
        ],
    }
    group.attrs.update(
        {"multiscales": [image]} if version == "0.4" else {"ome": {"multiscales": [image]}}
    )


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("name", ["m.zarr", "without ending"])
def test_an_ome_zarr_image_opens_with_axes_and_pixel_size(
    tmp_path: Path, movie: Movie, version: str, name: str
) -> None:
    stack = movie.reshape(2, 6, 16, 24)
    write_ome_zarr(tmp_path / name, stack, "ctyx", version)
    source = open_frames(tmp_path / name)
    np.testing.assert_array_equal(frames_of(source), stack.swapaxes(0, 1))
    assert source.pixel_size_nm == pytest.approx(108)
    assert source.pixel_size_origin == "OME-Zarr metadata"


def test_an_ome_zarr_image_cannot_name_arrays_outside(tmp_path: Path, movie: Movie) -> None:
    write_ome_zarr(tmp_path / "secret.zarr", movie, "tyx", "0.5")
    write_ome_zarr(tmp_path / "m.zarr", movie, "tyx", "0.5")
    group = zarr.open_group(tmp_path / "m.zarr")
    ome = dict(group.attrs["ome"])
    ome["multiscales"][0]["datasets"][0]["path"] = "../secret.zarr/0"
    group.attrs["ome"] = ome
    with pytest.raises(ValueError, match="not a readable zarr array"):
        open_frames(tmp_path / "m.zarr")


def test_chunks_that_do_not_fit_the_memory_are_refused(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "m.zarr", shape=(10_000, 512, 512), dtype="u2", chunks="auto")
    assert open_frames(tmp_path / "m.zarr").n_frames == 10_000
    whole = (10_000, 512, 512)
    zarr.create_array(tmp_path / "n.zarr", shape=whole, dtype="u2", chunks=whole)
    with pytest.raises(ValueError, match=r"n\.zarr: its chunks .* over 1 GB .* a few frames"):
        open_frames(tmp_path / "n.zarr")


# -- planes ----------------------------------------------------------------------------------


def test_files_side_by_side_are_planes_in_the_order_given(tmp_path: Path, movie: Movie) -> None:
    paths = [tmp_path / name for name in ("d.tif", "b.ome.tif", "c.npy", "a.tif")]
    planes = [movie + k for k in range(4)]
    for path, plane in zip(paths, planes, strict=True):
        if path.suffix == ".npy":
            np.save(path, plane)
        else:
            tifffile.imwrite(path, plane)
    source = open_frames(paths, as_planes=True)
    assert source.shape == (12, 4, 16, 24)
    np.testing.assert_array_equal(frames_of(source), np.stack(planes, axis=1))
    np.testing.assert_array_equal(source.slice(3, 9).read(1, 3), np.stack(planes, axis=1)[4:6])


def test_planes_of_unequal_length_are_refused(tmp_path: Path, movie: Movie) -> None:
    tifffile.imwrite(tmp_path / "a.tif", movie)
    tifffile.imwrite(tmp_path / "b.tif", movie[:7])
    paths = [tmp_path / "a.tif", tmp_path / "b.tif"]
    with pytest.raises(ValueError, match=r"b\.tif: has 7 frames but a\.tif has 12"):
        open_frames(paths, as_planes=True)
    source = open_frames(paths, as_planes=True, allow_truncated=True)
    np.testing.assert_array_equal(frames_of(source), np.stack([movie[:7]] * 2, axis=1))


def test_planes_of_unequal_size_are_refused(tmp_path: Path, movie: Movie) -> None:
    tifffile.imwrite(tmp_path / "a.tif", movie)
    tifffile.imwrite(tmp_path / "b.tif", movie[:, :8])
    with pytest.raises(ValueError, match=r"b\.tif: its frames are"):
        open_frames([tmp_path / "a.tif", tmp_path / "b.tif"], as_planes=True)


# -- many files ------------------------------------------------------------------------------


def test_more_files_than_a_process_may_open_are_one_movie(tmp_path: Path) -> None:
    resource: Any = pytest.importorskip("resource", reason="limits of processes are Unix")
    frames = np.arange(300, dtype=np.uint16)[:, None, None] + np.zeros((8, 8), np.uint16)
    paths = [tmp_path / f"frame{i}.tif" for i in range(len(frames))]
    for path, frame in zip(paths, frames, strict=True):
        tifffile.imwrite(path, frame)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, limits[1]))
    try:
        source = open_frames(paths)
        np.testing.assert_array_equal(source.read(0, 300)[:, 0], frames)
        np.testing.assert_array_equal(source.read(120, 290)[:, 0], frames[120:290])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


# -- pages that are recognised by their bytes --------------------------------------------------


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_page_that_differs_among_alike_ones_is_seen(
    tmp_path: Path, movie: Movie, big: bool, order: str
) -> None:
    path = tmp_path / "m.tif"
    with tifffile.TiffWriter(path, bigtiff=big, byteorder=order) as writer:
        for number, frame in enumerate(movie):
            writer.write(frame[:8] if number == 9 else frame, metadata=None)
    with pytest.raises(ValueError, match="but page 9 has 24 x 8"):
        open_frames(path)


@pytest.mark.parametrize("big", [False, True])
def test_each_page_may_have_remarks_of_its_own(tmp_path: Path, movie: Movie, big: bool) -> None:
    with tifffile.TiffWriter(tmp_path / "m.tif", bigtiff=big) as writer:
        for number, frame in enumerate(movie):
            writer.write(frame, description="x" * (number % 7 + 1), metadata=None)
    np.testing.assert_array_equal(frames_of(open_frames(tmp_path / "m.tif"))[:, 0], movie)


def test_pages_in_another_order_than_their_frames_are_followed(
    tmp_path: Path, movie: Movie
) -> None:
    """Swap where two pages say their frames lie."""
    path = tmp_path / "m.tif"
    tifffile.imwrite(path, movie, metadata=None)
    with tifffile.TiffFile(path) as tiff:
        places = [page.tags["StripOffsets"] for page in tiff.pages]
        offsets = [int(place.value[0]) for place in places]
        at = [int(place.valueoffset) for place in places]
    data = bytearray(path.read_bytes())
    for page, frame in ((4, 8), (8, 4)):
        struct.pack_into("<I", data, at[page], offsets[frame])
    path.write_bytes(data)
    expected = movie.copy()
    expected[[4, 8]] = movie[[8, 4]]
    np.testing.assert_array_equal(frames_of(open_frames(path))[:, 0], expected)


# -- what names the camera ---------------------------------------------------------------------


def test_the_detector_of_ome_names_the_camera(tmp_path: Path, movie: Movie) -> None:
    path = tmp_path / "m.ome.tif"
    tifffile.imwrite(path, movie, ome=True)
    with tifffile.TiffFile(path) as tiff:
        xml = tiff.ome_metadata or ""
    detector = '<Detector ID="Detector:0" Manufacturer="Andor" Model="iXon 897" SerialNumber="12"/>'
    instrument = f'<Instrument ID="Instrument:0">{detector}</Instrument><Image ID="Image:0"'
    xml = xml.replace('<Image ID="Image:0"', instrument)
    tifffile.imwrite(path, movie, description=xml, metadata=None)
    assert open_frames(path).camera == "Andor iXon 897 12"


@pytest.mark.parametrize("value", ["Evolve", {"PropVal": "Evolve"}])
def test_micro_manager_names_the_camera(tmp_path: Path, movie: Movie, value: object) -> None:
    text = json.dumps({"Camera": value})
    tag = (51123, "s", 0, text, True)
    tifffile.imwrite(tmp_path / "m.tif", movie, extratags=[tag], metadata=None)
    assert open_frames(tmp_path / "m.tif").camera == "Evolve"


# -- what a viewer claims ----------------------------------------------------------------------


def test_movies_of_all_formats_are_claimed(tmp_path: Path, movie: Movie) -> None:
    np.save(tmp_path / "m.npy", movie)
    np.save(tmp_path / "few.npy", movie[:3])
    np.save(tmp_path / "table.npy", np.zeros((1000, 3)))
    write_ome_zarr(tmp_path / "m.zarr", movie, "tyx", "0.5")
    write_dax(tmp_path / "m.dax", movie)
    for name in ("m.npy", "m.zarr", "m.dax"):
        assert looks_like_frames(tmp_path / name), name
    for name in ("few.npy", "table.npy", "missing.npy", "missing.raw", "missing.zarr"):
        assert not looks_like_frames(tmp_path / name), name


def test_a_folder_of_single_images_is_one_movie(tmp_path: Path, movie: Movie) -> None:
    for number, frame in enumerate(movie):
        tifffile.imwrite(tmp_path / f"image{number}.tif", frame)
    (tmp_path / "notes.txt").write_text("done on a Friday")
    (files,) = movies_in_folder(tmp_path)
    np.testing.assert_array_equal(frames_of(open_frames(files))[:, 0], movie)


def test_a_folder_of_movies_gives_each_and_leaves_the_rest(tmp_path: Path, movie: Movie) -> None:
    tifffile.imwrite(tmp_path / "b.tif", movie)
    tifffile.imwrite(tmp_path / "a.tif", movie)
    tifffile.imwrite(tmp_path / "snapshot.tif", movie[0])
    (tmp_path / "damaged.tif").write_bytes(b"II*\0")
    assert movies_in_folder(tmp_path) == [[tmp_path / "a.tif"], [tmp_path / "b.tif"]]


def test_the_parts_of_a_set_are_not_opened_twice(tmp_path: Path, movie: Movie) -> None:
    parts = ("run_MMStack_Pos0.ome.tif", "run_MMStack_Pos0_1.ome.tif")
    data = "".join(
        f'<TiffData FirstT="{12 * k}" IFD="0" PlaneCount="12">'
        f'<UUID FileName="{name}">urn:uuid:{k}</UUID></TiffData>'
        for k, name in enumerate(parts)
    )
    for k, name in enumerate(parts):
        xml = (
            f'<OME UUID="urn:uuid:{k}"><Image ID="Image:0"><Pixels DimensionOrder="XYCZT" '
            f'Type="uint16" SizeX="24" SizeY="16" SizeC="1" SizeZ="1" SizeT="24">{data}'
            "</Pixels></Image></OME>"
        )
        tifffile.imwrite(tmp_path / name, movie, description=xml, metadata=None)
    assert movies_in_folder(tmp_path) == [[tmp_path / parts[0]]]
    assert open_frames(tmp_path / parts[0]).n_frames == 24


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("a_plane1.tif", "a_plane2.tif", "a_plane3.tif", "a_plane4.tif"), True),
        (("Cam A.tif", "Cam B.tif"), True),
        (("x-ch0-y.tif", "x-ch1-y.tif"), True),
        (("a_plane1.tif", "b_plane2.tif"), False),
        (("a_1.tif", "a_2.tif"), False),
        (("bunch1.tif", "bunch2.tif"), False),
        (("a_plane1.tif",), False),
        (("a_plane1.tif", "a_plane1.tif"), False),
        (tuple(f"plane{k}.tif" for k in range(5)), False),
    ],
)
def test_planes_are_told_by_their_names(names: tuple[str, ...], expected: bool) -> None:
    assert are_planes(names) == expected
