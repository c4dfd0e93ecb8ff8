"""`deepsmlm quality --frames`: data like the training or not, and by which report."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from napari_deepsmlm.cli import app
from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.io import write_localizations, write_stack
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.models import built_in_models, read_card

if TYPE_CHECKING:
    from pathlib import Path

MODEL = "deep-storm:2d-100nm"
CAMERA = ("--baseline", 100, "--photons-per-adu", 0.7471 / 0.95)


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["quality", *map(str, arguments)], env={"COLUMNS": "200"})


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the model was trained on, with four times its largest background."""
    experiment = Experiment.from_dict(read_card(built_in_models()[MODEL]).experiment)
    values = {"density_per_um2": (3, 3), "brightness": (1, 1), "background": (240, 240)}
    simulation = experiment.simulation.replace(structure={"kind": "uniform"}, **values)
    frames = experiment.replace(simulation=simulation).simulate(60, seed=0).stack
    path = tmp_path_factory.mktemp("frames") / "stack.tif"
    write_stack(path, frames[:, 0], pixel_size_nm=100)
    return path


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A result of 1,000 molecules, each found in both halves."""
    rng = np.random.default_rng(0)
    places = np.tile(rng.uniform(0, 6400, (1000, 2)), (2, 1)) + rng.normal(0, 15, (2000, 2))
    frame = np.repeat([0, 1], 1000)
    found = Localizations(frame=frame, x_nm=places[:, 0], y_nm=places[:, 1])
    write_localizations(found, tmp_path / "localizations.csv")
    return tmp_path / "localizations.csv"


def verdicts(result: Result) -> dict[str, str]:
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)["mismatch"]["quantities"]
    return {name: row["verdict"] for name, row in rows.items()}


def test_frames_need_no_result(stack: Path) -> None:
    found = verdicts(call("--frames", stack, "--model", MODEL, *CAMERA, "--json"))
    assert found["background"] == "outside"
    others = [verdict for name, verdict in found.items() if name != "background"]
    assert found["em_noise"] == "cannot be told", "offset and gain do not tell"
    assert sorted(others) == ["cannot be told"] + ["inside"] * 7


def test_people_read_a_table_and_what_to_expect(stack: Path) -> None:
    result = call("--frames", stack, "--model", MODEL, *CAMERA)
    assert result.exit_code == 0, result.output
    line = next(line for line in result.stdout.splitlines() if "Background (" in line)
    assert "5 to 60" in line
    assert line.rstrip().endswith("outside")
    assert "molecules may be missed or invented" in result.stdout
    assert "Measured on 60 of 60 frames." in result.stdout


def test_the_report_beside_the_result_says_how_it_was_made(stack: Path, table: Path) -> None:
    options = {"model": MODEL, "camera": {"kind": "ideal", "baseline": 100, "gain": 1.272}}
    report: dict[str, Any] = {
        "inputs": {"options": {**options, "sum_frames": 4}},
        "model": {"name": MODEL},
        "pixel_size_nm": 160.0,
    }
    (table.parent / "report.json").write_text(json.dumps(report))
    result = call(table, "--blocks", 2, "--frames", stack, "--json")
    found = json.loads(result.stdout)
    assert found["frc_time_nm"] > 0
    rows = found["mismatch"]["quantities"]
    assert found["mismatch"]["model"] == MODEL
    assert rows["background"]["measured"] == pytest.approx(4 * 240, rel=0.1)
    assert rows["pixel_size_nm"]["measured"] == 160
    assert rows["pixel_size_nm"]["verdict"] == "near"
    assert "sees pixels only" in rows["pixel_size_nm"]["remark"]


def test_few_frames_and_mistakes_are_one_sentence(stack: Path, table: Path, tmp_path: Path) -> None:
    few = tmp_path / "few.tif"
    write_stack(few, np.full((19, 32, 32), 100, np.uint16), pixel_size_nm=100)
    result = call("--frames", few, "--model", MODEL)
    assert result.exit_code == 0
    assert "19 frames cannot tell what blinks: at least 20" in " ".join(result.stderr.split())
    assert result.stdout.count("cannot be told") == 7
    for arguments, sentence in (
        ((), "Give a result, or --frames with --model."),
        ((table, "--model", MODEL), "--model belongs to --frames"),
        ((table, "--frames", stack), "--frames needs --model, or a result with the report.json"),
        (("--frames", stack, "--model", "fith"), "No model 'fith'"),
        (("--frames", tmp_path / "absent.tif", "--model", MODEL), "absent.tif"),
    ):
        result = call(*arguments)
        assert result.exit_code == 2, arguments
        assert sentence in " ".join(result.stderr.split())
