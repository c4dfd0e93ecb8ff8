"""Remote work: the commands of the page bring a model from one machine to another by a folder."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.cli.conftest import call

from napari_deepsmlm import Experiment
from napari_deepsmlm.export import import_model
from napari_deepsmlm.io import write_stack
from napari_deepsmlm.models import built_in_models, choose_models_folder, models_folder

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = (Path(__file__).parents[2] / "docs" / "remote.md").read_text("utf-8")
STEPS = "training: {steps: 2, batch_size: 2, patch_px: 12, validation_frames: 2, validation_px: 12}"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A function that goes to the machine of a name: each has a home of its own."""

    def go_to(name: str) -> None:
        for variable in ("XDG_DATA_HOME", "LOCALAPPDATA", "HOME"):
            monkeypatch.setenv(variable, str(tmp_path / name))

    return go_to


def commands(heading: str) -> list[list[list[str]]]:
    """Return the words of the `deepsmlm` lines of each tested block below a heading."""
    part = PAGE.split(f"## {heading}")[1].split("\n## ")[0]
    blocks = re.findall(r"^```sh\n(.*?)^```", part, re.DOTALL | re.MULTILINE)
    lines = [[line for line in block.splitlines() if "deepsmlm " in line[:9]] for block in blocks]
    return [[shlex.split(line, comments=True)[1:] for line in block] for block in lines]


def run(words: list[str]) -> None:
    done = call(*words)
    assert done.exit_code == 0, (words, done.output, done.exception)


def test_the_page_brings_a_model_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, machine: Callable[[str], None]
) -> None:
    share = tmp_path / "lab" / "models"
    share.mkdir(parents=True)
    project = tmp_path / "lab" / "project"
    (project / "data").mkdir(parents=True)
    monkeypatch.chdir(project)
    stack = Experiment(image_px=(32, 32)).simulate(n_frames=12, seed=0).stack
    for path in ("stack.tif", "data/cell_1.tif"):
        write_stack(project / path, stack, pixel_size_nm=100)

    def here(block: list[list[str]]) -> list[list[str]]:
        return [[word.replace("/mnt/lab", str(share.parent)) for word in line] for line in block]

    machine("workstation")
    for line in here(commands("Once: one folder of models for both")[0]):
        if line[0] != "doctor":
            run(line)
    there, back = commands("Train there, use it here")
    for line in here(there):
        if line[0] == "train":  # as long as a test may take
            file = project / "experiment.yaml"
            text = re.sub(r"(?ms)^training:.*?(?=^\S|\Z)", "", file.read_text("utf-8"))
            file.write_text(f"{text}\n{STEPS}\n", encoding="utf-8")
            line = [word for word in line if word not in ("--minutes", "120")]
        run(line)
    machine("laptop")
    run(["models", "folder", str(share)])
    listed = json.loads(call(*here(back)[0], "--json").stdout)
    assert "deep-storm:mine" in {one["name"] for one in listed["imported"]}
    run(here(back)[1])
    assert (project / "result" / "reconstruction.tif").exists()
    machine("workstation")
    for line in here(commands("Reconstruct a night's stacks there")[0]):
        run(line)
    assert ",done," in (project / "results" / "summary.csv").read_text("utf-8")


def test_a_share_that_is_away_leaves_the_rest(tmp_path: Path) -> None:
    share = tmp_path / "share"
    share.mkdir()
    mine = tmp_path / "deep-storm_mine.safetensors"
    mine.write_bytes(next(iter(built_in_models().values())).read_bytes())
    network = next(iter(built_in_models())).split(":")[0]
    import_model(mine, f"{network}:own")
    choose_models_folder(share)
    import_model(mine, f"{network}:shared")
    told = json.loads(call("models", "folder", "--json").stdout)
    assert told == {"folder": str(share), "is_there": True, "models": [f"{network}:shared"]}
    share.rename(tmp_path / "away")
    names = [one["name"] for one in json.loads(call("models", "list", "--json").stdout)["imported"]]
    assert names == [f"{network}:own"]
    assert "away" in call("models", "folder").output
    with pytest.raises(NotADirectoryError, match="connect its drive"):
        import_model(mine, f"{network}:other")
    assert not share.exists()
    with pytest.raises(NotADirectoryError, match="make it first"):
        choose_models_folder(share)
    assert call("models", "folder", "--own").exit_code == 0
    assert models_folder().name == "models"
    assert call("models", "folder", str(tmp_path), "--own").exit_code == 2
