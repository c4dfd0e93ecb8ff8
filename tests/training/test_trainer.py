"""Training: it learns, stops, resumes exactly, and never loses what it has saved."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest
import torch

from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.models import load_model
from napari_deepsmlm.training.events import Finished, Saved, Started, StepDone, Validated

if TYPE_CHECKING:
    from pathlib import Path

    from napari_deepsmlm.training import Trainer

TINY = {
    "steps": 8,
    "batch_size": 2,
    "patch_px": 12,
    "validate_every": 4,
    "validation_frames": 4,
    "precision": "fp32",
}


def trainer(out: Path, **training) -> Trainer:
    return Experiment(training={**TINY, **training}).trainer(out, device="cpu")


def weights(path: Path) -> dict[str, torch.Tensor]:
    return load_model(path)[0].state_dict()


def test_a_run_reports_every_step_and_writes_its_files(tmp_path: Path) -> None:
    events = list(trainer(tmp_path).run())
    assert isinstance(events[0], Started)
    assert events[0].n_parameters == 1_366_208
    steps = [event for event in events if isinstance(event, StepDone)]
    assert [event.step for event in steps] == list(range(1, 9))
    assert steps[-1].progress == 1
    assert isinstance(events[-1], Finished)
    assert events[-1].reason == "done"
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        "best.safetensors",
        "last.safetensors",
        "last.state.safetensors",
        "history.csv",
    }
    with (tmp_path / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["4", "8"]
    validated = [event.loss for event in events if isinstance(event, Validated)]
    assert float(rows[-1]["validation_loss"]) == pytest.approx(validated[-1], rel=1e-6)


def test_training_lowers_the_validation_loss(tmp_path: Path) -> None:
    run = trainer(tmp_path, steps=60, validate_every=20, learning_rate=3e-3, averaging=0.9)
    losses = [event.loss for event in run.run() if isinstance(event, Validated)]
    assert losses[-1] < 0.8 * losses[0]


def test_a_resumed_run_equals_an_uninterrupted_one_bit_by_bit(tmp_path: Path) -> None:
    list(trainer(tmp_path / "whole").run())
    first = trainer(tmp_path / "parts")
    for event in first.run():
        if isinstance(event, StepDone) and event.step == 3:
            first.stop()
    assert isinstance(event, Finished)
    assert event.reason == "stopped"
    *_, last = trainer(tmp_path / "parts").run(resume=True)
    assert last.step == 8
    whole = weights(tmp_path / "whole" / "last.safetensors")
    parts = weights(tmp_path / "parts" / "last.safetensors")
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_a_run_that_is_dropped_resumes_from_its_last_save(tmp_path: Path) -> None:
    run = trainer(tmp_path).run()
    for event in run:
        if isinstance(event, StepDone) and event.step == 6:
            break  # as after a crash: nothing more is written
    run.close()
    again = trainer(tmp_path).run(resume=True)
    started = next(again)
    assert isinstance(started, Started)
    assert started.step == 4
    again.close()


def test_a_folder_with_a_run_is_not_overwritten(tmp_path: Path) -> None:
    list(trainer(tmp_path, steps=2).run())
    before = (tmp_path / "best.safetensors").read_bytes()
    with pytest.raises(FileExistsError, match="resume it or choose another"):
        next(trainer(tmp_path).run())
    assert (tmp_path / "best.safetensors").read_bytes() == before


def test_two_runs_at_once_in_one_folder_are_refused(tmp_path: Path) -> None:
    first = trainer(tmp_path).run()
    next(first)
    with pytest.raises(FileExistsError, match="in use"):
        next(trainer(tmp_path).run(resume=True))
    first.close()


def test_resuming_another_network_configuration_is_refused(tmp_path: Path) -> None:
    list(trainer(tmp_path, steps=2).run())
    other = Experiment(training=TINY, model={"upsampling": 4}).trainer(tmp_path, device="cpu")
    with pytest.raises(ValueError, match="another network or configuration"):
        next(other.run(resume=True))


def test_a_damaged_state_is_refused_in_one_sentence(tmp_path: Path) -> None:
    list(trainer(tmp_path, steps=2).run())
    state = tmp_path / "last.state.safetensors"
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"last\.state\.safetensors"):
        next(trainer(tmp_path).run(resume=True))


def test_a_step_without_a_finite_gradient_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trainer(tmp_path)
    loss = run.model.loss
    monkeypatch.setattr(
        run.model, "loss", lambda *args: loss(*args) * (float("nan") if run.step == 2 else 1)
    )
    kinds = [type(event).__name__ for event in run.run()]
    assert kinds.count("Skipped") == 1
    assert all(torch.isfinite(p).all() for p in run.model.parameters())


def test_a_run_whose_gradients_stay_infinite_gives_up_and_keeps_its_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trainer(tmp_path)
    loss = run.model.loss
    monkeypatch.setattr(
        run.model, "loss", lambda *args: loss(*args) * (float("inf") if run.step >= 4 else 1)
    )
    events = []
    with pytest.raises(FloatingPointError, match="lower the learning rate"):  # noqa: PT012
        for event in run.run():
            events.append(event)  # noqa: PERF402 - kept although the run raises
    assert any(isinstance(event, Saved) for event in events)
    assert load_model(tmp_path / "best.safetensors")


def test_batches_are_a_function_of_seed_and_step(tmp_path: Path) -> None:
    data, other = trainer(tmp_path).data, trainer(tmp_path, seed=1).data
    assert torch.equal(data.at(5).frames, data.at(5).frames)
    assert not torch.equal(data.at(5).frames, data.at(6).frames)
    assert not torch.equal(data.at(5).frames, other.at(5).frames)
    assert not torch.equal(data.at(0).frames, data.validation(2).frames)


def test_validation_frames_are_larger_than_patches_and_apart_from_them(tmp_path: Path) -> None:
    data = trainer(tmp_path).data
    assert data.validation(2, (24, 24)).frames.shape == (2, 1, 24, 24)
    assert data.validation(2).frames.shape == data.at(0).frames.shape
    assert not torch.equal(data.validation(2).frames, data.at(0).frames)


def test_bf16_training_runs_where_it_is_asked_for(tmp_path: Path) -> None:
    events = list(trainer(tmp_path, steps=3, precision="bf16").run())
    assert events[0].precision == "bf16"
    assert all(torch.isfinite(torch.tensor(e.loss)) for e in events if isinstance(e, StepDone))


def test_an_unknown_device_lists_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"No device 'tpu' here\. Available: .*cpu"):
        Experiment().trainer(tmp_path, device="tpu")


def test_batch_norm_keeps_its_averaged_statistics_in_the_second_half(tmp_path: Path) -> None:
    run = trainer(tmp_path, steps=8, fix_norm_after=0.5)
    seen = [
        {k: v.clone() for k, v in run.model.state_dict().items() if "running" in k}
        for event in run.run()
        if isinstance(event, StepDone)
    ]
    assert any(not torch.equal(v, seen[2][k]) for k, v in seen[3].items())
    for name, value in seen[4].items():
        assert torch.equal(value, seen[7][name])
        assert torch.equal(value, run.average.state_dict()[name])
