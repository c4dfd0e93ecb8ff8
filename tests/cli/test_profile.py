"""`deepsmlm profile`: widths of known lines, files of them, and one sentence for what is wrong."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import tifffile
from tests.cli.conftest import call

from napari_deepsmlm.io import write_image

if TYPE_CHECKING:
    from pathlib import Path

SIGMA_PX, PIXEL_NM = 2.0, 20.0
FWHM_NM = 2.354820 * SIGMA_PX * PIXEL_NM


def ridge(distance_px: float = 0.0) -> np.ndarray:
    """Upright lines, that many pixels apart, across columns 30."""
    column = np.arange(60.0)
    places = {30 - distance_px / 2, 30 + distance_px / 2}
    row = sum(np.exp(-0.5 * ((column - at) / SIGMA_PX) ** 2) for at in places)
    return np.tile(5 + 100 * row, (40, 1))


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "lines é.tif"
    write_image(path, ridge(), pixel_size_nm=PIXEL_NM)
    return path


def as_json(*arguments: object) -> dict[str, Any]:
    result = call("profile", *arguments, "--json")
    assert result.exit_code == 0, result.output
    values: dict[str, Any] = json.loads(result.stdout)
    return values


@pytest.mark.parametrize(("line", "width_px"), [("20,10,20,50", 3), ("10,15,35,45", 1)])
def test_the_width_of_a_line_across_it(image: Path, line: str, width_px: int) -> None:
    found = as_json(image, "--line", line, "--width", width_px)
    y0, x0, y1, x1 = map(float, line.split(","))
    slant = np.hypot(y1 - y0, x1 - x0) / (x1 - x0)  # a slanting line sees more of it
    assert found["fwhm_nm"] == pytest.approx(FWHM_NM * slant, rel=0.01)
    low, high = found["fwhm_ci_nm"]
    assert low <= found["fwhm_nm"] <= high
    assert found["r_squared"] > 0.999
    assert found["distance_nm"] is None
    assert found["width_averaged_nm"] == pytest.approx(width_px * PIXEL_NM)


def test_two_lines_have_a_distance(tmp_path: Path) -> None:
    write_image(tmp_path / "two.tif", ridge(8), pixel_size_nm=PIXEL_NM)
    found = as_json(tmp_path / "two.tif", "--line", "20,10,20,50", "--model", "two-gauss")
    assert found["distance_nm"] == pytest.approx(160, rel=0.01)
    assert found["fwhm_nm"] == pytest.approx(FWHM_NM, rel=0.01)


@pytest.mark.parametrize("model", ["flat", "disk", "ring"])
def test_other_models_have_a_size(image: Path, model: str) -> None:
    found = as_json(image, "--line", "20,10,20,50", "--model", model)
    assert found["model"] == model
    assert found["fwhm_nm"] == pytest.approx(FWHM_NM, rel=0.02)
    assert found["size_nm"] >= 0


def test_nm_count_from_the_outer_corner(image: Path) -> None:
    in_px = as_json(image, "--line", "20,10,20,50")
    in_nm = as_json(image, "--line", "410,210,410,1010", "--line-unit", "nm")
    for name in ("fwhm_nm", "centre_nm", "length_nm", "fwhm_ci_nm"):
        assert in_nm[name] == pytest.approx(in_px[name])


def test_a_given_pixel_size_comes_first(tmp_path: Path) -> None:
    path = tmp_path / "unknown.tif"
    tifffile.imwrite(path, ridge().astype(np.float32))
    result = call("profile", path, "--line", "20,10,20,50")
    assert result.exit_code == 2
    assert "states no pixel size; give --pixel-size in nm" in result.stderr
    found = as_json(path, "--line", "20,10,20,50", "--pixel-size", 40)
    assert found["fwhm_nm"] == pytest.approx(2 * FWHM_NM, rel=0.01)


def test_curve_and_picture_are_written(image: Path, tmp_path: Path) -> None:
    table, figure = tmp_path / "curve.csv", tmp_path / "figure.svg"
    result = call("profile", image, "--line", "20,10,20,50", "--out", table, "--figure", figure)
    assert result.exit_code == 0, result.output
    assert "FWHM 94.19 nm" in result.stdout
    curve = pd.read_csv(table)
    np.testing.assert_allclose(curve["position_nm"], PIXEL_NM * np.arange(41))
    np.testing.assert_allclose(curve["value"], ridge()[20, 10:51], rtol=1e-6)
    np.testing.assert_allclose(curve["residual"], curve["value"] - curve["fitted"], atol=1e-9)
    assert "<svg" in figure.read_text()


@pytest.mark.parametrize(("how", "height"), [("mean", 150.0), ("max", 200.0), ("sum", 300.0)])
def test_stacks_are_projected_or_one_frame_is_taken(
    tmp_path: Path, how: str, height: float
) -> None:
    path = tmp_path / "stack.tif"
    write_image(path, np.stack([ridge(), 2 * ridge()]), pixel_size_nm=PIXEL_NM)
    line = ("--line", "20,10,20,50")
    result = call("profile", path, *line)
    assert result.exit_code == 2
    assert "holds 2 frames; give --frame 0 to 1, or --project mean." in result.stderr
    assert as_json(path, *line, "--project", how)["heights"][0] == pytest.approx(height, rel=0.01)
    assert as_json(path, *line, "--frame", 1)["heights"][0] == pytest.approx(200, rel=0.01)


def test_what_lies_outside_is_said(image: Path) -> None:
    result = call("profile", image, "--line", "20,10,20,70", "--json")
    assert result.exit_code == 0
    assert "11 of 61 samples lie outside the image" in result.stderr
    assert json.loads(result.stdout)["fwhm_nm"] == pytest.approx(FWHM_NM, rel=0.01)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--line", "20,10,20,50", "--model", "lorentz"), "Unknown model 'lorentz'. Available:"),
        (("--line", "200,10,200,50"), "lies outside the image of 40 x 60 px"),
        (("--line", "20,10,20,10"), "has no length"),
        (("--line", "20,10,20,11"), "draw a longer line"),
        (("--line", "20,10,20"), "--line takes Y0,X0,Y1,X1"),
        (("--line", "a,b,c,d"), "--line takes Y0,X0,Y1,X1"),
        (("--line", "20,10,20,nan"), "finite numbers"),
        (("--line", "20,10,20,50", "--line-unit", "um"), "--line-unit is px or nm"),
        (("--line", "20,10,20,50", "--width", "0"), "width must be above 0"),
        (("--line", "20,10,20,50", "--frame", "3"), "--frame must be 0 to 0, got 3."),
        (("--line", "20,10,20,50", "--project", "median"), "--project is mean, max, sum"),
        (("--line", "20,10,20,50", "--figure", "a.bmp"), "figures are .png, .svg, .pdf"),
        (("--line", "5,2,35,2"), "are the same"),
    ],
)
def test_what_is_wrong_is_one_sentence(image: Path, arguments: Any, words: str) -> None:
    if "are the same" in words:
        write_image(image, np.full((40, 60), 3.0), pixel_size_nm=PIXEL_NM)
    result = call("profile", image, *arguments)
    assert result.exit_code == 2, result.output
    assert words in result.stderr
    assert "Traceback" not in result.output
    assert result.stdout == ""


def test_colours_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "colours.tif"
    tifffile.imwrite(path, np.zeros((40, 60, 3), np.uint8), photometric="rgb")
    result = call("profile", path, "--line", "20,10,20,50", "--pixel-size", 20)
    assert result.exit_code == 2
    assert "RGB" in result.stderr


def test_the_help_says_the_units() -> None:
    text = " ".join(call("profile", "--help").output.split())
    assert "image pixels" in text
    assert "nm" in text
    assert "Example: deepsmlm profile" in text
