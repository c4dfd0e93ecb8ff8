"""`deepsmlm filter`, `render` and `convert`: what is in the files that they write."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from tests.cli.conftest import call

from napari_deepsmlm.io import (
    open_frames,
    read_localizations,
    read_report,
    table_pixel_size,
    write_localizations,
    write_stack,
)
from napari_deepsmlm.localizations import Localizations

if TYPE_CHECKING:
    from pathlib import Path

N = 200
CHANCE = np.random.default_rng(0)
TABLE = Localizations(
    frame=np.arange(N),
    x_nm=CHANCE.uniform(0, 2000, N),
    y_nm=CHANCE.uniform(0, 1000, N),
    z_nm=CHANCE.uniform(-300, 300, N),
    photons=CHANCE.uniform(0, 1000, N),
    uncertainty_x_nm=CHANCE.uniform(5, 40, N),
    uncertainty_y_nm=CHANCE.uniform(5, 40, N),
)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "locs of mine µ.csv"
    write_localizations(TABLE, path)
    return path


def test_filter_writes_the_molecules_kept(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "good.csv"
    result = call("filter", table, "--where", "intensity > 500 & frame <= 100", "--out", out)
    assert result.exit_code == 0, result.output
    expected = (TABLE["photons"] > 500) & (np.arange(N) < 100)
    assert f"{expected.sum()} of 200 molecules kept" in result.output
    kept = read_localizations(out)
    np.testing.assert_array_equal(kept.frame, np.flatnonzero(expected))
    np.testing.assert_array_equal(kept["id"], np.flatnonzero(expected) + 1)
    found = json.loads(call("filter", table, "--where", "x < 0", "--out", out, "--json").stdout)
    assert (found["kept"], found["molecules"]) == (0, 200)
    assert len(read_localizations(out)) == 0


def test_convert_there_and_back(table: Path, tmp_path: Path) -> None:
    there, back = tmp_path / "a.hdf5", tmp_path / "back.csv"
    result = call("convert", table, "--out", there, "--pixel-size", 130)
    assert result.exit_code == 0, result.output
    assert table_pixel_size(there) == 130
    found = json.loads(call("convert", there, "--out", back, "--json").stdout)
    assert (found["molecules"], found["camera_pixel_nm"]) == (N, 130)
    np.testing.assert_allclose(read_localizations(back).x_nm, TABLE.x_nm, atol=1e-3)
    filtered = tmp_path / "b.hdf5"
    assert call("filter", there, "--where", "z > 0", "--out", filtered).exit_code == 0
    assert table_pixel_size(filtered) == 130
    challenge = tmp_path / "c.csv"
    assert call("convert", table, "--out", challenge, "--format", "challenge").exit_code == 0
    assert challenge.read_text().startswith("id,frame,x,y,z,intensity\n")


@pytest.mark.parametrize("kind", ["histogram", "gaussian", "ash"])
def test_render_counts_molecules(table: Path, tmp_path: Path, kind: str) -> None:
    out = tmp_path / "image.tif"
    result = call("render", table, "--out", out, "--sr-pixel", 20, "--kind", kind, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    image = tifffile.imread(out)
    assert list(image.shape) == report["shape"]
    assert image.dtype == np.float32
    assert image.sum() == pytest.approx(N, rel={"histogram": 1e-6}.get(kind, 0.06))
    with open_frames(out) as source:
        assert source.pixel_size_nm == 20
    written = read_report(out)
    assert written is not None
    assert written["image"]["kind"] == kind


def test_render_with_a_filter_draws_only_those(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "image.tif"
    assert call("render", table, "--out", out, "--where", "x < 1000").exit_code == 0
    assert tifffile.imread(out).sum() == (TABLE.x_nm < 1000).sum()


@pytest.mark.parametrize("field", ["file", "70,90"])
def test_render_covers_the_field_of_the_frames(table: Path, tmp_path: Path, field: str) -> None:
    frames, out = tmp_path / "frames.tif", tmp_path / "image.tif"
    write_stack(frames, np.zeros((2, 70, 90), np.uint16), pixel_size_nm=110.0)
    said = ["--field", frames] if field == "file" else ["--field", field, "--pixel-size", 110]
    result = call("render", table, "--out", out, "--sr-pixel", 20, *said, "--json")
    assert result.exit_code == 0, result.output
    image = tifffile.imread(out)
    assert image.shape == (385, 495), "70 x 90 pixels of 110 nm in pixels of 20 nm"
    inside = (TABLE.y_nm < 7700) & (TABLE.x_nm < 9900) & (TABLE.y_nm >= 0) & (TABLE.x_nm >= 0)
    assert image.sum() == inside.sum()
    assert json.loads(result.stdout)["outside"] == N - inside.sum()


def test_a_field_in_pixels_needs_their_size(table: Path, tmp_path: Path) -> None:
    result = call("render", table, "--out", tmp_path / "image.tif", "--field", "70,90")
    assert result.exit_code != 0
    assert "give --pixel-size" in " ".join(result.output.split())


def test_gaussians_without_uncertainties_need_a_width(tmp_path: Path) -> None:
    path, out = tmp_path / "bare.csv", tmp_path / "image.tif"
    path.write_text("frame,x [nm],y [nm]\n1,500,500\n")
    arguments = ["render", path, "--out", out, "--kind", "gaussian"]
    result = call(*arguments)
    assert result.exit_code != 0
    assert "give one width for all molecules" in " ".join(result.output.split())
    assert call(*arguments, "--sigma", 15, "--field", "10,10", "--pixel-size", 100).exit_code == 0
    assert tifffile.imread(out).sum() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--sigma", 15), "--sigma belongs to --kind gaussian: give both"),
        (("--kind", "gaussian", "--shifts", 2), "--shifts belongs to --kind ash: give both"),
        (("--z-step", 20), "--z-step belongs to --volume: give both"),
        (("--beads",), "--beads belongs to --volume: give both"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(
    words: tuple[object, ...], sentence: str, table: Path, tmp_path: Path
) -> None:
    out = tmp_path / "image.tif"
    result = call("render", table, "--out", out, *words)
    assert result.exit_code == 2
    assert sentence in " ".join(result.output.split())
    assert not out.exists()


def test_render_in_colours_is_rgb_with_its_pixel_size(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "image.tif"
    result = call("render", table, "--out", out, "--color-by", "z", "--kind", "ash")
    assert result.exit_code == 0, result.output
    assert "(blue -29" in result.output
    with tifffile.TiffFile(out) as tiff:
        assert tiff.asarray().shape[-1] == 3
        assert tiff.pages[0].photometric.name == "RGB"
        assert 'PhysicalSizeX="10.0" PhysicalSizeXUnit="nm"' in tiff.ome_metadata
        assert "color_by" in tiff.ome_metadata
    result = call("render", table, "--out", out, "--color-by", "uncertainty_xy", "--json")
    low, high = (json.loads(result.stdout)[key] for key in ("color_low", "color_high"))
    rms = np.sqrt((TABLE["uncertainty_x_nm"] ** 2 + TABLE["uncertainty_y_nm"] ** 2) / 2)
    np.testing.assert_allclose([low, high], np.percentile(rms, [1, 99]), atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["filter", "--where", "intensty > 5", "--out", "a.csv"], "no column 'intensty'"),
        (["filter", "--where", "x <", "--out", "a.csv"], "character 4"),
        (["filter", "--where", "x [px] < 2", "--out", "a.csv"], "unit '[nm]', not '[px]'"),
        (["filter", "--where", "x < 1", "--out", "a.xyz"], "unknown table format"),
        (["convert", "--out", "a.csv", "--format", "excel"], "Available"),
        (["convert", "--out", "a.csv", "--pixel-size", "-1"], "between 1 and 10000 nm"),
        (["render", "--out", "a.png"], "written as .tif"),
        (["render", "--out", "a.tif", "--kind", "scatter"], "kind"),
        (["render", "--out", "a.tif", "--sr-pixel", "0"], "sr_pixel_nm"),
        (["render", "--out", "a.tif", "--color-by", "depth"], "No column 'depth'"),
        (["render", "--out", "a.tif", "--sr-pixel", "0.1"], "choose a larger pixel"),
    ],
)
def test_a_wrong_call_is_one_line(
    table: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    result = call(arguments[0], table, *arguments[1:])
    assert result.exit_code == 2
    assert words in result.output
    assert "Traceback" not in result.output
    assert [path.name for path in tmp_path.iterdir()] == [table.name]


def test_a_broken_table_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n")
    result = call("convert", tmp_path / "bad.csv", "--out", tmp_path / "b.csv")
    assert result.exit_code == 2
    assert "missing columns: frame, x [nm], y [nm]; found: a, b" in result.output


@pytest.mark.parametrize("command", ["filter", "render", "convert"])
def test_help_has_an_example(command: str) -> None:
    result = call(command, "--help")
    assert f"Example: deepsmlm {command} locs.csv" in result.output
