"""Every example runs, with little to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from napari_deepsmlm.experiment import Experiment

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(name: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_reconstruct_a_stack() -> None:
    assert "NMSE" in run("reconstruct_a_stack.py", "--frames", "6")


def test_train_a_network(tmp_path: Path) -> None:
    experiment = Experiment.from_file(EXAMPLES / "experiment.yaml")
    few = {"batch_size": 1, "patch_px": 12, "validation_frames": 2, "validation_px": 12}
    small = tmp_path / "small.yaml"
    experiment.replace(training=experiment.training.replace(**few)).to_file(small)
    told = run("train_a_network.py", str(small), str(tmp_path / "run"), "--steps", "3")
    assert "best model" in told
    assert (tmp_path / "run" / "best.safetensors").exists()


def test_every_script_is_run_here() -> None:
    scripts = {path.name for path in EXAMPLES.glob("*.py")}
    assert scripts == {"reconstruct_a_stack.py", "train_a_network.py"}


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda p: p.name)
def test_every_experiment_is_valid(path: Path) -> None:
    assert Experiment.from_file(path)
