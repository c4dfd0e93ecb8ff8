"""Several processes: they see different frames, and step as one would on all of them."""

from __future__ import annotations

import csv
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import torch
from torch import distributed

from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.models import load_model

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    not (distributed.is_available() and distributed.is_gloo_available()), reason="needs gloo"
)

TRAINING = {
    "steps": 1,
    "batch_size": 2,
    "patch_px": 12,
    "validate_every": 2,
    "validation_frames": 2,
    "validation_px": 12,
    "averaging": 0.0,
    "learning_rate": 1e-3,
    "warmup": 0.0,
    "precision": "fp32",
}


# One start of the processes, which takes ten seconds, serves both: a run, and to go on with it.
TWICE = """
import os, shutil, sys
from torch import distributed
from napari_deepsmlm.cli import app

config, out, kept = sys.argv[1:]
words = ["train", config, "--out", out, "--device", "cpu"]
app(words, standalone_mode=False)
if os.environ["RANK"] == "0":
    shutil.copy(f"{out}/last.safetensors", kept)
distributed.barrier()
app([*words, "--resume", "--steps", "3"], standalone_mode=False)
"""


def torchrun(*words: object) -> None:
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [sys.executable, *launch, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr


def test_two_processes_step_along_their_mean_gradient_and_resume_and_write_once(
    tmp_path: Path,
) -> None:
    config, out, kept = tmp_path / "a.yaml", tmp_path / "run", tmp_path / "first.safetensors"
    script = tmp_path / "twice.py"
    script.write_text(TWICE)
    experiment = Experiment(training=TRAINING)
    experiment.to_file(config)
    torchrun(script, config, out, kept)
    trained = load_model(kept)[0]

    run = experiment.trainer(tmp_path / "by_hand", device="cpu")
    run.learner.fit_input(run.data.validation(64).frames)
    model, optimizer = run.learner.model.train(), run.learner.optimizer
    for frames, truth in (run.data.at(0), run.data.at(1)):
        torch.manual_seed(0)
        (model.loss(model(frames), truth) / 2).backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), run.config.clip_norm)
    optimizer.step()
    for (name, ours), expected in zip(trained.named_parameters(), model.parameters(), strict=True):
        # Adam's first step is the rate times the gradient's sign where that is not tiny
        is_alike = torch.isclose(ours, expected, atol=2e-6)
        assert is_alike.float().mean() > 0.999, name

    with (out / "history.csv").open(newline="") as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["1", "2", "3"]
