"""Beads in a z-stack: found, judged one by one, and cut out."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

Stack = np.ndarray[Any, Any]

WIDE_WINDOW_PX = 31
"""Larger windows hold engineered PSFs, whose lobes must not be taken for beads of their own."""

LEAST_DEPTHS = 5
CAMERA_BITS = (16, 14, 12, 10, 8)
"""Depths of cameras: a stack whose largest value is all of these bits is saturated."""


class Bead(NamedTuple):
    """One bead of a stack."""

    y_px: int
    x_px: int
    cutout: Stack
    """(C, Z, P, P), background removed."""


class BeadSearch(NamedTuple):
    """What a stack holds."""

    beads: list[Bead]
    refused: list[str]
    """One sentence per spot that is no usable bead."""


def check_stack(stack: Stack) -> Stack:
    """Return a bead stack as (C, Z, H, W) float64.

    Parameters
    ----------
    stack : (Z, H, W), or (C, Z, H, W) for several planes of the microscope.

    Raises
    ------
    ValueError
        If it has another shape, fewer than 5 depths, values that are no numbers, or empty or
        saturated images; the message says which and what to do.
    """
    values = np.asarray(stack)
    if values.ndim not in (3, 4):
        raise ValueError(
            f"A bead stack has axes (z, y, x) or (plane, z, y, x); got shape {values.shape}."
        )
    planes = (values if values.ndim == 4 else values[None]).astype(np.float64)
    if planes.shape[1] < LEAST_DEPTHS:
        raise ValueError(
            f"The bead stack has {planes.shape[1]} depths; a calibration needs at least "
            f"{LEAST_DEPTHS}. "
            "Record it in z-steps of 10 to 100 nm."
        )
    if not np.isfinite(planes).all():
        raise ValueError("The bead stack holds NaN or infinite values: export it again.")
    flat = np.argwhere(np.ptp(planes, axis=(2, 3)) == 0)
    if len(flat):
        raise ValueError(
            f"{_name(planes, flat[0])} of the bead stack is empty (all pixels equal); "
            f"{len(flat)} such in all. Remove them, or check that the shutter was open."
        )
    limit = _saturation(values)
    if limit is not None:
        n_full = (planes >= limit).sum((2, 3))
        worst = np.argwhere(n_full)[0]
        raise ValueError(
            f"{_name(planes, worst)} of the bead stack has {n_full[tuple(worst)]} saturated "
            f"pixels ({limit} ADU); lower the laser power or the exposure time."
        )
    return planes


def find_beads(
    stack: Stack, *, window_px: int, moves: Stack | None = None, min_contrast: float = 6.0
) -> BeadSearch:
    """Return the lone beads of a stack, brightest first.

    A bead is a peak of the first plane's mean over depths. Spots nearer to each other than half
    a window, or to the border, are refused: their light would mix or is cut off.

    Parameters
    ----------
    stack : (C, Z, H, W) as :func:`check_stack` returns it.
    window_px : side of the cutout, odd.
    moves : (C, 2) whole pixels (y, x) by which each plane is displaced from the first.
    min_contrast : height of a peak over the background in its standard deviations.
    """
    shifts = np.zeros((len(stack), 2), int) if moves is None else moves
    # Smoothing merges the lobes of a wide PSF; beads nearer than it reaches merge too.
    smoothing_px = 1.5 if window_px <= WIDE_WINDOW_PX else window_px / 8
    places, heights = _peaks(stack[0].mean(0), smoothing_px, min_contrast)
    half = window_px // 2
    size = np.array(stack.shape[2:])
    beads, refused = [], []
    for (y, x), height in zip(places, heights, strict=True):
        where = f"The spot at y = {y}, x = {x} px"
        # Lobes of one engineered PSF are weaker than its centre; another bead rivals it.
        rivals = places[(places != np.array([y, x])).any(1) & (heights > 0.5 * height)]
        gaps = np.abs(rivals - np.array([y, x])).max(1)
        corners = shifts + np.array([y, x]) - half
        if len(gaps) and gaps.min() <= half:
            refused.append(
                f"{where} has a neighbour {gaps.min()} px away, so their light mixes; "
                f"use a smaller window than {window_px} px or sparser beads."
            )
        elif (corners < 0).any() or (corners + window_px > size).any():
            refused.append(f"{where} is nearer than {half} px to the border.")
        elif not _is_lobe(y, x, height, places, heights, half):
            cutout = np.stack([
                plane[:, cy : cy + window_px, cx : cx + window_px]
                for plane, (cy, cx) in zip(stack, corners, strict=True)
            ])  # fmt: skip
            beads.append(Bead(int(y), int(x), cutout - _rim_level(cutout)))
    return BeadSearch(beads, refused)


def coarse_moves(stack: Stack) -> Stack:
    """Whole pixels (y, x) by which each plane is displaced from the first: (C, 2).

    The peak of the cross-correlation of the planes' means over depths, within a quarter of the
    image.
    """
    means = stack.mean(1)
    means = means - np.median(means, axis=(1, 2), keepdims=True)
    spectrum = np.fft.rfft2(means)
    correlation = np.fft.irfft2(spectrum * spectrum[:1].conj(), s=means.shape[1:])
    moves = []
    for image in correlation:
        peak = np.array(np.unravel_index(image.argmax(), image.shape))
        size = np.array(image.shape)
        moves.append(np.where(peak > size // 2, peak - size, peak))
    return np.array(moves)


def _peaks(mean: Stack, smoothing_px: float, min_contrast: float) -> tuple[Stack, Stack]:
    """Peaks of a smoothed image, highest first: (N, 2) places (y, x) and (N,) heights."""
    from scipy.ndimage import gaussian_filter, maximum_filter

    smooth = gaussian_filter(mean, smoothing_px)
    smooth = smooth - np.median(smooth)
    spread = 1.4826 * np.median(np.abs(smooth))
    threshold = max(min_contrast * spread, 0.1 * smooth.max())
    is_peak = (smooth == maximum_filter(smooth, 3)) & (smooth > threshold)
    places, heights = np.argwhere(is_peak), smooth[is_peak]
    order = np.argsort(-heights)
    return places[order], heights[order]


def _is_lobe(y: int, x: int, height: float, places: Stack, heights: Stack, half: int) -> bool:
    """Whether a much brighter peak within half a window makes this one part of its image."""
    near = np.abs(places - np.array([y, x])).max(1) <= half
    return bool((heights[near] > 2 * height).any())


def _rim_level(cutout: Stack) -> Stack:
    """Background of each image: the median of its outermost pixels, (C, Z, 1, 1)."""
    rim = np.concatenate(
        [cutout[..., 0, :], cutout[..., -1, :], cutout[..., 0], cutout[..., -1]], axis=-1
    )
    return np.asarray(np.median(rim, axis=-1)[..., None, None])


def _saturation(values: Stack) -> int | None:
    """The camera's largest value if pixels reached it, else None."""
    if not np.issubdtype(values.dtype, np.integer):
        return None
    top = int(values.max())
    if top not in [2**bits - 1 for bits in CAMERA_BITS]:
        return None
    # A 16-bit stack may have 4095 as its brightest value by chance, but hardly twice.
    is_certain = top == 2 ** CAMERA_BITS[0] - 1 or int((values == top).sum()) > 1
    return top if is_certain else None


def _name(planes: Stack, where: Any) -> str:
    plane = f" of plane {where[0]}" if len(planes) > 1 else ""
    return f"Image {where[1]}{plane}"
