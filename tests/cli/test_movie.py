"""`deepsmlm movie`: tables and time-lapse images as movie files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from PIL import Image
from tests.cli.conftest import call

from napari_deepsmlm.io import read_report, write_image, write_localizations
from napari_deepsmlm.localizations import Localizations

if TYPE_CHECKING:
    from pathlib import Path

FRAME = np.arange(40)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """One molecule that moves by 20 nm in each frame."""
    path = tmp_path / "locs.csv"
    write_localizations(
        Localizations(frame=FRAME, x_nm=10.0 + 20.0 * FRAME, y_nm=np.full(40, 50.0)), path
    )
    return path


@pytest.mark.parametrize("name", ["m.gif", "m.png"])
def test_each_image_shows_the_molecules_of_its_frames(
    table: Path, tmp_path: Path, name: str
) -> None:
    result = call(
        *("movie", table, "--out", tmp_path / name, "--window", 10, "--step", 5, "--json")
    )
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["time_lapse"] == [[start, start + 10] for start in range(0, 31, 5)]
    with Image.open(tmp_path / name) as shown:
        assert shown.n_frames == found["images"] == 7
        for number, (start, stop) in enumerate(found["time_lapse"]):
            shown.seek(number)
            bright = np.asarray(shown.convert("RGB"), int).sum(-1)
            expected = np.zeros(bright.shape, bool)
            expected[2, start:stop] = True
            np.testing.assert_array_equal(bright > 300, expected)


def test_images_in_a_tiff_count_molecules_and_become_a_movie(table: Path, tmp_path: Path) -> None:
    lapse, out = tmp_path / "lapse.tif", tmp_path / "m.gif"
    assert call("movie", table, "--out", lapse, "--window", 20).exit_code == 0
    images = tifffile.imread(lapse)
    np.testing.assert_array_equal(images.sum((1, 2)), [20, 20])
    assert read_report(lapse)["time_lapse"] == [[0, 20], [20, 40]]
    result = call("movie", lapse, "--out", out, "--json")
    assert json.loads(result.stdout)["time_lapse"] == [[0, 20], [20, 40]]
    with Image.open(out) as shown:
        assert (shown.n_frames, shown.size) == (2, images.shape[:0:-1])


def test_a_movie_that_cannot_be_is_refused_in_a_sentence(table: Path, tmp_path: Path) -> None:
    single = tmp_path / "one.tif"
    write_image(single, np.ones((16, 16), np.float32), pixel_size_nm=10)
    for words, arguments in {
        "give --window": (table, "--out", tmp_path / "m.gif"),
        "written as .gif": (table, "--out", tmp_path / "m.mp4", "--window", 5),
        "1 to 5 frames, got 6": (table, "--out", tmp_path / "m.gif", "--window", 5, "--step", 6),
        "--sigma belongs": (table, "--out", tmp_path / "m.gif", "--window", 5, "--sigma", 9),
        "holds one image": (single, "--out", tmp_path / "m.gif"),
        "drawn already": (single, "--out", tmp_path / "m.gif", "--window", 5),
    }.items():
        result = call("movie", *arguments)
        assert result.exit_code == 2, result.output
        assert words in " ".join(result.output.split())
    assert not (tmp_path / "m.gif").exists()
