"""Every example runs, with little to do."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import pytest

from napari_deepsmlm.experiment import Experiment

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLES = Path(__file__).parents[1] / "examples"
NOTEBOOKS = sorted((EXAMPLES.parent / "docs" / "notebooks").glob("*.ipynb"))


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


@pytest.mark.slow  # half a minute each
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_notebook_runs(
    path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DEEPSMLM_QUICK", "1")
    monkeypatch.setenv("DEEPSMLM_OUT", str(tmp_path / "out"))
    monkeypatch.chdir(tmp_path)
    plt.switch_backend("agg")
    names: dict[str, object] = {"__name__": "__main__"}
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), str(path), "exec"), names)  # noqa: S102
    plt.close("all")
    assert "accard" in capsys.readouterr().out
    assert list((tmp_path / "out").rglob("localizations.csv"))


def test_notebooks_are_what_the_script_writes_and_hold_no_outputs() -> None:
    script = runpy.run_path(str(EXAMPLES.parent / "scripts" / "make_notebooks.py"))
    sources = sorted((EXAMPLES / "notebooks").glob("*.py"))
    assert [path.stem for path in sources] == [path.stem for path in NOTEBOOKS]
    for source, path in zip(sources, NOTEBOOKS, strict=True):
        assert script["notebook"](source.read_text("utf-8")) == path.read_text("utf-8")
        for cell in json.loads(path.read_text("utf-8"))["cells"]:
            assert cell["source"]
            assert not cell.get("outputs")


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda p: p.name)
def test_every_experiment_is_valid(path: Path) -> None:
    assert Experiment.from_file(path)
