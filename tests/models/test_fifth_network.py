"""A network is one file: the example of the documentation, put where the networks are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner, Result

from napari_deepsmlm.cli import app
from napari_deepsmlm.io import read_localizations
from napari_deepsmlm.models import available_models, load_model

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
EXPERIMENT = """
image_px: [16, 20]
network: spot-finder
model: {channels: 4}
simulation: {density_per_um2: [2, 2]}
training:
  {steps: 2, batch_size: 2, patch_px: 12, validate_every: 2,
   validation_frames: 2, validation_px: 12}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the one file, as the documentation has it."""
    text = (ROOT / "docs" / "add-a-network.md").read_text(encoding="utf-8")
    code = text.partition("```python\n")[2].partition("```")[0]
    folder = tmp_path / "networks"
    folder.mkdir()
    (folder / "spot_finder.py").write_text(code, encoding="utf-8")
    return folder


@pytest.fixture
def experiment(folder: Path, add_networks: Callable[[Path], None], tmp_path: Path) -> Path:
    """A configuration that trains it; the network is known from now on."""
    add_networks(folder)
    path = tmp_path / "experiment.yaml"
    path.write_text(EXPERIMENT)
    return path


def call(*arguments: object) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code in (0, 2), result.output
    return result


def test_it_is_listed_trained_saved_and_reconstructs(experiment: Path, tmp_path: Path) -> None:
    assert "spot-finder" in json.loads(call("models", "list", "--json").stdout)["networks"]
    run = tmp_path / "run"
    trained = json.loads(call("train", experiment, "--out", run, "--json").stdout)
    assert trained["steps"] == 2
    model, card = load_model(run / "best.safetensors")
    assert type(model) is available_models()["spot-finder"]
    assert model.config.channels == 4
    assert card.experiment["network"] == "spot-finder"
    info = json.loads(call("models", "info", run / "best.safetensors", "--json").stdout)
    assert info["network"] == "spot-finder"
    assert info["parameters"] == 4 * 10 + 4 * 37 + 3 * 5

    stack = tmp_path / "stack.tif"
    frames = np.random.default_rng(0).integers(100, 900, (7, 16, 20)).astype(np.uint16)
    tifffile.imwrite(stack, frames)
    words = ("--model", run / "best.safetensors", "--pixel-size", 100, "--upsampling", 5)
    out = tmp_path / "out"
    done = call("reconstruct", stack, *words, "--out", out, "--threshold", 0, "--json")
    table = read_localizations(out / "localizations.csv")
    image = tifffile.imread(out / "reconstruction.tif")
    assert image.shape == (80, 100)
    assert image.sum() == len(table) == json.loads(done.stdout)["localizations"] > 0


def test_its_choices_are_checked_in_its_own_words(experiment: Path, tmp_path: Path) -> None:
    experiment.write_text(EXPERIMENT.replace("channels: 4", "channels: 0"))
    told = call("train", experiment, "--out", tmp_path / "run").stderr
    assert "'channels': must be greater than or equal to 1, found 0" in " ".join(told.split())


def test_its_form_and_its_file_are_offered(experiment: Path, tmp_path: Path, qtbot) -> None:
    from napari_deepsmlm.plugin.forms.field import editor_for
    from napari_deepsmlm.plugin.forms.model_box import ModelBox

    config = available_models()["spot-finder"].Config
    editors = {name: editor_for(config, name) for name in config.model_fields}
    assert editors["channels"].label == "Channels"
    editors["channels"].value = 32
    values = {name: editor.value for name, editor in editors.items()}
    assert config.from_dict(values).channels == 32

    call("train", experiment, "--out", tmp_path / "run")
    box = ModelBox()
    qtbot.addWidget(box)
    box.load_file(tmp_path / "run" / "best.safetensors")
    assert box.choice is not None
    assert box.choice.network == "spot-finder"


@pytest.mark.slow
def test_the_contract_covers_it(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "more_networks.py").write_text(
        f"from napari_deepsmlm import models\nmodels.__path__.append({str(folder)!r})\n"
    )
    paths = [str(tmp_path), os.environ.get("PYTHONPATH", "")]
    suite = ["-m", "pytest", "tests/contract/test_model_contract.py", "-q", "-k", "spot-finder"]
    done = subprocess.run(
        [sys.executable, *suite, "-p", "more_networks", "-p", "no:cacheprovider"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert int(done.stdout.rpartition(" passed")[0].split()[-1]) > 15
