"""PixelGrid: where the pixels of an image lie in the sample, in nm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    Floats = np.ndarray[Any, np.dtype[np.float64]]

Pair = tuple[float, float]


@dataclass(frozen=True, slots=True)
class PixelGrid:
    """An affine map from pixels to nm: scale and shift, and rotation and shear where there are any.

    Attributes
    ----------
    origin_nm : (y, x) of the centre of pixel (0, 0).
    down_nm, right_nm : (y, x) from a pixel to the one below it, and to the one right of it.

    Examples
    --------
    >>> PixelGrid.of_pixels(100).to_nm([[0, 0], [1, 3]])
    array([[ 50.,  50.],
           [150., 350.]])
    """

    origin_nm: Pair
    down_nm: Pair
    right_nm: Pair

    def __post_init__(self) -> None:
        numbers = np.array([self.origin_nm, self.down_nm, self.right_nm])
        if not np.isfinite(numbers).all() or not abs(np.linalg.det(numbers[1:])) > 0:
            raise ValueError(
                f"Pixels must have an area, got steps of {self.down_nm} and {self.right_nm} nm."
            )

    @classmethod
    def of_pixels(cls, size_nm: float | Pair) -> Self:
        """Return upright pixels whose outer top-left corner is at 0, as in tables of molecules.

        Parameters
        ----------
        size_nm : side of the pixels, or their height and width.
        """
        height, width = (size_nm, size_nm) if isinstance(size_nm, int | float) else size_nm
        if not (0 < height < np.inf and 0 < width < np.inf):
            raise ValueError(f"The pixel size must be above 0 nm, got {size_nm}.")
        return cls((height / 2, width / 2), (float(height), 0.0), (0.0, float(width)))

    def to_nm(self, points_px: Any) -> Floats:
        """Return (..., 2) places (y, x) in nm; whole pixels are their centres."""
        return np.asarray(points_px, float) @ self._steps + self.origin_nm

    def to_pixels(self, points_nm: Any) -> Floats:
        """Return (..., 2) places (row, column) in pixels."""
        return (np.asarray(points_nm, float) - self.origin_nm) @ np.linalg.inv(self._steps)

    def pitch_nm(self, direction: Any) -> float:
        """Return how many nm are one pixel's length along a (y, x) direction in the sample."""
        direction = np.asarray(direction, float)
        in_pixels = direction @ np.linalg.inv(self._steps)
        return float(np.linalg.norm(direction) / np.linalg.norm(in_pixels))

    @property
    def _steps(self) -> Floats:
        return np.array([self.down_nm, self.right_nm], float)
