"""ProfileFit: how wide the object across the line is, how sure that is, and the curve itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_deepsmlm.profiles.curves import Model, curve_of

if TYPE_CHECKING:
    Floats = np.ndarray[Any, np.dtype[np.float64]]

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class ProfileFit:
    """A curve through a profile. Intervals hold the truth in 95 % of cases; NaN: cannot be told.

    Attributes
    ----------
    model : its name.
    fwhm_nm, fwhm_ci_nm : full width at half maximum of the fitted curve without its background; of
        a Gaussian 2.354820 sigma; of two lines that of each; of a cylinder or slab as it appears,
        blurred.
    distance_nm, distance_ci_nm : between the two peaks of "two-gauss"; None for the others.
    size_nm, size_ci_nm : what the blur was taken off: the diameter of "disk" and "ring", the width
        of "flat"; None for the others.
    sigma_nm : of the Gaussian, or of the blur.
    centre_nm : of the object, from the start of the line.
    heights : of the shapes, in the units of the image.
    background : in the units of the image.
    residual_rms : root mean square of what the curve leaves, in the units of the image.
    r_squared : share of the variance that the curve explains.
    n_samples : how many were fitted.
    remarks : sentences about what to be careful with.
    """

    model: Model
    fwhm_nm: float
    fwhm_ci_nm: Interval
    distance_nm: float | None
    distance_ci_nm: Interval | None
    size_nm: float | None
    size_ci_nm: Interval | None
    sigma_nm: float
    centre_nm: float
    heights: tuple[float, ...]
    background: float
    residual_rms: float
    r_squared: float
    n_samples: int
    remarks: tuple[str, ...] = ()

    def curve(self, position_nm: Any) -> Floats:
        """Return the fitted curve at (n,) distances from the start of the line."""
        third = self.distance_nm if self.size_nm is None else self.size_nm
        form = [self.centre_nm, self.sigma_nm, *([] if third is None else [third])]
        numbers = np.array([*form, *self.heights, self.background])
        return curve_of(self.model).values(np.asarray(position_nm, float), numbers)

    def to_json(self) -> dict[str, Any]:
        """Return plain values; None for what the model does not have or what cannot be told."""
        names = [name for name in self.__slots__ if name not in ("heights", "remarks")]
        values = {name: _plain(getattr(self, name)) for name in names}
        return values | {"heights": list(self.heights), "remarks": list(self.remarks)}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return None if any(map(math.isnan, value)) else list(value)
    return None if isinstance(value, float) and math.isnan(value) else value
