"""`deepsmlm train`: its model goes through the other commands, and Ctrl-C loses nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import types
from typing import TYPE_CHECKING

import pytest
from tests.cli.conftest import call

from napari_deepsmlm.cli._console import err, stop_on_ctrl_c
from napari_deepsmlm.io import open_frames, read_localizations
from napari_deepsmlm.models import read_card
from napari_deepsmlm.training import tensorboard

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result


def test_train_then_models_info_then_reconstruct_then_evaluate(
    config: Path, tmp_path: Path, stack: Path
) -> None:
    run = tmp_path / "run"
    result = call("train", config, "--out", run, "--steps", 6, "--device", "cpu", "--json")
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert summary["steps"] == 6
    assert summary["reason"] == "done"
    assert call("train", config, "--out", run).exit_code == 2
    more = call("train", config, "--out", run, "--steps", 8, "--resume", "--json")
    assert json.loads(more.stdout)["steps"] == 8

    info = json.loads(call("models", "info", run / "best.safetensors", "--json").stdout)
    assert info["network"] == "deep-storm"
    assert info["parameters"] == 1_366_208
    assert info["pixel_size_nm"] == 100
    assert info["psf"]["kind"] == "gaussian"
    assert {"trained_on", "metrics"} <= set(info)

    out = tmp_path / "result"
    words = ("reconstruct", stack, "--model", run / "best.safetensors", "--out", out, "--json")
    result = call(*words, "--frames", "1:6", "--sum-frames", 2, "--threshold", 0.01)
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report == json.loads((out / "report.json").read_text())
    assert report["frames"] == 5
    assert report["pixel_size_nm"] == pytest.approx(100)
    expected = {"inputs", "model", "versions", "device", "seconds", "frames_per_second"}
    expected |= {"peak_memory_mb", "localizations", "warnings", "quality"}
    assert expected <= set(report)
    with open_frames(out / "reconstruction.tif") as image:
        assert image.shape == (1, 1, 128, 160)
        assert image.pixel_size_nm == pytest.approx(12.5)
    assert len(read_localizations(out / "localizations.csv")) == report["localizations"]

    truth = tmp_path / "sim"
    call("simulate", config, "--out", truth, "--frames", 5)
    table = truth / "localizations.csv"
    scores = json.loads(
        call("evaluate", out / "reconstruction.tif", "--truth", table, "--json").stdout
    )
    assert {"nmse_percent", "blur_sigma_px", "scale", "ssim"} < set(scores)
    perfect = json.loads(call("evaluate", table, "--truth", table, "--json").stdout)
    assert perfect["jaccard"] == 1
    assert perfect["rmse_lateral_nm"] == 0
    assert perfect["efficiency_lateral"] == 100


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
def test_ctrl_c_stops_training_cleanly_and_it_resumes(config: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = [sys.executable, "-m", "napari_deepsmlm.cli", "train", str(config), "--out", str(run)]
    process = subprocess.Popen(
        [*words, "--steps", "100000", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 120
    while not (run / "last.safetensors").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    told, log = process.communicate(timeout=60)
    assert process.returncode == 130, log.decode()
    summary = json.loads(told)
    assert summary["reason"] == "stopped"
    assert not (run / ".in-use").exists()
    resumed = call(
        "train", config, "--out", run, "--steps", summary["steps"] + 2, "--resume", "--json"
    )
    assert json.loads(resumed.stdout)["steps"] == summary["steps"] + 2


SHORT = ("--steps", 2, "--device", "cpu")


def words(result: Result) -> str:
    return " ".join(result.output.split())


def test_resuming_where_no_run_is_is_an_error_and_makes_nothing(
    config: Path, tmp_path: Path
) -> None:
    for given in ((), (config,)):
        result = call("train", *given, "--out", tmp_path / "new", "--resume")
        assert result.exit_code == 2
        assert "leave out --resume (in Python: resume=True) to begin a run" in words(result)
    assert not (tmp_path / "new").exists()
    nothing = call("train", "--out", tmp_path / "new")
    assert nothing.exit_code == 2
    assert "Give the experiment to train" in words(nothing)


def test_a_run_goes_on_without_its_config_and_says_when_it_is_over(
    config: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    assert call("train", config, "--out", run, *SHORT, "--from", "deep-storm").exit_code == 0
    over = call("train", "--out", run, "--resume")
    assert over.exit_code == 0
    assert "is over (done at step 2), so nothing was trained" in words(over)
    assert "done: 2 steps" in words(over)
    same = call("train", config, "--out", run, "--resume", "--json")
    assert f"{config} asks for 6 steps, the run was begun for 2 steps" in " ".join(
        same.stderr.split()
    )
    assert json.loads(same.stdout)["was_over"]
    more = call("train", "--out", run, "--resume", "--steps", 3, "--json")
    assert json.loads(more.stdout)["steps"] == 3
    assert not json.loads(more.stdout)["was_over"]


def test_a_config_that_is_not_that_of_the_run_is_said(config: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert call("train", config, "--out", run, *SHORT).exit_code == 0
    config.write_text(config.read_text().replace("[2, 2]", "[3, 3]"))
    other = call("train", config, "--out", run, "--resume", "--steps", 3)
    assert other.exit_code == 2
    assert "simulation.density_per_um2 is [2.0, 2.0], not [3.0, 3.0]" in words(other)
    config.write_text(config.read_text().replace("[3, 3]", "[2, 2]") + "model: {upsampling: 4}")
    other = call("train", config, "--out", run, "--resume", "--steps", 3)
    assert "model.upsampling is 8, not 4" in words(other)
    start = call("train", "--out", run, "--resume", "--from", "deep-storm")
    assert start.exit_code == 2
    assert "start_from is none, not deep-storm" in words(start)


def test_numbers_go_to_tensorboard_if_it_is_asked_for(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.setattr(tensorboard, "STEPS_BETWEEN_LOSSES", 2)
    run = tmp_path / "run"
    result = call("train", config, "--out", run, "--steps", 3, "--tensorboard")
    assert result.exit_code == 0, result.output
    written = EventAccumulator(str(run / "tensorboard")).Reload()
    assert {"loss/training", "loss/validation", "validation/jaccard"} <= set(
        written.Tags()["scalars"]
    )


def test_training_goes_on_from_a_trained_model(config: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert call("train", config, "--out", run, "--steps", 1, "--from", "deep-storm").exit_code == 0
    assert read_card(run / "best.safetensors").experiment["start_from"] == "deep-storm"
    wrong = call("train", config, "--out", tmp_path / "b", "--steps", 1, "--from", "dilated-loc")
    assert wrong.exit_code == 2
    assert "which is a dilated-loc" in " ".join(wrong.output.split())


def test_ctrl_c_in_the_middle_of_printing_does_no_harm(capfd: pytest.CaptureFixture[str]) -> None:
    # rich imports parts of itself while it prints; a signal that comes then must not print by it
    stopped = []

    class InTheMiddle:
        def __rich__(self) -> str:
            sys.modules.pop("rich._emoji_codes", None)
            sys.modules["rich._emoji_codes"] = types.ModuleType("half imported")
            try:
                signal.raise_signal(signal.SIGINT)
            finally:
                del sys.modules["rich._emoji_codes"]
            return "printed"

    with stop_on_ctrl_c(lambda: stopped.append(True)):
        err.print(InTheMiddle())
    assert stopped == [True]
    assert "Stopping and saving" in capfd.readouterr().err
