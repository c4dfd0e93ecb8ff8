"""Rows of a table that are of use, and frames counted from 0: with a word on what was left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_deepsmlm.io.tables.programs import Program

MEAN_FRAME = "mean_frame"
_MAX_FRAME = 2**53


def usable_rows(
    name: str,
    columns: dict[str, npt.NDArray[Any]],
    headers: Mapping[str, str],
    program: Program,
) -> tuple[dict[str, npt.NDArray[Any]], list[str]]:
    """Return the rows that have a frame and a position, frames from 0, and remarks.

    Parameters
    ----------
    name : of the file, for errors.
    columns : under our names and in our units; `frame` as the file counts it.
    headers : how the file calls them.
    program : whether frames begin at 0 or 1; where that is not known, at 0 if there is a frame 0.

    Raises
    ------
    ValueError
        If no row is of use, or a frame is no frame number.
    """
    columns, remarks = _with_positions(name, columns, headers)
    frame, remark = _frames_from_zero(name, columns["frame"], program)
    mean = frame if (frame != np.rint(frame)).any() else None
    columns = {**columns, "frame": np.rint(frame).astype(np.int64)}
    if mean is not None:
        columns[MEAN_FRAME] = mean
        n_mean = int((mean != np.rint(mean)).sum())
        remarks.append(
            f"{n_mean:,} of {len(mean):,} rows have a mean frame instead of a frame number; it was "
            f"rounded, and kept as '{MEAN_FRAME}' (from 0)."
        )
    return columns, [*remarks, *remark]


def _with_positions(
    name: str, columns: dict[str, npt.NDArray[Any]], headers: Mapping[str, str]
) -> tuple[dict[str, npt.NDArray[Any]], list[str]]:
    is_usable = np.ones(len(columns["frame"]), bool)
    for own in ("frame", "x_nm", "y_nm"):
        is_finite = np.isfinite(columns[own])
        if not is_finite.all():
            is_usable &= is_finite
    n_all, n_lost = len(is_usable), int((~is_usable).sum())
    if n_lost == 0:
        return columns, []
    row = int(np.argmin(is_usable))
    own = next(c for c in ("frame", "x_nm", "y_nm") if not np.isfinite(columns[c][row]))
    what = "empty or NaN" if np.isnan(columns[own][row]) else "infinite"
    where = f"row {row + 1} of '{headers.get(own, own)}' is {what}"
    if n_lost == n_all:
        raise ValueError(
            f"{name}: {where}, and no row has a frame and a position; export the table again."
        )
    kept = {own: values[is_usable] for own, values in columns.items()}
    return kept, [
        f"{n_lost:,} of {n_all:,} rows {'has' if n_lost == 1 else 'have'} no frame or position and "
        f"{'was' if n_lost == 1 else 'were'} left out ({where})."
    ]


def _frames_from_zero(
    name: str, frame: npt.NDArray[np.float64], program: Program
) -> tuple[npt.NDArray[np.float64], list[str]]:
    if not len(frame):
        return frame, []
    lowest = float(frame.min())
    first = program.first_frame
    remarks: list[str] = []
    if first is None:
        first = 1 if np.rint(lowest) >= 1 else 0
        if first == 0 and lowest >= 0:
            remarks.append("Frames were counted from 0.")
    is_wrong = (frame < first - 0.5) | (frame > _MAX_FRAME)
    if is_wrong.any():
        row = int(np.argmax(is_wrong))
        limits = f"from {first}" if frame[row] < first else f"below {_MAX_FRAME:,}"
        raise ValueError(
            f"{name}: row {row + 1} has frame {frame[row]:g}; frames must be numbers {limits}."
        )
    return frame - first, remarks
