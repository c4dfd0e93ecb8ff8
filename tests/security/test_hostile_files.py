"""No file runs code, and none shows what lies in a file that was not opened."""

from __future__ import annotations

import io
import json
import os
import pickle
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
import torch
import zarr

from napari_deepsmlm._base import load_yaml
from napari_deepsmlm.camera import SensorMaps, find_camera
from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.io import open_frames, read_localizations, read_report, table_pixel_size
from napari_deepsmlm.models import load_model, read_card
from napari_deepsmlm.psf.calibrated_file import read_spline
from napari_deepsmlm.psf.files import load_psf
from napari_deepsmlm.psf.registration import PlaneRegistration

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[[Path, Path], Path]

SECRET = 4242.0  # a number that no reader may bring out of a file it was not given
LOCS = [("frame", "<u4"), *((name, "<f4") for name in ("x", "y", "lpx", "lpy"))]


class Payload:
    """What makes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch '{self.mark}'",)


def yaml_payload(mark: Path) -> str:
    """The same for YAML loaders that make Python objects."""
    return f"!!python/object/apply:os.system [\"touch '{mark}'\"]"


def zarr_2(folder: Path, mark: Path, **codec: Any) -> Path:
    """A zarr 2 array whose chunk is a pickle."""
    folder.mkdir(parents=True)
    values = {"zarr_format": 2, "shape": [12, 16, 16], "chunks": [12, 16, 16], "dtype": "<u2"}
    values |= {"compressor": None, "filters": None, "fill_value": 0, "order": "C", **codec}
    (folder / ".zarray").write_text(json.dumps(values))
    (folder / "0.0.0").write_bytes(pickle.dumps(Payload(mark)))
    return folder


def zarr_3(folder: Path, mark: Path, codecs: list[Any], **more: Any) -> Path:
    """A zarr 3 array whose chunk is a pickle."""
    (folder / "c/0/0").mkdir(parents=True)
    grid = {"name": "regular", "configuration": {"chunk_shape": [12, 16, 16]}}
    keys = {"name": "default", "configuration": {"separator": "/"}}
    values = {"zarr_format": 3, "node_type": "array", "shape": [12, 16, 16], "fill_value": 0}
    values |= {"data_type": "uint16", "chunk_grid": grid, "chunk_key_encoding": keys}
    (folder / "zarr.json").write_text(json.dumps(values | {"codecs": codecs, **more}))
    (folder / "c/0/0/0").write_bytes(pickle.dumps(Payload(mark)))
    return folder


def npy(path: Path, mark: Path, shape: tuple[int, ...] = (2, 16, 16)) -> Path:
    """A NumPy file of objects."""
    header = {"descr": "|O", "fortran_order": False, "shape": shape}
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, header)
    path.write_bytes(stream.getvalue() + pickle.dumps(Payload(mark)))
    return path


def secret_table(folder: Path) -> Path:
    """A Picasso table that somebody else's file points at."""
    rows = np.zeros(3, LOCS)
    rows["x"] = rows["y"] = SECRET
    with h5py.File(folder / "secret.h5", "w") as file:
        file["locs"] = rows
        file["metadata"] = json.dumps([{"Pixelsize": SECRET}])
        file["cspline/coeff"] = np.full((64, 6, 9, 9), SECRET, np.float32)
        file["cspline/z0"], file["cspline/dz"] = [[3.0]], [[10.0]]
    (folder / "secret.bin").write_bytes(rows.tobytes())
    return folder / "secret.h5"


def hdf5_that_points_outside(path: Path, how: str, target: str) -> Path:
    """An HDF5 file whose dataset or group lies in another file."""
    secret = secret_table(path.parent)
    with h5py.File(path, "w") as file:
        if target != "locs":
            file["locs"] = np.zeros(3, LOCS)
        if how == "external link":
            file[target] = h5py.ExternalLink(secret.name, target)
        elif how == "soft link to it":
            file["away"] = h5py.ExternalLink(secret.name, target)
            file[target] = h5py.SoftLink("/away")
        elif how == "virtual dataset":
            layout = h5py.VirtualLayout((3,), LOCS)
            layout[:] = h5py.VirtualSource(secret.name, "locs", (3,), LOCS)
            file.create_virtual_dataset(target, layout)
        else:  # bytes of any file, as numbers
            file.create_dataset(
                target, (3,), LOCS, external=[(str(path.parent / "secret.bin"), 0, 60)]
            )
    return path


# What every reader is tried with: each opens a file and takes from it all that it can.
READERS: dict[str, Callable[[Path], Any]] = {
    "frames": lambda path: open_frames(path, pixel_size_nm=100).read(0, 1),
    "truncated frames": lambda path: open_frames(path, allow_truncated=True).read(0, 1),
    "table": lambda path: read_localizations(path, pixel_size_nm=100).x_nm,
    "table's pixel": table_pixel_size,
    "report": read_report,
    "model": load_model,
    "card": read_card,
    "psf": load_psf,
    "spline": read_spline,
    "registration": PlaneRegistration.from_file,
    "camera": find_camera,
    "camera map": lambda path: SensorMaps(offset=path).shape,
    "experiment": Experiment.from_file,
    "yaml": load_yaml,
}


def shard(codec: str) -> list[Any]:
    inner = [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": codec}]
    index = [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]
    config = {"chunk_shape": [12, 16, 16], "codecs": inner, "index_codecs": index}
    return [{"name": "sharding_indexed", "configuration": config}]


def written(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def raw_movie(path: Path, mark: Path) -> Path:
    written(path.with_suffix(".yaml"), f"Frames: {yaml_payload(mark)}\n")
    return written(path, bytes(512))


def picasso(path: Path, mark: Path) -> Path:
    written(path.with_suffix(".yaml"), f"Pixelsize: {yaml_payload(mark)}\n")
    return hdf5_that_points_outside(path, "external link", "metadata")


def torch_file(path: Path, mark: Path) -> Path:
    torch.save({"weights": Payload(mark)}, path)
    return path


def mat_of_objects(path: Path, mark: Path) -> Path:
    from scipy.io import savemat

    savemat(path, {"cspline": {"coeff": np.frombuffer(pickle.dumps(Payload(mark)), np.uint8)}})
    return path


HOSTILE: dict[str, tuple[str, Make]] = {
    "zarr compressor": (
        "a.zarr", lambda path, mark: zarr_2(path, mark, compressor={"id": "pickle"})
    ),
    "zarr filter": ("a.zarr", lambda path, mark: zarr_2(path, mark, filters=[{"id": "pickle"}])),
    "zarr objects": (
        "a.zarr",
        lambda path, mark: zarr_2(path, mark, dtype="|O", filters=[{"id": "pickle"}]),
    ),
    "zarr 3": ("a.zarr", lambda path, mark: zarr_3(path, mark, [{"name": "numcodecs.pickle"}])),
    "zarr 3 shard": ("a.zarr", lambda path, mark: zarr_3(path, mark, shard("numcodecs.pickle"))),
    "zarr 3 plain name": ("a.zarr", lambda path, mark: zarr_3(path, mark, ["bytes", "pickle"])),
    "npy of objects": ("a.npy", npy),
    "npy map of objects": ("a.npy", lambda path, mark: npy(path, mark, (16, 16))),
    "pickle as npy": ("a.npy", lambda path, mark: written(path, pickle.dumps(Payload(mark)))),
    "pickle as model": (
        "a.safetensors", lambda path, mark: written(path, pickle.dumps(Payload(mark)))
    ),
    "torch as model": ("a.safetensors", torch_file),
    "torch": ("a.pt", torch_file),
    "yaml": ("a.yaml", lambda path, mark: written(path, f"kind: {yaml_payload(mark)}\n")),
    "yaml beside raw": ("a.raw", raw_movie),
    "yaml beside a table": ("a.hdf5", picasso),
    "mat": ("a.mat", mat_of_objects),
}  # fmt: skip
for _target in ("locs", "metadata", "cspline"):
    for _how in ("external link", "soft link to it", "virtual dataset", "bytes of a file"):
        if _target == "locs" or "link" in _how:
            for _name in ("a.hdf5", "a.mat"):
                HOSTILE[f"{_target} by {_how} in {_name}"] = (
                    _name,
                    lambda path, _, how=_how, target=_target: hdf5_that_points_outside(
                        path, how, target
                    ),
                )


@pytest.mark.parametrize("which", HOSTILE)
def test_no_reader_runs_code_or_shows_another_file(tmp_path: Path, which: str) -> None:
    name, make = HOSTILE[which]
    mark = tmp_path / "it ran"
    path = make(tmp_path / name, mark)
    for reader, read in READERS.items():
        try:
            found = read(path)
        except (ValueError, OSError):  # the documented errors of every reader
            found = None
        assert not mark.exists(), f"{reader} ran code"
        if isinstance(found, (np.ndarray, float)):
            values = np.asarray(found)  # positions come with half a pixel and in nm
            assert SECRET not in values, f"{reader} shows another file"
            assert (SECRET + 0.5) * 100 not in values, f"{reader} shows another file"


@pytest.mark.parametrize("codec", ["blosc", "zlib", "gzip", "bz2", "lzma", "zstd", "lz4"])
def test_arrays_of_all_known_codecs_are_read(tmp_path: Path, codec: str) -> None:
    import numcodecs

    movie = np.arange(4 * 16 * 16, dtype=np.uint16).reshape(4, 16, 16)
    compressor = numcodecs.get_codec({"id": codec})
    zarr.create_array(
        tmp_path / "m.zarr", data=movie, chunks=(2, 16, 16), zarr_format=2, compressors=compressor
    )
    assert (open_frames(tmp_path / "m.zarr").read(0, 4)[:, 0] == movie).all()


@pytest.mark.parametrize("codec", ["BloscCodec", "GzipCodec", "ZstdCodec"])
@pytest.mark.parametrize("shards", [None, (4, 16, 16)])
def test_zarr_3_arrays_are_read_with_and_without_shards(
    tmp_path: Path, codec: str, shards: tuple[int, ...] | None
) -> None:
    movie = np.arange(4 * 16 * 16, dtype=np.uint16).reshape(4, 16, 16)
    zarr.create_array(
        tmp_path / "m.zarr",
        data=movie,
        chunks=(2, 16, 16),
        shards=shards,
        compressors=getattr(zarr.codecs, codec)(),
    )
    source = open_frames(tmp_path / "m.zarr")
    assert (pickle.loads(pickle.dumps(source)).read(0, 4)[:, 0] == movie).all()  # noqa: S301 - ours
