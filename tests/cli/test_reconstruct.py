"""`deepsmlm reconstruct`: results on stdout, one sentence for each mistake."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from tests.cli.conftest import CONFIG, call

from napari_deepsmlm.camera import SCMOS
from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.io import open_frames, write_stack

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


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


def test_windows_may_slide_and_the_result_be_judged(
    spotter: Callable[..., Path], stack: Path, tmp_path: Path
) -> None:
    out = tmp_path / "judged"
    words = ("--window", 4, "--step", 2, "--trust", "--json")
    result = call("reconstruct", stack, "--model", spotter(), "--out", out, *words)
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    n_frames = report["frames"]
    assert report["time_lapse"][:2] == [[0, 4], [2, 6]]
    assert report["time_lapse"][-1][1] == n_frames
    assert json.loads((out / "trust.json").read_text())["sentence"] == report["trust"]["sentence"]
    assert (out / "trust.html").exists()
    refused = call("reconstruct", stack, "--out", tmp_path / "no", "--step", 2)
    assert refused.exit_code == 2
    assert "frames of a window too" in " ".join(refused.output.split())


def test_a_region_is_as_large_as_asked(model_file: Path, stack: Path, tmp_path: Path) -> None:
    out = tmp_path / "part"
    result = call(
        "reconstruct", stack, "--model", model_file, "--out", out, "--region", "1,2,12,20", "--json"
    )
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["origin_nm"] == [100, 200]
    with open_frames(out / "reconstruction.tif") as image:
        assert image.shape == (1, 1, 88, 144)


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
        words = ["--overwrite", *words]
        result = call("reconstruct", stack, "--model", model, "--out", out, "--json", *words)
        assert result.exit_code == 0, result.output
        report = json.loads(result.stdout)
        assert report["inputs"]["options"]["camera"][field] == value
        assert report["camera"]["source"] == "given"
        assert report["camera"]["baseline"] == report["inputs"]["options"]["camera"]["baseline"]
    told = call("reconstruct", stack, "--model", model, "--out", tmp_path / "none")
    assert "Camera: estimated: offset" in " ".join(told.stderr.split())
    words = ["--out", tmp_path / "as-photons", "--camera", "none", "--json"]
    none = call("reconstruct", stack, "--model", model, *words)
    assert "(ADU) count as photons" in " ".join(none.stderr.split())
    assert json.loads(none.stdout)["camera"]["photons_per_adu"] == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--frames", "5"], "--frames takes A:B"),
        (["--camera", "orca"], "neither a file nor a camera preset"),
        (["--camera", "auto", "--baseline", "100"], "not both"),
        (["--region", "0,0,9"], "--region takes Y0,X0,Y1,X1"),
        (["--region", "0,0,9,x"], "--region takes Y0,X0,Y1,X1"),
        (["--region", "9,0,9,9"], "needs Y0, X0, Y1, X1"),
        (["--frames", "a:b"], "--frames takes A:B"),
        (["--frames", "5:2"], "needs 0 <= first < last"),
        (["--frames", "100:"], "there are only 7"),
        (["--model", "fith"], "No model 'fith'. Built-in:"),
        (["--model", "missing.safetensors"], "No model file at missing.safetensors"),
        (["--device", "tpu"], "No device 'tpu' here. Available: auto"),
        (["--precision", "fp8"], "'precision': must be 'auto', 'fp32' or 'bf16'"),
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
    frames[:] = np.nan
    tifffile.imwrite(bad, frames)
    result = call("reconstruct", bad, "--model", model_file, "--out", out)
    assert "--overwrite" in result.stderr
    result = call("reconstruct", bad, "--model", model_file, "--out", out, "--overwrite")
    assert result.exit_code == 2, result.output
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_planes_from_separate_files_are_one_stack(tmp_path: Path) -> None:
    """A model for four planes refuses a series, and takes the same files as planes."""
    frames, _ = Experiment.from_preset("quad-plane").replace(image_px=(24, 24)).simulate(3)
    paths = [tmp_path / f"plane{k}.tif" for k in range(4)]
    for k, path in enumerate(paths):
        write_stack(path, frames[:, k], pixel_size_nm=192.0)
    words = ["--model", "voxel-regression", "--out", tmp_path / "out", "--json"]
    assert call("reconstruct", *paths, *words).exit_code == 2
    result = call("reconstruct", *paths, *words, "--planes")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["frames"] == 3


def test_one_colour_is_reconstructed_as_if_it_were_alone(
    spotter: Callable[..., Path], tmp_path: Path
) -> None:
    """The sentence that refuses two colours names the option, which takes one of them."""
    frames = np.random.default_rng(0).integers(100, 900, (6, 2, 16, 20)).astype(np.uint16)
    both, alone = tmp_path / "two.ome.tif", tmp_path / "second.tif"
    names = {"Channel": {"Name": ["AF647", "CF568"]}}
    tifffile.imwrite(both, frames, metadata={"axes": "TCYX", **names})
    tifffile.imwrite(alone, frames[:, 1], metadata={"axes": "TYX"})
    words = ["--model", spotter(), "--camera", "none", "--pixel-size", 100, "--json"]
    refused = call("reconstruct", both, *words, "--out", tmp_path / "no")
    assert refused.exit_code == 2
    said = " ".join(refused.stderr.split())
    assert "2 channels (AF647, CF568)" in said
    assert "--channel AF647" in said
    outs = [tmp_path / name for name in ("named", "numbered", "alone")]
    for path, out, choice in [
        (both, outs[0], ["--channel", "cf568"]),
        (both, outs[1], ["--channel", 2]),
        (alone, outs[2], []),
    ]:
        result = call("reconstruct", path, *words, *choice, "--out", out)
        assert result.exit_code == 0, result.output
    first, second, third = (tifffile.imread(out / "reconstruction.tif") for out in outs)
    np.testing.assert_array_equal(first, third)
    np.testing.assert_array_equal(second, third)
