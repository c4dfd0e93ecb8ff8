"""`reconstruct --adapt` and `--force`: a result that cannot be is exit code 2, unless asked for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.cli.conftest import call

from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.io import write_stack

if TYPE_CHECKING:
    from pathlib import Path

MODEL = "dilated-loc:2d-100nm"


@pytest.fixture
def offset(tmp_path: Path) -> Path:
    """A stack whose offset, taken for light, is above any background the model was trained on.

    It has a hot pixel.
    """
    values = {"camera": {"kind": "scmos", "baseline": 900.0}, "image_px": [24, 24]}
    path = tmp_path / "offset.tif"
    stack = Experiment.from_dict(values).simulate(6, seed=1).stack
    stack[:, 0, 12, 12] = 60_000
    write_stack(path, stack, pixel_size_nm=100.0)
    return path


def test_what_cannot_be_is_exit_code_2_and_force_goes_on(offset: Path, tmp_path: Path) -> None:
    words = ["reconstruct", offset, "--model", MODEL, "--camera", "none", "--out", tmp_path / "out"]
    stopped = call(*words)
    said = " ".join(stopped.stderr.split())
    assert stopped.exit_code == 2
    assert "molecules per frame were found" in said
    assert "--adapt 5" in said
    assert said.index("warning: 1 hot pixel was replaced") < said.index("error: ")
    assert not list((tmp_path / "out").glob("*.*"))
    forced = call(*words, "--force", "--json")
    assert forced.exit_code == 0, forced.output
    assert any("cannot be right" in each for each in json.loads(forced.stdout)["warnings"])


@pytest.mark.parametrize(
    ("minutes", "sentence"),
    [("0", "minutes to adapt must be above 0"), ("1", "nothing to train for")],
)
def test_what_cannot_be_adapted_is_one_line_and_exit_code_2(
    stack: Path, tmp_path: Path, minutes: str, sentence: str
) -> None:
    words = ["--model", MODEL, "--out", tmp_path / "out", "--adapt", minutes]
    result = call("reconstruct", stack, *words)
    assert result.exit_code == 2
    assert sentence in " ".join(result.stderr.split())
    assert not (tmp_path / "out" / "report.json").exists()
