"""Saturation: bright pixels that all read the same number, the camera's largest."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]

# So much more often than any of the numbers next below it is a largest number read that light was
# cut off at; without cutting, larger numbers are rarer.
PILED_UP = 3.0
N_BELOW = 3
# Places that must have shown it: stuck pixels are few.
FEWEST_PLACES = 4
# From this share on: of 64 x 64 pixels four, the top of one molecule in each frame. A judgement.
MAX_SHARE = 0.001


class Saturation(NamedTuple):
    """How much of the frames is cut off, and where."""

    share: float
    """Of all pixels."""
    highest: float
    """The number that they read."""

    @property
    def is_too_much(self) -> bool:
        """Whether statistics and photons are spoilt."""
        return self.share >= MAX_SHARE


def saturation_of(frames: Array) -> Saturation:
    """Return the share of pixels that read the largest number because light was cut off there.

    It need not be a power of two: cameras end at their full well, and files are rescaled.

    Parameters
    ----------
    frames : (..., H, W).

    Examples
    --------
    >>> light = np.random.default_rng(0).exponential(100, (20, 32, 32)).round()
    >>> saturation_of(light).share, round(saturation_of(light.clip(max=300)).share, 2)
    (0.0, 0.05)
    """
    highest = frames.max()
    is_highest = frames == highest
    n_highest = int(np.count_nonzero(is_highest))
    none = Saturation(0.0, float(highest))
    if n_highest < MAX_SHARE * frames.size:
        return none
    n_places = int(np.count_nonzero(is_highest.reshape(-1, *frames.shape[-2:]).any(axis=0)))
    next_below = highest
    for _ in range(N_BELOW):
        lower = frames[frames < next_below]
        if lower.size == 0:
            return none
        next_below = lower.max()
        if n_highest < PILED_UP * np.count_nonzero(frames == next_below):
            return none
    return (
        Saturation(n_highest / frames.size, float(highest)) if n_places >= FEWEST_PLACES else none
    )
