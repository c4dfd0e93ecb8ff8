"""Stacks: what files, folders and patterns stand for, as a list of movies."""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from napari_deepsmlm.io.frames.source import natural_order

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Input = str | tuple[str, ...]

ENDINGS = (*TIFF_ENDINGS, ".npy", ".zarr", ".raw", ".dax")
RECIPE_ENDINGS = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Stack:
    """One movie: a file, or the files it is made of.

    Attributes
    ----------
    are_planes : whether the files were recorded at the same time, as focal planes.
    """

    paths: tuple[Path, ...]
    are_planes: bool = False

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
            if len(self.paths) == 1:
                others = (path.with_name(name) for name in sorted(other_files_of(path)))
                found += [other for other in others if other.is_file()]
        return found


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
    out : the folder of the results, where no input is looked for.
    planes : several files together are focal planes, not a series in time.
    """

    def __init__(self, inputs: Sequence[Input], out: Path, *, planes: bool = False) -> None:
        self.inputs, self._planes = tuple(inputs), planes
        self._out = absolute(out)
        self._seen: dict[Path, tuple[int, int, str]] = {}

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
            return [Stack((path,))], []
        names = glob.glob(str(path), recursive=True)
        paths = natural_order(path for path in map(Path, names) if not self._is_result(path))
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
            parts = {path.with_name(name) for path in here for name in other_files_of(path)}
            stacks += [Stack((path,)) for path in here if path not in parts]
        return stacks

    def _of_folder(self, folder: Path) -> tuple[list[Stack], list[Path]]:
        """Return the movies directly in a folder, and what looks like some but is none.

        What cannot be opened is among the movies: it is a mistake that a person must hear of.
        """
        if self._is_result(folder):
            return [], []
        files = natural_order(path for path in folder.iterdir() if self._may_be_frames(path))
        images = [path for path in files if path.suffix.lower() in TIFF_ENDINGS]
        stacks: list[Stack] = []
        if looks_like_series(images):
            stacks = [Stack(tuple(files)) for files in movies_in_folder(folder)]
            files = [path for path in files if path not in set(images)]
        kinds = {path: self._kind_of(path) for path in files}
        movies = [path for path, kind in kinds.items() if kind != "other"]
        parts = {path.with_name(name) for path in movies for name in other_files_of(path)}
        groups = self._planes_among([path for path in movies if path not in parts])
        stacks += [Stack(group, len(group) > 1) for group in groups]
        return stacks, [path for path, kind in kinds.items() if kind == "other"]

    def _planes_among(self, paths: list[Path]) -> Iterable[tuple[Path, ...]]:
        """Yield files alone, or with `planes` those together whose names say so."""
        while paths:
            count = 1
            if self._planes:
                count = max((n for n in (2, 3, 4) if are_planes(paths[:n])), default=1)
            yield tuple(paths[:count])
            paths = paths[count:]

    def _may_be_frames(self, path: Path) -> bool:
        is_named = path.suffix.lower() in ENDINGS and not path.name.startswith(".")
        return is_named and not self._is_result(path)

    def _is_result(self, path: Path) -> bool:
        return self._out in (path, *path.parents)

    def _kind_of(self, path: Path) -> str:
        try:
            status = path.stat()
        except OSError:  # gone meanwhile
            return "other"
        seen = self._seen.get(path)
        if seen is None or seen[:2] != (status.st_size, status.st_mtime_ns):
            is_movie = looks_like_frames(path)
            is_other = not is_movie and not are_damaged_frames(path)
            kind = "other" if is_other else "movie"
            seen = self._seen[path] = (status.st_size, status.st_mtime_ns, kind)
        return seen[2]


def looks_like_zarr(path: Path) -> bool:
    """Whether a folder is one stack."""
    from napari_deepsmlm.io.frames._zarr import is_zarr

    return is_zarr(path)


def absolute(path: str | Path) -> Path:
    """Return where a path is, `..` and `~` resolved but not links."""
    return Path(os.path.abspath(Path(path).expanduser()))
