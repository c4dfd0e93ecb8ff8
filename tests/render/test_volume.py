"""Volumes: molecules are in their voxels, and none is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from tests.cli.conftest import call

from napari_deepsmlm.io import read_report, write_localizations
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.render import VolumeOptions, draw_volume

if TYPE_CHECKING:
    from pathlib import Path

RNG = np.random.default_rng(0)
N = 500
TABLE = Localizations(
    frame=np.zeros(N, int),
    x_nm=RNG.uniform(200, 1800, N),
    y_nm=RNG.uniform(200, 900, N),
    z_nm=RNG.uniform(-310, 290, N),
    uncertainty_x_nm=np.full(N, 15.0),
    uncertainty_y_nm=np.full(N, 15.0),
    uncertainty_z_nm=np.full(N, 40.0),
)


def test_a_histogram_in_voxels_is_numpys() -> None:
    drawn = draw_volume(TABLE, (45, 90))
    assert drawn.z_nm == -350
    edges = [
        drawn.z_nm + 50 * np.arange(len(drawn.voxels) + 1),
        24.0 * np.arange(46),
        24.0 * np.arange(91),
    ]
    places = np.column_stack([TABLE["z_nm"], TABLE.y_nm, TABLE.x_nm])
    np.testing.assert_array_equal(drawn.voxels.numpy(), np.histogramdd(places, bins=edges)[0])


def test_gaussians_are_as_high_as_depths_are_uncertain() -> None:
    one = Localizations(
        frame=[0, 0],
        x_nm=[500.0, 500.0],
        y_nm=[500.0, 500.0],
        z_nm=[0.0, 500.0],
        uncertainty_x_nm=[10.0, 10.0],
        uncertainty_y_nm=[10.0, 10.0],
        uncertainty_z_nm=[60.0, 60.0],
    )
    options = VolumeOptions(kind="gaussian", z_step_nm=10)
    drawn = draw_volume(one, (60, 60), options=options)
    along = drawn.voxels.sum((1, 2)).numpy()[:25]
    z = drawn.z_nm + 10 * (np.arange(25) + 0.5)
    expected = np.exp(-(z**2) / (2 * 60**2)) * 10 / (60 * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(along, expected, rtol=0.02, atol=1e-4)


def test_a_table_without_depth_has_no_volume() -> None:
    with pytest.raises(ValueError, match="no z"):
        draw_volume(TABLE.without("z_nm"))
    with pytest.raises(ValueError, match="choose larger ones"):
        draw_volume(TABLE, options=VolumeOptions(sr_pixel_nm=1, z_step_nm=0.1))


def test_the_command_writes_voxels_with_their_sizes(tmp_path: Path) -> None:
    source, out = tmp_path / "locs.csv", tmp_path / "volume.tif"
    write_localizations(TABLE, source)
    result = call("render", source, "--out", out, "--volume")
    assert result.exit_code == 0, result.output
    assert "voxels" in result.output
    with tifffile.TiffFile(out) as tiff:
        assert tiff.series[0].axes == "ZYX"
        assert tiff.series[0].asarray().sum() == N
        assert tiff.ome_metadata is not None
        assert 'PhysicalSizeZ="50.0"' in tiff.ome_metadata
        assert 'PhysicalSizeX="24.0"' in tiff.ome_metadata
    report = read_report(out)
    assert report is not None
    assert report["z_nm"] == -350
    assert report["history"]["files"][0]["file"] == "locs.csv"
    assert call("render", source, "--out", out, "--volume", "--color-by", "z").exit_code == 2


def test_a_bead_is_left_out_of_the_volume_and_said(tmp_path: Path) -> None:
    n_frames = 300
    bead = Localizations(
        frame=np.arange(n_frames),
        x_nm=RNG.normal(1000, 5, n_frames),
        y_nm=RNG.normal(500, 5, n_frames),
        z_nm=RNG.normal(-200, 15, n_frames),
    )
    molecules = Localizations(
        frame=RNG.integers(0, n_frames, N),
        x_nm=TABLE.x_nm,
        y_nm=TABLE.y_nm,
        z_nm=TABLE["z_nm"],
    )
    source, out = tmp_path / "locs.csv", tmp_path / "volume.tif"
    write_localizations(Localizations.concatenate([molecules, bead]).sort(), source)
    result = call("render", source, "--out", out, "--volume")
    assert result.exit_code == 0, result.output
    assert "rows of a bead" in result.output
    drawn = tifffile.imread(out)
    near = np.hypot(molecules.x_nm - 1000, molecules.y_nm - 500) < 150
    assert drawn.sum() == pytest.approx(N - near.sum(), abs=3)
    assert drawn.max() < 5  # the bead would be 100 in a voxel
    kept = call("render", source, "--out", out, "--volume", "--beads")
    assert kept.exit_code == 0, kept.output
    assert tifffile.imread(out).sum() == N + n_frames
