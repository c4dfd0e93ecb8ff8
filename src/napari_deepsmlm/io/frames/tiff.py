"""TIFF stacks: every frame is found and counted before the first one is read.

tifffile decodes compressed pages; which pages there are, we find out ourselves, because it does not
report a stack that was cut in half, pages of different sizes, or a header with a wrong count.
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_deepsmlm.io.frames._ndtiff import INDEX_NAME, describe_ndtiff, read_index
from napari_deepsmlm.io.frames._neighbours import ome_xml_of
from napari_deepsmlm.io.frames._pages import PageTable
from napari_deepsmlm.io.frames._planes import (
    Frames,
    Opened,
    PlaneLayout,
    Shape,
    arrange_axes,
    check_axes,
    named_axes,
)
from napari_deepsmlm.io.frames.metadata import SIGNED_16, describe

if TYPE_CHECKING:
    from pathlib import Path

    from napari_deepsmlm.io._storage import ReadOnlyFile
    from napari_deepsmlm.io.frames._description import Description, PlaneMap

Indices = npt.NDArray[np.int64]

_MICRO_MANAGER_SUMMARY = 2355492
_MAX_SUMMARY_BYTES = 1 << 24
_MAX_LISTED = 10_000_000  # a longer declared stack that is not there needs no index


class TiffPlanes:
    """Frames (T, C, H, W) whose planes are pages of one or several TIFF files.

    Parameters
    ----------
    tables : the files.
    file, page : (T, C) which file, and which page of it, holds each plane.
    is_shifted : 16-bit values are stored as unsigned, 32768 above what they are.
    """

    def __init__(
        self, tables: list[PageTable], file: Indices, page: Indices, *, is_shifted: bool = False
    ) -> None:
        self._tables = tables
        self._file = file
        self._page = page
        self.shape: Shape = (*file.shape, *tables[0].frame_shape)
        self._stored = tables[0].dtype
        self._is_shifted = is_shifted and self._stored == np.uint16
        self.dtype = np.dtype(np.int16) if self._is_shifted else self._stored

    def read(self, start: int, stop: int) -> Frames:
        """Return frames start <= t < stop as (stop - start, C, H, W)."""
        frames = np.empty((stop - start, *self.shape[1:]), self._stored)
        planes = frames.reshape(-1, *self.shape[2:])  # (n, C, H, W) -> (n * C, H, W), a view
        files = self._file[start:stop].ravel()
        pages = self._page[start:stop].ravel()
        changes = np.flatnonzero(np.diff(files)) + 1
        for run in np.split(np.arange(len(files)), changes):
            if len(run):
                first, last = int(run[0]), int(run[-1]) + 1
                self._tables[files[first]].read(pages[first:last], planes[first:last])
        if self._is_shifted:
            frames ^= SIGNED_16  # the same as taking it off, in 16 bits
            return frames.view(np.int16)
        return frames

    def pick(self, planes: list[int]) -> TiffPlanes:
        """Return the same frames with some of their planes only; the others are not read."""
        file, page = self._file[:, planes], self._page[:, planes]
        return TiffPlanes(self._tables, file, page, is_shifted=self._is_shifted)

    def close(self) -> None:
        """Close all files."""
        for table in self._tables:
            table.file.close()


def open_tiff(
    path: Path,
    *,
    axes: str | None = None,
    allow_truncated: bool = False,
    whole_set: bool = True,
) -> Opened:
    """Open a TIFF, BigTIFF, OME-TIFF, ImageJ or Micro-Manager file.

    Parameters
    ----------
    path : the file.
    axes : overrides the file's own names of its axes, such as "TCYX".
    allow_truncated : open the complete frames of a file that was cut short.
    whole_set : follow an OME description to the neighbouring files of a set.

    Raises
    ------
    ValueError
        One sentence saying what is wrong with the file and what to do.
    """
    table = PageTable(path)
    try:
        return _open(table, axes, allow_truncated, whole_set)
    except BaseException:
        table.file.close()
        raise


def micro_manager_summary(file: ReadOnlyFile) -> dict[str, Any]:
    """Return the summary that Micro-Manager writes behind a TIFF's header, {} if there is none."""
    header = file.read_at(0, 40)
    if len(header) < 40 or header[:2] not in (b"II", b"MM"):
        return {}
    marker, n_bytes = struct.unpack_from("<II" if header[:2] == b"II" else ">II", header, 32)
    if marker != _MICRO_MANAGER_SUMMARY or n_bytes > _MAX_SUMMARY_BYTES:
        return {}
    try:
        summary = json.loads(file.read_at(40, n_bytes).rstrip(b"\0 "))
    except (ValueError, RecursionError):
        return {}
    return summary if isinstance(summary, dict) else {}


def description_of(table: PageTable, summary: dict[str, Any]) -> Description:
    """Return what a file says about itself, or what the file says that it points to."""
    folder = table.file.path.parent
    tags = table.chain.remarks(table.pages[0])
    found = describe(tags, table.name, summary, lambda name: ome_xml_of(folder, name))
    if not (folder / INDEX_NAME).is_file():
        return found
    entries = read_index(folder / INDEX_NAME)
    if table.name not in {entry.file for entry in entries}:
        return found
    indexed = describe_ndtiff(table.name, entries)
    size, camera = found.pixel_size, found.camera
    return replace(indexed, pixel_size=size, camera=camera, camera_settings=found.camera_settings)


def _open(table: PageTable, axes: str | None, allow_truncated: bool, whole_set: bool) -> Opened:
    table.check_decoder()
    summary = micro_manager_summary(table.file)
    description = description_of(table, summary)
    places = _places(table, description, whole_set)
    sizes, letters = _named_axes(table.name, places.description, axes)
    letters = named_axes(table.name, sizes, letters)
    index, time = arrange_axes(sizes, letters)
    file, page = places.file[index], places.page[index]  # (n_planes,) -> (T, C)
    n_complete = _n_complete(places.tables, file, page)
    warnings = list(places.description.warnings)
    planned = _planned_only(table, places, file, page, n_complete)
    if planned:
        warnings.append(planned)
    elif n_complete < len(page) or places.is_open_ended:
        total = None if places.is_open_ended else len(page)
        if n_complete == 0 or not allow_truncated:
            raise ValueError(_cut_short(table, n_complete, total, places.missing))
        of_total = f" of {total}" if total else ""
        warnings.append(f"Only the first {n_complete}{of_total} frames are complete.")
    elif table.problem:
        warnings.append(f"The file is damaged ({table.problem}), but all its frames were found.")
    if description.pixel_size.warning:
        warnings.append(description.pixel_size.warning)
    is_shifted = description.value_offset == -SIGNED_16
    return Opened(
        TiffPlanes(places.tables, file[:n_complete], page[:n_complete], is_shifted=is_shifted),
        description.pixel_size.nm,
        description.pixel_size.origin,
        tuple(warnings),
        description.camera,
        description.camera_settings,
        layout=PlaneLayout.of(sizes, letters, time, description.channels),
        z_step_nm=description.z_step_nm,
    )


@dataclass(frozen=True, slots=True)
class _Places:
    """Where the planes lie that a file declares, whether they are there or not."""

    description: Description
    tables: list[PageTable]
    file: Indices  # (n_planes,) index into `tables`, -1: the file is missing
    page: Indices  # (n_planes,)
    missing: tuple[str, ...] = ()
    is_open_ended: bool = False  # the file was cut and does not say how many frames it had


def _places(table: PageTable, description: Description, whole_set: bool) -> _Places:
    is_open_ended = False
    if description.kind != "OME":
        description, is_open_ended = _reconcile(table, description)
    n_planes, plane_map = description.n_planes, description.plane_map
    if n_planes > _MAX_LISTED:
        raise ValueError(_cut_short(table, int(table.is_complete.sum()), n_planes))
    if plane_map is None or "" not in plane_map.files:
        page = np.arange(n_planes)
        file = np.zeros_like(page)
        places = _Places(description, [table], file, page, is_open_ended=is_open_ended)
    elif whole_set:
        places = _set_of_files(table, description, plane_map)
    else:
        places = _own_part(table, description, plane_map)
    return _with_unused_pages(table, places)


def _with_unused_pages(table: PageTable, places: _Places) -> _Places:
    """Say so if an OME header describes fewer images than the file has."""
    n_used = int((places.file == 0).sum())
    description = places.description
    if description.kind != "OME" or description.warnings or table.n_promised <= n_used:
        return places
    warning = (
        f"The OME header describes {n_used} images but the file has {table.n_promised}; those of "
        "the header were used."
    )
    return replace(places, description=replace(description, warnings=(warning,)))


def _reconcile(table: PageTable, description: Description) -> tuple[Description, bool]:
    """Make the axes fit the pages; return them and whether the true number is unknown."""
    n_declared = description.n_planes
    if table.n_promised == n_declared:
        return description, False
    if n_declared > 1 and not table.problem and len(table.pages) == 1:
        return _single_page(table, description), False  # ImageJ beyond 4 GB
    if n_declared > table.n_promised and table.problem:
        return description, False
    n_pages = table.n_promised
    is_open_ended = bool(table.problem) and not table.is_recovered
    warnings = description.warnings
    if n_declared > 1:
        warnings += (
            f"The {description.kind} header says {n_declared} images but the file has {n_pages}; "
            "the images in the file were used.",
        )
    axes, sizes = _resized(description, n_pages)
    return replace(description, axes=axes, sizes=sizes, warnings=warnings), is_open_ended


def _single_page(table: PageTable, description: Description) -> Description:
    """Lay out frames that follow the only page, and say if the file has room for more."""
    n_declared = description.n_planes
    if table.lay_out(n_declared) and table.n_that_fit > n_declared:
        warning = (
            f"The {description.kind} header says {n_declared} images but the file has room for "
            f"{table.n_that_fit}; those of the header were used."
        )
        return replace(description, warnings=(*description.warnings, warning))
    return description


def _resized(description: Description, n_pages: int) -> tuple[str, tuple[int, ...]]:
    """Give the slowest axis the length that `n_pages` ask for, else call them one movie."""
    n_inner = math.prod(description.sizes[1:])
    if description.axes.startswith("T") and n_inner > 1 and n_pages % n_inner == 0:
        return description.axes, (n_pages // n_inner, *description.sizes[1:])
    return "T", (n_pages,)


# -- OME sets ---------------------------------------------------------------------------------


def _set_of_files(table: PageTable, description: Description, plane_map: PlaneMap) -> _Places:
    """Open the neighbours that an OME description names."""
    tables, missing = [table], []
    number = np.full(len(plane_map.files) + 1, -1)  # the last one stands for "not said"
    for index, name in enumerate(plane_map.files):
        if not name:
            number[index] = 0
        elif (neighbour := table.file.path.parent / name).is_file():
            part = PageTable(neighbour)
            _require_alike(table, part)
            number[index] = len(tables)
            tables.append(part)
        else:
            missing.append(name)
    file = number[plane_map.file]
    return _Places(description, tables, file, plane_map.page, tuple(missing))


def _own_part(table: PageTable, description: Description, plane_map: PlaneMap) -> _Places:
    """Keep the planes of this file only: its neighbours were given by the caller."""
    own = plane_map.page[plane_map.file == plane_map.files.index("")]
    axes, sizes = _resized(description, len(own))
    description = replace(description, axes=axes, sizes=sizes)
    return _Places(description, [table], np.zeros_like(own), own)


def _require_alike(table: PageTable, part: PageTable) -> None:
    if part.frame_shape != table.frame_shape or part.dtype != table.dtype:
        raise ValueError(
            f"{table.name}: its part {part.name} has other frames ({_form(part)}) than this file "
            f"({_form(table)}); open the parts one by one."
        )


def _form(table: PageTable) -> str:
    return f"{table.layout.width} x {table.layout.height} pixels, {table.dtype}"


def _planned_only(
    table: PageTable, places: _Places, file: Indices, page: Indices, n_complete: int
) -> str:
    """Return a sentence if frames are missing that were planned but never recorded, else "".

    A recording that was stopped is whole: its header plans more images than it places, and its
    pages end where they should. One that crashed ends in the zeros that were kept for it.
    """
    if n_complete == 0 or places.missing or (table.problem and not table.ends_in_zeros):
        return ""
    if places.is_open_ended:
        return f"The recording ended before the file was finished: {n_complete} frames were found."
    n_recorded = _n_recorded(places.tables, file, page)
    n_placed = int(((file >= 0) & (page >= 0)).sum())
    is_cut = n_recorded < n_placed and not table.ends_in_zeros
    if n_complete == len(page) or is_cut:
        return ""
    n_over = n_recorded - n_complete * page.shape[1]
    images = "image" if n_over == 1 else "images"
    extra = f" ({n_over} {images} of an incomplete frame left out)" if n_over else ""
    return f"{n_complete} of {len(page)} planned frames were recorded{extra}."


# -- checks and sentences ---------------------------------------------------------------------


def _named_axes(
    name: str, description: Description, axes: str | None
) -> tuple[tuple[int, ...], str]:
    """Return lengths and letters of the axes before Y and X."""
    if axes is None:
        return description.sizes, description.axes
    sizes = tuple(size for size in description.sizes if size > 1) or (1,)
    if len(axes.strip()) == len(description.sizes) + 2:
        sizes = description.sizes
    return sizes, check_axes(name, axes, len(sizes) + 2)


def _n_complete(tables: list[PageTable], file: Indices, page: Indices) -> int:
    """Count the leading frames all of whose planes are inside their files."""
    frames: npt.NDArray[np.bool_] = np.all(_are_there(tables, file, page), axis=1)
    return len(frames) if frames.all() else int(np.argmin(frames))


def _n_recorded(tables: list[PageTable], file: Indices, page: Indices) -> int:
    return int(_are_there(tables, file, page).sum())


def _are_there(tables: list[PageTable], file: Indices, page: Indices) -> npt.NDArray[np.bool_]:
    is_there = np.zeros(file.shape, bool)
    for number, table in enumerate(tables):
        complete = table.is_complete
        mine = (file == number) & (page >= 0) & (page < len(complete))
        is_there[mine] = complete[page[mine]]
    return is_there


def _cut_short(
    table: PageTable, n_complete: int, total: int | None, missing: tuple[str, ...] = ()
) -> str:
    """Say how many frames are there and how to get at them."""
    if n_complete == 0 and not missing:
        return f"{table.name}: cut short: not one frame is complete; fetch or export it again."
    if table.frame_shape == (total, 1):  # frames of one pixel are written as one page
        return f"{table.name}: frames of 1 x 1 pixels are too small; give the raw movie."
    count = f"{n_complete} of {total} frames are complete"
    if total is None:
        count = f"after {n_complete} complete frames {table.problem}"
    if missing:
        return (
            f"{table.name}: {missing[0]}{_and_more(missing)} of its set of files is missing, "
            f"{count}; put it beside this file, or open frames 0:{n_complete} with "
            f"allow_truncated=True (--frames 0:{n_complete})."
        )
    return (
        f"{table.name}: cut short: {count}; fetch it again (or wait until it is written), or open "
        f"frames 0:{n_complete} with allow_truncated=True (--frames 0:{n_complete})."
    )


def _and_more(missing: tuple[str, ...]) -> str:
    return f" and {len(missing) - 1} more" if len(missing) > 1 else ""
