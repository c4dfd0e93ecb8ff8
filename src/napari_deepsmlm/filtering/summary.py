"""Summary: the columns of a table as histograms, quickly counted again for any part of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_deepsmlm.filtering.columns import values_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_deepsmlm.localizations import Localizations

N_BINS = 64
# The share of values, in %, beyond either end of a histogram: a few wild ones must not squeeze it.
TAIL_PERCENT = 0.1
SAMPLES = 200_000
STEPS = 1000
"""A range is chosen to this share of the histogram's width."""
NARROWEST = 1e-9
"""A column that varies by less, beside its values or beside 1, has one value."""
_LEFT_OUT = ("id", "molecule", "drift_x_nm", "drift_y_nm", "drift_z_nm")
_NONE = N_BINS
"""The bin of missing values."""


@dataclass(frozen=True, slots=True)
class ColumnSummary:
    """One column of a table, sorted into bins of equal width.

    Attributes
    ----------
    name : ours.
    low, high : ends of the histogram; what lies beyond is in its outermost bins.
    is_whole : whether it counts something.
    counts : (64,) rows per bin.
    bins : (N,) the bin of each row; 64 if it has no value.
    """

    name: str
    low: float
    high: float
    is_whole: bool
    counts: npt.NDArray[np.int64]
    bins: npt.NDArray[np.uint8]

    def counts_of(self, mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """Return (64,) rows per bin of a part of the table."""
        return np.bincount(self.bins[mask], minlength=N_BINS + 1)[:N_BINS]

    def condition(self, low: float, high: float) -> str:
        """Return a filter for a range; an end at the end of the histogram is open.

        Examples
        --------
        >>> import numpy as np
        >>> column = ColumnSummary("photons", 0.0, 9.0, False, np.zeros(64), np.zeros(0))
        >>> column.condition(2.5, 9.0)
        'photons >= 2.5'
        """
        ends = []
        if low > self.low:
            ends.append(f"{self.name} >= {low!r}")
        if high < self.high:
            ends.append(f"{self.name} <= {high!r}")
        return " & ".join(ends)


def summarize(table: Localizations) -> Iterator[ColumnSummary]:
    """Yield the columns that have more than one value, as filters count them (frames from 1).

    One uncertainty for x and y comes once; names that a filter cannot spell are left out.
    """
    for name in table.names:
        if name in _LEFT_OUT or not name.isidentifier() or _is_same_twice(table, name):
            continue
        values = values_of(table, name)
        low, high = _ends(values)
        if high > low:
            is_whole = np.asarray(table[name]).dtype.kind in "iub"
            bins = _bins(values, low, high)
            counts = np.bincount(bins, minlength=N_BINS + 1)[:N_BINS]
            yield ColumnSummary(name, low, high, is_whole, counts, bins)


def _is_same_twice(table: Localizations, name: str) -> bool:
    x, y = "uncertainty_x_nm", "uncertainty_y_nm"
    return name == y and x in table and np.array_equal(table[x], table[y], equal_nan=True)


def _ends(values: npt.NDArray[Any]) -> tuple[float, float]:
    sample = values[:: max(1, len(values) // SAMPLES)]
    sample = sample[np.isfinite(sample)]
    if not len(sample):
        return 0.0, 0.0
    tail = 0.0 if len(sample) < 100 / TAIL_PERCENT else TAIL_PERCENT
    low, high = np.percentile(sample, [tail, 100 - tail]).tolist()
    return _rounded_out(float(low), float(high))


def _rounded_out(low: float, high: float) -> tuple[float, float]:
    """Return ends a little further out that can be written shortly.

    Examples
    --------
    >>> _rounded_out(0.248137, 17.5012)
    (0.24, 17.51)
    """
    if high - low <= NARROWEST * max(1.0, abs(low), abs(high)):
        return low, low
    decimals = max(0, math.ceil(-math.log10((high - low) / STEPS)))
    one = 10.0**decimals
    return round(math.floor(low * one) / one, decimals), round(
        math.ceil(high * one) / one, decimals
    )


def _bins(values: npt.NDArray[Any], low: float, high: float) -> npt.NDArray[np.uint8]:
    with np.errstate(all="ignore"):
        places = np.clip((values - low) * (N_BINS / (high - low)), 0, N_BINS - 1)
    return np.where(np.isnan(places), _NONE, np.nan_to_num(places)).astype(np.uint8)
