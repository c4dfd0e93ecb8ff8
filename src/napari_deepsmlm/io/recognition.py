"""Which files are blinking movies or localizations: a viewer claims those and leaves the rest."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING

from napari_deepsmlm.io._storage import ReadOnlyFile
from napari_deepsmlm.io.frames._pages import PageTable
from napari_deepsmlm.io.frames._zarr import is_zarr
from napari_deepsmlm.io.frames.file_names import by_place, natural_order
from napari_deepsmlm.io.frames.metadata import declared_sizes
from napari_deepsmlm.io.frames.opening import open_frames
from napari_deepsmlm.io.frames.tiff import description_of
from napari_deepsmlm.io.tables._hdf5 import SIGNATURE
from napari_deepsmlm.io.tables.picasso import TABLE
from napari_deepsmlm.io.tables.text_tables import looks_like_text_table

if TYPE_CHECKING:
    from collections.abc import Sequence

MIN_MOVIE_FRAMES = 10
TIFF_ENDINGS = (".tif", ".tiff", ".btf", ".tf8", ".stk")
RAW_ENDINGS = (".raw", ".dax")

_PLANE_NAME = re.compile(
    r"(?P<before>.*?(?<![a-z]))(?P<word>plane|camera|cam|channel|ch|focus)[ _.-]*"
    r"(\d{1,2}|[a-d])(?![a-z0-9])(?P<after>.*)"
)
_MAX_MOVIE_PLANES = 4
_MOVIE_SIDES = range(8, 4097)
_TABLE_HEAD_BYTES = 1 << 16
_MATLAB_BLOCK = 512


def looks_like_frames(path: str | Path) -> bool:
    """Whether a file, or a zarr folder, is probably a blinking movie; TIFFs by their first pages.

    A napari reader must claim movies and leave all other images to others, so each condition
    excludes something common: ten or more frames (snapshots, small z-stacks, channels), grey
    levels (RGB, label overlays), sides of 8 to 4096 pixels (slide scanners, line scans), no
    sub-images (pyramids), at most four planes and only one long axis (volumes over time).
    A damaged file is not ours to claim: False, never an error. What is claimed without a look is
    a raw movie, which tells nothing without its neighbour: opening it says if that is missing.
    """
    path = Path(path)
    if path.suffix.lower() in RAW_ENDINGS:
        return path.is_file()
    if path.suffix.lower() == ".npy" or is_zarr(path):
        return _is_movie_array(path)
    try:
        table = PageTable(path, max_pages=MIN_MOVIE_FRAMES)
    except (ValueError, OSError):
        return False
    try:
        return _is_movie(table)
    finally:
        table.file.close()


def looks_like_series(paths: Sequence[Path]) -> bool:
    """Whether many TIFFs are single images, as a camera writes a movie; a few of them are read."""
    if len(paths) < MIN_MOVIE_FRAMES:
        return False
    return all(map(_is_single_image, paths[:: max(1, len(paths) // MIN_MOVIE_FRAMES)]))


def movies_in_folder(folder: str | Path) -> list[list[Path]]:
    """Return the movies among the TIFFs directly in a folder, each as the files it is made of.

    Single images are one movie in the order of their numbers, as cameras write them, or one for
    each colour, stage position and depth that their names tell apart; a file that
    another one describes as part of its set (Micro-Manager) is left to that one. Files that are no
    movies are left out.
    """
    folder = Path(folder)
    files = natural_order(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in TIFF_ENDINGS and not path.name.startswith(".")
    )
    if looks_like_series(files):
        return [group for group in by_place(files).values() if len(group) >= MIN_MOVIE_FRAMES]
    movies: list[list[Path]] = []
    parts: set[str] = set()
    for path in files:
        if path.name not in parts and looks_like_frames(path):
            movies.append([path])
            parts.update(other_files_of(path))
    return movies


def other_files_of(path: Path) -> set[str]:
    """Return the names of the files that belong to a movie besides the one that is named.

    They are those that an OME file describes (sets of Micro-Manager), and the header of a raw
    movie; none of a file that cannot be read.
    """
    header = {".raw": ".yaml", ".dax": ".inf"}.get(path.suffix.lower())
    if header is not None:
        return {path.with_suffix(header).name}
    if path.suffix.lower() not in TIFF_ENDINGS:
        return set()
    try:
        table = PageTable(path, max_pages=1)
    except (ValueError, OSError):
        return set()
    try:
        plane_map = description_of(table, {}).plane_map
    finally:
        table.file.close()
    return set() if plane_map is None else set(plane_map.files) - {"", path.name}


def are_damaged_frames(path: Path) -> bool:
    """Whether a file is named as frames are, but holds nothing that can be opened."""
    if path.suffix.lower() in RAW_ENDINGS:
        return False  # nothing is known before both of its files are opened
    try:
        if path.suffix.lower() in TIFF_ENDINGS:
            PageTable(path, max_pages=1).file.close()
        else:
            open_frames(path, allow_truncated=True).close()
    except (ValueError, OSError):
        return True
    return False


def are_planes(paths: Sequence[str | Path]) -> bool:
    """Whether two to four files are named as the focal planes, cameras or channels of one movie.

    Examples
    --------
    >>> are_planes(["cell_plane1.tif", "cell_plane2.tif"])
    True
    >>> are_planes(["cell_1.tif", "cell_2.tif"])
    False
    """
    names = [Path(path).name.casefold() for path in paths]
    if not 2 <= len(set(names)) == len(names) <= _MAX_MOVIE_PLANES:
        return False
    found = [_PLANE_NAME.fullmatch(name) for name in names]
    rest = {match.group("before", "word", "after") for match in found if match is not None}
    return all(found) and len(rest) == 1


def _is_single_image(path: Path) -> bool:
    try:
        table = PageTable(path, max_pages=2)
    except (ValueError, OSError):
        return False
    table.file.close()
    is_alone = table.n_promised == 1 and math.prod(_declared(table)) <= 1
    return is_alone and all(side in _MOVIE_SIDES for side in table.frame_shape)


def _is_movie(table: PageTable) -> bool:
    if any(page.has_sub_images or page.is_reduced for page in table.pages):
        return False
    if not all(side in _MOVIE_SIDES for side in table.frame_shape) or table.layout.bits < 8:
        return False
    sizes = _declared(table)
    if math.prod(sizes) > 1:
        n_long_axes = sum(size >= MIN_MOVIE_FRAMES for size in sizes)
        n_planes = math.prod(sizes) // max(sizes)
        return n_long_axes == 1 and n_planes <= _MAX_MOVIE_PLANES
    return table.n_promised >= MIN_MOVIE_FRAMES


def looks_like_localizations(path: str | Path) -> bool:
    """Whether a file is probably a table of localizations, judged by its first bytes alone.

    A napari reader must leave other CSV files to others: those that napari writes of points have
    no frames. Of HDF5 it takes those with the names that Picasso, DECODE and SMAP write.
    """
    try:
        file = ReadOnlyFile(Path(path))
        head = file.read_at(0, _TABLE_HEAD_BYTES)
        file.close()
    except (ValueError, OSError):
        return False
    if head.startswith(SIGNATURE):
        return _has_names(head, TABLE) or _has_names(head, "xyz", "frame_ix")
    if head[_MATLAB_BLOCK:].startswith(SIGNATURE):
        return _has_names(head, "saveloc")
    return looks_like_text_table(head)


def _has_names(head: bytes, *names: str) -> bool:
    return all(name.encode() + b"\0" in head for name in names)


def _is_movie_array(path: Path) -> bool:
    try:
        with open_frames(path, allow_truncated=True) as source:
            n_frames, n_planes, *sides = source.shape
    except (ValueError, OSError):
        return False
    is_shaped = n_frames >= MIN_MOVIE_FRAMES and n_planes <= _MAX_MOVIE_PLANES
    return is_shaped and all(side in _MOVIE_SIDES for side in sides)


def _declared(table: PageTable) -> tuple[int, ...]:
    return declared_sizes(table.chain.remarks(table.pages[0]))
