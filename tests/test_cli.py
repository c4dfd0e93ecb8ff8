"""The command line as a person types it: results on stdout, one sentence for each mistake."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner, Result

from napari_deepsmlm.camera import SCMOS
from napari_deepsmlm.cli import app
from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.io import open_frames, read_localizations

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CONFIG = """
image_px: [16, 20]
simulation: {density_per_um2: [2, 2]}
training: {steps: 6, batch_size: 2, patch_px: 12, validate_every: 3, validation_frames: 4}
"""


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "experiment.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    path = tmp_path / "frames with spaces µ.tif"
    frames = np.random.default_rng(0).integers(100, 900, (7, 16, 20)).astype(np.uint16)
    tifffile.imwrite(path, frames, imagej=True, resolution=(10, 10), metadata={"unit": "um"})
    return path


def test_every_command_has_help_with_an_example() -> None:
    commands = ["demo", "simulate", "train", "reconstruct", "evaluate", "calibrate", "doctor"]
    for words in [*([name] for name in commands), ["models", "list"], ["models", "info"]]:
        result = call(*words, "--help")
        assert result.exit_code == 0
        assert f"Example: deepsmlm {' '.join(words)}" in result.stdout


def test_simulate_takes_the_name_of_a_preset_unless_a_file_has_it(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("simulate", "lines-50nm", "--out", "a", "--frames", 1).exit_code == 0
    assert Experiment.from_file("a/experiment.yaml") == Experiment.from_preset("lines-50nm")
    config.rename(tmp_path / "lines-50nm")
    assert call("simulate", "lines-50nm", "--out", "b", "--frames", 1).exit_code == 0
    assert Experiment.from_file("b/experiment.yaml").image_px == (16, 20)
    unknown = call("simulate", "lines-5nm", "--out", "c", "--frames", 1)
    assert unknown.exit_code == 2
    assert "'lines-5nm' is neither a file nor a preset. Presets: " in unknown.stderr
    assert "lines-50nm, " in unknown.stderr
    assert "preset" in call("simulate", "--help").stdout


def test_simulate_writes_a_stack_its_truth_and_its_experiment(config: Path, tmp_path: Path) -> None:
    out = tmp_path / "sim"
    result = call("simulate", config, "--out", out, "--frames", 130, "--seed", 4, "--json")
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    with open_frames(out / "stack.tif") as source:
        assert source.shape == (130, 1, 16, 20)
        assert source.dtype == np.uint16
        assert source.pixel_size_nm == 100
        frames = source.read(0, 130)
    truth = read_localizations(out / "localizations.csv")
    assert len(truth) == told["molecules"]
    assert truth.frame.max() == 129
    again = Experiment.from_file(out / "experiment.yaml").simulate(130, seed=4)
    np.testing.assert_array_equal(again.stack, frames)
    np.testing.assert_allclose(again.truth.x_nm, truth.x_nm, atol=1e-3)


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


def test_a_time_lapse_has_one_image_for_each_window(
    model_file: Path, stack: Path, tmp_path: Path
) -> None:
    out = tmp_path / "windows"
    result = call(
        "reconstruct", stack, "--model", model_file, "--out", out, "--window", 3, "--json"
    )
    assert result.exit_code == 0, result.output
    with open_frames(out / "reconstruction.tif") as images:
        assert images.shape == (3, 1, 128, 160)


def test_the_camera_is_a_preset_a_file_or_an_offset_and_a_gain(
    spotter: Callable[..., Path], stack: Path, config: Path, tmp_path: Path
) -> None:
    SCMOS(baseline=321).to_file(tmp_path / "camera.yaml")
    config.write_text(f"{CONFIG}camera: {{kind: emccd, em_gain: 123}}\n")
    out, model = tmp_path / "out", spotter()
    for words, field, value in [
        (["--camera", "challenge-emccd"], "em_gain", 300),
        (["--camera", tmp_path / "camera.yaml"], "baseline", 321),
        (["--camera", config], "em_gain", 123),
        (["--baseline", 200, "--photons-per-adu", 0.25], "gain", 4),
    ]:
        result = call("reconstruct", stack, "--model", model, "--out", out, "--json", *words)
        assert result.exit_code == 0, result.output
        report = json.loads(result.stdout)
        assert report["inputs"]["options"]["camera"][field] == value
        assert report["warnings"] == []
    told = call("reconstruct", stack, "--model", model, "--out", out)
    assert "were taken as photons" in " ".join(told.stderr.split())


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--frames", "5"], "--frames takes A:B"),
        (["--frames", "a:b"], "--frames takes A:B"),
        (["--frames", "5:2"], "needs 0 <= first < last"),
        (["--frames", "100:"], "there are only 7"),
        (["--model", "fith"], "No model 'fith'. Built-in:"),
        (["--model", "missing.safetensors"], "No model file at missing.safetensors"),
        (["--device", "tpu"], "No device 'tpu' here. Available: auto"),
        (["--precision", "fp8"], "'precision': Input should be 'auto', 'fp32' or 'bf16'"),
        (["--pixel-size", "0"], "'pixel_size_nm'"),
        (["--pixel-size", "nan"], "'pixel_size_nm'"),
        (["--threshold", "2"], "'threshold'"),
        (["--upsampling", "5"], "with upsampling 5"),
        (["--camera", "ccd"], "'ccd' is neither a file nor a camera preset. Presets: ideal, "),
        (["--baseline", "100"], "--baseline and --photons-per-adu belong together"),
        (["--baseline", "1", "--photons-per-adu", "0"], "--photons-per-adu must be above 0"),
        (["--camera", "ideal", "--baseline", "100"], "Give --camera, or --baseline and"),
    ],
)
def test_a_wrong_option_is_one_sentence_and_exit_code_2(
    words: list[str], sentence: str, stack: Path, model_file: Path, tmp_path: Path
) -> None:
    model = [] if "--model" in words or "--upsampling" in words else ["--model", model_file]
    result = call("reconstruct", stack, "--out", tmp_path / "out", *model, *words)
    assert result.exit_code == 2
    message = " ".join(result.stderr.split())
    assert sentence in message
    assert "Traceback" not in message
    assert not (tmp_path / "out" / "reconstruction.tif").exists()


def test_bad_files_are_one_sentence_and_exit_code_2(model_file: Path, tmp_path: Path) -> None:
    empty, text, tiny = (tmp_path / name for name in ("empty.tif", "text.tif", "tiny.tif"))
    empty.touch()
    text.write_text("not an image")
    tifffile.imwrite(tiny, np.zeros((5, 1, 40), np.uint16))
    for path, sentence in [
        (tmp_path / "none.tif", "no such file"),
        (empty, "the file is empty"),
        (text, "is text, not a TIFF"),
        (tiny, "1 x 40 pixels are too small"),
        (tmp_path, "this is a folder"),
    ]:
        result = call("reconstruct", path, "--model", model_file, "--out", tmp_path / "out")
        assert result.exit_code == 2, result.output
        assert sentence in " ".join(result.stderr.split())
    config = tmp_path / "bad.yaml"
    config.write_text("camra: {}")
    result = call("simulate", config, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "bad.yaml: unknown key 'camra'" in " ".join(result.stderr.split())


def test_old_results_survive_a_failing_run(model_file: Path, stack: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert call("reconstruct", stack, "--model", model_file, "--out", out).exit_code == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    bad = tmp_path / "nan.tif"
    frames = np.ones((5, 16, 20), np.float32)
    frames[3, 4, 4] = np.nan
    tifffile.imwrite(bad, frames)
    result = call("reconstruct", bad, "--model", model_file, "--out", out)
    assert result.exit_code == 2
    assert "Frame 3 (counted from 0) holds NaN" in " ".join(result.stderr.split())
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_an_internal_error_has_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_deepsmlm.doctor.examine", lambda: 1 / 0)
    result = call("doctor")
    assert result.exit_code == 1
    assert "Internal error: division by zero" in result.stderr


def test_doctor_names_what_it_tried() -> None:
    checks = json.loads(call("doctor", "--json").stdout)
    assert checks["torch"]["is_ok"]
    assert {"device", "memory", "built-in models", "Qt", "OpenGL"} <= set(checks)


def test_models_list_has_the_built_in_models() -> None:
    listed = json.loads(call("models", "list", "--json").stdout)
    assert "deep-storm" in listed["networks"]
    assert "deep-storm:2d-100nm" in {model["name"] for model in listed["built_in"]}


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
    assert process.returncode == 0, log.decode()
    summary = json.loads(told)
    assert summary["reason"] == "stopped"
    assert not (run / ".in-use").exists()
    resumed = call(
        "train", config, "--out", run, "--steps", summary["steps"] + 2, "--resume", "--json"
    )
    assert json.loads(resumed.stdout)["steps"] == summary["steps"] + 2
