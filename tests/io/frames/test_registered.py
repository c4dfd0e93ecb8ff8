"""Frames of several planes, registered as they are read by what a calibration found."""

from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
import torch
from typer.testing import CliRunner

from napari_deepsmlm.cli import app
from napari_deepsmlm.io import open_frames
from napari_deepsmlm.psf import GaussianPSF
from napari_deepsmlm.psf.registration import AffineTransform, PlaneRegistration
from napari_deepsmlm.reconstruction import ReconstructJob, ReconstructOptions

if TYPE_CHECKING:
    from pathlib import Path

SIDE = 96


def turned(degrees: float, scale: float, shift_nm: tuple[float, float]) -> AffineTransform:
    c, s = scale * np.cos(np.radians(degrees)), scale * np.sin(np.radians(degrees))
    return AffineTransform(matrix=((c, -s), (s, c)), shift_nm=shift_nm)


TRUTH = (
    AffineTransform(),
    turned(0, 1, (233, -151)),
    turned(1.5, 1, (160, -40)),
    turned(-1, 1.02, (-220, 90)),
)


def image(plane: AffineTransform, xy: np.ndarray, photons: float, sigma_nm: float) -> np.ndarray:
    psf = GaussianPSF(sigma_nm=(sigma_nm, sigma_nm))
    xyz = np.column_stack([plane.apply(xy), np.zeros(len(xy))])
    place = torch.tensor(xyz, dtype=torch.float32)[None]
    return psf.render(place, torch.full((1, len(xy)), photons), (SIDE, SIDE))[0, 0].numpy()


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory) -> Path:
    """The planes file that `deepsmlm calibrate` writes from beads in four planes."""
    folder = tmp_path_factory.mktemp("beads")
    grid = np.array([[x, y] for x in (1900.0, 7660.0) for y in (1950.0, 7710.0)])
    rng = np.random.default_rng(0)
    z = (np.arange(15) - 7) * 60.0
    widths = 130 * np.sqrt(1 + (z / 300) ** 2)
    stack = [[rng.poisson(image(p, grid, 20000, s) + 10) for p in TRUTH] for s in widths]
    tifffile.imwrite(
        folder / "beads.tif", np.array(stack, np.uint16), imagej=True, metadata={"axes": "ZCYX"}
    )
    arguments = ["--z-step", "60", "--pixel-size", "100", "--window", "17", "--json"]
    out = ["--out", str(folder / "psf.safetensors")]
    done = CliRunner().invoke(app, ["calibrate", str(folder / "beads.tif"), *arguments, *out])
    assert done.exit_code == 0, done.output
    files = json.loads(done.stdout)["files"]
    assert files["planes"] == str(folder / "psf.planes.yaml")
    return folder / "psf.planes.yaml"


@pytest.fixture(scope="module")
def molecules() -> tuple[np.ndarray, np.ndarray]:
    """Places (N, 2) nm, and frames (T, C, H, W) in ADU above an offset."""
    xy = np.random.default_rng(3).uniform(1500, 8000, (6, 2))
    frame = np.stack([image(plane, xy, 1000, 130) for plane in TRUTH])
    return xy, np.repeat(100 + frame[None], 40, axis=0)


def test_calibrated_maps_are_the_true_ones(calibrated: Path) -> None:
    found = PlaneRegistration.from_file(calibrated)
    corners = np.array([[x, y] for x in (1500.0, 8000.0) for y in (1500.0, 8000.0)])
    for plane, true in zip(found.planes, TRUTH, strict=True):
        assert np.abs(plane.apply(corners) - true.apply(corners)).max() < 4


def test_registered_frames_show_each_molecule_at_one_place(calibrated: Path, molecules) -> None:
    _, frames = molecules
    source = open_frames(frames, registration=calibrated)
    assert source.shape == frames.shape
    got = source.read(0, 2) - 100
    assert got.dtype == np.float32
    first = got[0, 0]
    for c in (1, 2, 3):
        assert np.abs(got[0, c] - first).max() < 0.04 * first.max()
        assert got[0, c].sum() == pytest.approx(first.sum(), rel=0.01)
        assert np.abs(frames[0, c] - frames[0, 0]).max() > 0.3 * first.max()


def test_any_range_is_the_same_as_the_whole(calibrated: Path, molecules) -> None:
    frames = molecules[1] + np.arange(40.0)[:, None, None, None]
    source = open_frames(frames, registration=calibrated, pixel_size_nm=100)
    whole = source.read(0, 40)
    np.testing.assert_array_equal(whole[13:37], source.slice(13).read(0, 24))
    np.testing.assert_array_equal(np.concatenate(list(source.chunks(7))), whole)
    np.testing.assert_array_equal(np.asarray(source.as_dask()[20]), whole[20])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(source)).read(3, 5), whole[3:5])  # noqa: S301


def test_reconstruction_takes_the_planes_file(calibrated: Path, molecules) -> None:
    options = ReconstructOptions(registration=str(calibrated))
    job = ReconstructJob(molecules[1].astype(np.uint16), options)
    got = job.source.read(0, 1) - 100
    assert np.abs(got[0, 3] - got[0, 0]).max() < 0.04 * got[0, 0].max()


def test_what_does_not_fit_is_refused_in_one_sentence(calibrated: Path, tmp_path: Path) -> None:
    three = np.zeros((20, 3, 16, 16), np.uint16)
    with pytest.raises(ValueError, match="have 3 planes, but the registration maps 4"):
        open_frames(three, registration=calibrated)
    four = np.zeros((20, 4, 16, 16), np.uint16)
    with pytest.raises(ValueError, match="160 nm, but the registration was made with 100 nm"):
        open_frames(four, registration=calibrated, pixel_size_nm=160)
    (tmp_path / "flat.yaml").write_text(
        "pixel_size_nm: 100\nplanes: [{matrix: [[1, 1], [1, 1]]}]\n"
    )
    with pytest.raises(ValueError, match=r"flat.yaml: 'planes.0.matrix': must keep areas"):
        open_frames(four, registration=tmp_path / "flat.yaml")
    tifffile.imwrite(tmp_path / "four.tif", four, imagej=True)
    command = ["reconstruct", str(tmp_path / "four.tif"), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, [*command, "--registration", str(tmp_path / "none.yaml")])
    assert done.exit_code == 2
    assert "none.yaml" in done.stderr
    assert "Traceback" not in done.output
