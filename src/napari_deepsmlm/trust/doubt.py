"""Doubt: where the molecules and the frames contradict each other beyond what chance explains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from napari_deepsmlm.io import FrameSource
    from napari_deepsmlm.localizations import Localizations

    Array = np.ndarray[Any, Any]

N_BLOCKS = 20
SMOOTH_PX, LEVEL_PX = 1.5, 8.0
"""Detail between these widths is compared: finer is noise, coarser is light out of focus."""
SIGNIFICANT = 5.0
CONTRADICTION = 0.6
"""Share of the larger one by which frames and molecules must differ."""
SMALLEST_PX = 12
_CHUNK_BYTES = 64 << 20


class DoubtedRegion(NamedTuple):
    """A connected part of the field in doubt."""

    y_px: float
    x_px: float
    n_px: int
    is_missing: bool
    """Frames show what the molecules do not; else molecules are where the frames show nothing."""

    def sentence(self, pixel_nm: float) -> str:
        """Return where it is and what is wrong."""
        where = f"x {self.x_px * pixel_nm / 1e3:.1f}, y {self.y_px * pixel_nm / 1e3:.1f} µm"
        what = (
            "structure in the frames is missing" if self.is_missing else "molecules without light"
        )
        return f"around {where}: {what} ({self.n_px} px)"


class DoubtMap(NamedTuple):
    """What the frames show, what the molecules explain, and where both contradict each other."""

    seen: Array
    """(H, W) detail of the mean frame."""
    explained: Array
    """(H, W) detail that the molecules explain."""
    in_doubt: Array
    """(H, W) 0: none, 1: molecules without light, 2: light without molecules."""
    share: float
    """Of the structure that is in doubt."""
    regions: tuple[DoubtedRegion, ...]
    """The largest first."""


def doubt_map(
    source: FrameSource, table: Localizations, pixel_nm: float, sigma_px: float
) -> DoubtMap:
    """Return where the light of the molecules is not that of the frames.

    Molecules, weighted by their photons, are blurred by the PSF and scaled to the mean frame.
    Chance is told from alternating blocks of time; a pixel is in doubt where both differ by five
    standard errors and by most of the larger one.

    Parameters
    ----------
    source : the frames that the table is of, without drift beyond a pixel.
    sigma_px : width of the PSF in camera pixels.
    """
    halves = _half_means(source)
    mean = (halves[0] + halves[1]) / 2
    noise = _noise(halves)
    light = ndimage.gaussian_filter(_light(table, mean.shape, pixel_nm), sigma_px)
    seen, explained = _detail(mean), _detail(light)
    scale = _scale(seen, explained)
    explained = explained * scale
    # Detail is below zero beside what is bright: a false structure would not stand out there, and
    # beside it something would seem to be missing. So the light itself must tell the same.
    given = ndimage.gaussian_filter(light, SMOOTH_PX) * scale
    apart = ndimage.gaussian_filter(mean, SMOOTH_PX) - given
    apart = _nearer_to_zero(seen - explained, apart - _level(apart))
    larger = np.maximum(given, given + apart)
    limit = SIGNIFICANT * noise
    wrong = (larger > limit) & (np.abs(apart) > np.maximum(limit, CONTRADICTION * larger))
    in_doubt = np.zeros(seen.shape, np.uint8)
    regions: list[DoubtedRegion] = []
    # what lies outside of the field shines into it
    margin = round(2 * np.hypot(sigma_px, SMOOTH_PX))
    inside = np.zeros(seen.shape, bool)
    inside[margin:-margin, margin:-margin] = True
    for code, mask in ((1, wrong & (apart < 0)), (2, wrong & (apart > 0) & inside)):
        label, n = ndimage.label(mask, np.ones((3, 3)))
        sizes = np.bincount(label.ravel(), minlength=n + 1)
        for k in np.flatnonzero(sizes[1:] >= SMALLEST_PX) + 1:
            y, x = ndimage.center_of_mass(label == k)
            regions.append(DoubtedRegion(y + 0.5, x + 0.5, int(sizes[k]), code == 2))
            in_doubt[label == k] = code
    regions.sort(key=lambda one: -one.n_px)
    is_structure = (np.maximum(seen, explained) > limit) | (in_doubt > 0)
    share = float((in_doubt > 0).sum() / max(int(is_structure.sum()), 1))
    return DoubtMap(seen, explained, in_doubt, share, tuple(regions))


def _half_means(source: FrameSource) -> tuple[Array, Array]:
    """Return the means of alternating blocks of time."""
    n = source.n_frames
    sums = np.zeros((2, *source.shape[2:]))
    counts = np.zeros(2)
    at, per_chunk = 0, max(1, _CHUNK_BYTES // (8 * int(np.prod(source.shape[1:]))))
    n_blocks = min(N_BLOCKS, n)
    for chunk in source.chunks(per_chunk):
        block = (np.arange(at, at + len(chunk)) * n_blocks // n) % 2
        for half in (0, 1):
            part = chunk[block == half]
            sums[half] += part.sum(axis=(0, 1), dtype=np.float64)
            counts[half] += len(part)
        at += len(chunk)
    means = sums / np.maximum(counts, 1)[:, None, None]
    return means[0], means[1]


def _noise(halves: tuple[Array, Array]) -> Array:
    """Return (H, W) standard error of the detail of the mean, from how the halves differ nearby."""
    apart = _detail(halves[0]) - _detail(halves[1])
    local = ndimage.gaussian_filter(apart**2, LEVEL_PX / 2)
    return np.asarray(np.sqrt(np.maximum(local, local.mean() * 0.05)) / 2)


def _light(table: Localizations, shape: tuple[int, ...], pixel_nm: float) -> Array:
    x, y = np.asarray(table.x_nm) / pixel_nm, np.asarray(table.y_nm) / pixel_nm
    weight = np.asarray(table["photons"], float) if "photons" in table else np.ones(len(x))
    inside = (x >= 0) & (y >= 0) & (x < shape[1]) & (y < shape[0]) & np.isfinite(weight)
    # shared by the four nearest pixels: a whole pixel would move the light
    image = np.zeros(shape)
    column, row = x[inside] - 0.5, y[inside] - 0.5
    left, top = np.floor(column).astype(int), np.floor(row).astype(int)
    for dy in (0, 1):
        for dx in (0, 1):
            share = abs(1 - dx - (column - left)) * abs(1 - dy - (row - top))
            at = np.clip(top + dy, 0, shape[0] - 1), np.clip(left + dx, 0, shape[1] - 1)
            np.add.at(image, at, share * weight[inside])
    return image


def _detail(image: Array) -> Array:
    near = ndimage.gaussian_filter(image, SMOOTH_PX)
    return np.asarray(near - ndimage.gaussian_filter(image, LEVEL_PX))


def _nearer_to_zero(one: Array, other: Array) -> Array:
    """Return the smaller of two values of one sign, 0 where their signs differ."""
    smaller = np.sign(one) * np.minimum(np.abs(one), np.abs(other))
    return np.asarray(np.where(one * other > 0, smaller, 0.0))


def _level(image: Array) -> Array:
    """Return (H, W) what most of a smooth image's pixels nearby have: medians of wide squares."""
    step = max(1, round(LEVEL_PX / 2))
    size = 2 * round(2 * LEVEL_PX / step) + 1
    coarse = ndimage.median_filter(image[::step, ::step], size, mode="nearest")
    at = np.indices(image.shape) / step
    return np.asarray(ndimage.map_coordinates(coarse, at, order=1, mode="nearest"))


def _scale(seen: Array, explained: Array) -> float:
    """Return frames' units per unit of light: where both have most, without what contradicts it."""
    bright = explained > 0.3 * np.quantile(explained, 0.99)
    if not bright.any():
        return 0.0
    return float(np.median(seen[bright] / explained[bright]))
