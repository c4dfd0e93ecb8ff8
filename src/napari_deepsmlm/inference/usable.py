"""Frames that can be used: one that is damaged or holds NaN gives nothing, and costs no other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_deepsmlm.io import DamagedFrameError

if TYPE_CHECKING:
    from napari_deepsmlm.inference.tiles import Region
    from napari_deepsmlm.io import FrameSource

    Frames = np.ndarray[Any, Any]
    Bools = np.ndarray[Any, np.dtype[np.bool_]]


def usable_frames(
    source: FrameSource, start: int, stop: int, region: Region | None = None
) -> tuple[Frames, Bools]:
    """Read frames, and fill those that cannot be used with their background.

    Pixels outside the region that are not finite are filled alike, as the network sees some of
    them too.

    Parameters
    ----------
    region : the part that is looked at; all if not given.

    Returns
    -------
    frames : (stop - start, C, H, W), all finite.
    is_bad : which of them are damaged, or hold NaN or infinite values in the region.

    Raises
    ------
    FrameReadError
        If the file can no longer be read.
    ValueError
        If not one frame can be used; with the region that can, if there is one.
    """
    frames, is_bad = _read(source, start, stop)
    damaged = is_bad.copy()
    if frames.dtype.kind == "f":
        # Networks compute in single precision, where larger values are infinite.
        is_finite = np.abs(frames) <= np.finfo(np.float32).max
        rows, columns = (slice(None),) * 2 if region is None else _slices(region)
        is_bad |= ~is_finite[..., rows, columns].all(axis=(1, 2, 3))
        if is_bad.all() and not damaged.any():
            raise ValueError(_all_bad(source, start, stop, np.asarray(is_finite.all(axis=(0, 1)))))
        for t in np.flatnonzero(~is_finite.all(axis=(1, 2, 3))):
            frames[t][~is_finite[t]] = _level(frames[t][is_finite[t]])
    for number in np.flatnonzero(is_bad).tolist():
        is_lost = bool(damaged[number])
        level = _level_near(frames, is_bad, number) if is_lost else _level(frames[number])
        frames[number] = level
    return frames, is_bad


def _read(source: FrameSource, start: int, stop: int) -> tuple[Frames, Bools]:
    """Read frames together, or where one of them is damaged one by one."""
    is_damaged = np.zeros(stop - start, bool)
    try:
        return source.read(start, stop), is_damaged
    except DamagedFrameError as error:
        problem = error
    frames = np.zeros((stop - start, *source.shape[1:]), source.dtype)
    for t in range(stop - start):
        try:
            frames[t] = source.read(start + t, start + t + 1)[0]
        except DamagedFrameError as error:
            problem = error
            is_damaged[t] = True
    if is_damaged.all() and len(is_damaged) > 1:
        raise problem
    return frames, is_damaged


def _level(values: Frames) -> Any:
    return np.median(values) if values.size else 0


def _level_near(frames: Frames, is_bad: Bools, t: int) -> Any:
    """Return the background of the nearest frame that can be used."""
    good = np.flatnonzero(~is_bad)
    return _level(frames[good[np.argmin(np.abs(good - t))]]) if len(good) else 0


def _slices(region: Region) -> tuple[slice, slice]:
    return slice(region.y, region.y_end), slice(region.x, region.x_end)


def _all_bad(source: FrameSource, start: int, stop: int, is_finite: Bools) -> str:
    """Say that no frame can be used, and which part of them can."""
    which = f"Frame {start}" if stop == start + 1 else f"All of the frames {start}:{stop}"
    verb = "holds" if stop == start + 1 else "hold"
    rows, columns = _without_margins(is_finite)
    sentence = f"{which} (counted from 0) {verb} NaN or infinite values"
    if is_finite[rows, columns].all() and is_finite[rows, columns].size:
        region = f"{rows.start},{columns.start},{rows.stop},{columns.stop}"
        return f"{sentence} at the margin: choose the region without it, --region {region}."
    return f"{sentence}: choose other frames, or a region without them."


def _without_margins(is_finite: Bools) -> tuple[slice, slice]:
    """Take off rows and columns at the margins, the worst first, until none holds a bad value."""
    rows, columns = slice(0, is_finite.shape[0]), slice(0, is_finite.shape[1])
    while not is_finite[rows, columns].all() and is_finite[rows, columns].size:
        part = ~is_finite[rows, columns]
        shares = [part[0].mean(), part[-1].mean(), part[:, 0].mean(), part[:, -1].mean()]
        side = int(np.argmax(shares))
        if not shares[side]:
            break
        rows = slice(rows.start + (side == 0), rows.stop - (side == 1))
        columns = slice(columns.start + (side == 2), columns.stop - (side == 3))
    return rows, columns
