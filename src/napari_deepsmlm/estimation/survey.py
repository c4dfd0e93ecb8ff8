"""Survey: what a person should know about the numbers of a stack, one sentence each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_deepsmlm.estimation.saturation import saturation_of

if TYPE_CHECKING:
    from napari_deepsmlm.camera import Camera
    from napari_deepsmlm.estimation.glimpse import Glimpse

    Array = np.ndarray[Any, Any]

MAX_LOOKED_AT = 1 << 20
# Shares of pixels above which a warning is given: below the offset, where noise puts 3e-5 of them
# (REACH_SDS); and at zero, where a camera's offset of 100 ADU leaves none. Judgements: both leave
# room for masked edges and dead pixels.
MAX_SHARE_BELOW, MAX_SHARE_ZERO = 0.01, 0.05
# Pixels further below the offset than this many standard deviations of read noise are not noise.
REACH_SDS = 4.0
# ImageJ adds this to signed 16-bit numbers.
SIGNED_OFFSET = 32_768


def oddities(seen: Glimpse, *, wants_raw: bool = False) -> list[str]:
    """Return what is odd about frames whatever their camera.

    Parameters
    ----------
    wants_raw : whether offset and gain had to be read from these numbers.
    """
    if not seen.blocks:
        return []
    values = values_of(seen)
    found = [*_on_saturation(seen)]
    if seen.dtype.itemsize == 1:
        found.append(
            "The frames have 8 bits: they were rescaled or compressed after the camera, so photons "
            "are rough; give the raw 16-bit frames."
        )
    if is_subtracted(values):
        found.append(
            "Many pixels are zero or negative: a background was subtracted already, so noise and "
            "background are not those of the camera; give the raw frames."
        )
    if is_signed_by_imagej(values, seen.dtype):
        found.append(
            "All numbers lie near 32,768, as where ImageJ keeps signed 16-bit images: an offset of "
            "32,768 ADU is no camera's."
        )
    if wants_raw and is_scaled(values, seen.dtype):
        found.append(
            "The frames are numbers between 0 and 1: they were rescaled after the camera, whose "
            "offset and gain are estimated in that scale."
        )
    return found


def above_the_data(camera: Camera, seen: Glimpse) -> list[str]:
    """Return a sentence if much of the data lies below the offset of a camera, as noise cannot."""
    if not seen.blocks:
        return []
    read_e = getattr(camera, "read_noise_e", None) or 2.5
    if camera.kind == "additive":
        read_e = (camera.poisson_photons + camera.gaussian_photons**2) ** 0.5
    e_per_adu = getattr(camera, "e_per_adu", None) or 1 / camera.adu_per_photon
    values = values_of(seen)
    lowest = camera.baseline - REACH_SDS * read_e / e_per_adu - camera.step_adu
    share = float((values < lowest).mean())
    if share < MAX_SHARE_BELOW:
        return []
    below = float((values < camera.baseline).mean())
    return [
        f"The camera's offset (baseline) of {camera.baseline:g} ADU lies above {100 * below:.0f} % "
        f"of the pixel values (median {np.median(values):.4g}): it is that of another camera, or "
        "the frames were changed since. Molecules are missed so; correct the offset, or let it be "
        "estimated (camera auto)."
    ]


def values_of(seen: Glimpse) -> Array:
    """Return up to a million values of the first plane, from all frames and all over them."""
    plane = seen.frames[:, 0].reshape(-1)
    # A prime step does not fall onto the same columns again and again.
    step = max(1, plane.size // MAX_LOOKED_AT)
    while step > 1 and seen.frames.shape[-1] % step == 0:
        step += 1
    return plane[::step]


def is_subtracted(values: Array) -> bool:
    """Whether a background was taken off before: many zeros, or numbers below zero."""
    low = float(values.min())
    if low < 0:
        return float((values < 0).mean()) > MAX_SHARE_BELOW
    return low == 0 and float((values == 0).mean()) > MAX_SHARE_ZERO


def is_scaled(values: Array, dtype: np.dtype[Any]) -> bool:
    """Whether these are numbers between 0 and 1."""
    return dtype.kind == "f" and float(values.max()) <= 1.0


def is_signed_by_imagej(values: Array, dtype: np.dtype[Any]) -> bool:
    """Whether unsigned 16-bit numbers begin just around 32,768."""
    if dtype.kind != "u" or dtype.itemsize != 2:
        return False
    low, middle = np.percentile(values, (0.1, 50))
    return bool(low > SIGNED_OFFSET - 2_000 and middle < SIGNED_OFFSET + 8_000)


def _on_saturation(seen: Glimpse) -> list[str]:
    """Say so if many pixels of the first plane are cut off."""
    step = max(1, seen.frames[:, 0].size // MAX_LOOKED_AT)
    found = saturation_of(seen.frames[::step, 0])
    if not found.is_too_much:
        return []
    return [
        f"{100 * found.share:.2g} % of the pixels are saturated ({found.highest:g} ADU): bright "
        "molecules are cut off there, so their photons come out too low; record with less light or "
        "a lower gain."
    ]
