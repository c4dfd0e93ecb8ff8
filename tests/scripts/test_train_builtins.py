"""The training queue: it goes on where it was killed, pauses, and publishes only what is better."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from napari_deepsmlm.models import load_model, read_card, save_model

if TYPE_CHECKING:
    from types import ModuleType

SCRIPT = Path(__file__).parents[2] / "scripts" / "train_builtins.py"


@pytest.fixture(scope="module")
def queue() -> ModuleType:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("train_builtins", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def recipe(name: str = "voxel-regression_tiny", **changes: Any) -> dict[str, Any]:
    """A recipe of a second or two."""
    training = {
        "batch_size": 1, "patch_px": 8, "validation_frames": 1, "validation_px": 8,
        "validate_every": 2, "learning_rate": 1e-3,
    }  # fmt: skip
    return {
        "name": name,
        "budget_core_hours": 1.0,
        "stages": [4, 6],
        "judged_by": "validation",
        "mark": 50.0,
        "trained_on": "Nearly nothing.",
        "limits": "Everything.",
        "experiment": {
            "network": "voxel-regression",
            "model": {"plane_z_nm": [0.0]},
            "simulation": {"density_per_um2": [1.0, 2.0]},
            "training": training,
        },
        **changes,
    }


def line(queue: ModuleType, folder: Path, **changes: Any) -> Any:
    made = queue.Recipe.from_dict(recipe(**changes))
    return queue.Line(made, folder, folder / "package", lambda _: True)


def test_the_recipes_of_the_package_are_whole(queue: ModuleType) -> None:
    found = queue.recipes()
    names = [one.name for one in found]
    assert {"dilated-loc_2d", "deep-storm_2d"} <= set(names)
    for one in found:
        assert one.experiment.build_model().name == one.name.split("_")[0]


def test_stages_begin_with_the_best_of_the_one_before(queue: ModuleType, tmp_path: Path) -> None:
    one = line(queue, tmp_path)
    assert one.train(1, tmp_path / "pause", "cpu")
    assert one.progress.is_stage_done
    assert one.progress.step == 4
    assert one.train(1, tmp_path / "pause", "cpu")
    assert (one.progress.stage, one.progress.step) == (2, 6)
    _, card = load_model(tmp_path / "voxel-regression_tiny" / "stage-2" / "last.safetensors")
    assert card.experiment["start_from"] == str(one.start)
    assert card.experiment["training"]["learning_rate"] == pytest.approx(0.7e-3)
    assert line(queue, tmp_path).progress == one.progress


def test_a_state_that_was_lost_costs_no_more_than_its_stage(
    queue: ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "package").mkdir()
    first = line(queue, tmp_path)
    first.train(1, tmp_path / "pause", "cpu")
    first.judge(first.best)
    package = tmp_path / "package"
    lost = queue.Line(first.recipe, tmp_path / "elsewhere", package, lambda _: True)
    assert lost.best == tmp_path / "package" / "voxel-regression_tiny.safetensors"
    lost.train(1, tmp_path / "pause", "cpu")
    assert (lost.progress.stage, lost.progress.step) == (2, 6)
    _, card = load_model(lost.run / "last.safetensors")
    assert card.experiment["start_from"] == str(lost.start)
    (lost.folder / "shipped.json").write_text(json.dumps({read_card(lost.shipped).sha256: -1.0}))
    lost.judge(lost.run / "last.safetensors")
    card = read_card(lost.shipped)
    assert card.experiment["start_from"] == "voxel-regression:tiny"  # no path of this machine
    assert (card.training_record["steps_before"], card.training_record["steps"]) == (4, 6)
    assert "after 4 steps" in lost.shipped.with_suffix(".md").read_text()


def test_the_furthest_from_its_mark_is_next_and_the_spent_never(
    queue: ModuleType, tmp_path: Path
) -> None:
    near, far = line(queue, tmp_path, name="a_near"), line(queue, tmp_path, name="b_far")
    near.progress.judged.append({"score": 40.0})
    assert queue.furthest([near, far]) is far  # never judged
    far.progress.judged.append({"score": 30.0})
    assert queue.furthest([near, far]) is far
    far.progress.core_seconds = 3601.0
    assert queue.furthest([near, far]) is near
    near.progress.core_seconds = 3601.0
    assert queue.furthest([near, far]) is None


def test_only_what_is_better_is_published(queue: ModuleType, tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    one = line(queue, tmp_path)
    one.train(1, tmp_path / "pause", "cpu")
    one.judge(one.best)
    shipped = package / "voxel-regression_tiny.safetensors"
    assert one.progress.judged[-1]["is_published"]
    assert "Nearly nothing." in (package / "voxel-regression_tiny.md").read_text()
    before = shipped.read_bytes()
    one.judge(one.best)  # as good as what is there
    assert not one.progress.judged[-1]["is_published"]
    assert shipped.read_bytes() == before
    # A shipped model that is known to be worse gives way.
    worse, card = load_model(shipped)
    for weight in worse.parameters():
        weight.data.mul_(0.5)
    save_model(shipped, worse, card)
    sha = load_model(shipped)[1].sha256
    (one.folder / "shipped.json").write_text(json.dumps({sha: -1.0}))
    one.judge(one.best)
    assert one.progress.judged[-1]["is_published"]


def test_what_breaks_the_contract_is_not_published(queue: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    one, asked = line(queue, tmp_path), []
    one.keeps_contract = asked.append  # answers None
    one.train(1, tmp_path / "pause", "cpu")
    one.judge(one.best)
    assert asked == ["voxel-regression:tiny"]
    assert not one.progress.judged[-1]["is_published"]
    assert not list((tmp_path / "package").iterdir())
    one.keeps_contract = lambda _: True
    one.judge(one.best)
    before = {path: path.read_bytes() for path in (tmp_path / "package").iterdir()}
    sha = read_card(one.shipped).sha256
    (one.folder / "shipped.json").write_text(json.dumps({sha: -1.0}))
    one.keeps_contract = lambda _: False
    one.judge(one.best)
    assert {path: path.read_bytes() for path in (tmp_path / "package").iterdir()} == before


@pytest.mark.slow  # a suite within the suite
def test_a_model_of_the_package_keeps_the_contract(queue: ModuleType) -> None:
    assert queue.keeps_the_contract("dilated-loc:2d-100nm")
    assert not queue.keeps_the_contract("no-such-model"), "a test that is not there holds nothing"


def test_a_pause_ends_the_slice_and_loses_nothing(queue: ModuleType, tmp_path: Path) -> None:
    pause = tmp_path / "pause"
    pause.touch()
    one = line(queue, tmp_path)
    assert not one.train(1, pause, "cpu")
    assert one.progress.step == 1
    pause.unlink()
    assert one.train(1, pause, "cpu")
    assert one.progress.step == 4


def test_hours_are_kept_at_every_validation(
    queue: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, kept = line(queue, tmp_path), []
    keep = one.keep
    monkeypatch.setattr(one, "keep", lambda: (kept.append(one.progress.core_seconds), keep()))
    one.train(1, tmp_path / "pause", "cpu")
    hours = [seconds for seconds in kept if seconds]
    assert len(hours) >= 3, "of two validations and the end"
    assert hours == sorted(hours)
    assert line(queue, tmp_path).progress.core_seconds == hours[-1]


def test_killed_at_any_moment_it_goes_on_to_the_same_weights(
    queue: ModuleType, tmp_path: Path
) -> None:
    folder = tmp_path / "recipes"
    folder.mkdir()
    long = recipe(stages=[40])
    long["experiment"]["training"] |= {"validate_every": 20, "autosave_minutes": 0.002}
    (folder / "tiny.yaml").write_text(yaml.safe_dump(long))
    state = tmp_path / "state"
    command = [sys.executable, str(SCRIPT), "--recipes", str(folder), "--state", str(state)]
    process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
    saved = state / "voxel-regression_tiny" / "stage-1" / "last.state.safetensors"
    end = time.monotonic() + 120
    while not saved.exists() and time.monotonic() < end:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert saved.exists()
    whole = queue.Line(queue.Recipe.from_dict(long), tmp_path / "whole")
    resumed = queue.Line(queue.Recipe.from_dict(long), state)
    for one in (whole, resumed):
        assert one.train(5, tmp_path / "pause", "cpu")
    weights = [load_model(one.run / "last.safetensors")[0].state_dict() for one in (whole, resumed)]
    assert all((weights[0][name] == weights[1][name]).all() for name in weights[0])


def test_the_road_of_a_gpu_trains_and_judges_all_at_once(queue: ModuleType, tmp_path: Path) -> None:
    names = ("voxel-regression_a", "voxel-regression_b")
    lines = [line(queue, tmp_path, name=name) for name in names]
    package = tmp_path / "package"
    package.mkdir()
    queue.all_at_once(lines, tmp_path, 0.04, "cpu")
    assert sorted(path.stem for path in package.glob("*.safetensors")) == sorted(names)
    status = (tmp_path / "status.md").read_text()
    assert "all trained at once" in status
    assert "voxel-regression_b" in status


def test_lines_are_judged_by_their_width_and_their_image(queue: ModuleType) -> None:
    class Sum:
        def __init__(self, fwhm_nm: float, efficiency: float) -> None:
            self.true_fwhm_nm, self.fwhm_nm, self.efficiency = 30.0, fwhm_nm, efficiency

    assert queue.line_score([Sum(30.0, 100.0)]) == 100.0
    assert queue.line_score([Sum(20.0, 100.0)]) == 100.0  # narrower than the truth is no better
    assert queue.line_score([Sum(60.0, 80.0)]) == pytest.approx(65.0)
    assert queue.line_score([Sum(float("nan"), 40.0), Sum(60.0, 80.0)]) == pytest.approx(42.5)
    assert queue.line_score([]) == 0.0
