"""The house rules that no other tool keeps: floors are complete, every file tells its story."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "napari_deepsmlm"
MODULES = sorted(PACKAGE.rglob("*.py"))


def test_imports_go_down_the_floors() -> None:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"]
    done = subprocess.run(
        [*command, "--no-cache", "--no-logo"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_gui_rule_covers_every_module_but_the_plugin() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = {c["id"]: c for c in settings["tool"]["importlinter"]["contracts"]}
    top = {p.parent.name if p.stem == "__init__" else p.stem for p in top_level_modules()}
    assert set(contracts["gui"]["source_modules"]) == {
        f"napari_deepsmlm.{name}" for name in top - {"plugin"}
    }


@pytest.mark.parametrize("contract", ["floors", "panels"])
def test_contributing_shows_the_floors_as_they_are(contract: str) -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = {c["id"]: c for c in settings["tool"]["importlinter"]["contracts"]}
    shown = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    floors = [re.findall(r"\w+", layer) for layer in contracts[contract]["layers"]]
    blocks = [
        [re.findall(r"\w+", line) for line in block.strip().splitlines()]
        for block in re.findall(r"^```\w*\n(.*?)^```$", shown, re.DOTALL | re.MULTILINE)
    ]
    assert floors in blocks


def test_every_file_that_contributing_names_is_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:\w+/)+(?:\w+\.py)?)`", text)
    beside = [ROOT, PACKAGE, PACKAGE / "plugin"]
    shipped = {"help/"}  # a folder of the wheel, which is docs/ here
    gone = [name for name in named if not any((folder / name).exists() for folder in beside)]
    assert len(named) > 30
    assert set(gone) == shipped


def test_every_module_begins_with_its_story() -> None:
    stories = {p: ast.get_docstring(ast.parse(p.read_text(encoding="utf-8"))) for p in MODULES}
    untold = [
        path.relative_to(PACKAGE).as_posix()
        for path, story in stories.items()
        if not story or not story.splitlines()[0].endswith((".", "?"))
    ]
    assert not untold


def top_level_modules() -> list[Path]:
    """Return modules and packages directly in the package, without its own __init__."""
    modules = [path for path in PACKAGE.glob("*.py") if path.stem != "__init__"]
    return modules + list(PACKAGE.glob("*/__init__.py"))
