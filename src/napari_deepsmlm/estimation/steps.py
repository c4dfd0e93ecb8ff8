"""Steps: how far neighbouring numbers of frames lie apart, which is what they were rounded to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]

MAX_LOOKED_AT = 1 << 17
# Gaps up to so many steps give the step, since the narrowest alone is too short by its own error.
FEW_STEPS = 10
# Numbers lie on steps if so large a share of them is off by no more than so much of a step.
LEAST_SHARE, TOLERANCE = 0.999, 0.1
ERRORS_OF_FLOATS = 4.0


def step_adu(values: Array) -> float:
    """Return the step between numbers that a camera wrote; 0 if they are not rounded to any.

    It is 1 for whole numbers, and for others that of what they were made of: whole numbers that
    were divided by their maximum lie 1 / maximum apart, means of four frames a quarter.

    Parameters
    ----------
    values : any number of pixels, all finite.

    Examples
    --------
    >>> counts = np.arange(1000)
    >>> step_adu(counts), step_adu(counts * 1.0), round(1 / step_adu(counts / 999), 3)
    (1.0, 1.0, 999.0)
    >>> step_adu(np.sqrt(counts))
    0.0
    """
    if values.dtype.kind in "ui":
        return 1.0
    some = values.ravel()[:: max(1, values.size // MAX_LOOKED_AT)].astype(np.float64)
    if (some == np.floor(some)).all():
        return 1.0
    levels = np.unique(some)
    least = ERRORS_OF_FLOATS * float(np.finfo(values.dtype).eps) * float(np.abs(levels).max())
    gaps = np.diff(levels)
    gaps = gaps[gaps > least]
    if len(gaps) == 0:
        return 0.0
    step = float(gaps.min())
    for part in (gaps[gaps < FEW_STEPS * step], gaps):
        step = float(part.sum() / np.round(part / step).sum())
    places = (levels - levels[0]) / step
    is_on_one = np.abs(places - np.round(places)) < TOLERANCE
    return step if is_on_one.mean() >= LEAST_SHARE else 0.0
