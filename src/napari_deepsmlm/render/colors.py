"""Colours: an image whose hue is a column, such as depth, and whose brightness is density."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from napari_deepsmlm._palette import ORANGE, SKY
from napari_deepsmlm.render.options import RenderOptions, draw, field_shape
from napari_deepsmlm.render.points import column

if TYPE_CHECKING:
    import threading

    from napari_deepsmlm.localizations import Localizations

# Blue and orange with a grey between: all of one lightness (CIE L* 70 to 71), so
# that brightness is left to density, and told apart by all eyes.
STOPS = (SKY, "#ababab", ORANGE)
N_COLORS = 257
RANGE_PERCENT = (1.0, 99.0)
BRIGHTEST_PERCENT = 99.8
MAX_VALUE = 1e30
"""A value beyond is none: float32 images hold no more."""


class ColoredImage(NamedTuple):
    """An image for eyes, and what its colours mean."""

    rgb: npt.NDArray[np.float32]
    """(rows, columns, 3) from 0 to 1."""
    low: float
    """Value of the column at the first of the stops, and below."""
    high: float
    """Value at the last, and above."""


class MeanImage(NamedTuple):
    """The mean of a column in every pixel, and how many molecules it is the mean of."""

    mean: npt.NDArray[np.float32]
    """(rows, columns) in the unit of the column, NaN where there is no molecule."""
    density: npt.NDArray[np.float32]
    """(rows, columns) molecules per pixel."""
    low: float
    """Value of the column that the first colour stands for."""
    high: float
    """Value of the last, always more than `low`."""


def draw_colored(
    table: Localizations,
    by: str,
    shape: tuple[int, int] | None = None,
    *,
    options: RenderOptions,
    limits: tuple[float, float] | None = None,
) -> ColoredImage:
    """Return an image with the mean of a column as hue, and density as brightness.

    Parameters
    ----------
    table, by, shape, options, limits : as for :func:`draw_mean`.

    Raises
    ------
    ValueError
        If there is no such column, or no value in it.
    """
    made = draw_mean(table, by, shape, options=options, limits=limits)
    shares = (made.mean - made.low) / (made.high - made.low)
    rgb = hue_of(np.clip(np.nan_to_num(shares), 0, 1)) * brightness_of(made.density)[..., None]
    return ColoredImage(rgb, made.low, made.high)


def draw_mean(
    table: Localizations,
    by: str,
    shape: tuple[int, int] | None = None,
    *,
    options: RenderOptions,
    limits: tuple[float, float] | None = None,
    corner_px: tuple[int, int] = (0, 0),
    stopping: threading.Event | None = None,
) -> MeanImage:
    """Return the mean of a column in every pixel, and the density.

    Parameters
    ----------
    table : molecules; all frames are summed. Those without a value are left out.
    by : one of its columns.
    shape : of the image; as far as the molecules reach if not given.
    limits : values of the first and last colour; :func:`color_limits` if not given.
    corner_px : row and column of its first pixel, counted from the one that begins at x = y = 0.
    stopping : when set, from another thread, drawing is given up within a fraction of a second.

    Raises
    ------
    ValueError
        If there is no such column, or no value in it.
    InterruptedError
        Once `stopping` is set.
    """
    table = table.to_numpy()
    low, high = color_limits(table, by) if limits is None else _apart(*limits)
    shape = shape or field_shape(table, options.sr_pixel_nm)
    table = table[_has_value(table, by)]
    values = np.asarray(table[by], float)
    # Shares of the range rather than values: float32 sums of large numbers would lose them.
    shares = column(table.with_columns(share=(values - low) / (high - low)), "share")
    how: dict[str, Any] = {"options": options, "corner_px": corner_px, "stopping": stopping}
    density = draw(table, shape, **how).numpy()
    total = draw(table, shape, weights=shares, **how).numpy()
    share = np.divide(total, density, out=np.full_like(total, np.nan), where=density > 0)
    return MeanImage(low + share * (high - low), density, float(low), float(high))


def color_limits(table: Localizations, by: str) -> tuple[float, float]:
    """Return the values of the first and last colour: the 1st and 99th percentile of a column.

    Raises
    ------
    ValueError
        If there is no such column, or no value in it.
    """
    table = table.to_numpy()
    has_value = _has_value(table, by)
    if len(table) and not has_value.any():
        raise ValueError(f"No molecule has a value in '{by}' to colour by.")
    values = np.asarray(table[by], float)[has_value]
    low, high = np.percentile(values, RANGE_PERCENT).tolist() if len(values) else (0.0, 1.0)
    return _apart(low, high)


def _apart(low: float, high: float) -> tuple[float, float]:
    return low, high if high > low else low + max(1.0, abs(low) * 1e-6)


def _has_value(table: Localizations, by: str) -> npt.NDArray[np.bool_]:
    if by not in table:
        raise ValueError(f"No column '{by}' to colour by. Available: {', '.join(table.names)}.")
    values = np.nan_to_num(np.asarray(table[by], float), nan=np.inf)
    has_value: npt.NDArray[np.bool_] = np.abs(values) < MAX_VALUE
    return has_value


def hue_of(shares: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Return (..., 3) colours of shares from 0 to 1.

    Examples
    --------
    >>> (hue_of(np.array([0.0, 1.0])) * 255).round().astype(int).tolist()
    [[86, 180, 233], [230, 159, 0]]
    """
    index = np.rint(np.asarray(shares) * (N_COLORS - 1)).astype(np.intp)
    colors: npt.NDArray[np.float32] = _table_of_colors()[index]
    return colors


@cache
def _table_of_colors() -> npt.NDArray[np.float32]:
    stops = np.array([[int(stop[i : i + 2], 16) for i in (1, 3, 5)] for stop in STOPS]) / 255
    places, wanted = np.linspace(0, 1, len(STOPS)), np.linspace(0, 1, N_COLORS)
    channels = [np.interp(wanted, places, stops[:, i]) for i in range(3)]
    return np.stack(channels, -1).astype(np.float32)


def brightness_of(density: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Return densities as shares of the brightest: the 99.8th percentile of what is not zero."""
    some = density[density > 0]
    brightest = float(np.percentile(some, BRIGHTEST_PERCENT)) if len(some) else 1.0
    return np.clip(density / brightest, 0, 1).astype(np.float32)
