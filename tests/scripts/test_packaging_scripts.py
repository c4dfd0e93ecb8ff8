"""What leaves the house: contents of wheel and sdist, lower bounds, the recipe, the hub's page."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
CONDA_NAMES = {"dask[array]": "dask-core", "matplotlib": "matplotlib-base", "torch": "pytorch"}
CHECK = runpy.run_path(str(ROOT / "scripts" / "check_distributions.py"))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return {path.suffix: path for path in folder.iterdir()}


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="git knows what belongs to the source")
@pytest.mark.parametrize("suffix", [".whl", ".gz"])
def test_wheel_and_sdist_hold_what_the_repository_has(built: dict[str, Path], suffix: str) -> None:
    assert CHECK["faults"](built[suffix]) == []
    assert CHECK["wrong_version"](built[suffix]) == []


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="git knows what belongs to the source")
def test_a_file_that_is_missing_or_too_much_is_named(tmp_path: Path) -> None:
    wheel, sdist = tmp_path / "napari_deepsmlm-9.whl", tmp_path / "napari_deepsmlm-9.tar.gz"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("napari_deepsmlm/secret.txt", "")
    with tarfile.open(sdist, "w:gz") as archive:
        archive.add(ROOT / "LICENSE", "napari_deepsmlm-9/runs/mine/notes.md")
    for path, extra in ((wheel, "napari_deepsmlm/secret.txt"), (sdist, "runs/mine/notes.md")):
        told = CHECK["faults"](path)
        assert f"{path.name}: {extra} is too much." in told
        assert any("is missing" in sentence for sentence in told)
        assert CHECK["wrong_version"](path)


def test_lower_bounds_are_those_of_the_project() -> None:
    command = [sys.executable, "scripts/lower_bounds.py", "--extra", "all"]
    told = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    pins = told.split()
    assert "zarr==3.0.8" in pins
    assert len(pins) == len(PROJECT["dependencies"]) + 1  # of the extra only PyQt6 is new
    for pin in pins:
        name, _, version = pin.partition("==")
        everything = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["all"]
        assert f"{name}>={version}" in everything


def test_the_recipe_asks_for_what_the_project_asks() -> None:
    recipe: dict[str, Any] = yaml.safe_load((ROOT / "packaging/conda/recipe.yaml").read_text())
    wanted = {
        f"{CONDA_NAMES.get(name, name.lower())} >={version}"
        for name, version in (each.split(">=") for each in PROJECT["dependencies"])
    }
    asked = set(recipe["requirements"]["run"]) - {"python >=${{ python_min }}"}
    assert asked == wanted
    assert recipe["context"]["version"] == PROJECT["version"]
    assert f">={recipe['context']['python_min']}" == PROJECT["requires-python"]
    assert recipe["build"]["python"]["entry_points"] == [
        f"{name} = {target}" for name, target in PROJECT["scripts"].items()
    ]


def test_the_container_copies_only_what_is_there() -> None:
    kept = re.findall(
        r"(?m)^!(.+)$", (ROOT / "packaging/Containerfile.dockerignore").read_text("utf-8")
    )
    assert {"src", "docs", "pyproject.toml", "constraints.txt"} <= set(kept)
    assert all((ROOT / name).exists() for name in kept)


def test_the_page_of_the_hub_names_every_panel() -> None:
    manifest = yaml.safe_load((ROOT / "src/napari_deepsmlm/napari.yaml").read_text("utf-8"))
    page = (ROOT / ".napari-hub" / "DESCRIPTION.md").read_text("utf-8")
    panels = [widget["display_name"] for widget in manifest["contributions"]["widgets"]]
    assert not [name for name in panels if name not in page]
    config = yaml.safe_load((ROOT / ".napari-hub" / "config.yml").read_text("utf-8"))
    assert config["labels"]["terms"]


def test_a_bound_below_what_can_be_installed_is_named() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "lower_bounds.py"))
    pins = ["numpy==2.0", "dask[array]==2024.11", "PyYAML==6.0.2", "zarr==3.0.8"]
    resolved = "dask==2024.11.1\nnumpy==2.0.0\npyyaml==6.0.2\n    # via this\n"
    assert script["untrue"](pins, resolved) == [
        "dask[array]: the bound is 2024.11, the lowest that fits is 2024.11.1.",
        "zarr: the bound is 3.0.8, the lowest that fits is None.",
    ]
