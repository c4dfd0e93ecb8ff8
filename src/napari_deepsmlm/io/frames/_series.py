"""Several files as one movie: one after the other in time, or beside each other as planes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_deepsmlm.io.frames._planes import Frames, Opened, PlaneLayout, Planes, Shape

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_deepsmlm.io.frames._planes import Frames, Opened, Planes, Shape

# Files that are held open at a time: a system allows a process about a thousand.
_MAX_OPEN = 64


class Series:
    """Several files one after the other in time."""

    def __init__(self, parts: list[Planes]) -> None:
        self._parts = parts
        self._starts = np.cumsum([0, *(part.shape[0] for part in parts)])
        self.shape: Shape = (int(self._starts[-1]), *parts[0].shape[1:])
        self.dtype = parts[0].dtype

    def read(self, start: int, stop: int) -> Frames:
        """Return frames start <= t < stop as (stop - start, C, H, W)."""
        frames = np.empty((stop - start, *self.shape[1:]), self.dtype)
        starts = self._starts.tolist()
        number = int(np.searchsorted(self._starts, start, side="right")) - 1
        while start < stop:
            part, first = self._parts[number], starts[number]
            end = min(stop, starts[number + 1])
            if start < end:
                place = slice(len(frames) - (stop - start), len(frames) - (stop - end))
                frames[place] = part.read(start - first, end - first)
            if len(self._parts) > _MAX_OPEN:
                part.close()
            start, number = end, number + 1
        return frames

    def close(self) -> None:
        """Close all files."""
        for part in self._parts:
            part.close()


class SideBySide:
    """Several files that were taken at the same time: each one is a plane, or some planes."""

    def __init__(self, parts: list[Planes], n_frames: int) -> None:
        self._parts = parts
        n_planes = sum(part.shape[1] for part in parts)
        self.shape: Shape = (n_frames, n_planes, *parts[0].shape[2:])
        self.dtype = parts[0].dtype

    def read(self, start: int, stop: int) -> Frames:
        """Return frames start <= t < stop as (stop - start, C, H, W)."""
        return np.concatenate([part.read(start, stop) for part in self._parts], axis=1)

    def close(self) -> None:
        """Close all files."""
        for part in self._parts:
            part.close()


def open_series(paths: list[Path], open_one: Callable[[Path], Opened]) -> Opened:
    """Open files as one movie, one after the other in time.

    Raises
    ------
    ValueError
        If their frames are not alike.
    """
    parts = _open_all(paths, open_one, keep_open=len(paths) <= _MAX_OPEN)
    return _together(paths, parts, Series([part.planes for part in parts]))


def open_side_by_side(
    paths: list[Path], open_one: Callable[[Path], Opened], *, allow_truncated: bool
) -> Opened:
    """Open files as the planes of one movie, in the order given.

    Raises
    ------
    ValueError
        If their frames are not alike, or one has fewer of them (unless `allow_truncated`).
    """
    parts = _open_all(paths, open_one, keep_open=True)
    lengths = [part.planes.shape[0] for part in parts]
    if min(lengths) < max(lengths) and not allow_truncated:
        for part in parts:
            part.planes.close()
        short = lengths.index(min(lengths))
        raise ValueError(
            f"{paths[short].name}: has {min(lengths)} frames but "
            f"{paths[lengths.index(max(lengths))].name} has {max(lengths)}; planes of one movie "
            "have as many frames, so give files that were recorded together."
        )
    planes = SideBySide([part.planes for part in parts], min(lengths))
    layout = PlaneLayout("P", (planes.shape[1],))  # cameras, focal planes or colours
    return replace(_together(paths, parts, planes), layout=layout)


def _open_all(
    paths: list[Path], open_one: Callable[[Path], Opened], keep_open: bool
) -> list[Opened]:
    parts: list[Opened] = []
    try:
        for path in paths:
            parts.append(open_one(path))
            _require_alike(paths[0].name, parts[0].planes, path.name, parts[-1].planes)
            if not keep_open:
                parts[-1].planes.close()
    except BaseException:
        for part in parts:
            part.planes.close()
        raise
    return parts


def _together(paths: list[Path], parts: list[Opened], planes: Planes) -> Opened:
    warnings = [
        f"{path.name}: {warning}"
        for path, part in zip(paths, parts, strict=True)
        for warning in part.warnings
    ]
    first = parts[0]
    return replace(first, planes=planes, warnings=tuple(warnings))


def _require_alike(first_name: str, first: Planes, name: str, planes: Planes) -> None:
    if first.shape[1:] != planes.shape[1:] or first.dtype != planes.dtype:
        raise ValueError(
            f"{name}: its frames are {planes.shape[1:]} {planes.dtype} (C, H, W) but those of "
            f"{first_name} are {first.shape[1:]} {first.dtype}; give files of one movie."
        )
