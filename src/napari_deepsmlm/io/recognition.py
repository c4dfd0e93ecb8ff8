"""Which images on disk are blinking movies: a viewer must claim those and leave the rest."""

from __future__ import annotations

import math
from pathlib import Path

from napari_deepsmlm.io._pages import PageTable
from napari_deepsmlm.io.metadata import declared_sizes

_MIN_MOVIE_FRAMES = 10
_MAX_MOVIE_PLANES = 4
_MOVIE_SIDES = range(8, 4097)


def looks_like_frames(path: str | Path) -> bool:
    """Whether a TIFF is probably a blinking movie, judged by its first pages alone.

    A napari reader must claim movies and leave all other images to others, so each condition
    excludes something common: ten or more frames (snapshots, small z-stacks, channels), grey
    levels (RGB, label overlays), sides of 8 to 4096 pixels (slide scanners, line scans), no
    sub-images (pyramids), at most four planes and only one long axis (volumes over time).
    A damaged file is not ours to claim: False, never an error.
    """
    try:
        table = PageTable(Path(path), max_pages=_MIN_MOVIE_FRAMES)
    except (ValueError, OSError):
        return False
    try:
        return _is_movie(table)
    finally:
        table.file.close()


def _is_movie(table: PageTable) -> bool:
    if any(page.has_sub_images or page.is_reduced for page in table.pages):
        return False
    if not all(side in _MOVIE_SIDES for side in table.frame_shape) or table.layout.bits < 8:
        return False
    sizes = declared_sizes(table.chain.remarks(table.pages[0]))
    if math.prod(sizes) > 1:
        n_long_axes = sum(size >= _MIN_MOVIE_FRAMES for size in sizes)
        n_planes = math.prod(sizes) // max(sizes)
        return n_long_axes == 1 and n_planes <= _MAX_MOVIE_PLANES
    return table.n_promised >= _MIN_MOVIE_FRAMES
