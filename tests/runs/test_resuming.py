"""One road: a run that one of three ways began, another one finishes, and nothing is replaced."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import torch
from tests.cli.conftest import call, call_and_ctrl_c
from tests.runs.test_process import kinds, tiny

from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.models import load_model
from napari_deepsmlm.runs import (
    RunRecord,
    TrainingThread,
    discard,
    experiment_of_run,
    read_record,
    unfinished_runs,
)
from napari_deepsmlm.training.events import Finished, Started, StepDone
from napari_deepsmlm.training.record import (
    BEST,
    EXPERIMENT,
    HISTORY,
    LAST,
    RECORD,
    REPORT,
    STATE,
    difference,
)

if TYPE_CHECKING:
    from pathlib import Path


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_model(folder / LAST)[0].state_dict()


def record_of(folder: Path) -> RunRecord:
    record = read_record(folder)
    assert record is not None
    return record


def steps_of_history(folder: Path) -> list[int]:
    rows = (folder / HISTORY).read_text().splitlines()[1:]
    return [int(row.split(",")[0]) for row in rows]


def train_one_step(experiment: Experiment, out: Path, *, resume: bool = False) -> None:
    run = TrainingThread(experiment, out, device="cpu", resume=resume)
    for event in run.events():
        if isinstance(event, StepDone):
            run.stop()


def leave_after_first_step(experiment: Experiment, out: Path) -> None:
    """What a kill before the first save leaves."""
    events = experiment.trainer(out, device="cpu").run()
    while not isinstance(next(events), StepDone):
        pass
    events.close()


def test_runs_are_looked_for_without_torch() -> None:
    code = "import napari_deepsmlm.runs, sys; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
def test_three_ways_take_turns_at_a_run_and_end_with_the_weights_of_one(tmp_path: Path) -> None:
    experiment, config = tiny(16, validate_every=16), tmp_path / "mine.yaml"
    experiment.to_file(config)
    experiment.train(tmp_path / "whole", device="cpu")
    out = tmp_path / "runs" / "a"
    words = ("train", "--out", out, "--device", "cpu")
    begun = call_and_ctrl_c(*words, config, once=out / RECORD)
    assert begun.exit_code == 130, begun.output
    first = record_of(out)
    assert first.state == "stopped"
    assert first.progress < 1
    assert list(unfinished_runs(out.parent)) == [out]

    train_one_step(experiment_of_run(out), out, resume=True)
    second = record_of(out)
    assert second.progress == pytest.approx(first.progress + 1 / 16)
    assert (second.started, second.state) == (first.started, "stopped")

    ended = call(*words, "--resume")
    assert ended.exit_code == 0, ended.output
    third = record_of(out)
    assert (third.started, third.progress, third.state) == (first.started, 1, "done")
    assert unfinished_runs(out.parent) == {}
    assert Experiment.from_file(out / EXPERIMENT) == experiment
    whole, parts = weights(tmp_path / "whole"), weights(out)
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


@pytest.mark.parametrize(
    ("training", "reason"),
    [({}, "done"), ({"patience": 1, "learning_rate": 1e-30, "fix_norm_after": 0}, "converged")],
)
def test_a_run_that_is_over_is_not_trained_again(
    tmp_path: Path, training: dict[str, Any], reason: str
) -> None:
    experiment = tiny(8 if training else 2, averaging=0.0, **training)
    experiment.train(tmp_path, device="cpu")
    assert record_of(tmp_path).state == reason
    before = {name: (tmp_path / name).read_bytes() for name in (BEST, LAST, HISTORY, STATE, REPORT)}
    events = list(TrainingThread(experiment, tmp_path, device="cpu", resume=True).events())
    assert kinds(events) == [Started, Finished]
    assert events[-1].was_over
    assert events[-1].reason == reason
    assert record_of(tmp_path).state == reason
    assert before == {name: (tmp_path / name).read_bytes() for name in before}


def test_a_run_that_was_killed_after_its_last_save_is_over_when_it_is_resumed(
    tmp_path: Path,
) -> None:
    out = tmp_path / "run"
    tiny(2).train(out, device="cpu")
    record_of(out).replace(state="running", progress=0.5).write(out)
    (out / REPORT).unlink()
    assert list(unfinished_runs(tmp_path)) == [out]
    tiny(2).train(out, device="cpu", resume=True)
    assert (record_of(out).state, record_of(out).progress) == ("done", 1)
    assert steps_of_history(out) == [2]
    assert (out / REPORT).exists()


def test_a_longer_run_goes_on_and_says_so_in_its_folder(tmp_path: Path) -> None:
    tiny(2).train(tmp_path, device="cpu")
    train_one_step(tiny(6), tmp_path, resume=True)
    assert experiment_of_run(tmp_path).training.steps == 6
    assert record_of(tmp_path).progress == 0.5
    tiny(6).train(tmp_path, device="cpu", resume=True)
    assert record_of(tmp_path).state == "done"
    assert steps_of_history(tmp_path) == [2, 3, 4, 6]


# -- what is refused -------------------------------------------------------------------------


def test_nothing_is_resumed_where_no_run_is(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"holds no training run .* leave out --resume"):
        tiny().train(tmp_path / "new", device="cpu", resume=True)
    assert not (tmp_path / "new" / RECORD).exists()


def test_a_discarded_run_is_neither_resumed_nor_replaced(tmp_path: Path) -> None:
    train_one_step(tiny(), tmp_path)
    discard(tmp_path)
    model = (tmp_path / BEST).read_bytes()
    with pytest.raises(FileNotFoundError, match="no training run"):
        tiny().train(tmp_path, device="cpu", resume=True)
    with pytest.raises(FileExistsError, match=r"a trained model \(best.safetensors\)"):
        tiny().train(tmp_path, device="cpu")
    assert (tmp_path / BEST).read_bytes() == model


def test_a_run_that_died_before_its_first_save_is_begun_again(tmp_path: Path) -> None:
    leave_after_first_step(tiny(2), tmp_path)
    (tmp_path / HISTORY).write_text("step,minutes\n2,0.1\n")
    with pytest.raises(FileNotFoundError, match=r"before its first save.* without --resume"):
        tiny(2).train(tmp_path, device="cpu", resume=True)
    tiny(2).train(tmp_path, device="cpu")
    assert steps_of_history(tmp_path) == [2]
    assert record_of(tmp_path).state == "done"


def test_an_experiment_of_somebody_is_not_replaced(tmp_path: Path) -> None:
    tiny().to_file(tmp_path / EXPERIMENT)
    with pytest.raises(FileExistsError, match="another name for that file"):
        tiny().train(tmp_path, device="cpu")
    assert Experiment.from_file(tmp_path / EXPERIMENT) == tiny()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"training": tiny(seed=1).training}, r"training\.seed is 0, not 1"),
        ({"simulation": {"density_per_um2": [3, 3]}}, r"simulation\.density_per_um2 is .*3\.0"),
    ],
)
def test_a_run_goes_on_only_with_what_it_was_begun_with(
    tmp_path: Path, change: dict[str, Any], sentence: str
) -> None:
    train_one_step(tiny(), tmp_path)
    before = (tmp_path / EXPERIMENT).read_bytes()
    with pytest.raises(ValueError, match=sentence):
        tiny().replace(**change).train(tmp_path, device="cpu", resume=True)
    assert (tmp_path / EXPERIMENT).read_bytes() == before


def test_only_what_both_experiments_have_is_compared() -> None:
    before = {"a": 1, "gone": 2, "b": {"kind": "x", "c": 1}}
    assert difference(before, {"a": 1, "new": 3, "b": {"kind": "x", "c": 1}}) is None
    assert difference(before, {"a": 2, "b": {}}, {"a"}) is None
    assert difference(before, {"a": 1, "b": None}) == "b is x, not none"


def test_a_model_to_start_from_is_found_from_the_folder_of_the_run(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("start_from: models/a.safetensors\n")
    experiment = Experiment.from_file(tmp_path / "mine.yaml")
    assert experiment.start_from == str(tmp_path / "models" / "a.safetensors")
    experiment.to_file(tmp_path / "elsewhere.yaml")
    assert Experiment.from_file(tmp_path / "elsewhere.yaml") == experiment
