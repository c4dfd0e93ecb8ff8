"""History: how a table came about, as a recipe that can be run again, in a file beside it.

The file is a recipe: `inputs` and `reconstruct` if the table came from frames, and `steps`, one for
each thing that was done with the molecules. Its comments hold the commands, and the fingerprints
and versions as one line of JSON.
"""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from napari_deepsmlm._base import MAX_CONFIG_BYTES, decode_text, load_yaml
from napari_deepsmlm._files import atomic_write
from napari_deepsmlm.io.result_files import REPORT_NAME, TABLE_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping

ENDING = ".recipe.yaml"
_MARK = "# history: "
_HEADING = "# How {name} came about; from frames, `deepsmlm batch` runs it again."


class History(NamedTuple):
    """What was done until there was this table.

    Attributes
    ----------
    recipe : `inputs`, `reconstruct` and `steps`, plain values.
    commands : the command lines, the first first.
    files : name, SHA-256 and version of the package for each file on the way.
    """

    recipe: dict[str, Any]
    commands: tuple[str, ...] = ()
    files: tuple[dict[str, Any], ...] = ()

    @property
    def steps(self) -> tuple[dict[str, Any], ...]:
        """What was done with the molecules, one after the other."""
        return tuple(self.recipe.get("steps", ()))


def history_path(table: str | Path) -> Path:
    """Return the file beside a table that holds its history."""
    table = Path(table)
    return table.with_name(table.name + ENDING)


def read_history(table: str | Path) -> History:
    """Return the history of a table; without one, that of its reconstruction, or its file alone.

    A history of a file that has been changed since is not its history.
    """
    table = Path(table)
    beside = history_path(table)
    try:
        if beside.is_file():
            values, told = load_yaml(beside), _told(beside)
            files = tuple(told.get("files", ()))
            if isinstance(values, dict) and files and files[-1].get("sha256") == digest_of(table):
                return History(values, tuple(told.get("commands", ())), files)
    except (ValueError, OSError, TypeError, AttributeError):
        pass  # not one of ours: the table then begins a history of its own
    return _of_reconstruction(table)


def history_of_run(inputs: Mapping[str, Any]) -> History:
    """Return the history of a table that a reconstruction has just made.

    Parameters
    ----------
    inputs : of its report: `paths` of the frames, none if they have no file, and `options`. Without
        a path the recipe is one for the frames that are given to it. A pixel size that the files
        state is left to them, so that other stacks have theirs.
    """
    paths = inputs.get("paths") or [path for path in [inputs.get("path")] if path is not None]
    recipe: dict[str, Any] = {}
    if paths:
        recipe["inputs"] = [str(paths[0]) if len(paths) == 1 else list(map(str, paths))]
    if inputs.get("are_planes"):
        recipe["planes"] = True
    options = dict(inputs["options"])
    if paths and options.get("pixel_size_nm") == inputs.get("pixel_size_nm"):
        options["pixel_size_nm"] = None
    return History({**recipe, "reconstruct": options})


def write_history(
    table: str | Path, before: History, step: dict[str, Any] | None, command: str
) -> Path:
    """Write the history of a table that a step has made; return its file.

    Parameters
    ----------
    table : that was written.
    before : history of the table that it was made of, read before that could be replaced.
    step : `kind` and options, as a recipe has them; None if the molecules are the same.
    command : that did it.
    """
    table = Path(table)
    made = {"file": table.name, "sha256": digest_of(table), "version": _version()}
    recipe = {**before.recipe, "steps": [*before.steps, *([step] if step else [])]}
    history = History(recipe, (*before.commands, command), (*before.files, made))
    path = history_path(table)
    with atomic_write(path) as file:
        file.write(_text(table.name, history).encode())
    return path


def history_report(table: str | Path) -> dict[str, Any]:
    """Return the history of a table as plain values, for the report of an image of it."""
    found = read_history(table)
    return {"recipe": found.recipe, "commands": list(found.commands), "files": list(found.files)}


def digest_of(path: str | Path) -> str:
    """Return the SHA-256 of a file."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _text(name: str, history: History) -> str:
    told = {"commands": history.commands, "files": history.files}
    lines = [_HEADING.format(name=_one_line(name))]
    lines += [f"#   {_one_line(command)}" for command in history.commands]
    lines += [f"{_MARK}{json.dumps(told, sort_keys=True)}"]
    return "\n".join(lines) + "\n" + yaml.safe_dump(history.recipe, sort_keys=False)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _told(path: Path) -> dict[str, Any]:
    if path.stat().st_size > MAX_CONFIG_BYTES:
        return {}
    for line in decode_text(path.read_bytes()).splitlines():
        if line.startswith(_MARK):
            told = json.loads(line.removeprefix(_MARK))
            return told if isinstance(told, dict) else {}
    return {}


def _of_reconstruction(table: Path) -> History:
    """Return what the report beside a reconstructed table says; without one, the file alone."""
    files = ({"file": table.name, "sha256": digest_of(table)},)
    report = table.parent / REPORT_NAME
    if table.name != TABLE_NAME or not report.is_file():
        return History({}, files=files)
    try:
        run = history_of_run(json.loads(report.read_text("utf-8"))["inputs"])
    except (ValueError, OSError, KeyError, TypeError, AttributeError):
        return History({}, files=files)
    return run._replace(files=files)


def _version() -> str:
    return f"napari-deepsmlm {version('napari-deepsmlm')}"
