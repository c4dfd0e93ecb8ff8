"""Steps: each writes its table with its history, and hands it on to the next one."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.batch.conftest import finish
from tests.cli.conftest import call
from tests.drift.conftest import drifting

from napari_deepsmlm.batch import Recipe, step_kinds
from napari_deepsmlm.batch.steps import Stage
from napari_deepsmlm.drift import DriftCurve, write_curve
from napari_deepsmlm.io import read_history, read_localizations, write_localizations
from napari_deepsmlm.localizations import Localizations

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_deepsmlm.batch.steps import Step, StepDone

REPORT: dict[str, Any] = {"pixel_size_nm": 100.0, "inputs": {"shape": [3, 1, 8, 8]}}
FRAMES = np.full((3, 1, 8, 8), 100.0, np.float32)


def done_with(table: Localizations, step: Step, folder: Path) -> StepDone:
    source = folder / "localizations.csv"
    write_localizations(table, source)
    path, stopping = folder / step.file_name, threading.Event()
    return step.run(Stage(table, REPORT, path, source, FRAMES, stopping))


def make(kind: str, **values: Any) -> Step:
    return step_kinds()[kind].from_dict({"kind": kind, **values})


@pytest.fixture
def blinking() -> Localizations:
    """A molecule in three frames that moves by 2 nm in each, and one by itself."""
    return Localizations(
        frame=[0, 1, 2, 0], x_nm=[100.0, 102.0, 104.0, 600.0], y_nm=[50.0, 50.0, 50.0, 70.0]
    )


def test_rows_of_one_molecule_are_linked(blinking: Localizations, tmp_path: Path) -> None:
    done = done_with(blinking, make("link", distance_nm=10, dark_frames=0), tmp_path)
    assert sorted(done.table["detections"].tolist()) == [1, 3]
    assert len(read_localizations(tmp_path / "linked.csv")) == 2
    (step,) = read_history(tmp_path / "linked.csv").steps
    assert step == {"kind": "link", "distance_nm": 10.0, "dark_frames": 0}
    assert done.also == ("linked.csv.recipe.yaml",)


def test_a_drift_curve_is_taken_off_and_put_back(blinking: Localizations, tmp_path: Path) -> None:
    curve = DriftCurve(np.array([[0.0, 0.0], [2.0, 0.0], [4.0, 0.0]]), np.full(3, 0.1))
    write_curve(tmp_path / "curve.csv", curve)
    still = done_with(blinking, make("drift", apply=str(tmp_path / "curve.csv")), tmp_path).table
    np.testing.assert_allclose(still.x_nm, [100, 100, 100, 600])
    moved = done_with(still, make("drift", take_back=str(tmp_path / "curve.csv")), tmp_path)
    np.testing.assert_allclose(moved.table.x_nm, blinking.x_nm)


def test_a_measured_drift_has_its_curve_and_picture_beside_it(tmp_path: Path) -> None:
    # 40 places, seen in 400 frames each, move along a line of 120 nm
    rng = np.random.default_rng(1)
    places = rng.uniform(500, 5500, (40, 2))
    frame = np.repeat(np.arange(400), 40)
    xy = np.tile(places, (400, 1)) + rng.normal(0, 8, (16000, 2))
    xy[:, 0] += frame * 0.3
    table = Localizations(frame=frame, x_nm=xy[:, 0], y_nm=xy[:, 1])
    done = done_with(table, make("drift", method="correlation"), tmp_path)
    first, last = (done.table.x_nm[frame == number].mean() for number in (5, 394))
    assert abs(last - first) < 12 < 100 < abs(xy[frame == 394, 0].mean() - xy[frame == 5, 0].mean())
    names = ("curve.csv", "curve.png")
    assert all((tmp_path / f"drift_corrected_{name}").stat().st_size > 100 for name in names)


def test_clusters_are_numbered_and_listed(tmp_path: Path) -> None:
    x = [0.0, 1, 2, 500, 501, 502, 900]
    table = Localizations(frame=[0] * 7, x_nm=x, y_nm=[5.0] * 7)
    done = done_with(table, make("cluster", radius_nm=5, min_molecules=3), tmp_path)
    assert done.table["group"].tolist() == [0, 0, 0, 1, 1, 1]
    assert len((tmp_path / "clustered_clusters.csv").read_text().splitlines()) == 3


def test_a_table_without_molecules_is_no_reason_to_fail(tmp_path: Path) -> None:
    nobody = Localizations.empty("frame", "x_nm", "y_nm")
    for step in (make("link"), make("cluster"), make("render"), make("render", color_by="x")):
        done = done_with(nobody, step, tmp_path)
        assert len(done.table) == 0
    assert (tmp_path / "linked.csv").exists()


def test_the_history_of_a_table_is_a_recipe_that_makes_it_again(
    recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    steps = [
        {"kind": "filter", "where": "x > 300"},
        {"kind": "link", "distance_nm": 40, "dark_frames": 1},
        {"kind": "render", "image": {"sr_pixel_nm": 20}},
    ]
    finish(recipe(steps=steps), tmp_path / "a")
    history = Recipe.from_file(tmp_path / "a" / "cell_1" / "linked.csv.recipe.yaml")
    assert [step.kind for step in history.steps] == ["filter", "link"]
    assert finish(history, tmp_path / "b").sentence == "1 stack: 1 done."
    first, second = (tmp_path / folder / "cell_1" / "linked.csv" for folder in "ab")
    assert first.read_bytes() == second.read_bytes()


# -- as the commands -----------------------------------------------------------------------------

COMMANDS: dict[str, tuple[dict[str, Any], tuple[object, ...]]] = {
    "drift": (
        {"method": "correlation", "segment_frames": 100},
        ("--method", "correlation", "--segment", 100),
    ),
    "link": ({"distance_nm": 40.0, "dark_frames": 1}, ("--distance", 40, "--dark", 1)),
    "cluster": ({"radius_nm": 60.0, "min_molecules": 5}, ("--radius", 60, "--least", 5)),
    "filter": ({"where": "x > 2000"}, ("--where", "x > 2000")),
}


@pytest.mark.parametrize("kind", COMMANDS)
def test_a_step_writes_what_its_command_writes(kind: str, tmp_path: Path) -> None:
    options, words = COMMANDS[kind]
    table, _ = drifting(4000, 1000, steady_nm=(120.0, 60.0, 0.0), field_nm=5000.0)
    source = tmp_path / "localizations.csv"
    write_localizations(table, source)
    by_command = tmp_path / "by_command.csv"
    done = call(kind, source, "--out", by_command, *words)
    assert done.exit_code == 0, done.output
    step = make(kind, **options)
    path = tmp_path / step.file_name
    step.run(Stage(read_localizations(source), REPORT, path, source, FRAMES, threading.Event()))
    assert path.read_bytes() == by_command.read_bytes()
    assert read_history(path).steps == read_history(by_command).steps


def test_a_result_is_judged_beside_its_table(tmp_path: Path) -> None:
    """The frames have two channels: the second shows the molecules, the first nothing."""
    rng = np.random.default_rng(0)
    n_frames, n = 40, 4
    frames = rng.poisson(20.0, (n_frames, 2, 32, 32)).astype(np.float32)
    place = rng.uniform(6, 26, (n_frames, n, 2))
    y, x = np.mgrid[:32, :32] + 0.5
    for t in range(n_frames):
        for row, column in place[t]:
            spot = np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * 1.2**2))
            frames[t, 1] += rng.poisson(200 * spot)
    table = Localizations(
        frame=np.repeat(np.arange(n_frames), n),
        x_nm=100 * place[..., 1].ravel(),
        y_nm=100 * place[..., 0].ravel(),
    )
    step, source = make("trust"), tmp_path / "localizations.csv"
    write_localizations(table, source)
    path = tmp_path / step.file_name

    def judged(channel: int) -> StepDone:
        inputs = {"shape": list(frames.shape), "options": {"channel": channel}}
        report = {"pixel_size_nm": 100.0, "inputs": inputs}
        return step.run(Stage(table, report, path, source, frames, threading.Event()))

    done = judged(2)
    assert done.table is table
    assert done.also == ("trust.json",)
    assert "localizations.csv" in path.read_text()
    assert json.loads((tmp_path / "trust.json").read_text())["numbers"]["share_in_doubt"] == 0
    assert "channel" in judged(3).remarks[0]  # the frames are opened as they were reconstructed
    few = step.run(Stage(table[:3], REPORT, path, source, frames, threading.Event()))
    assert few.remarks[0].startswith("Not judged: ")
    assert few.also == ()


def test_a_drift_step_has_one_curve() -> None:
    with pytest.raises(ValueError, match="takes 'apply' or 'take_back', not both"):
        make("drift", apply="a.csv", take_back="a.csv")
