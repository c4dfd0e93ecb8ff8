"""Images of straight objects whose widths are known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_deepsmlm.profiles import LineProfile, PixelGrid, line_profile

if TYPE_CHECKING:
    from collections.abc import Callable

    Floats = np.ndarray[Any, np.dtype[np.float64]]

SHAPE = (81, 81)


def ridge(
    grid: PixelGrid, angle: float, height: Callable[[Floats], Floats], centre_px: float = 40.0
) -> tuple[Floats, Floats, Floats]:
    """Return an image of something straight, a place on it, and the direction across it.

    height : brightness at the distance from the middle of the object, nm.
    """
    across = np.array([np.sin(angle), np.cos(angle)])
    middle = grid.to_nm([centre_px, centre_px])
    places = grid.to_nm(np.moveaxis(np.indices(SHAPE), 0, -1))
    return height((places - middle) @ across), middle, across


def gaussian(sigma_nm: float) -> Callable[[Floats], Floats]:
    """Return a bell of height 1."""
    return lambda distance: np.exp(-0.5 * (distance / sigma_nm) ** 2)


def profile_across(
    image: Any, grid: PixelGrid, middle: Any, across: Any, half_nm: float, **choices: Any
) -> LineProfile:
    """Return the profile of a line across the object."""
    line = (middle - half_nm * across, middle + half_nm * across)
    return line_profile(image, line, grid=grid, **choices)
