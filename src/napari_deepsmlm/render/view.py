"""Views: the part of an image that a screen shows, drawn from the molecules that lie in it."""

from __future__ import annotations

import math
import threading
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from threadpoolctl import ThreadpoolController

from napari_deepsmlm.localizations import REQUIRED_COLUMNS, Localizations, known_places
from napari_deepsmlm.render.colors import color_limits, draw_mean
from napari_deepsmlm.render.gaussians import OWN_SIGMA
from napari_deepsmlm.render.options import RenderOptions, draw

if TYPE_CHECKING:
    import numpy.typing as npt

MAX_VIEW_PIXELS = 4_000_000
"""Of an image for the screen; where a screen has more, its pixels are shown larger."""
MARGIN = 1 / 8
"""Of what is seen, drawn on each side, so that there is something when the view moves."""
SIZES_PER_OCTAVE = 4
"""Sizes of pixels, so that a small change of the zoom does not ask for another image."""
LEAST_PIXEL_NM, MAX_PIXEL_NM = 0.1, 10_000.0
MAX_GAUSSIANS = 500_000
"""More would take seconds: of so many in view, each is counted in its pixel."""
N_CELLS = 256
"""Along each axis: a cell's number has 16 bits, which numpy sorts ten times as fast."""
N_SAMPLED = 100_000
CORE_PERCENT = (0.1, 99.9)
"""The cells are laid over what lies between, so that a stray molecule does not make them large."""
WIDE_PERCENT = 99.0
"""Gaussians that are wider are looked at wherever they are."""
REACH = 9
"""A Gaussian is drawn no further than so many of its standard deviations, or pixels if larger."""
WHOLE_SHARE = 0.25
"""Of the molecules: where more are near, looking at all in their order is faster."""


class Box(NamedTuple):
    """A rectangle, nm from where positions count."""

    top: float
    left: float
    bottom: float
    right: float

    def within(self, other: Box) -> Box | None:
        """Return what both have in common, None if that is nothing."""
        found = Box(*map(max, self[:2], other[:2]), *map(min, self[2:], other[2:]))
        return found if found.top < found.bottom and found.left < found.right else None

    def wider(self, by_nm: float, and_x_nm: float | None = None) -> Box:
        """Return a box that reaches further on each side, along x as far as along y by default."""
        x_nm = by_nm if and_x_nm is None else and_x_nm
        return Box(self.top - by_nm, self.left - x_nm, self.bottom + by_nm, self.right + x_nm)


class View(NamedTuple):
    """A part of the image with pixels of some size that begins where positions count from."""

    corner_px: tuple[int, int]
    """Row and column of its first pixel."""
    shape: tuple[int, int]
    sr_pixel_nm: float

    @property
    def box(self) -> Box:
        """What it covers."""
        ends = (first + n for first, n in zip(self.corner_px, self.shape, strict=True))
        return Box(*(px * self.sr_pixel_nm for px in (*self.corner_px, *ends)))


class DrawnView(NamedTuple):
    """The image of a view."""

    view: View
    options: RenderOptions
    """How it was drawn: as wished, but for the pixel, and for Gaussians that were too many."""
    density: npt.NDArray[np.float32]
    """(rows, columns) molecules per pixel."""
    mean: npt.NDArray[np.float32] | None
    """The mean of a column, NaN where there is no molecule; None if no colours were asked for."""
    limits: tuple[float, float]
    """Values of the first and last colour: those of all molecules, in view or not."""


def view_of(seen: Box, screen_px_nm: float, field: Box) -> View | None:
    """Return the view that shows a part of a field as finely as a screen does.

    Its pixels are as large as those of the screen or up to a fifth larger, or as its number of
    pixels allows; it reaches a little beyond what is seen, and never beyond the field.

    Parameters
    ----------
    seen : the part that the screen shows.
    screen_px_nm : what a pixel of the screen is there; 0 for as many pixels as there may be.
    field : that there is anything of.

    Returns
    -------
    None if nothing of the field is seen.

    Examples
    --------
    >>> field = Box(0, 0, 20_000, 20_000)
    >>> view_of(Box(5000, 5000, 6000, 6600), 2.0, field)
    View(corner_px=(2437, 2400), shape=(626, 1000), sr_pixel_nm=2.0)
    """
    if seen.within(field) is None:
        return None
    wide = seen.wider(MARGIN * (seen.bottom - seen.top), MARGIN * (seen.right - seen.left))
    part = wide.within(field)
    assert part is not None  # noqa: S101 - it holds what is seen
    area_nm2 = (part.bottom - part.top) * (part.right - part.left)
    size = _round_size(max(screen_px_nm, math.sqrt(area_nm2 / MAX_VIEW_PIXELS)))
    first = [math.floor(nm / size) for nm in part[:2]]
    last = [math.ceil(nm / size) for nm in part[2:]]
    shape = [max(1, end - begin) for begin, end in zip(first, last, strict=True)]
    return View((first[0], first[1]), (shape[0], shape[1]), size)


def _round_size(nm: float) -> float:
    """Return the next larger of the sizes that there are, 2 ** (n / 4) nm."""
    size: float = 2.0 ** (math.ceil(SIZES_PER_OCTAVE * math.log2(nm) - 1e-9) / SIZES_PER_OCTAVE)
    return min(max(size, LEAST_PIXEL_NM), MAX_PIXEL_NM)


class PlacedMolecules:
    """A table whose molecules are found by where they are, for views of any part of it.

    What is worked out for that is worked out when it is first needed, once, and takes 4 bytes per
    molecule; several threads may ask.

    Parameters
    ----------
    table : not copied, and not to be changed.

    Examples
    --------
    >>> table = Localizations(frame=[0, 0], x_nm=[105.0, 400.0], y_nm=[55.0, 400.0])
    >>> view = View(corner_px=(5, 10), shape=(1, 2), sr_pixel_nm=10.0)
    >>> PlacedMolecules(table).draw(view, RenderOptions()).density
    array([[1., 0.]], dtype=float32)
    """

    def __init__(self, table: Localizations) -> None:
        self.table = table.to_numpy()
        self._lock = threading.Lock()
        self._limits: dict[str, tuple[float, float]] = {}

    @cached_property
    def field(self) -> Box:
        """The rectangle from the first to the last molecule, along both axes."""
        known = known_places(self.table, ("x_nm", "y_nm"))
        places = [np.asarray(self.table[name], float)[known] for name in ("y_nm", "x_nm")]
        if not known.any():
            return Box(0.0, 0.0, 0.0, 0.0)
        # half a nanometre more: the last are inside, and a lone molecule has an area
        ends = [float(end(axis)) for end in (np.min, np.max) for axis in places]
        return Box(*ends).wider(0.5)

    def draw(
        self,
        view: View,
        options: RenderOptions,
        color_by: str | None = None,
        *,
        stopping: threading.Event | None = None,
    ) -> DrawnView:
        """Return the image of a view, the same as if it were drawn of all molecules.

        Of Gaussians the same but for the 6e-5 of their mass beyond four standard deviations. More
        than half a million Gaussians are counted in their pixels instead.

        Parameters
        ----------
        options : of the image, but for its pixel.
        color_by : a column whose mean is drawn, too.

        Raises
        ------
        ValueError
            As :func:`draw` and :func:`draw_mean`.
        InterruptedError
            Once `stopping` is set.
        """
        options = options.replace(sr_pixel_nm=view.sr_pixel_nm)
        rows = self.near(view.box.wider(self._reach_nm(options)))
        n_near = len(self.table) if rows is None else len(rows)
        if options.kind == "gaussian" and n_near > MAX_GAUSSIANS:
            options = options.replace(kind="histogram")
        table = self._drawn(rows, options, color_by)
        how: dict[str, Any] = {"options": options, "corner_px": view.corner_px}
        how["stopping"] = stopping
        # One thread: beside a training the small steps of a view would wait for each other's
        # threads, and take twenty times as long.
        with _openmp().limit(limits=1):
            if color_by is None:
                density = draw(table, view.shape, **how).numpy()
                return DrawnView(view, options, density, None, (0.0, 1.0))
            limits = self._color_limits(color_by)
            made = draw_mean(table, color_by, view.shape, limits=limits, **how)
            return DrawnView(view, options, made.density, made.mean, limits)

    def near(self, box: Box) -> npt.NDArray[np.intp] | None:
        """Return the rows of all molecules in a box, and of some beside it.

        None if they are many, or all: then looking at the whole table is faster.
        """
        if self.field.within(box) == self.field:
            return None
        return self._cells.near(box, at_most=int(WHOLE_SHARE * len(self.table)))

    def _drawn(
        self, rows: npt.NDArray[np.intp] | None, options: RenderOptions, color_by: str | None
    ) -> Localizations:
        """Return rows of the table with the columns that are needed, all if none are given."""
        by_own_sigma = options.kind == "gaussian" and options.sigma_nm is None
        names = dict.fromkeys((*REQUIRED_COLUMNS, *(OWN_SIGMA if by_own_sigma else ()), color_by))
        columns = {name: self.table[name] for name in names if name in self.table}
        if rows is None:
            return Localizations.from_columns(columns)
        if by_own_sigma:
            rows = np.union1d(rows, self._wide[1])
        return Localizations.from_columns({name: column[rows] for name, column in columns.items()})

    def _reach_nm(self, options: RenderOptions) -> float:
        """Return how far from its place a molecule is drawn, but for the widest."""
        if options.kind == "histogram":
            return 0.0
        if options.kind == "ash":
            return options.n_shifts * options.sr_pixel_nm
        sigma_nm = self._wide[0] if options.sigma_nm is None else options.sigma_nm
        return REACH * max(sigma_nm, options.sr_pixel_nm)

    def _color_limits(self, by: str) -> tuple[float, float]:
        with self._lock:
            if by not in self._limits:
                self._limits[by] = color_limits(self.table, by)
            return self._limits[by]

    @property
    def _cells(self) -> _Cells:
        with self._lock:
            return self._made_cells

    @cached_property
    def _made_cells(self) -> _Cells:
        return _Cells.of(*(np.asarray(self.table[name]) for name in ("y_nm", "x_nm")))

    @cached_property
    def _wide(self) -> tuple[float, npt.NDArray[np.intp]]:
        """The width that few Gaussians exceed, nm, and the rows of those that do."""
        if not set(OWN_SIGMA) <= set(self.table.names) or not len(self.table):
            return 0.0, np.zeros(0, np.intp)
        larger = np.nan_to_num(np.fmax(*(self.table[name] for name in OWN_SIGMA)))
        limit = float(np.percentile(_sample(larger), WIDE_PERCENT))
        return limit, np.flatnonzero(larger > limit)


class _Cells(NamedTuple):
    """Molecules in the order of the cells of a grid, row by row."""

    low: tuple[float, float]
    """Where the first row and column begin, nm."""
    per_nm: tuple[float, float]
    """Cells per nm along y and x."""
    order: npt.NDArray[np.int32]
    """(N,) rows of the table; those of a cell in the table's order."""
    starts: npt.NDArray[np.int64]
    """(N_CELLS ** 2 + 1,) where each cell begins in `order`."""

    @classmethod
    def of(cls, *places: npt.NDArray[Any]) -> _Cells:
        """Sort molecules at places (N,), nm, along y and x; what is nowhere is in any cell."""
        cell = np.zeros(len(places[0]), np.uint16)
        low, per_nm = [], []
        for place in places:
            sample = np.nan_to_num(_sample(place).astype(float), posinf=0.0, neginf=0.0)
            begin, end = np.percentile(sample, CORE_PERCENT) if len(sample) else (0.0, 1.0)
            low.append(float(begin))
            per_nm.append(N_CELLS / max(float(end - begin), 1.0))
            cell <<= 8
            cell |= _along(place, low[-1], per_nm[-1])
        counts = np.bincount(cell, minlength=N_CELLS**2)
        starts = np.concatenate([[0], np.cumsum(counts)])
        order = np.argsort(cell, kind="stable").astype(np.int32)
        return cls((low[0], low[1]), (per_nm[0], per_nm[1]), order, starts)

    def near(self, box: Box, at_most: int) -> npt.NDArray[np.intp] | None:
        """Return the rows of the molecules in all cells that a box touches, None if more."""
        ends = np.array([box[:2], box[2:]])
        (top, bottom), (left, right) = (
            _along(ends[:, axis], self.low[axis], self.per_nm[axis]).astype(int).tolist()
            for axis in (0, 1)
        )
        firsts = np.arange(top, bottom + 1) * N_CELLS
        begins, stops = self.starts[firsts + left], self.starts[firsts + right + 1]
        if (stops - begins).sum() > at_most:
            return None
        parts = [self.order[a:b] for a, b in zip(begins, stops, strict=True)]
        return np.concatenate(parts).astype(np.intp)


@cache
def _openmp() -> ThreadpoolController:
    """Return what sets the threads that PyTorch uses in the calling thread alone."""
    return ThreadpoolController().select(user_api="openmp")


def _along(place: npt.NDArray[Any], low: float, per_nm: float) -> npt.NDArray[np.uint16]:
    """Return the cells of places along an axis; what lies beyond is in the first or last."""
    cell = np.nan_to_num((place - low) * per_nm)
    return np.clip(cell, 0, N_CELLS - 1).astype(np.uint16)


def _sample(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return values[:: max(1, len(values) // N_SAMPLED)]
