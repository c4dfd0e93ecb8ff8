"""Spots: how widths differ between molecules, from those that stand alone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]

# The 10th and the 90th percentile of N widths have a standard error of 1.7 / √N of their standard
# deviation: 5 % of a thousand, which more would hardly better, and a third of 30.
MAX_SPOTS = 1000
FEWEST_SPOTS = 30
# A spot is alone if no other spot at least half as bright lies within this many widths.
ALONE_SIGMAS = 5.0
# How far a spot stands out of the smoothed frame, in standard deviations of its noise. If light and
# width are fitted to such a spot, the relative error of the width is 1 / 8 at least.
BRIGHT_SDS = 8.0
# Tried on spots of 500 photons, 0.6 to 1.6 times as wide as a mean of 2 px: after 12 steps one in a
# thousand is more than 1 % from where a hundred lead, after 6 one in fifty.
STEPS = 12
# Spots with a larger chi squared per degree of freedom are left out: most are two molecules.
MAX_CHI2 = 1.5
# Fitted widths outside these factors of the mean width are left out: they fitted no single
# molecule.
LOW, HIGH = 0.5, 2.0
# 80 % of a normal distribution lie within this many standard deviations.
EIGHTY_PERCENT = 1.2816


def width_range(
    frames: Array, sigma_px: float, background: float, read_variance: float, excess: float
) -> tuple[float, float] | None:
    """Return the two widths between which 80 % of molecules lie, px; None if too few are alone.

    Each spot is fitted by itself; the variance of a fit by noise is subtracted from the spread.

    Parameters
    ----------
    frames : (B, T, H, W) photons.
    sigma_px : mean width.
    background : photons per pixel.
    read_variance, excess : variance of a pixel is excess x light + read variance.
    """
    flat = frames.reshape(-1, *frames.shape[2:])
    reach = math.ceil(3 * sigma_px)
    windows = _lone_windows(flat, sigma_px, reach, background, read_variance)
    if len(windows) < FEWEST_SPOTS:
        return None
    widths, errors, chi2 = _fitted_widths(windows, sigma_px, read_variance, excess)
    is_good = (widths > LOW * sigma_px) & (widths < HIGH * sigma_px) & (errors < 0.2 * sigma_px)
    is_good &= chi2 < MAX_CHI2
    if is_good.sum() < FEWEST_SPOTS:
        return None
    low, middle, high = np.percentile(widths[is_good], (10, 50, 90))
    measured = ((high - low) / 2 / EIGHTY_PERCENT) ** 2
    spread = math.sqrt(max(measured - float(np.median(errors[is_good] ** 2)), 0.0))
    half = EIGHTY_PERCENT * spread
    return float(middle - half), float(middle + half)


def _lone_windows(
    frames: Array, sigma_px: float, reach: int, background: float, read_variance: float
) -> Array:
    """Return (N, 2R+1, 2R+1) images around bright local maxima that have no neighbours."""
    from scipy import ndimage

    smooth = ndimage.gaussian_filter(frames, (0, sigma_px, sigma_px)) - background
    noise = math.sqrt(max(background, 0.0) + read_variance + 1e-6)
    least = BRIGHT_SDS * noise / (2 * math.sqrt(math.pi) * sigma_px)
    side = 2 * math.ceil(ALONE_SIGMAS * sigma_px) + 1
    highest = ndimage.maximum_filter(smooth, (1, side, side))
    is_peak = (smooth == ndimage.maximum_filter(smooth, (1, 3, 3))) & (smooth > least)
    # A neighbour half as bright spoils the fit: all peaks nearby must be this one.
    n_near = ndimage.uniform_filter(
        (is_peak & (smooth > highest / 2)).astype(np.float32), (1, side, side)
    )
    is_lone = is_peak & (smooth == highest) & (n_near * side**2 < 1.5)
    is_lone[:, :reach] = is_lone[:, -reach:] = False
    is_lone[:, :, :reach] = is_lone[:, :, -reach:] = False
    found = np.argwhere(is_lone)
    found = found[:: max(1, len(found) // MAX_SPOTS)]
    offsets = np.arange(-reach, reach + 1)
    t, y, x = found.T[:, :, None, None]
    return np.asarray(frames[t, y + offsets[:, None], x + offsets], float)


def _fitted_widths(
    windows: Array, sigma_px: float, read_variance: float, excess: float
) -> tuple[Array, Array, Array]:
    """Return (N,) widths, errors and chi squared: weighted least squares, all spots at once."""
    n, side, _ = windows.shape
    rim = np.concatenate(
        [windows[:, 0], windows[:, -1], windows[:, :, 0], windows[:, :, -1]], axis=1
    )
    ground = np.median(rim, axis=1)
    total = (windows - ground[:, None, None]).sum(axis=(1, 2)).clip(1)
    centre = np.full(n, side / 2)
    p = np.stack([centre, centre, np.full(n, math.log(sigma_px)), np.log(total), ground], axis=1)
    normal, chi2 = np.empty((n, 5, 5)), np.empty(n)
    for _ in range(STEPS):
        model, slopes = _model(p, side)
        weight = 1 / (excess * np.maximum(model, 0.5) + read_variance)
        normal = np.einsum("nih,njh,nh->nij", slopes, slopes, weight) + 1e-9 * np.eye(5)
        left = windows.reshape(n, -1) - model
        chi2 = (weight * left**2).sum(axis=1) / (side**2 - 5)
        pull = np.einsum("nih,nh->ni", slopes, weight * left)
        step = np.linalg.solve(normal, pull[..., None])[..., 0]
        step[:, :4] = step[:, :4].clip(-0.5, 0.5)
        p = p + step
        p[:, 2] = p[:, 2].clip(math.log(0.2), math.log(side))
    widths = np.exp(p[:, 2])
    return widths, widths * np.sqrt(np.linalg.inv(normal)[:, 2, 2]), chi2


def _model(p: Array, side: int) -> tuple[Array, Array]:
    """Return (N, S*S) light of spots and (N, 5, S*S) its slopes: x, y, log σ, log light, ground."""
    from scipy.special import ndtr

    x, y, log_sigma, log_light, ground = p.T[:, :, None]
    sigma, edges = np.exp(log_sigma), np.arange(side + 1)

    def along(centre: Array) -> tuple[Array, Array, Array]:
        scaled = (edges - centre) / sigma
        density = np.exp(-(scaled**2) / 2) / math.sqrt(2 * math.pi)
        share = np.diff(ndtr(scaled), axis=1)
        return share, -np.diff(density, axis=1) / sigma, -np.diff(scaled * density, axis=1)

    columns, by_x, columns_by_width = along(x)
    rows, by_y, rows_by_width = along(y)
    light = np.exp(log_light)[..., None]

    def image(down: Array, across: Array) -> Array:
        return np.asarray((light * down[:, :, None] * across[:, None]).reshape(len(p), -1))

    spot = image(rows, columns)
    wider = image(rows, columns_by_width) + image(rows_by_width, columns)
    slopes = [image(rows, by_x), image(by_y, columns), wider, spot, np.ones_like(spot)]
    return spot + ground, np.stack(slopes, axis=1)
