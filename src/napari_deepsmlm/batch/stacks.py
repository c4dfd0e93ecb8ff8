"""Stacks: what files, folders and patterns stand for, as a list of movies."""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from napari_deepsmlm.io import (
    TIFF_ENDINGS,
    are_damaged_frames,
    are_planes,
    looks_like_frames,
    looks_like_series,
    movies_in_folder,
    open_frames,
    other_files_of,
)
from napari_deepsmlm.io.frames.file_names import natural_order
from napari_deepsmlm.io.result_files import RESULT_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Input = str | tuple[str, ...]

ENDINGS = (*TIFF_ENDINGS, ".npy", ".zarr", ".raw", ".dax")
RECORD_NAME = "batch.json"
"""Lies beside the results of every stack."""
RECIPE_ENDINGS = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Stack:
    """One movie: a file, or the files it is made of.

    Attributes
    ----------
    are_planes : whether the files were recorded at the same time, as focal planes.
    beside : other files that belong to the one that is named: its header, the rest of its set.
    """

    paths: tuple[Path, ...]
    are_planes: bool = False
    beside: tuple[Path, ...] = ()

    @property
    def path(self) -> Path:
        """The first file, which a stack is known by."""
        return self.paths[0]

    def source(self) -> Any:
        """Return what a reconstruction reads; only planes are opened already."""
        if self.are_planes:
            return open_frames(list(self.paths), as_planes=True)
        return self.path if len(self.paths) == 1 else list(self.paths)

    def files(self) -> list[Path]:
        """Return all files that it is read from.

        Raises
        ------
        OSError
            If there is no such stack.
        """
        found: list[Path] = []
        for path in self.paths:
            path.stat()
            if path.is_dir():  # zarr
                found += sorted(each for each in path.rglob("*") if each.is_file())
                continue
            found.append(path)
        return found + [path for path in self.beside if path.is_file()]


@dataclass(frozen=True, slots=True)
class Found:
    """The stacks that there are now.

    Attributes
    ----------
    left_out : files that are named as frames are but are no movies.
    """

    stacks: tuple[Stack, ...]
    left_out: tuple[Path, ...]


class StackFinder:
    """Looks for stacks, again and again if wanted; what it saw of a file counts until it changes.

    Parameters
    ----------
    inputs : files, folders and patterns such as `day*/cell_*.tif`; several files together are one
        movie.
    planes : several files together are focal planes, not a series in time.
    """

    def __init__(self, inputs: Sequence[Input], *, planes: bool = False) -> None:
        self.inputs, self._planes = tuple(inputs), planes
        self._seen: dict[Path, _Seen] = {}

    def find(self) -> Found:
        """Return the stacks in the order of the inputs, those of a folder in natural order."""
        stacks: dict[Path, Stack] = {}
        left_out: list[Path] = []
        for each in self.inputs:
            if isinstance(each, str):
                new, others = self._of_text(each)
            else:
                new = [Stack(tuple(map(absolute, each)), self._planes)]
                others = []
            for stack in new:
                stacks.setdefault(stack.path, stack)
            left_out += others
        return Found(tuple(stacks.values()), tuple(dict.fromkeys(left_out)))

    def folders(self) -> list[Path]:
        """Return the folders in which inputs are or will be, as far as they are there."""
        places = []
        for each in self.inputs:
            first = absolute(each if isinstance(each, str) else each[0])
            while glob.has_magic(str(first)) or not first.is_dir():
                first = first.parent
            places.append(first)
        return list(dict.fromkeys(places))

    def _of_text(self, text: str) -> tuple[list[Stack], list[Path]]:
        path = absolute(text)
        if path.exists() or not glob.has_magic(text):
            if path.is_dir() and not looks_like_zarr(path):
                return self._of_folder(path)
            return [self._alone(path)], []
        names = glob.glob(str(path), recursive=True)
        paths = natural_order(path for path in map(Path, names) if not _is_result(path))
        folders = [path for path in paths if path.is_dir() and not looks_like_zarr(path)]
        found = [self._of_folder(folder) for folder in folders]
        stacks = self._of_files([path for path in paths if path not in folders])
        return (
            stacks + [stack for each, _ in found for stack in each],
            [path for _, others in found for path in others],
        )

    def _of_files(self, paths: list[Path]) -> list[Stack]:
        """Return files that a pattern found: single images of one folder are a series."""
        stacks = []
        for folder in dict.fromkeys(path.parent for path in paths):
            here = [path for path in paths if path.parent == folder]
            images = [path for path in here if path.suffix.lower() in TIFF_ENDINGS]
            if looks_like_series(images):
                listed = set(here)
                series = [tuple(files) for files in movies_in_folder(folder)]
                stacks += [Stack(files) for files in series if listed.issuperset(files)]
                here = [path for path in here if path not in set(images)]
            parts = {part for path in here for part in self._beside(path)}
            stacks += [self._alone(path) for path in here if path not in parts]
        return stacks

    def _of_folder(self, folder: Path) -> tuple[list[Stack], list[Path]]:
        """Return the movies directly in a folder, and what looks like some but is none.

        What cannot be opened is among the movies: it is a mistake that a person must hear of.
        """
        files = natural_order(path for path in folder.iterdir() if self._may_be_frames(path))
        images = [path for path in files if path.suffix.lower() in TIFF_ENDINGS]
        stacks: list[Stack] = []
        if looks_like_series(images):
            stacks = [Stack(tuple(files)) for files in movies_in_folder(folder)]
            files = [path for path in files if path not in set(images)]
        kinds = {path: self._kind_of(path) for path in files}
        movies = [path for path, kind in kinds.items() if kind != "other"]
        parts = {part for path in movies for part in self._beside(path)}
        for group in self._planes_among([path for path in movies if path not in parts]):
            stacks.append(Stack(group, True) if len(group) > 1 else self._alone(group[0]))
        return stacks, [path for path, kind in kinds.items() if kind == "other"]

    def _planes_among(self, paths: list[Path]) -> Iterable[tuple[Path, ...]]:
        """Yield files alone, or with `planes` those together whose names say so."""
        while paths:
            count = 1
            if self._planes:
                count = max((n for n in (2, 3, 4) if are_planes(paths[:n])), default=1)
            yield tuple(paths[:count])
            paths = paths[count:]

    def _alone(self, path: Path) -> Stack:
        return Stack((path,), beside=self._beside(path))

    def _may_be_frames(self, path: Path) -> bool:
        is_named = path.suffix.lower() in ENDINGS and not path.name.startswith(".")
        return is_named and not _is_result(path)

    def _kind_of(self, path: Path) -> str:
        """Return movie, or other for what is none."""
        seen = self._look_at(path)
        if not seen.kind:
            is_movie = looks_like_frames(path)
            is_other = not is_movie and not are_damaged_frames(path)
            seen = self._seen[path] = seen._replace(kind="other" if is_other else "movie")
        return seen.kind

    def _beside(self, path: Path) -> tuple[Path, ...]:
        """Return the other files that belong to one."""
        return self._look_at(path).beside

    def _look_at(self, path: Path) -> _Seen:
        """Return what is known of a file as it is now; its first page is read if it is new."""
        try:
            status = path.stat()
        except OSError:  # not there, or gone meanwhile
            return _Seen((0, 0), (), "other")
        state = (status.st_size, status.st_mtime_ns)
        seen = self._seen.get(path)
        if seen is None or seen.state != state:
            names = sorted(other_files_of(path))
            beside = tuple(path.with_name(name) for name in names)
            seen = self._seen[path] = _Seen(state, beside, "")
        return seen


class _Seen(NamedTuple):
    """What is known of a file.

    Attributes
    ----------
    state : its size and the time of its last change.
    kind : movie or other, "" before anybody asked.
    """

    state: tuple[int, int]
    beside: tuple[Path, ...]
    kind: str


def _is_result(path: Path) -> bool:
    """Whether a file is one that a reconstruction or a batch wrote."""
    return path.name in RESULT_NAMES or (path.parent / RECORD_NAME).is_file()


def looks_like_zarr(path: Path) -> bool:
    """Whether a folder is one stack."""
    from napari_deepsmlm.io.frames._zarr import is_zarr

    return is_zarr(path)


def absolute(path: str | Path) -> Path:
    """Return where a path is, `..` and `~` resolved but not links."""
    return Path(os.path.abspath(Path(path).expanduser()))
