"""Contrast: the limits that an image is first shown with."""

from __future__ import annotations

from typing import Any

import numpy as np

CONTRAST_PERCENTILE = 99.8
CONTRAST_SAMPLES = 1_000_000


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
