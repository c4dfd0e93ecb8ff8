"""`deepsmlm estimate`: sentences, JSON, and an experiment that trains."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from tests.cli.conftest import call

from napari_deepsmlm.experiment import Experiment

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("movie") / "stack.tif"
    stack = Experiment(image_px=(40, 44)).simulate(100, seed=2).stack
    tifffile.imwrite(path, stack[:, 0], photometric="minisblack")
    return path


def test_it_says_what_it_finds(movie: Path) -> None:
    result = call("estimate", movie, "--pixel-size", 100, "--camera", "scmos-qe95")
    assert result.exit_code == 0, result.output
    for words in ("PSF width σ", "Background", "photons in a frame", "molecules per um²"):
        assert words in result.output


def test_json_has_the_agreed_names(movie: Path) -> None:
    result = call("estimate", movie, "--pixel-size", 100, "--json")
    found = json.loads(result.stdout)
    names = "psf_sigma_nm background photons density_per_um2 offset_adu gain drift_nm"
    assert set(names.split()) <= set(found)
    assert 100 < found["psf_sigma_nm"] < 120
    assert found["errors"]["psf_sigma_nm"] < 5


def test_the_experiment_that_it_writes_can_be_read(movie: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine.yaml"
    result = call(
        "estimate", movie, "--pixel-size", 100, "--baseline", 100, "--photons-per-adu", 0.786,
        "--out", out, "--network", "drsn-storm",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "deepsmlm train" in result.output
    experiment = Experiment.from_file(out)
    assert experiment.network == "drsn-storm"
    assert experiment.camera.baseline == 100


def test_frames_can_be_chosen(movie: Path) -> None:
    result = call("estimate", movie, "--frames", "10:70", "--json")
    assert json.loads(result.stdout)["n_frames"] == 60


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--frames", "500:"], "select nothing"),
        (["--baseline", "100"], "belong together"),
        (["--out", "x.yaml"], "pixel size"),
        (["--pixel-size", "100", "--out", "x.yaml", "--network", "fith"], "Available"),
    ],
)
def test_a_wrong_call_is_one_line(movie: Path, arguments: list[str], words: str) -> None:
    result = call("estimate", movie, *arguments)
    assert result.exit_code == 2
    assert words in result.output
    assert "Traceback" not in result.output


def test_a_constant_stack_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "constant.tif"
    tifffile.imwrite(path, np.full((20, 32, 32), 100, np.uint16), photometric="minisblack")
    result = call("estimate", path)
    assert result.exit_code == 2
    assert "no contrast" in result.output
