"""Live filtering: what the panel shows of a table, worked out in another thread."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Layer

from napari_deepsmlm._words import counted
from napari_deepsmlm.plugin.forms.asking import Stated, with_pixel
from napari_deepsmlm.plugin.layers.contrast import contrast_limits
from napari_deepsmlm.plugin.layers.hues import Hues
from napari_deepsmlm.plugin.layers.localizations import layer_of
from napari_deepsmlm.plugin.library.loading import load_torch_beside_python
from napari_deepsmlm.plugin.localizations.column_ranges import title_of

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path

    from napari_deepsmlm.filtering import ColumnSummary
    from napari_deepsmlm.io import UnitNeeded
    from napari_deepsmlm.localizations import Localizations
    from napari_deepsmlm.plugin.localizations.shapes_box import Polygons
    from napari_deepsmlm.render import RenderOptions


@dataclass(frozen=True)
class TableKit:
    """What the panel is put together from."""

    options: type[RenderOptions]


@dataclass(frozen=True, slots=True)
class OpenedTable:
    """A table and its columns."""

    table: Localizations
    columns: tuple[ColumnSummary, ...]


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """A table as a layer, which is made in the other thread: napari imports much for its first."""

    layer: Layer
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UnitsMissing:
    """A table does not state its unit or the size of its pixels: only the main thread can ask."""

    path: Path
    problem: UnitNeeded


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the panel asks for."""

    where: str
    """The condition, "" for all."""
    options: RenderOptions | None
    """How to draw them, None if not."""
    color_by: str | None = None
    field_nm: tuple[float, float] | None = None
    """Height and width of the image; as far as the molecules reach if not given."""
    in_view: bool = False
    """Drawn as the screen shows them, which is no matter of the filter."""
    polygons: Polygons = ()
    """Only molecules inside any of these, corners x, y in nm; all if there is none."""

    @property
    def is_all(self) -> bool:
        """Whether every molecule is kept."""
        return not self.where and not self.polygons

    def is_drawn_anew_by(self, other: Wanted) -> bool:
        """Whether another wish needs no filter again: the same molecules, as the screen shows."""
        filters = (self.where, self.polygons) == (other.where, other.polygons)
        return filters and other.in_view and other.options is not None

    def steps(self) -> list[dict[str, Any]]:
        """Return what keeps the molecules, as a recipe has it.

        The filter comes first: its means are over all rows, as in :func:`keep`.
        """
        found: list[dict[str, Any]] = []
        if self.where:
            found.append({"kind": "filter", "where": self.where})
        if self.polygons:
            shapes = [[list(corner) for corner in polygon] for polygon in self.polygons]
            found.append({"kind": "region", "polygons_nm": shapes})
        return found

    def render_step(self) -> dict[str, Any] | None:
        """Return how they are drawn, as a recipe has it; None where no image has one pixel size."""
        if self.options is None or self.in_view:
            return None
        image = self.options.model_dump(exclude_none=True)
        color = {} if self.color_by is None else {"color_by": self.color_by}
        return {"kind": "render", "image": image, **color}


@dataclass(frozen=True, slots=True)
class Drawing:
    """An image of molecules, and what its colours tell."""

    image: np.ndarray[Any, Any]
    """(rows, columns) molecules per pixel."""
    limits: tuple[float, float]
    """Contrast of the image."""
    options: RenderOptions
    """How it was drawn."""
    hues: Hues | None = None
    corner_nm: tuple[float, float] = (0.0, 0.0)
    """(y, x) of its first corner, from where positions count."""
    is_view: bool = False
    """Whether it is what the screen shows, at that moment."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The molecules that fulfil the condition, and what is drawn of them."""

    wanted: Wanted
    mask: np.ndarray[Any, Any]
    table: Localizations
    counts: tuple[np.ndarray[Any, Any], ...]
    """Rows per bin, for each of the columns."""
    drawing: Drawing | None = None
    seconds: float = 0.0
    """What it took so far."""

    def in_words(self, drawing: Drawing | None, seen: str = "Drawing…") -> str:
        """Return how many they are, what the colours of an image mean, and what is seen of it."""
        n, n_all = len(self.table), len(self.mask)
        share = f" ({100 * n / n_all:.3g} %)" if n_all else ""
        text = f"{n:,} of {counted(n_all, 'molecule')} kept{share}."
        by = self.wanted.color_by
        if by is not None and drawing is not None and drawing.hues is not None:
            low, high = drawing.hues.limits
            text += f" {title_of(by)}: blue {low:.4g}, grey, orange {high:.4g}."
        is_drawn_once = drawing is not None and not drawing.is_view
        return text if self.wanted.options is None or is_drawn_once else f"{text} {seen}"


def load_table_kit(stopping: threading.Event) -> Generator[TableKit, None, None]:
    """Import what draws, and yield it."""
    load_torch_beside_python()
    from napari_deepsmlm.render import RenderOptions

    yield TableKit(RenderOptions)


def look_at(table: Localizations, stopping: threading.Event) -> Generator[OpenedTable, None, None]:
    """Yield a table with its histograms."""
    from napari_deepsmlm.filtering import summarize

    yield OpenedTable(table, tuple(summarize(table)))


def open_table(
    path: Path,
    stated: Stated | None,
    origin_of: Callable[[float | None], tuple[float, float]],
    stopping: threading.Event,
) -> Generator[OpenedFile | UnitsMissing, None, None]:
    """Read a file and yield it as a layer, or what has to be asked first.

    Parameters
    ----------
    stated : what the person said of its units.
    origin_of : camera pixel of the table, nm, to (y, x) nm in the world of its origin.
    """
    from napari_deepsmlm.io import UnitNeeded, read_table

    said = Stated() if stated is None else stated
    try:
        read = read_table(path, unit=said.unit, pixel_size_nm=said.pixel_size_nm)
    except UnitNeeded as problem:
        if stated is not None:
            raise
        yield UnitsMissing(path, problem)
        return
    read = with_pixel(read, stated)
    pixel_nm = read.pixel_size_nm
    known = {"path": str(path.absolute()), "pixel_size_nm": pixel_nm}
    layer = layer_of(read.localizations, path.stem, origin_of(pixel_nm), known)
    yield OpenedFile(Layer.create(*layer), read.remarks)


def keep(
    table: Localizations,
    columns: Sequence[ColumnSummary],
    wanted: Wanted,
    stopping: threading.Event,
) -> Generator[Kept, None, None]:
    """Yield the molecules that fulfil a condition, and once more when they are drawn.

    Drawing is given up within a fraction of a second once `stopping` is set.

    Raises
    ------
    ValueError
        One sentence: the table has no uncertainties to draw, or the image would be too large.
    """
    from napari_deepsmlm.filtering import Filter, in_regions
    from napari_deepsmlm.render import field_shape, frames_shape

    begin = time.perf_counter()
    mask = np.ones(len(table), bool)
    if wanted.where:
        mask = Filter(wanted.where, table.names).mask(table)
    if wanted.polygons:
        mask &= in_regions(table, wanted.polygons)
    counts = tuple(column.counts_of(mask) for column in columns)
    kept = table if wanted.is_all else table[mask]
    took = time.perf_counter() - begin if wanted.in_view else 0.0
    yield Kept(wanted, mask, kept, counts, seconds=took)
    if wanted.options is None or wanted.in_view or stopping.is_set():
        return
    pixel_nm = wanted.options.sr_pixel_nm
    if wanted.field_nm is None:
        shape = field_shape(table, pixel_nm)  # of all: the image stays in place
    else:
        shape = frames_shape(*wanted.field_nm, pixel_nm)
    try:
        drawing = _draw(kept, shape, wanted, stopping)
    except InterruptedError:
        return
    yield Kept(wanted, mask, kept, counts, drawing, time.perf_counter() - begin)


def _draw(
    table: Localizations, shape: tuple[int, int], wanted: Wanted, stopping: threading.Event
) -> Drawing:
    from napari_deepsmlm.render import draw, draw_mean

    assert wanted.options is not None  # noqa: S101 - else nothing is drawn
    if wanted.color_by is None or not len(table):
        image = draw(table, shape, options=wanted.options, stopping=stopping).numpy()
        return Drawing(image, contrast_limits(image), wanted.options)
    made = draw_mean(table, wanted.color_by, shape, options=wanted.options, stopping=stopping)
    hues = Hues(made.mean, (made.low, made.high))
    return Drawing(made.density, contrast_limits(made.density), wanted.options, hues)
