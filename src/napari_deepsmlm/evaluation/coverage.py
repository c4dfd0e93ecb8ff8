"""Coverage: the frames and the region that a result is of, and the truth cut down to them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from pydantic import Field

from napari_deepsmlm._base import FrozenModel
from napari_deepsmlm.io import is_image, read_report
from napari_deepsmlm.io.result_files import REPORT_NAME
from napari_deepsmlm.localizations import Localizations

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    Array = np.ndarray[Any, Any]

SAME_PLACE_NM = 1.0
"""Rows of a truth without identities that are as near in one sum of frames are one molecule."""
SHARE_SAID = 0.05
"""So many localizations outside of the frames of the truth are said."""


class Coverage(FrozenModel):
    """What of a stack a result is of.

    Examples
    --------
    >>> Coverage(first_frame=20, n_frames=30, sum_frames=10).groups([20, 29, 30, 49]).tolist()
    [20, 20, 30, 40]
    """

    first_frame: int = Field(0, description="Counted from 0.")
    n_frames: int = Field(ge=1, description="Camera frames that were reconstructed.")
    sum_frames: int = Field(1, ge=1, description="Camera frames summed for each input.")
    window: int | None = Field(None, ge=1, description="Frames of a time-lapse's image.")
    box_nm: tuple[float, float, float, float] | None = Field(
        None, description="x, y of the region's first corner and of its last; None: all."
    )
    is_stated: bool = Field(True, description="By the report; else the first to the last row's.")

    @property
    def frames(self) -> range:
        """The camera frames."""
        return range(self.first_frame, self.first_frame + self.n_frames)

    def moved(self, x_nm: float, y_nm: float) -> Self:
        """Return it for positions that count from elsewhere."""
        if self.box_nm is None:
            return self
        x0, y0, x1, y1 = self.box_nm
        return self.replace(box_nm=(x0 + x_nm, y0 + y_nm, x1 + x_nm, y1 + y_nm))

    def holds(self, table: Localizations) -> Array:
        """Return which rows lie in its frames and its region."""
        is_in = (table.frame >= self.frames.start) & (table.frame < self.frames.stop)
        return np.asarray(is_in & self._is_in_box(table))

    def groups(self, frame: Any) -> Array:
        """Return the frame that the result counts a frame as: the first of its sum."""
        since = np.asarray(frame) - self.first_frame
        window = self.window or self.n_frames
        place = since % window
        return np.asarray(self.first_frame + since - place % self.sum_frames)

    def _is_in_box(self, table: Localizations) -> Any:
        if self.box_nm is None:
            return np.ones(len(table), bool)
        x0, y0, x1, y1 = self.box_nm
        is_in = (table.x_nm >= x0) & (table.x_nm < x1)
        return is_in & (table.y_nm >= y0) & (table.y_nm < y1)


def coverage_of(report: Mapping[str, Any]) -> Coverage | None:
    """Return what a result is of, None if the report of its making does not say.

    Parameters
    ----------
    report : of a reconstruction: `report.json`, or what a layer knows of its making.
    """
    try:
        options, pixel_nm = report["inputs"]["options"], report["pixel_size_nm"]
        region = options.get("region")
        y, x, y_end, x_end = region or (0, 0, 0, 0)
        values = {
            "first_frame": options["frame_range"][0],
            "n_frames": report["frames"],
            "sum_frames": options.get("sum_frames", 1),
            "window": options.get("window"),
            "box_nm": [pixel_nm * side for side in (x, y, x_end, y_end)] if region else None,
        }
        return Coverage.from_dict(values, source="report")
    except (KeyError, TypeError, ValueError, IndexError):  # of another program or version
        return None


def coverage_of_file(path: Path) -> Coverage | None:
    """Return what a file is of, by the report inside an image or beside a table, if any."""
    try:
        if is_image(path):
            report = read_report(path)
        else:
            report = json.loads((path.parent / REPORT_NAME).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return coverage_of(report) if isinstance(report, dict) else None


def coverage_of_table(table: Localizations, stated: Coverage | None = None) -> Coverage | None:
    """Return what a table is of: as stated, if all its rows are in those frames, else by its rows.

    None if there are no rows.
    """
    if not len(table):
        return stated
    first, last = int(table.frame.min()), int(table.frame.max())
    if stated is not None and first in stated.frames and last in stated.frames:
        return stated
    return Coverage(first_frame=first, n_frames=last - first + 1, is_stated=False)


def cut_truth(
    truth: Localizations,
    coverage: Coverage | None,
    *,
    is_all: bool = False,
    count_from: int = 1,
    way_out: str = "--all-frames",
) -> tuple[Localizations, list[str]]:
    """Return the true molecules that a result can be held against, and what was left out.

    Parameters
    ----------
    coverage : of the result; None: all of the truth.
    is_all : count all frames and the whole field, whatever the result is of.
    count_from : number of the first frame in the sentences.
    way_out : the option that counts all, as the sentences name it.
    """
    if coverage is None:
        return truth, []
    remarks: list[str] = []
    kept = truth
    if not is_all:
        kept = truth[coverage.holds(truth)]
        remarks += _left_out(truth, kept, coverage, count_from, way_out)
    if coverage.sum_frames > 1:
        kept = _summed(kept, coverage)
        remarks.append(
            f"The result is of sums of {coverage.sum_frames} frames, so a true molecule counts "
            "once in each of them."
        )
    return kept, remarks


def beyond_truth(found: Localizations, truth: Localizations) -> list[str]:
    """Return a sentence if much of a result lies in frames that the truth does not reach."""
    if not len(found) or not len(truth):
        return []
    is_beyond = (found.frame > truth.frame.max()) | (found.frame < truth.frame.min())
    n = int(is_beyond.sum())
    if n <= SHARE_SAID * len(found):
        return []
    return [
        f"{n:,} of {len(found):,} localizations are in frames before the first or after the last "
        "true molecule, and count as false: is the truth that of the whole stack?"
    ]


def _left_out(
    truth: Localizations, kept: Localizations, coverage: Coverage, count_from: int, way_out: str
) -> Iterator[str]:
    if len(kept) == len(truth):
        return
    frames = coverage.frames
    first, last = int(truth.frame.min()), int(truth.frame.max())
    if first < frames.start or last >= frames.stop:
        shown = f"{frames.start + count_from:,} to {frames.stop - 1 + count_from:,}"
        shown += f", counted from {count_from}"
        # Frames before the first true molecule are the truth's too: it begins with the stack.
        n_true = last + 1
        why = (
            ""
            if coverage.is_stated
            else f" The table does not say which were reconstructed; {way_out} counts all."
        )
        yield (
            f"The truth has {n_true:,} frames, the result {len(frames):,} ({shown}): the others "
            f"were left out.{why}"
        )
    if coverage.box_nm is not None:
        x0, y0, x1, y1 = (side / 1e3 for side in coverage.box_nm)
        yield (
            f"The result is of a region (x {x0:.4g} to {x1:.4g} µm, y {y0:.4g} to {y1:.4g} µm): "
            "the truth outside of it was left out."
        )
    yield f"{len(kept):,} of {len(truth):,} true molecules are compared with."


def _summed(truth: Localizations, coverage: Coverage) -> Localizations:
    """Return molecules once for each sum of frames, at their mean place, with all their light."""
    if not len(truth):
        return truth
    table = truth.to_dataframe()
    table["frame"] = coverage.groups(table["frame"])
    if "molecule" in table:
        who = [table["molecule"]]
    else:
        who = [np.rint(table[name] / SAME_PLACE_NM) for name in ("x_nm", "y_nm")]
    how = dict.fromkeys(table.columns, "mean")
    special = {"frame": "first", "molecule": "first", "id": "first", "photons": "sum"}
    how |= {name: way for name, way in special.items() if name in how}
    keys = [key.to_numpy() for key in (table["frame"], *who)]
    merged = table.groupby(keys, dropna=False).agg(how).reset_index(drop=True)
    if "background" in merged:
        merged["background"] *= coverage.sum_frames
    return Localizations.from_dataframe(merged)
