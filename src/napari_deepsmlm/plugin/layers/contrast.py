"""Contrast: the limits that an image is first shown with."""

from __future__ import annotations

from typing import Any

import numpy as np

CONTRAST_PERCENTILE = 99.8
CONTRAST_SAMPLES = 1_000_000
STEADY_WITHIN = 1.5


def contrast_limits(image: np.ndarray[Any, Any]) -> tuple[float, float]:
    """Return 0 and the 99.8th percentile of what is not zero, from a sample of large images.

    Examples
    --------
    >>> contrast_limits(np.eye(100) * 3)
    (0.0, 3.0)
    """
    values = image.reshape(-1)[:: max(1, image.size // CONTRAST_SAMPLES)]
    values = values[values > 0]
    high = float(np.percentile(values, CONTRAST_PERCENTILE)) if len(values) else 1.0
    return 0.0, high


def steady_limits(image: np.ndarray[Any, Any], before: float | None) -> tuple[float, float]:
    """Return the limits of an image that takes the place of another one of the same things.

    The upper one stays as it was `before` where the new one is hardly another, or where there is
    nothing in the image: one that flickers tells of changes that are none.

    Examples
    --------
    >>> steady_limits(np.eye(100) * 3, 2.5), steady_limits(np.eye(100) * 3, 1.5)
    ((0.0, 2.5), (0.0, 3.0))
    """
    low, high = contrast_limits(image)
    if before is None or not (high > STEADY_WITHIN * before or high < before / STEADY_WITHIN):
        return low, before or high
    return (low, high) if image.any() else (low, before)
