"""Record: what was done in the folder of a stack, written last: nothing half done counts."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Literal

from pydantic import Field, ValidationError

from napari_deepsmlm._base import MAX_CONFIG_BYTES, FrozenModel
from napari_deepsmlm._files import atomic_write
from napari_deepsmlm.batch.fingerprint import Fingerprint
from napari_deepsmlm.batch.stacks import RECORD_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from napari_deepsmlm.batch.stacks import Stack

MAX_NAME = 120
State = Literal["begun", "done", "failed", "stopped", "waiting", "not begun"]


class StackRow(FrozenModel):
    """A line of the summary.

    Attributes
    ----------
    file : the (first) file of the stack.
    folder : of its results, in that of the batch.
    state : `done`, `failed`, `stopped` by a person, `begun` and not ended (killed), `waiting` for a
        file that is still written, or `not begun` when the batch was stopped.
    camera : where the camera is known from: given, file, remembered, estimated or none.
    error : one sentence, "" if there was none.
    """

    file: str
    folder: str
    state: State
    frames: int = 0
    localizations: int = 0
    seconds: float = 0.0
    camera: str = ""
    model: str = ""
    warnings: tuple[str, ...] = ()
    error: str = ""


class StackRecord(FrozenModel):
    """What lies in the folder of a stack, and what it was made of.

    Attributes
    ----------
    fingerprint : of the reconstruction, None before it is whole.
    model_sha256 : of the weights that were used, None if there are none.
    steps : digest of the steps that are whole, "" before they are.
    files : sizes in bytes of what was written, by name.
    """

    row: StackRow
    fingerprint: Fingerprint | None = None
    model_sha256: str | None = None
    steps: str = ""
    files: dict[str, int] = Field(default_factory=dict)

    def are_files_whole(self, folder: Path) -> bool:
        """Whether all that was written is still there."""
        try:
            return all((folder / name).stat().st_size == n for name, n in self.files.items())
        except OSError:
            return False


def read_record(folder: Path) -> StackRecord | None:
    """Return the record in a folder, None if there is none or it is damaged."""
    path = folder / RECORD_NAME
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            return None
        return StackRecord.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError, RecursionError):
        return None


def write_record(folder: Path, record: StackRecord) -> None:
    """Write the record, whole or not at all."""
    with atomic_write(folder / RECORD_NAME) as file:
        file.write(record.model_dump_json(indent=2).encode())


class Folders:
    """Gives every stack a folder of its own under that of the batch, the same one every time.

    A folder that is there and holds no record of that stack is somebody else's.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self._of: dict[str, Path] = {}
        self._listed: tuple[Path, ...] = ()
        with suppress(OSError):  # not made yet
            for folder in sorted(path for path in out.iterdir() if path.is_dir()):
                record = read_record(folder)
                if record is not None:
                    self._of.setdefault(record.row.file, folder)

    def known(self) -> dict[str, Path]:
        """Return the folders of all stacks that have one, by the (first) file."""
        return dict(self._of)

    def expect(self, stacks: Iterable[Stack]) -> None:
        """Take note of all stacks that there are, so that none is named without the others."""
        self._listed = tuple(stack.path for stack in stacks)

    def folder_of(self, stack: Stack) -> Path:
        """Return the folder of a stack; a new one is made and marked as its own."""
        key = str(stack.path)
        if key not in self._of:
            folder = self.out / self._new_name(stack)
            folder.mkdir(parents=True)
            self._of[key] = folder
            row = StackRow(file=key, folder=folder.name, state="begun")
            write_record(folder, StackRecord(row=row))
        return self._of[key]

    def _new_name(self, stack: Stack) -> str:
        taken = {path.name.casefold() for path in self.out.iterdir()}
        others = [path for path in self._listed if path != stack.path]
        name = _telling_name(stack.path, others)
        for candidate in (name, _name_of(stack.path, 2)):
            if candidate.casefold() not in taken:
                return candidate
        return next(made for n in count(2) if (made := f"{name}_{n}").casefold() not in taken)


def _telling_name(path: Path, others: Iterable[Path]) -> str:
    """Return the name of a stack, after those of as many folders as tell it from all others.

    Examples
    --------
    >>> from pathlib import Path
    >>> a, b, c = Path("/may/day1/a.tif"), Path("/may/day2/a.tif"), Path("/june/day1/a.tif")
    >>> _telling_name(a, []), _telling_name(b, [a, c]), _telling_name(c, [a, b])
    ('a', 'day2_a', 'june_day1_a')
    """
    others = list(others)
    for n_parts in range(1, len(path.parts)):
        name = _name_of(path, n_parts)
        others = [each for each in others if _name_of(each, n_parts).casefold() == name.casefold()]
        if not others:
            return name
    return _name_of(path, 1)


def _name_of(path: Path, n_parts: int) -> str:
    """Return the last parts of a path as the name of a folder."""
    parts = [_plain(part) for part in path.parts[1:][-n_parts:]]
    return "_".join(parts)[-MAX_NAME:].strip(" .") or "stack"


def _plain(name: str) -> str:
    """Return what every file system takes as the name of a folder.

    Examples
    --------
    >>> _plain("cells 1.ome.tif"), _plain("a:b?.tif"), _plain("...")
    ('cells 1', 'a_b_', 'stack')
    """
    stem = re.sub(r"(?i)(\.ome)?\.(tiff?|btf|tf8|stk|npy|zarr|raw|dax)$", "", name)
    safe = re.sub(r'[<>:"/\\|?*\x00-\x1f]', "_", stem)[:MAX_NAME].strip(" .")
    return safe or "stack"
