"""Telling: how far a run is, what it gave, and which of its molecules are drawn, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_deepsmlm._words import counted
from napari_deepsmlm.plugin.widgets.parts import duration

if TYPE_CHECKING:
    from napari_deepsmlm.plugin.reconstruct.overlay import Overlay
    from napari_deepsmlm.reconstruction import Progress, Reconstruction


def progress_in_words(progress: Progress) -> str:
    """Return the speed of a run, the time left, and what it has found."""
    return (
        f"{progress.frames_per_second:.3g} frames/s, "
        f"{duration(progress.seconds_left)} left, "
        f"{counted(progress.n_localizations, 'localization')}"
    )


def result_in_words(result: Reconstruction, drawn: str) -> str:
    """Return what a run gave; `drawn` is what :func:`draw_points` says of its points."""
    report = result.report
    return (
        f"{counted(report.frames, 'frame')} in {duration(report.seconds)}, "
        f"{counted(len(result.localizations), 'localization')}{drawn}."
    )


def draw_points(result: Reconstruction, overlay: Overlay, most: int | None) -> str:
    """Draw the localizations if they are few enough; return what was done.

    Parameters
    ----------
    most : how many are drawn at most, None: however many.
    """
    n = len(result.localizations)
    if not n or not overlay.is_over_frames or most == 0:
        return ""
    if most is not None and n > most:
        return f", more than {most:,} and so only in the image"
    overlay.show_points(result.localizations)
    is_summed = result.report.inputs.options.sum_frames > 1
    where = "the first frame of each sum" if is_summed else "their frames"
    return f", as rings in {where}: show their layer to see them"
