"""The house rules that no other tool keeps: floors are complete, every file tells its story."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "napari_deepsmlm"
MODULES = sorted(PACKAGE.rglob("*.py"))

UPPER_LIMIT = re.compile(
    r"\b_?(MOST|LARGEST|LONGEST|WIDEST|HIGHEST|FARTHEST|COARSEST|TOO_MANY)(_|\b)"
)
# An event is what one job tells; nobody reads those of two jobs in one place.
EVENT = "events of different jobs"
SHARED_NAMES = {
    "Column": "what a filter asks for, and what a file format has",
    "Doing": EVENT,
    "Done": EVENT,
    "Finished": EVENT,
    "Found": "what a search came to, never beside that of another",
    "Images": "a protocol of a list, and images with their slopes; each of one module",
    "Measured": EVENT,
    "Number": "in the text of a filter, and the editor of a number",
    "Place": "of an image in a file's name, and of a column in a table; each of one module",
    "Run": "the same protocol, which a panel needs without the floor of adaptation",
    "Sample": "frames that are measured, and what is kept of them beside an adapted model",
    "Saved": EVENT,
    "Seen": "what the viewer shows, and what a figure of a paper is made of",
    "Started": EVENT,
    "Step": "of a recipe, and an event",
    "StepDone": "of a recipe, and an event",
    "Stopped": "the exception of a job; none catches that of another",
    "Waiting": "an event, and a batch on its way to the device",
}


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
    stories = {path: ast.get_docstring(tree_of(path)) for path in MODULES}
    untold = [
        path.relative_to(PACKAGE).as_posix()
        for path, story in stories.items()
        if not story or not story.splitlines()[0].endswith((".", "?"))
    ]
    assert not untold


def test_upper_limits_are_called_max() -> None:
    files = [path for part in ("src", "tests", "benchmarks", "scripts") for path in python_of(part)]
    assert not [
        f"{path.relative_to(ROOT).as_posix()}: {name}"
        for path in files
        for name in constants_of(path)
        if UPPER_LIMIT.match(name)
    ]


def test_a_public_class_has_a_name_of_its_own() -> None:
    where: dict[str, list[str]] = {}
    for path in MODULES:
        if any(part.startswith("_") for part in path.relative_to(PACKAGE).with_suffix("").parts):
            continue
        for node in tree_of(path).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                where.setdefault(node.name, []).append(path.relative_to(PACKAGE).as_posix())
    shared = {name: places for name, places in where.items() if len(places) > 1}
    assert set(shared) == set(SHARED_NAMES), shared


def python_of(part: str) -> list[Path]:
    """Return the files of a folder of the repository."""
    return sorted((ROOT / part).rglob("*.py"))


def constants_of(path: Path) -> list[str]:
    """Return the names in capitals that a file assigns to, in pairs too, if any may be a limit."""
    if not UPPER_LIMIT.search(path.read_text(encoding="utf-8")):
        return []
    return [
        node.id
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id.isupper()
    ]


@cache
def tree_of(path: Path) -> ast.Module:
    """Return a file as parsed once for all tests."""
    return ast.parse(path.read_text(encoding="utf-8"))


def top_level_modules() -> list[Path]:
    """Return modules and packages directly in the package, without its own __init__."""
    modules = [path for path in PACKAGE.glob("*.py") if path.stem != "__init__"]
    return modules + list(PACKAGE.glob("*/__init__.py"))
