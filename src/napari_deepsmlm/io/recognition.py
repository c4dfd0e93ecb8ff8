"""Which files are blinking movies or localizations: a viewer claims those and leaves the rest."""

from __future__ import annotations

import math
from pathlib import Path

from napari_deepsmlm.io._hdf5 import SIGNATURE
from napari_deepsmlm.io._pages import PageTable
from napari_deepsmlm.io._storage import ReadOnlyFile
from napari_deepsmlm.io.challenge import is_challenge
from napari_deepsmlm.io.columns import split_header
from napari_deepsmlm.io.csv_tables import header_cells
from napari_deepsmlm.io.metadata import declared_sizes
from napari_deepsmlm.io.picasso import TABLE

_MIN_MOVIE_FRAMES = 10
_MAX_MOVIE_PLANES = 4
_MOVIE_SIDES = range(8, 4097)
_TABLE_HEAD_BYTES = 1 << 16


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


def looks_like_localizations(path: str | Path) -> bool:
    """Whether a file is probably a table of localizations, judged by its first bytes alone.

    A napari reader must leave other CSV files to others: those that napari writes of points have
    neither a `frame` nor units. Of HDF5 it takes those with a name `locs`, as Picasso writes.
    """
    try:
        file = ReadOnlyFile(Path(path))
        head = file.read_at(0, _TABLE_HEAD_BYTES)
        file.close()
    except (ValueError, OSError):
        return False
    if head.startswith(SIGNATURE):
        return TABLE.encode() + b"\0" in head
    labels = dict(split_header(cell) for cell in header_cells(head))
    has_positions = all(labels.get(name, "") for name in ("x", "y"))
    return ("frame" in labels and has_positions) or is_challenge(head)
