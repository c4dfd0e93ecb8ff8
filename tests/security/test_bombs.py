"""Small files that promise much: refused before anything of that size is made."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import struct
import zlib
from typing import TYPE_CHECKING, Any

import h5py
import numcodecs
import numpy as np
import pytest
import tifffile

from napari_deepsmlm._base import load_yaml
from napari_deepsmlm.camera import SensorMaps
from napari_deepsmlm.io import open_frames, read_localizations, table_pixel_size
from napari_deepsmlm.psf.calibrated_file import read_spline

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PICASSO = [("frame", "<u4"), ("x", "<f4"), ("y", "<f4"), ("lpx", "<f4"), ("lpy", "<f4")]
BOMB = bytes(1 << 24)  # 16 MB where 6 kB should be


def zarr_array(folder: Path, shape: list[int], chunks: list[int], codec: str | None) -> Path:
    folder.mkdir()
    compressor = None if codec is None else {"id": codec}
    values = {"zarr_format": 2, "shape": shape, "chunks": chunks, "dtype": "<u2", "fill_value": 0}
    values |= {"compressor": compressor, "filters": None, "order": "C"}
    (folder / ".zarray").write_text(json.dumps(values))
    return folder


PACK: dict[str, Callable[[bytes], Any]] = {
    "zlib": zlib.compress,
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "lzma": lzma.compress,
    "blosc": lambda data: numcodecs.Blosc().encode(data),
    "zstd": lambda data: numcodecs.Zstd().encode(data),
    "lz4": lambda data: numcodecs.LZ4().encode(data),
}


@pytest.mark.parametrize("codec", PACK)
def test_a_chunk_that_unpacks_to_more_than_it_should_is_refused(tmp_path: Path, codec: str) -> None:
    path = zarr_array(tmp_path / "a.zarr", [12, 16, 16], [12, 16, 16], codec)
    (path / "0.0.0").write_bytes(PACK[codec](BOMB))
    with pytest.raises(OSError, match="unpacks to more than the array says"):
        open_frames(path).read(0, 1)
    (path / "0.0.0").write_bytes(PACK[codec](bytes(12 * 16 * 16 * 2)))
    assert not open_frames(path).read(0, 12).any()


def test_a_chunk_that_is_larger_than_it_should_is_refused(tmp_path: Path) -> None:
    path = zarr_array(tmp_path / "a.zarr", [12, 16, 16], [12, 16, 16], None)
    (path / "0.0.0").write_bytes(BOMB)
    with pytest.raises(OSError, match="larger than the array says"):
        open_frames(path).read(0, 1)


@pytest.mark.parametrize(
    ("shape", "chunks", "sentence"),
    [
        ([10**12, 16, 16], [1, 16, 16], "declares 1,000,000,000,000 frames"),
        ([4, 10**6, 10**6], [1, 64, 64], "frames of 1000000 x 1000000 pixels, more than 1 GB"),
        ([4, 4096, 4096], [1, 1, 1], "lies in more than 16,384 chunks"),
    ],
)
def test_arrays_of_absurd_sizes_are_refused(
    tmp_path: Path, shape: list[int], chunks: list[int], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        open_frames(zarr_array(tmp_path / "a.zarr", shape, chunks, None))


@pytest.mark.parametrize("is_fortran", [False, True])
@pytest.mark.parametrize("n", [10**9, 10**12, 10**30])
def test_frames_that_are_not_in_a_numpy_file_are_not_listed(
    tmp_path: Path, n: int, is_fortran: bool
) -> None:
    header = f"{{'descr': '<u2', 'fortran_order': {is_fortran}, 'shape': ({n}, 8, 8), }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    start = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header))
    (tmp_path / "a.npy").write_bytes(start + header + bytes(1000))
    with pytest.raises(ValueError, match=f"7 of {n} frames are complete"):
        open_frames(tmp_path / "a.npy")
    with pytest.raises(ValueError, match=r"declares .* frames|cannot be read"):
        open_frames(tmp_path / "a.npy", allow_truncated=True)
    with pytest.raises(ValueError, match=r"Camera map 'a\.npy' cannot be read"):
        _ = SensorMaps(offset=tmp_path / "a.npy").shape


# -- TIFF ------------------------------------------------------------------------------------


def ifd(tags: list[tuple[int, int, int, int]], following: int) -> bytes:
    entries = b"".join(struct.pack("<HHII", *tag) for tag in sorted(tags))
    return struct.pack("<H", len(tags)) + entries + struct.pack("<I", following)


def test_pages_that_share_one_long_list_of_strips_are_not_kept_each(tmp_path: Path) -> None:
    n, n_pages = 50_000, 60
    first = 8 + 16 + 4 * n
    body, at = b"", first
    for page in range(n_pages):
        tags = [(256, 4, 1, 4), (257, 4, 1, n), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
        tags += [(273, 4, n, 24), (277, 3, 1, 1), (278, 4, 1, 1), (279, 4, n, 24)]
        size = 2 + 12 * len(tags) + 4
        body += ifd(tags, at + size if page < n_pages - 1 else 0)
        at += size
    offsets = struct.pack("<I", 8) * n
    (tmp_path / "a.tif").write_bytes(
        b"II*\0" + struct.pack("<I", first) + bytes(16) + offsets + body
    )
    with pytest.raises(ValueError, match="its pages claim more bytes than the file has"):
        open_frames(tmp_path / "a.tif")


def test_one_text_that_is_a_thousand_descriptions_is_read_a_few_times(tmp_path: Path) -> None:
    import tracemalloc

    text = 8 + 256
    tags = [(256, 4, 1, 16), (257, 4, 1, 16), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    tags += [(273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, 16), (279, 4, 1, 256)]
    tags += [(270, 2, 500_000, text)] * 1000
    data = b"II*\0" + struct.pack("<I", text + 500_000) + bytes(256) + b"a" * 500_000
    (tmp_path / "a.tif").write_bytes(data + ifd(tags, 0))
    tracemalloc.start()
    assert open_frames(tmp_path / "a.tif").n_frames == 1
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6


def test_ome_blocks_that_lie_over_each_other_are_not_followed_for_ever(tmp_path: Path) -> None:
    sizes = 'SizeX="16" SizeY="16" SizeC="1" SizeZ="1" SizeT="5000000"'
    blocks = "<TiffData/>" * 2000
    xml = f'<OME xmlns="x"><Image><Pixels DimensionOrder="XYCZT" Type="uint16" {sizes}>{blocks}'
    xml += "</Pixels></Image></OME>"
    frames = np.zeros((2, 16, 16), np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", frames, description=xml, metadata=None)
    with pytest.raises(ValueError, match="2 of 5000000 frames are complete"):
        open_frames(tmp_path / "a.tif")


# -- HDF5, YAML, MATLAB ----------------------------------------------------------------------


def test_a_table_that_was_never_written_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["pad"] = np.random.default_rng(0).integers(0, 255, 100_000, np.uint8)
        file.create_dataset("locs", (10**6,), PICASSO, chunks=(65536,))
    with pytest.raises(ValueError, match="promises 1,000,000 rows, far more than"):
        read_localizations(tmp_path / "a.hdf5", pixel_size_nm=100)


def test_a_text_of_gigabytes_in_a_table_is_not_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["locs"] = np.zeros(3, PICASSO)
        kind = h5py.h5t.C_S1.copy()
        kind.set_size(3 * 10**9)
        h5py.h5d.create(file.id, b"metadata", kind, h5py.h5s.create(h5py.h5s.SCALAR))
    assert table_pixel_size(tmp_path / "a.hdf5") is None
    assert len(read_localizations(tmp_path / "a.hdf5", pixel_size_nm=100)) == 3


def merges(depth: int = 9, width: int = 9) -> str:
    lines = ["a0: &a0 {x: 1}"]
    names = [", ".join([f"*a{i}"] * width) for i in range(depth)]
    lines += [f"a{i}: &a{i} {{<<: [{again}]}}" for i, again in enumerate(names, 1)]
    return "\n".join([*lines, "Frames: 1", "Height: 16", "Width: 16", "Data Type: uint16"])


def test_merge_keys_are_not_multiplied(tmp_path: Path) -> None:
    (tmp_path / "a.raw").write_bytes(bytes(512))
    (tmp_path / "a.yaml").write_text(merges())
    with pytest.raises(ValueError, match=r"a\.yaml: is not a readable YAML file"):
        open_frames(tmp_path / "a.raw")
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["locs"] = np.zeros(3, PICASSO)
    assert table_pixel_size(tmp_path / "a.hdf5") is None
    with pytest.raises(ValueError, match="merge keys"):
        load_yaml(tmp_path / "a.yaml")


@pytest.mark.parametrize("text", ["[" * 900_000, "- " * 400_000, "a: {" * 200_000, "? " * 400_000])
def test_yaml_that_is_nested_deeply_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(ValueError, match=r"a\.yaml: not a readable YAML file .*nested too deeply"):
        load_yaml(tmp_path / "a.yaml")


def test_a_matlab_variable_that_unpacks_to_gigabytes_is_passed_over(tmp_path: Path) -> None:
    def tag(kind: int, size: int) -> bytes:
        return struct.pack("<II", kind, size)

    n = 1 << 28
    head = tag(6, 8) + struct.pack("<II", 6, 0) + tag(5, 8) + struct.pack("<ii", 1, n // 8)
    for name, sentence in ((b"x", "no cspline"), (b"SXY", "more than 512 MB")):
        packer = zlib.compressobj(1)
        named = head + tag(1, len(name)) + name.ljust(8, b"\0") + tag(9, n)
        out = packer.compress(tag(14, len(named) + n) + named)
        out += b"".join(packer.compress(BOMB) for _ in range(40)) + packer.flush()
        start = b"MATLAB 5.0 MAT-file".ljust(116) + bytes(8) + b"\x00\x01IM"
        (tmp_path / "a.mat").write_bytes(start + tag(15, len(out)) + out)
        with pytest.raises(ValueError, match=sentence):
            read_spline(tmp_path / "a.mat")


@pytest.mark.parametrize("kind", [0, 8, 10, 11, 15, 19, 60, 255, 65535, 2**24, 2**31 - 1])
def test_a_number_type_that_matlab_has_not_is_refused(tmp_path: Path, kind: int) -> None:
    from scipy.io import savemat

    coeff = np.zeros((9, 9, 6, 64), np.float32)
    savemat(tmp_path / "a.mat", {"SXY": {"cspline": {"coeff": coeff, "z0": 3.0, "dz": 10.0}}})
    data = (tmp_path / "a.mat").read_bytes()
    at = data.rfind(struct.pack("<II", 7, coeff.nbytes))
    (tmp_path / "a.mat").write_bytes(data[:at] + struct.pack("<I", kind) + data[at + 4 :])
    with pytest.raises(ValueError, match=r"a\.mat: not a readable SMAP calibration"):
        read_spline(tmp_path / "a.mat")


def test_a_matlab_7_3_calibration_without_its_numbers_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.mat", "w") as file:
        group = file.create_group("SXY/cspline")
        group.create_dataset("coeff", (64, 1, 501, 501), "f4", chunks=(64, 1, 9, 9))
        group["z0"], group["dz"] = [[0.0]], [[10.0]]
    with pytest.raises(ValueError, match="far more than its 0 bytes can hold"):
        read_spline(tmp_path / "a.mat")
