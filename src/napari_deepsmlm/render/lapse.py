"""Lapse: a table drawn window by window, so that what moves can be seen to move."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_deepsmlm.localizations import count_frames
from napari_deepsmlm.render.options import RenderOptions, draw, field_shape

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from napari_deepsmlm._windows import Windows
    from napari_deepsmlm.localizations import Localizations


def frames_of_lapse(table: Localizations, windows: Windows) -> list[range]:
    """Return the frames of each image, from frame 0 to the last of the table.

    Examples
    --------
    >>> from napari_deepsmlm._windows import Windows
    >>> from napari_deepsmlm.localizations import Localizations
    >>> table = Localizations(frame=[0, 7], x_nm=[5.0, 25.0], y_nm=[5.0, 15.0])
    >>> frames_of_lapse(table, Windows(length=4, step=2))
    [range(0, 4), range(2, 6), range(4, 8)]
    """
    n_frames = count_frames(table) or 1
    return [windows.frames(k, n_frames) for k in range(windows.count(n_frames))]


def draw_lapse(
    table: Localizations,
    windows: Windows,
    shape: tuple[int, int] | None = None,
    *,
    options: RenderOptions,
) -> Iterator[np.ndarray[Any, Any]]:
    """Yield (rows, columns) molecules per pixel of each window, one image at a time.

    Parameters
    ----------
    shape : of the images; as far as all molecules reach if not given.
    """
    shape = shape or field_shape(table, options.sr_pixel_nm)
    ordered = table if table.is_sorted else table.sort("frame")
    for frames in frames_of_lapse(table, windows):
        part = ordered.in_frames(frames.start, frames.stop)
        yield draw(part, shape, options=options).numpy()
