"""Training: it learns, stops, resumes exactly, and never loses what it has saved."""

from __future__ import annotations

import csv
import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from tests.sweeps import thinned

from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.metrics import truth_bounds
from napari_deepsmlm.models import available_models, built_in_models, load_model
from napari_deepsmlm.training import trainer as trainer_module
from napari_deepsmlm.training._state import load_state
from napari_deepsmlm.training.events import (
    Finished,
    Previewed,
    RolledBack,
    Saved,
    Started,
    StepDone,
    Validated,
)

if TYPE_CHECKING:
    from pathlib import Path

    from napari_deepsmlm.training import Trainer

TINY = {
    "steps": 8,
    "batch_size": 2,
    "patch_px": 12,
    "validate_every": 4,
    "validation_frames": 2,
    "validation_px": 12,
    "precision": "fp32",
}


def trainer(out: Path, **training) -> Trainer:
    experiment = Experiment(training={**TINY, **training}, model={"upsampling": 4})
    return experiment.trainer(out, device="cpu")


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
        "report.html",
        "run.json",
        "experiment.yaml",
    }
    with (tmp_path / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["4", "8"]
    validated = [event.loss for event in events if isinstance(event, Validated)]
    assert float(rows[-1]["validation_loss"]) == pytest.approx(validated[-1], rel=1e-6)


def test_training_lowers_the_validation_loss(tmp_path: Path) -> None:
    run = trainer(tmp_path, steps=16, validate_every=8, learning_rate=3e-3, averaging=0.9)
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


def test_a_stop_while_the_state_is_read_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    list(trainer(tmp_path, steps=4).run())
    longer = trainer(tmp_path, steps=8)

    def read_and_stop(*given: Any) -> None:
        load_state(*given)
        longer.stop()

    monkeypatch.setattr(trainer_module, "load_state", read_and_stop)
    stopped = list(longer.run(resume=True))[-1]
    assert isinstance(stopped, Finished)
    assert (stopped.step, stopped.reason) == (4, "stopped")
    monkeypatch.undo()
    assert list(longer.run(resume=True))[-1].step == 8


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
    other = Experiment(training=TINY, model={"upsampling": 8}).trainer(tmp_path, device="cpu")
    with pytest.raises(ValueError, match="another network or configuration"):
        next(other.run(resume=True))


def test_a_damaged_state_is_refused_in_one_sentence(tmp_path: Path) -> None:
    list(trainer(tmp_path, steps=2).run())
    state = tmp_path / "last.state.safetensors"
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"last\.state\.safetensors"):
        next(trainer(tmp_path).run(resume=True))


def test_a_gradient_that_is_not_finite_takes_the_run_back_and_slows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trainer(tmp_path)
    model, loss = run.learner.model, run.learner.model.loss
    start = {name: p.detach().clone() for name, p in model.named_parameters()}
    monkeypatch.setattr(
        model, "loss", lambda *args: loss(*args) * (float("nan") if run.step == 2 else 1)
    )
    for event in run.run():
        if isinstance(event, RolledBack):
            assert event.step == 3
            assert event.learning_rate == pytest.approx(run.config.learning_rate / 2)
            assert all(torch.equal(p, start[name]) for name, p in model.named_parameters())
    assert event.step == 8
    assert run.rate_factor == 0.5
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_a_run_whose_gradients_stay_infinite_gives_up_and_keeps_its_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trainer(tmp_path)
    model, loss = run.learner.model, run.learner.model.loss
    monkeypatch.setattr(
        model, "loss", lambda *args: loss(*args) * (float("inf") if run.step >= 4 else 1)
    )
    events = []
    with pytest.raises(FloatingPointError, match=r"begin with a lower one than 0\.002"):  # noqa: PT012
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
    few = {"steps": 2, "batch_size": 1, "patch_px": 8, "validation_px": 8}  # slow on most CPUs
    events = list(trainer(tmp_path, precision="bf16", **few).run())
    assert events[0].precision == "bf16"
    assert all(torch.isfinite(torch.tensor(e.loss)) for e in events if isinstance(e, StepDone))


def test_an_unknown_device_lists_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"No device 'tpu' here\. Available: .*cpu"):
        Experiment().trainer(tmp_path, device="tpu")


def test_batch_norm_keeps_its_averaged_statistics_in_the_second_half(tmp_path: Path) -> None:
    run = trainer(tmp_path, steps=8, fix_norm_after=0.5)
    seen = [
        {k: v.clone() for k, v in run.learner.model.state_dict().items() if "running" in k}
        for event in run.run()
        if isinstance(event, StepDone)
    ]
    assert any(not torch.equal(v, seen[2][k]) for k, v in seen[3].items())
    for name, value in seen[4].items():
        assert torch.equal(value, seen[7][name])
        assert torch.equal(value, run.learner.average.state_dict()[name])


TINY_NETWORKS: dict[str, dict[str, Any]] = {
    "deep-storm": {},
    "drsn-storm": {"model": {"upsampling": 4}},
    "dilated-loc": {},
    "voxel-regression": {"model": {"plane_z_nm": [0.0]}},
}


def test_every_network_is_trained_here() -> None:
    assert set(TINY_NETWORKS) == set(available_models())


@pytest.mark.parametrize("network", thinned(TINY_NETWORKS, keep=[2]))
def test_every_network_resumes_bit_by_bit_from_any_step(network: str, tmp_path: Path) -> None:
    short = {**TINY, "steps": 5, "validate_every": 2, "validation_px": 12}
    experiment = Experiment(network=network, training=short, **TINY_NETWORKS[network])
    list(experiment.trainer(tmp_path / "whole", device="cpu").run())
    stop_at = random.Random(network).randint(1, 4)
    first = experiment.trainer(tmp_path / "parts", device="cpu")
    for event in first.run():
        if isinstance(event, StepDone) and event.step == stop_at:
            first.stop()
    list(experiment.trainer(tmp_path / "parts", device="cpu").run(resume=True))
    whole, parts = (weights(tmp_path / run / "last.safetensors") for run in ("whole", "parts"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_a_run_is_saved_between_validations(tmp_path: Path) -> None:
    run = trainer(tmp_path, steps=3, validate_every=100, autosave_minutes=1e-9)
    saved = [event.step for event in run.run() if isinstance(event, Saved)]
    assert saved == [1, 2, 3, 3]
    assert saved[-1] == run.step


def test_a_run_that_gets_no_better_ends_if_it_is_asked_to(tmp_path: Path) -> None:
    # at this rate nothing changes, so that no validation is better than the first
    still = {"learning_rate": 1e-30, "steps": 50, "validate_every": 1, "averaging": 0.0}
    *_, last = trainer(tmp_path, patience=3, fix_norm_after=0, **still).run()
    assert (last.reason, last.step) == ("converged", 4)


def test_validation_tells_the_bound_that_no_method_can_beat(tmp_path: Path) -> None:
    run = trainer(tmp_path, steps=1, validation_frames=4, validation_px=24)
    scores = next(event.scores for event in run.run() if isinstance(event, Validated))
    truth = run.data.validation(4, (24, 24)).truth.to_numpy()
    each = truth_bounds(truth, run.data.simulator.psf, run.data.simulator.camera)
    assert scores["bound_lateral_nm"] == pytest.approx(
        np.sqrt(np.square(each).sum(1).mean()), rel=1e-6
    )
    assert "bound_axial_nm" not in scores


def test_frames_to_look_at_are_shown_after_each_validation(tmp_path: Path) -> None:
    experiment = Experiment(training=TINY, network="dilated-loc")
    preview = torch.rand(2, 1, 12, 16) * 100
    events = experiment.trainer(tmp_path, device="cpu", preview=preview).run()
    shown = [event for event in events if isinstance(event, Previewed)]
    assert [event.step for event in shown] == [4, 8]
    assert [image.shape for image in shown[0].images] == [(48, 64), (48, 64)]


@pytest.mark.usefixtures("report_pictures")
def test_the_report_shows_curves_frames_scores_and_settings(tmp_path: Path) -> None:
    experiment = Experiment(training=TINY)
    list(experiment.trainer(tmp_path, device="cpu", preview=torch.rand(1, 1, 12, 12)).run())
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 3
    assert "Cramér-Rao bound" in page
    assert "density_per_um2" in page


def test_training_goes_on_from_a_trained_model(tmp_path: Path) -> None:
    tuned = Experiment(start_from="deep-storm:2d-100nm", training={**TINY, "steps": 1})
    start = load_model(built_in_models()["deep-storm:2d-100nm"])[0].state_dict()
    run = tuned.trainer(tmp_path, device="cpu")
    taken = run.learner.model.state_dict()
    assert all(torch.equal(taken[name], start[name]) for name in start)
    next(iter(run.run()))
    assert all(torch.equal(run.learner.average.state_dict()[name], start[name]) for name in start)


@pytest.mark.parametrize(
    ("network", "model", "start", "message"),
    [
        ("dilated-loc", {}, "deep-storm:2d-100nm", "which is a deep-storm"),
        ("drsn-storm", {"skip": "features"}, "drsn-storm", "need other layers"),
        ("deep-storm", {}, "deep-storm:3d", "No model 'deep-storm:3d'. Built-in: deep-storm"),
    ],
)
def test_a_model_that_does_not_fit_is_no_start(
    network: str, model: dict[str, Any], start: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Experiment(network=network, model=model, start_from=start).build_model()
