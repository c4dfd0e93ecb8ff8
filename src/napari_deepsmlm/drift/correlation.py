"""Redundant cross-correlation: every piece of time against every other, then least squares.

Wang et al. 2014, doi:10.1364/OE.22.015982. Here the field is cut into small squares whose
correlations are summed in Fourier space, so that all pairs cost about as much as one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_deepsmlm.drift._sample import at_frames, numbered

if TYPE_CHECKING:
    from napari_deepsmlm.drift._sample import Sample

    Array = np.ndarray[Any, Any]

COARSE_NM, FINE_NM = 80.0, 20.0
SIDE_PX = 64
Z_CELL_NM, Z_NM = 120.0, 25.0
Z_COARSE = 3
MAX_REJECTED = 0.3
_TILES_AT_ONCE = 48
_SMOOTH_PX = 1.5
_FIT_PX = 2


class Path(NamedTuple):
    """Drift by one way of measuring, and by each half of the molecules."""

    xyz_nm: Array
    """(F, D) of each frame; 0 in the first."""
    halves_nm: tuple[Array, Array]


def correlate(sample: Sample) -> Path:
    """Return the drift by redundant cross-correlation of pieces of time.

    A first pass finds shifts of up to 2.5 µm in large pixels, two more refine them in small ones.
    """
    edges = np.linspace(0, sample.n_frames, sample.n_segments + 1)
    segment = np.clip(np.searchsorted(edges, sample.frame, "right") - 1, 0, sample.n_segments - 1)
    is_used = np.bincount(segment, minlength=sample.n_segments) > 0
    number = np.cumsum(is_used) - 1
    segment = number[segment]
    knots = np.array([sample.frame[segment == k].mean() for k in range(int(is_used.sum()))])
    frames = np.arange(sample.n_frames)
    lateral = [_lateral(sample.xyz_nm[:, :2], segment, sample.is_second)]
    if sample.is_3d:
        still = sample.xyz_nm.copy()
        still[:, :2] -= at_frames(knots, lateral[0][0], sample.frame)
        lateral.append(_axial(still, segment, sample.is_second))
    whole, first, second = (
        at_frames(knots, np.concatenate([way[k] for way in lateral], axis=1), frames)
        for k in range(3)
    )
    return Path(whole - whole[0], (first - first[0], second - second[0]))


def _lateral(xy: Array, segment: Array, is_second: Array) -> list[Array]:
    """Return (K, 2) shifts by all molecules, by the first half, and by the second."""
    shifts = np.zeros((int(segment.max()) + 1, 2))
    for pixel_nm, reach_px in ((COARSE_NM, SIDE_PX // 2 - 1), (FINE_NM, 12), (FINE_NM, 6)):
        grams = _grams(_tiles(xy - shifts[segment], pixel_nm), segment, is_second, 2)
        before, shifts = shifts, shifts + shifts_of(grams.sum(0), reach_px, pixel_nm)
    return [shifts, *(before + shifts_of(gram, reach_px, pixel_nm) for gram in grams)]


def _axial(xyz: Array, segment: Array, is_second: Array) -> list[Array]:
    """Return (K, 1) shifts in depth: columns of the volume, correlated along z alone."""
    shifts = np.zeros((int(segment.max()) + 1, 1))
    for pixel_nm, reach_px in ((Z_NM * Z_COARSE, SIDE_PX // 4), (Z_NM, 12), (Z_NM, 6)):
        cells = np.floor(xyz[:, :2] / Z_CELL_NM).astype(np.int64)
        depth = np.floor((xyz[:, 2] - shifts[segment, 0]) / pixel_nm).astype(np.int64)
        places = np.concatenate([cells, depth[:, None] % SIDE_PX], axis=1)
        grams = _grams(places, segment, is_second, 1)
        before, shifts = shifts, shifts + shifts_of(grams.sum(0), reach_px, pixel_nm)
    return [shifts, *(before + shifts_of(gram, reach_px, pixel_nm) for gram in grams)]


def _tiles(xy: Array, pixel_nm: float) -> Array:
    """Return (N, 4) the square of the field that a molecule is in, and its pixel there."""
    pixel = np.floor(xy / pixel_nm).astype(np.int64)
    return np.concatenate([pixel // SIDE_PX, pixel % SIDE_PX], axis=1)


def _grams(places: Array, segment: Array, is_second: Array, n_axes: int) -> Array:
    """Return (2, F.., K, K) cross-spectra of all pairs of segments, of both halves.

    Parameters
    ----------
    places : (N, 2 + D) tile and pixel of each molecule.
    """
    cells = places[:, :2] - places[:, :2].min(axis=0)
    key = cells[:, 0] * (int(cells[:, 1].max()) + 1) + cells[:, 1]
    # A tile belongs to the half that most of its molecules belong to, so that halves stay apart.
    tile, counts = numbered(key)
    is_in_second = np.bincount(tile, is_second) * 2 > counts
    n_segments = int(segment.max()) + 1
    shape = (SIDE_PX,) * n_axes
    place = np.ravel_multi_index(tuple(places[:, 2:].T[:n_axes]), shape)
    # numbers of 16 bits are sorted digit by digit, ten times faster
    order = np.argsort(tile.astype(np.min_scalar_type(len(counts))), kind="stable")
    starts = np.concatenate([[0], np.cumsum(counts)])
    per_axis = [SIDE_PX] * (n_axes - 1) + [SIDE_PX // 2 + 1]
    grams = np.zeros((2, *per_axis, n_segments, n_segments), np.complex64)
    at_once = _TILES_AT_ONCE * (1 if n_axes == 2 else SIDE_PX)
    for half, mine in enumerate((~is_in_second, is_in_second)):
        numbers = np.flatnonzero(mine)
        for at in range(0, len(numbers), at_once):
            some = numbers[at : at + at_once]
            rows = np.concatenate([order[starts[t] : starts[t + 1]] for t in some])
            local = np.repeat(np.arange(len(some)), counts[some])
            spectra = _spectra(
                (segment[rows] * len(some) + local) * SIDE_PX**n_axes + place[rows],
                (n_segments, len(some), *shape),
            )
            grams[half] += np.conj(spectra) @ np.swapaxes(spectra, -1, -2)
    return grams


def _spectra(index: Array, shape: tuple[int, ...]) -> Array:
    """Return (F.., K, T) transforms of the histograms of K segments in T tiles."""
    counts = np.bincount(index, minlength=int(np.prod(shape)))
    return spectra_of(counts.astype(np.float32).reshape(shape))


def spectra_of(tiles: Array) -> Array:
    """Return (F.., K, T) transforms of the (K, T, ..) tiles of K pieces of time."""
    from scipy.fft import rfftn

    spectra = rfftn(tiles, axes=tuple(range(2, tiles.ndim)))
    return np.ascontiguousarray(np.moveaxis(spectra, (0, 1), (-2, -1)))


def shifts_of(gram: Array, reach_px: int, pixel_nm: float) -> Array:
    """Return (K, D) shifts in nm of segments against the first, from the shifts of all pairs."""
    n = gram.shape[-1]
    first, second = np.triu_indices(n, 1)
    spectra = np.moveaxis(gram[..., first, second], -1, 0)  # (P, F..)
    shifts, heights = _peaks(spectra, reach_px)
    rows = np.zeros((len(first), n))
    rows[np.arange(len(first)), first] = -1
    rows[np.arange(len(first)), second] = 1
    weights = np.clip(heights, 0, None)
    path = np.zeros((n, shifts.shape[1]))
    path[1:] = _robust(rows[:, 1:], shifts, weights)
    return path * pixel_nm


def _robust(rows: Array, shifts: Array, weights: Array) -> Array:
    """Return the least squares path, again without the pairs that contradict it."""
    is_kept = weights > 0
    if is_kept.sum() < rows.shape[1]:
        is_kept[:] = True
    root = np.sqrt(np.maximum(weights, 1e-12))[:, None]
    for _ in range(4):
        path, *_ = np.linalg.lstsq((rows * root)[is_kept], (shifts * root)[is_kept], rcond=None)
        misfit = np.abs(shifts - rows @ path).max(axis=1)
        limit = max(3 * float(np.median(misfit[is_kept])), 0.5)
        limit = max(limit, float(np.quantile(misfit, 1 - MAX_REJECTED)))
        if (is_kept == (misfit <= limit)).all():
            break
        is_kept = misfit <= limit
    return np.asarray(path)


def _peaks(spectra: Array, reach_px: int) -> tuple[Array, Array]:
    """Return (P, D) shifts in pixels and (P,) how far the peaks stand above chance.

    Parameters
    ----------
    spectra : (P, F..) cross-spectra, the last axis half.
    """
    from scipy.fft import irfftn

    n_axes = spectra.ndim - 1
    shape = (SIDE_PX,) * n_axes
    frequencies = [np.fft.fftfreq(SIDE_PX)] * (n_axes - 1) + [np.fft.rfftfreq(SIDE_PX)]
    grids = np.meshgrid(*frequencies, indexing="ij")
    smooth = np.exp(-2 * (np.pi * _SMOOTH_PX) ** 2 * sum(g**2 for g in grids)).astype(np.float32)
    smooth[(0,) * n_axes] = 0.0  # the mean says nothing of a shift
    spectra = spectra * smooth
    near = np.arange(-reach_px, reach_px + 1)
    maps = irfftn(spectra, s=shape, axes=tuple(range(1, n_axes + 1)))
    noise = maps.std(axis=tuple(range(1, n_axes + 1)))
    inner = maps[np.ix_(np.arange(len(maps)), *(near,) * n_axes)].reshape(len(maps), -1)
    place = inner.argmax(axis=1)
    best = np.stack(np.unravel_index(place, (len(near),) * n_axes), axis=1) - reach_px
    height = inner[np.arange(len(maps)), place] / np.maximum(noise, 1e-12)
    return best + _refined(maps, best, reach_px), height


def _refined(maps: Array, best: Array, reach_px: int) -> Array:
    """Return how far the tops of paraboloids through the peaks lie from their pixels, (P, D)."""
    n_axes = maps.ndim - 1
    around = np.arange(-_FIT_PX, _FIT_PX + 1)
    offsets = np.stack(np.meshgrid(*(around,) * n_axes, indexing="ij"), -1).reshape(-1, n_axes)
    squares = [offsets[:, a] * offsets[:, b] for a in range(n_axes) for b in range(a, n_axes)]
    design = np.column_stack([np.ones(len(offsets)), offsets, *squares])
    centre = np.clip(best, -reach_px, reach_px)[:, None] + offsets  # (P, W, D)
    index = tuple(np.moveaxis(centre % SIDE_PX, -1, 0))
    values = maps[(np.arange(len(maps))[:, None], *index)]
    terms = values @ np.linalg.pinv(design).T
    slope = terms[:, 1 : 1 + n_axes]
    bend = np.zeros((len(maps), n_axes, n_axes))
    pairs = [(a, b) for a in range(n_axes) for b in range(a, n_axes)]
    for k, (a, b) in enumerate(pairs, 1 + n_axes):
        bend[:, a, b] += terms[:, k]
        bend[:, b, a] += terms[:, k]
    is_peak = np.linalg.eigvalsh(bend).max(axis=1) < 0
    tops = np.zeros((len(maps), n_axes))
    tops[is_peak] = -np.linalg.solve(bend[is_peak], slope[is_peak][..., None])[..., 0]
    return np.clip(tops, -_FIT_PX, _FIT_PX)
