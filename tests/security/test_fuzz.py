"""Damaged files: every reader ends in what it documents, soon and in little memory.

Thirty files a reader here or fewer, a thousand in the slow run; the same ones every time.
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
import tifffile
import zarr
from safetensors.torch import save
from scipy.io import savemat

from napari_deepsmlm.camera import EMCCD, SensorMaps, find_camera
from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.io import (
    open_frames,
    read_localizations,
    read_report,
    table_pixel_size,
    write_image,
    write_localizations,
)
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.models import build_model, find_model, load_model, read_card
from napari_deepsmlm.models._checkpoint import HEADER_KEY, _digest
from napari_deepsmlm.psf.calibrated_file import SplineVolume, read_spline, write_spline
from napari_deepsmlm.psf.files import load_psf
from napari_deepsmlm.psf.registration import AffineTransform, PlaneRegistration

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Rng = np.random.Generator

N_FAST, N_SLOW = 30, 1000
FEWER = {"HDF5 tables": 10}  # each is read in a process of its own
MAX_SECONDS = 30.0
MAX_GROWTH_MB = 1500
EXTREMES = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1)


# -- whole files -----------------------------------------------------------------------------


def movie(n: int = 12, dtype: Any = np.uint16) -> np.ndarray:
    return np.random.default_rng(0).integers(90, 900, (n, 16, 20)).astype(dtype)


def make_tiffs(folder: Path) -> list[Path]:
    frames = movie()
    tifffile.imwrite(folder / "plain.tif", frames, metadata=None)
    tifffile.imwrite(folder / "zlib.tif", frames, compression="zlib", metadata=None)
    tifffile.imwrite(folder / "imagej.tif", frames, imagej=True, metadata={"axes": "TYX"})
    tifffile.imwrite(folder / "ome.tif", frames, ome=True, metadata={"axes": "TYX"})
    tifffile.imwrite(folder / "big.tif", frames, bigtiff=True, tile=(16, 16), compression="lzw")
    write_image(folder / "ours.tif", movie(1)[0], pixel_size_nm=10, report={"a": [1, 2]})
    return sorted(folder.iterdir())


def make_arrays(folder: Path) -> list[Path]:
    np.save(folder / "a.npy", movie())
    np.save(folder / "f.npy", np.asfortranarray(movie(4)))
    (folder / "m.raw").write_bytes(movie().tobytes())
    header = "Frames: 12\nHeight: 16\nWidth: 20\nData Type: uint16\nByte Order: <\nPixelsize: 130\n"
    (folder / "m.yaml").write_text(header)
    (folder / "d.dax").write_bytes(movie().tobytes())
    lines = "frame dimensions = 20 x 16\nnumber of frames = 12\nlittle endian\n"
    (folder / "d.inf").write_text(lines)
    for name, options in {
        "v2.zarr": {"zarr_format": 2},
        "v3.zarr": {"zarr_format": 3},
        "s.zarr": {"zarr_format": 3, "shards": (8, 16, 20)},
    }.items():
        zarr.create_array(folder / name, data=movie(), chunks=(4, 16, 20), **options)
    return [
        folder / n for n in ("a.npy", "f.npy", "m.raw", "d.dax", "v2.zarr", "v3.zarr", "s.zarr")
    ]


def molecules() -> Localizations:
    rng = np.random.default_rng(1)
    columns = {name: rng.uniform(1, 2000, 40) for name in ("x_nm", "y_nm", "z_nm", "photons")}
    return Localizations.from_columns({"frame": np.arange(40), **columns})


def make_texts(folder: Path) -> list[Path]:
    write_localizations(molecules(), folder / "a.csv")
    write_localizations(molecules(), folder / "c.csv", kind="challenge")
    return sorted(folder.iterdir())


def make_hdf5(folder: Path) -> list[Path]:
    write_localizations(molecules(), folder / "a.hdf5", pixel_size_nm=130)
    with h5py.File(folder / "a.hdf5", "a") as file:
        rows = file["locs"][:]
    with h5py.File(folder / "b.hdf5", "w") as file:
        file.create_dataset("locs", data=rows, chunks=(16,), compression="gzip", shuffle=True)
    (folder / "b.yaml").write_text("Pixelsize: 130\n---\nA: [1, 2]\n")
    return [folder / "a.hdf5", folder / "b.hdf5"]


def make_models(folder: Path) -> list[Path]:
    model = build_model("deep-storm")
    tensors = {"w": next(iter(model.state_dict().values()))}
    card = {"network": model.name, "config": model.config.model_dump(mode="json"), "n_planes": 1}
    card |= {"version": "0.1", "sha256": _digest(tensors), "metrics": {"nmse": 3.0}}
    path = folder / "m.safetensors"
    path.write_bytes(save(tensors, metadata={HEADER_KEY: json.dumps(card)}))
    return [path]


def make_maps(folder: Path) -> list[Path]:
    values = np.random.default_rng(0).uniform(1, 3, (24, 20)).astype(np.float32)
    np.save(folder / "a.npy", values)
    tifffile.imwrite(folder / "b.tif", values, metadata=None)
    tifffile.imwrite(folder / "c.tif", values, compression="zlib")
    return sorted(folder.iterdir())


def make_yamls(folder: Path) -> list[Path]:
    Experiment.from_preset("lines-50nm").to_file(folder / "experiment.yaml")
    EMCCD(em_gain=100).to_file(folder / "camera.yaml")
    (folder / "psf.yaml").write_text("kind: gaussian\nsigma_nm: 130\npixel_size_nm: 100\n")
    return sorted(folder.iterdir())


def make_registrations(folder: Path) -> list[Path]:
    turned = AffineTransform(matrix=((1, -0.01), (0.01, 1)), shift_nm=(30, -20))
    PlaneRegistration(pixel_size_nm=100, planes=(AffineTransform(), turned)).to_file(
        folder / "planes.yaml"
    )
    return [folder / "planes.yaml"]


def make_psfs(folder: Path) -> list[Path]:
    coeff = np.random.default_rng(0).uniform(0, 1, (10, 10, 6, 64)).astype(np.float32)
    spline = {"coeff": coeff, "z0": 3.0, "dz": 10.0}
    savemat(folder / "a.mat", {"SXY": {"cspline": spline}})
    savemat(folder / "b.mat", {"cspline": spline}, do_compression=True)
    volume = SplineVolume(coeff[None, :9, :9, :, 0].transpose(0, 3, 1, 2), 100.0, -100.0, 20.0)
    write_spline(folder / "c.safetensors", volume)
    with h5py.File(folder / "d.mat", "w", userblock_size=512) as file:
        file["cspline/coeff"] = coeff.transpose()
        file["cspline/z0"], file["cspline/dz"] = [[3.0]], [[10.0]]
    return sorted(folder.iterdir())


# -- reading all there is ---------------------------------------------------------------------


def read_frames(path: Path) -> None:
    for cut in (False, True):
        with open_frames(path, pixel_size_nm=100, allow_truncated=cut) as source:
            for first in range(0, min(source.n_frames, 24), 4):
                source.read(first, min(first + 4, source.n_frames))


def read_table(path: Path) -> None:
    table_pixel_size(path)
    read_localizations(path, pixel_size_nm=100)


def read_model(path: Path) -> None:
    read_card(path)
    find_model(path, pixel_size_nm=120, upsampling=8)
    load_model(path)


def read_yaml(path: Path) -> None:
    for read in (Experiment.from_file, find_camera, load_psf):
        read(path)


def read_registration(path: Path) -> None:
    found = PlaneRegistration.from_file(path)
    for plane in found.planes:
        plane.inverse().apply(np.zeros((2, 2)))


def read_tiff(path: Path) -> None:
    read_report(path)
    read_frames(path)


READERS: dict[str, tuple[Any, Any]] = {
    "tiff": (make_tiffs, read_tiff),
    "npy, raw, dax, zarr": (make_arrays, read_frames),
    "text tables": (make_texts, read_table),
    "HDF5 tables": (make_hdf5, read_table),
    "model cards": (make_models, read_model),
    "camera maps": (make_maps, lambda path: SensorMaps(gain=path).shape),
    "yaml": (make_yamls, read_yaml),
    "registration": (make_registrations, read_registration),
    "calibrations": (make_psfs, read_spline),
}


# -- damage -----------------------------------------------------------------------------------


def damaged(data: bytes, rng: Rng) -> bytes:
    """Return data with one to four kinds of damage, more of it at the beginning."""
    content = bytearray(data)
    for _ in range(rng.integers(1, 5)):
        if not content:
            break
        size = len(content)
        reach = size if rng.random() < 0.5 else min(size, 512)
        at = int(rng.integers(0, reach))
        n = int(min(rng.integers(1, 64), size - at))
        kind = rng.integers(0, 8)
        if kind == 0:
            content[at] ^= 1 << int(rng.integers(0, 8))
        elif kind == 1:
            content[at : at + n] = rng.bytes(n)
        elif kind in (2, 3):
            width = int(rng.choice([1, 2, 4, 8]))
            value = int(rng.choice(len(EXTREMES)))
            number = (EXTREMES[value] & (256**width - 1)).to_bytes(
                width, "little" if rng.random() < 0.5 else "big"
            )
            content[at : at + width] = number
        elif kind == 4:
            del content[at:]
        elif kind == 5:
            del content[at : at + n]
        elif kind == 6:
            content[at:at] = content[at : at + n] * int(rng.integers(1, 4))
        else:
            change_number(content, at, rng)
    return bytes(content)


def change_number(content: bytearray, at: int, rng: Rng) -> None:
    """Make another number, or something else, of the next one that stands there as text."""
    digits = [i for i in range(at, min(at + 200, len(content))) if chr(content[i]).isdigit()]
    if digits:
        first = last = digits[0]
        while last < len(content) and chr(content[last]).isdigit():
            last += 1
        words = [b"-1", b"0", b"1e308", b".nan", b"null", b"[]", b"{}", b'"x"', b"9" * 30, b"true"]
        content[first:last] = words[int(rng.integers(0, len(words)))]


def damage_one(path: Path, where: Path, rng: Rng) -> Path:
    """Write a damaged copy of a file, or of a file with its neighbour, or of a folder."""
    target = where / path.name
    parts = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    root = path if path.is_dir() else path.parent
    base = target if path.is_dir() else where
    if not path.is_dir():
        parts += [p for e in (".yaml", ".inf") if (p := path.with_suffix(e)).exists() and p != path]
    chosen = int(rng.integers(0, len(parts)))
    for number, part in enumerate(parts):
        copy = base / part.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        data = part.read_bytes()
        copy.write_bytes(damaged(data, rng) if number == chosen else data)
    return target


def peak_mb() -> float:
    if sys.platform == "win32":
        return 0.0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def outcome(read: Callable[[Path], object], path: Path) -> str:
    """Return "" for what a reader may do, else what it did."""
    started = time.monotonic()
    try:
        read(path)
    except (ValueError, OSError) as error:
        text = str(error)
        if not text or "\n" in text:
            return f"no one sentence: {text!r}"
    except Exception as error:  # noqa: BLE001 - what is looked for
        return f"{type(error).__name__}: {error}"
    seconds = time.monotonic() - started
    return f"took {seconds:.0f} s" if seconds > MAX_SECONDS else ""


@pytest.mark.parametrize(
    "n", [N_FAST, pytest.param(N_SLOW, marks=[pytest.mark.slow, pytest.mark.timeout(7200)])]
)
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.filterwarnings("ignore")  # of numpy, on numbers that make no sense
def test_damaged_files_end_in_what_is_documented(tmp_path: Path, reader: str, n: int) -> None:
    make, read = READERS[reader]
    n = FEWER.get(reader, n) if n == N_FAST else n
    (tmp_path / "whole").mkdir()
    whole = make(tmp_path / "whole")
    for path in whole:
        if reader not in ("model cards", "yaml"):  # they try what is no such file too
            read(path)
    before, problems = peak_mb(), []
    for i in range(n):
        rng = np.random.default_rng([2024, i])
        where = tmp_path / f"{i}"
        where.mkdir()
        path = damage_one(whole[i % len(whole)], where, rng)
        problem = outcome(read, path)
        if problem:
            problems.append(f"{i} {path.name}: {problem}")
    assert not problems, f"{len(problems)} of {n}: " + "; ".join(problems[:5])
    assert peak_mb() - before < MAX_GROWTH_MB
