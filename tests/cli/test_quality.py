"""`deepsmlm quality`: known tables and images in, their resolution out, one line per mistake."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import tifffile
from scipy.ndimage import gaussian_filter
from typer.testing import CliRunner, Result

from napari_deepsmlm.cli import app
from napari_deepsmlm.evaluation import quality
from napari_deepsmlm.io import open_frames, write_image, write_localizations, write_stack
from napari_deepsmlm.localizations import Localizations

if TYPE_CHECKING:
    from pathlib import Path

FIELD_NM = 6400.0
SIGMA_NM = 15.0


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["quality", *map(str, arguments)])


def report_of(*arguments: object) -> dict[str, Any]:
    result = call(*arguments, "--json")
    assert result.exit_code == 0, result.output
    report: dict[str, Any] = json.loads(result.stdout)
    return report


@pytest.fixture(scope="module")
def molecules() -> Localizations:
    """4,000 molecules, each found once in the first block of time and once in the second."""
    rng = np.random.default_rng(0)
    places = np.tile(rng.uniform(0, FIELD_NM, (4000, 2)), (2, 1))
    found = np.clip(places + rng.normal(0, SIGMA_NM, places.shape), 0, FIELD_NM - 0.1)
    frame = np.concatenate([rng.integers(0, 100, 4000), rng.integers(100, 200, 4000)])
    return Localizations(frame=frame, x_nm=found[:, 0], y_nm=found[:, 1])


@pytest.fixture
def table(molecules: Localizations, tmp_path: Path) -> Path:
    write_localizations(molecules, tmp_path / "table.csv")
    return tmp_path / "table.csv"


@pytest.fixture
def stack(molecules: Localizations, tmp_path: Path) -> Path:
    """What a camera of 100 nm pixels sees of the molecules: sigma 130 nm, 500 ADU each, 100 ADU."""
    rows, columns = (molecules.y_nm / 10).astype(int), (molecules.x_nm / 10).astype(int)
    fine = np.zeros((640, 640))
    np.add.at(fine, (rows, columns), 500.0 * 100)
    mean = gaussian_filter(fine, 13, mode="reflect").reshape(64, 10, 64, 10).mean((1, 3)) + 100
    frames = np.random.default_rng(1).poisson(np.tile(mean, (20, 1, 1))).astype(np.uint16)
    write_stack(tmp_path / "stack.tif", frames, pixel_size_nm=100)
    return tmp_path / "stack.tif"


def test_a_table_of_known_precision_has_its_resolution(table: Path) -> None:
    report = report_of(table, "--blocks", 2, "--sr-pixel", 5)
    assert set(report) == {"frc_time_nm", "frc_random_nm", "decorrelation_nm", "conclusion"}
    assert report["conclusion"]["level"] == "good"
    expected = 2 * np.pi * SIGMA_NM / np.sqrt(np.log(7))
    assert report["frc_time_nm"] == pytest.approx(expected, rel=0.1)
    # At random half of the pairs of finds are in one half: each half sees Poisson numbers.
    assert report["frc_random_nm"] > report["frc_time_nm"]


def test_the_error_map_finds_the_microscope(table: Path, stack: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    report = report_of(table, "--reference", stack, "--out", out)
    assert report["squirrel_rsp"] > 0.99
    # The histogram's own pixels are part of the blur that was made.
    assert report["squirrel_sigma_nm"] == pytest.approx(130, rel=0.03)
    assert report["squirrel_beta"] == pytest.approx(100, abs=10)
    names = {"quality.json", "frc.csv", "decorrelation.csv", "quality.png", "error_map.tif"}
    assert {path.name for path in out.iterdir()} == names
    assert json.loads((out / "quality.json").read_text()).items() <= report.items()
    with open_frames(out / "error_map.tif") as error:
        assert (error.shape, error.pixel_size_nm) == ((1, 1, 64, 64), 100)
        assert np.sqrt(np.mean(error.read(0, 1) ** 2)) == pytest.approx(report["squirrel_rse"])
    curves = pd.read_csv(out / "frc.csv")
    below = curves[curves["time_smoothed"] < 1 / 7].iloc[0]
    assert 1 / below["frequency_per_nm"] == pytest.approx(report["frc_time_nm"], rel=0.02)
    assert (out / "quality.png").read_bytes().startswith(b"\x89PNG")


def test_the_reference_is_one_colour_of_several(table: Path, stack: Path, tmp_path: Path) -> None:
    frames = tifffile.imread(stack)
    both = np.stack([np.full_like(frames, 100), frames], 1)
    tifffile.imwrite(tmp_path / "both.tif", both)
    options = ("--axes", "TCYX", "--channel", 2, "--pixel-size", 100)
    found = report_of(table, "--reference", tmp_path / "both.tif", *options)
    assert found == report_of(table, "--reference", stack, "--pixel-size", 100)
    both_colours = (*options[:2], *options[4:])
    mixed = call(table, "--reference", tmp_path / "both.tif", *both_colours)
    told = " ".join(mixed.stderr.split())
    assert "The 2 channels were added up to the reference; --channel takes one of them." in told


def test_one_image_has_no_halves_and_says_so(molecules: Localizations, tmp_path: Path) -> None:
    image = np.histogram2d(molecules.y_nm, molecules.x_nm, bins=640)[0]
    image = gaussian_filter(image, 3) + np.random.default_rng(2).normal(0, 1e-3, image.shape)
    write_image(tmp_path / "image.tif", image, pixel_size_nm=10)
    result = call(tmp_path / "image.tif", "--json")
    report = json.loads(result.stdout)
    assert report["frc_time_nm"] is None
    assert report["frc_random_nm"] is None
    assert report["decorrelation_nm"] == pytest.approx(2.355 * 30, rel=0.15)
    assert "One image alone has no two halves" in " ".join(result.stderr.split())


def test_a_pair_of_images_and_a_time_lapse_have_halves(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    common = gaussian_filter(rng.normal(size=(128, 128)), 2) * 12
    for n in (2, 8):
        images = common + rng.normal(size=(n, 128, 128))
        write_image(tmp_path / "lapse.tif", images, pixel_size_nm=20)
        report = report_of(tmp_path / "lapse.tif")
        assert 40 < report["frc_time_nm"] < 200
        if n == 2:
            assert report["frc_random_nm"] is None
        else:
            assert report["frc_random_nm"] == pytest.approx(report["frc_time_nm"], rel=0.1)


def test_an_image_against_its_stack(stack: Path, molecules: Localizations, tmp_path: Path) -> None:
    edges = np.linspace(0, FIELD_NM, 513)
    image = np.histogram2d(molecules.y_nm, molecules.x_nm, bins=[edges, edges])[0]
    write_image(tmp_path / "image.tif", image, pixel_size_nm=12.5)
    report = report_of(tmp_path / "image.tif", "--reference", stack)
    assert report["squirrel_sigma_nm"] == pytest.approx(130, rel=0.05)
    assert report["squirrel_rsp"] > 0.99
    wrong = call(tmp_path / "image.tif", "--reference", stack, "--pixel-size", 10, "--json")
    assert wrong.exit_code == 0
    assert "is it the stack" in " ".join(wrong.stderr.split())


def test_readable_text_for_people(table: Path) -> None:
    result = call(table)
    assert result.exit_code == 0
    assert "Resolution, FRC of time blocks" in result.stdout
    assert " nm" in result.stdout


def write_table(path: Path, rows: list[tuple[int, float, float]]) -> Path:
    lines = [f"{frame},{x},{y}" for frame, x, y in rows]
    path.write_text("\n".join(['"frame","x [nm]","y [nm]"', *lines]) + "\n")
    return path


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([], "bad.csv: The table holds no molecules: there is nothing to measure"),
        ([(1, 10, 10), (1, 500, 900)], "bad.csv: All 2 molecules are in one frame"),
        ([(1, 10, 10), (2, 50, 90)], "bad.csv: The resolution of an image of"),
    ],
)
def test_tables_without_an_answer_are_one_sentence(rows, sentence: str, tmp_path: Path) -> None:
    result = call(write_table(tmp_path / "bad.csv", rows), "--json")
    assert result.exit_code == 2
    text = " ".join(result.stderr.split())
    assert sentence in text
    assert "Traceback" not in text
    assert result.stdout == ""


def test_images_without_an_answer_are_one_sentence(stack: Path, table: Path, tmp_path) -> None:
    plain = tmp_path / "plain.tif"
    tifffile.imwrite(plain, np.eye(64, dtype=np.float32))
    odd = tmp_path / "odd.tif"
    write_image(odd, np.eye(100), pixel_size_nm=10)
    small = tmp_path / "small.tif"
    write_image(small, np.eye(16), pixel_size_nm=10)
    for arguments, sentence in (
        ((plain,), "plain.tif: states no pixel size; give --pixel-size in nm."),
        ((odd, "--reference", stack), "100 x 100 pixels is no whole multiple"),
        ((table, "--reference", plain), "plain.tif: states no pixel size"),
        ((small,), "16 x 16 pixels cannot be measured"),
        ((tmp_path / "absent.csv",), "absent.csv"),
        ((table, "--blocks", 1), "n_blocks"),
        ((table, "--sr-pixel", 0), "sr_pixel_nm"),
    ):
        result = call(*arguments)
        assert result.exit_code == 2, arguments
        assert sentence in " ".join(result.stderr.split())


def test_a_far_away_molecule_does_not_take_all_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quality, "MAX_SIDE_PX", 512)
    places = np.random.default_rng(0).uniform(0, 4000, (200, 2))
    rows = [(frame, x, y) for frame, (x, y) in enumerate(places, 1)]
    path = write_table(tmp_path / "far.csv", [*rows, (3, 4e6, 4e6)])
    result = call(path, "--json")
    assert result.exit_code == 0, result.stderr
    assert "measure a part of it for finer ones" in " ".join(result.stderr.split())
