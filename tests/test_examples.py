"""Every example runs, with little to do."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from napari_deepsmlm.experiment import Experiment

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """A function that runs an example as `python NAME ARGUMENTS` does; returns what it prints."""

    def run_here(name: str, *arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    return run_here


def test_reconstruct_a_stack(run: Callable[..., str]) -> None:
    assert "NMSE" in run("reconstruct_a_stack.py", "--frames", "6")


def test_train_a_network(run: Callable[..., str], tmp_path: Path) -> None:
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
