"""Registered planes: frames whose planes are moved onto the first one as they are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_deepsmlm.psf.registration import PlaneRegistration, align_planes

if TYPE_CHECKING:
    from pathlib import Path

    from napari_deepsmlm.io.frames._planes import Frames, Planes, Shape

# Stored frames that are held beside the registered ones.
_FRAMES_AT_ONCE = 16


class RegisteredPlanes:
    """Frames (T, C, H, W) of which each plane shows a molecule where the first one does."""

    def __init__(self, planes: Planes, registration: PlaneRegistration) -> None:
        self._planes = planes
        self._registration = registration
        self.shape: Shape = planes.shape
        self.dtype: np.dtype[Any] = np.dtype(np.float32)

    def read(self, start: int, stop: int) -> Frames:
        """Return frames start <= t < stop as (stop - start, C, H, W) float32."""
        frames = np.empty((stop - start, *self.shape[1:]), np.float32)
        known = self._registration
        for first in range(start, stop, _FRAMES_AT_ONCE):
            last = min(first + _FRAMES_AT_ONCE, stop)
            stored = self._planes.read(first, last)
            frames[first - start : last - start] = align_planes(
                stored, known.planes, known.pixel_size_nm
            )
        return frames

    def close(self) -> None:
        """Close the files."""
        self._planes.close()


def register(
    planes: Planes,
    registration: PlaneRegistration | str | Path,
    *,
    name: str,
    pixel_size_nm: float | None,
) -> RegisteredPlanes:
    """Return frames that are registered as they are read.

    Parameters
    ----------
    registration : the maps, or the `planes.yaml` that holds them.
    name : of the frames, for the error.
    pixel_size_nm : of the frames, where it is known.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no such file, or it does not fit the frames.
    """
    if not isinstance(registration, PlaneRegistration):
        registration = PlaneRegistration.from_file(registration)
    n_planes, known_nm = planes.shape[1], registration.pixel_size_nm
    if n_planes != registration.n_planes:
        raise ValueError(
            f"{name}: its frames have {n_planes} planes, but the registration maps "
            f"{registration.n_planes}: calibrate with beads of the same planes."
        )
    if pixel_size_nm is not None and abs(pixel_size_nm / known_nm - 1) > 0.01:
        raise ValueError(
            f"{name}: its pixels are {pixel_size_nm:g} nm, but the registration was made with "
            f"{known_nm:g} nm: give the same pixel size to both."
        )
    return RegisteredPlanes(planes, registration)
