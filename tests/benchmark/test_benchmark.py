"""The benchmark: published networks give what ours give, and its figures are those of a run."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import pytest
import torch
from typer.testing import CliRunner

from napari_deepsmlm.benchmark import measuring
from napari_deepsmlm.benchmark.fd_deeploc import FDDeepLocLike
from napari_deepsmlm.benchmark.published import as_published
from napari_deepsmlm.cli import app
from napari_deepsmlm.inference import pipeline
from napari_deepsmlm.models import SingleMolecules, build_model

if TYPE_CHECKING:
    from pathlib import Path

CONFIGS = [
    ("deep-storm", {"upsampling": 4}),
    ("drsn-storm", {}),
    ("drsn-storm", {"skip": "features"}),
    ("dilated-loc", {}),
    ("dilated-loc", {"input": "noise"}),
    ("voxel-regression", {}),
    ("voxel-regression", {"order": "conv-relu-norm"}),
]


@pytest.mark.parametrize(("network", "config"), CONFIGS)
@torch.no_grad()
def test_the_published_form_and_ours_predict_the_same(network: str, config: dict[str, str]) -> None:
    torch.manual_seed(0)
    model = build_model(network, config)
    side = 8 if network == "drsn-storm" else 16
    frames = 100 + 50 * torch.rand(2, model.n_planes, side, side)
    model.train()
    for _ in range(3):  # batch norms see something
        model(frames)
    model.eval()
    prepared = model.prepare(frames)
    expected = model.predict(prepared)
    ours = model.for_inference().predict(prepared)
    assert expected.std() > 0
    torch.testing.assert_close(as_published(model)(prepared), expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4)


def test_what_was_not_published_is_refused() -> None:
    with pytest.raises(ValueError, match="no published form"):
        as_published(SingleMolecules(SingleMolecules.Config()))


def test_the_network_beside_dilated_loc_has_the_papers_size() -> None:
    network = FDDeepLocLike()
    assert sum(p.numel() for p in network.parameters()) == 2_522_746
    assert network(torch.rand(1, 1, 16, 8)).shape == (1, 10, 16, 8)


def test_the_command_line_measures_and_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(pipeline.PIXELS_PER_BATCH, "cpu", 1)  # one frame at a time
    monkeypatch.setattr(measuring, "PEAK_SIDE", 64)
    command = ["benchmark", "voxel-regression", "--quick", "--device", "cpu", "--json"]
    more = ["--side", "64", "--side", "128", "--molecules", "0", "--length", "4"]
    more += ["--threads", "1", "--precision", "fp32", "--precision", "bf16", "--out", str(tmp_path)]
    done = CliRunner().invoke(app, [*command, *more])
    assert done.exit_code == 0, done.output
    plain = json.loads(done.stdout)
    assert list(plain["networks"]) == ["voxel-regression, fp32", "voxel-regression, bf16"]
    speed = plain["networks"]["voxel-regression, fp32"]
    for name in ("ms_per_frame_64", "ms_per_frame_128", "pipeline_frames_per_second"):
        assert speed[name] > 0
    assert speed["ms_per_frame_128"] > speed["network_ms_per_frame_64"]
    # 206,704 weights and biases, but for the biases and batch norms, at each of 4096 pixels
    assert speed["published_gflop_per_frame_64"] == pytest.approx(
        2 * 205_632 * 4096 / 1e9, rel=0.01
    )
    assert list(speed["frames_per_second_by_threads"]) == ["1"]
    assert list(speed["frames_per_second_by_molecules"]) == ["0"]
    assert list(speed["frames_per_second_by_frames"]) == ["4"]
    small, large = speed["frames_per_second_by_side"].values()
    assert small > 1.5 * large > 0
    with (tmp_path / "benchmark.csv").open(encoding="utf-8") as file:
        row, half = csv.DictReader(file)
    assert (row["precision"], half["precision"]) == ("fp32", "bf16")
    assert float(row["ms_per_frame_64"]) == pytest.approx(speed["ms_per_frame_64"])
    assert (tmp_path / "benchmark.png").stat().st_size > 10_000


def test_a_network_that_is_none_is_named() -> None:
    done = CliRunner().invoke(app, ["benchmark", "fith"])
    assert done.exit_code == 2
    assert "fith" in done.output
