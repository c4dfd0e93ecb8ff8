"""`deepsmlm simulate`: a preset or a file in; stack, truth and experiment out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
from tests.cli.conftest import call

from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.io import open_frames, read_localizations

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


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
