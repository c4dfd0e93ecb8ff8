"""Keeping: what is done is not lost for a frame, a file that goes, or a run that is stopped."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from napari_deepsmlm._files import atomic_write, refuse_to_replace
from napari_deepsmlm._words import counted
from napari_deepsmlm.io import write_image, write_localizations
from napari_deepsmlm.io.result_files import IMAGE_NAME, REPORT_NAME, RESULT_NAMES, TABLE_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from napari_deepsmlm.inference.predicted import Predicted
    from napari_deepsmlm.io import FrameSource
    from napari_deepsmlm.reconstruction.events import Reconstruction

_MAX_NAMED = 10


class KeptNothing(Exception):
    """Nothing was done, so nothing is written, and what there was before stays."""


class Losses:
    """What a run could not use, and how it ended.

    Attributes
    ----------
    unusable : numbers of the frames that gave nothing.
    problem : why reading ended early, "" if it did not.
    """

    def __init__(self) -> None:
        self.unusable: list[int] = []
        self.problem = ""

    def until_unreadable(self, predictions: Iterable[Predicted]) -> Iterator[Predicted]:
        """Yield predictions; frames that can no longer be read end them once there are some.

        Raises
        ------
        OSError, ValueError
            If already the first cannot be read, or not one of the frames can be used.
        """
        n_done = 0
        try:
            for predicted in predictions:
                self.unusable += predicted.unusable
                n_done += predicted.n_frames
                yield predicted
        except (OSError, ValueError) as error:
            if n_done == len(self.unusable):  # not one that was of use
                raise
            self.problem = " ".join(str(error).split())

    def sentences(self, done: int, n_frames: int) -> Iterator[str]:
        """Yield what the person who judges the result must know."""
        if self.unusable:
            named = ", ".join(map(str, self.unusable[:_MAX_NAMED]))
            more = len(self.unusable) - _MAX_NAMED
            named += f" and {more} more" if more > 0 else ""
            yield (
                f"{len(self.unusable)} of {done} frames are damaged or hold NaN or infinite values "
                f"and gave nothing: {named} (counted from 0)."
            )
        if self.problem:
            yield (
                f"{self.problem.rstrip('.')}. The {done} of {n_frames} frames before it were kept."
            )
        elif done < n_frames:
            yield f"Stopped after {done:,} of {counted(n_frames, 'frame')}."
            if not done:
                yield "Nothing was written; earlier results are as they were."


def refuse_results(folder: Path, source: FrameSource | None, *, overwrite: bool) -> None:
    """Keep earlier results, and inputs of the same names.

    Raises
    ------
    FileExistsError
        One sentence: what lies there and what to do.
    """
    inputs = [] if source is None or source.path is None else [source.path]
    refuse_to_replace(folder / IMAGE_NAME, [], inputs=inputs)
    there = [name for name in RESULT_NAMES if (folder / name).exists()]
    if there and not overwrite:
        raise FileExistsError(
            f"{folder} holds {' and '.join(there)} already: choose another --out, or give "
            "--overwrite (overwrite=True in Python) to replace them."
        )


def write_results(result: Reconstruction, folder: Path) -> None:
    """Write image, table and report, each whole or not at all; who calls it holds the folder.

    Image and table that were written there as they came are left as they are.
    """
    report, there = result.report.to_json(), result.sink.folder
    if there is None or there.resolve() != folder.resolve():
        image, nm = result.image, result.sr_pixel_nm
        write_image(folder / IMAGE_NAME, image, pixel_size_nm=nm, report=report)
        write_localizations(result.localizations, folder / TABLE_NAME)
    with atomic_write(folder / REPORT_NAME) as file:
        file.write(json.dumps(report, indent=2).encode())
