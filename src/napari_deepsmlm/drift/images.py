"""Drift of images that hold no molecules: the windows of a time-lapse, correlated with each other.

What a table's pieces of time are to :mod:`~napari_deepsmlm.drift.correlation`, the windows are
here: networks that draw sums of frames have no table whose frames could be moved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_deepsmlm.drift._sample import at_frames
from napari_deepsmlm.drift.correlation import (
    COARSE_NM,
    FINE_NM,
    SIDE_PX,
    Path,
    shifts_of,
    spectra_of,
)
from napari_deepsmlm.drift.estimate import DriftResult, by_one_way

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_deepsmlm.drift.curve import DriftCurve

    Array = np.ndarray[Any, Any]


class Images(Protocol):
    """Images (H, W) by their number: a list, or a file that is read one by one."""

    def __len__(self) -> int: ...

    def __getitem__(self, k: int, /) -> Array: ...


FEWEST_IMAGES = 3
FEWEST_PLACES = 6
"""Squares that hold light; with fewer, halves share what they get wrong."""
MAX_CELLS = 100_000_000
"""Most pixels of all images together that are correlated at once; larger ones are binned."""
_TILES_AT_ONCE = 48
_PASSES = ((COARSE_NM, SIDE_PX // 2 - 1), (FINE_NM, 12), (FINE_NM, 6))


def measure_image_drift(
    images: Images, frames: Sequence[Sequence[int]], sr_pixel_nm: float
) -> DriftResult:
    """Return the drift between the images of a time-lapse, and of the frames they were made of.

    Parameters
    ----------
    images : K images (H, W), read once for each of three passes.
    frames : of each image its first frame and the one after its last.
    sr_pixel_nm : pixel of the images, nm.

    Raises
    ------
    ValueError
        If there are too few images, or nothing is in them: one sentence.
    """
    if len(images) != len(frames):
        raise ValueError(f"{len(images)} images were made of {len(frames)} ranges of frames.")
    if len(images) < FEWEST_IMAGES:
        raise ValueError(
            f"{len(images)} images show no drift: {FEWEST_IMAGES} are needed; reconstruct with a "
            "shorter --window."
        )
    shifts, cell_nm = np.zeros((len(images), 2)), sr_pixel_nm  # rows and columns, nm
    halves = [shifts, shifts]
    n_lit = 0.0
    for pixel_nm, reach_px in _PASSES:
        factor = _factor(images, pixel_nm / sr_pixel_nm)
        cell_nm = factor * sr_pixel_nm
        whole = np.rint(shifts / cell_nm).astype(int)
        tiles = _tiles(images, factor, whole)
        n_lit = _number_lit(tiles)
        grams = _grams(tiles)
        before = whole * cell_nm
        shifts = before + shifts_of(grams.sum(0), reach_px, cell_nm)
        halves = [before + shifts_of(gram, reach_px, cell_nm) for gram in grams]
    knots = np.array([(first + after - 1) / 2 for first, after in frames])
    every = np.arange(max(after for _, after in frames))
    whole_path, one, other = (at_frames(knots, way[:, ::-1], every) for way in (shifts, *halves))
    found = by_one_way(
        "correlation", Path(whole_path - whole_path[0], (one - one[0], other - other[0]))
    )
    if n_lit >= FEWEST_PLACES:
        return found
    doubt = (
        f"The light is in few places of the field (about {max(n_lit, 1):.0f} squares of "
        f"{SIDE_PX * cell_nm / 1000:.2g} um): what moves along itself does not show its drift, and "
        "the error may be larger than stated."
    )
    return found._replace(remarks=(*found.remarks, doubt))


def hold_still(
    images: Images,
    frames: Sequence[Sequence[int]],
    curve: DriftCurve,
    sr_pixel_nm: float,
    *,
    take_back: bool = False,
) -> Iterator[Array]:
    """Yield each image moved by the mean drift of its frames; what leaves the field is lost.

    Light is shared between neighbouring pixels, so that none is lost or made inside.

    Raises
    ------
    ValueError
        If the curve does not reach the last frame.
    """
    from scipy.ndimage import shift

    last = max(after for _, after in frames)
    if curve.n_frames < last:
        raise ValueError(
            f"The drift curve has {curve.n_frames} frames but the images reach frame {last}; is it "
            "the curve of this movie?"
        )
    sign = 1.0 if take_back else -1.0
    for k, (first, after) in enumerate(frames):
        x_nm, y_nm = curve.xyz_nm[first:after, :2].mean(axis=0)
        by_px = (sign * y_nm / sr_pixel_nm, sign * x_nm / sr_pixel_nm)
        yield shift(np.asarray(images[k], np.float32), by_px, order=1, prefilter=False)


def sum_of(images: Iterator[Array], frames: Sequence[Sequence[int]]) -> Array:
    """Return the sum of those images that have no frame in common: one image of the movie."""
    total: Array | None = None
    reached = 0
    for image, (first, after) in zip(images, frames, strict=True):
        if first >= reached:
            total = image.astype(np.float64) if total is None else total + image
            reached = after
    assert total is not None  # noqa: S101 - the first image always counts
    return total.astype(np.float32)


def _factor(images: Images, wanted: float) -> int:
    """Return how many pixels are binned along each axis."""
    n_cells = len(images) * images[0].size
    return max(1, round(wanted), int(np.ceil(np.sqrt(n_cells / MAX_CELLS))))


def _tiles(images: Images, factor: int, whole: Array) -> Array:
    """Return (K, T, 64, 64) squares of the binned images, each moved by whole cells."""
    tiles = []
    for k in range(len(images)):
        binned = _binned(np.asarray(images[k], np.float32), factor)
        moved = _moved(binned, -whole[k])
        size = -(-np.array(moved.shape) // SIDE_PX) * SIDE_PX
        padded = np.zeros(size, np.float32)
        padded[: moved.shape[0], : moved.shape[1]] = moved
        rows, columns = size // SIDE_PX
        cut = padded.reshape(rows, SIDE_PX, columns, SIDE_PX).swapaxes(1, 2)
        tiles.append(cut.reshape(-1, SIDE_PX, SIDE_PX))
    return np.stack(tiles)


def _binned(image: Array, factor: int) -> Array:
    rows, columns = (max(1, size // factor) for size in image.shape)
    cut = image[: rows * factor, : columns * factor]
    if cut.shape != (rows * factor, columns * factor):  # smaller than one cell
        return np.asarray(cut.sum(keepdims=True))
    return np.asarray(cut.reshape(rows, factor, columns, factor).sum(axis=(1, 3)))


def _moved(image: Array, by: Array) -> Array:
    """Return an image moved by whole pixels, dark where nothing comes in."""
    moved = np.roll(image, tuple(by), axis=(0, 1))
    for axis, step in enumerate(by):
        part = [slice(None), slice(None)]
        part[axis] = slice(0, step) if step > 0 else slice(step, None) if step < 0 else slice(0, 0)
        moved[tuple(part)] = 0
    return moved


def _number_lit(tiles: Array) -> float:
    """Return how many tiles would hold the light, were it shared equally by them."""
    light = tiles.sum(axis=(0, 2, 3), dtype=float)
    return float(light.sum() ** 2 / max(float((light**2).sum()), 1e-30))


def _grams(tiles: Array) -> Array:
    """Return (2, F.., K, K) cross-spectra of all pairs of images, of both halves of the tiles."""
    light = tiles.sum(axis=(0, 2, 3))
    if not (light > 0).any():
        raise ValueError("The images are empty: they show no drift.")
    rank = np.empty(len(light), int)
    rank[np.argsort(-light, kind="stable")] = np.arange(len(light))
    is_second = np.isin(rank % 4, (1, 2))  # 0 1 1 0: both get as much light
    grams = []
    for mine in (~is_second, is_second):
        numbers = np.flatnonzero(mine & (light > 0))
        gram: Any = 0.0
        for at in range(0, len(numbers), _TILES_AT_ONCE):
            spectra = spectra_of(tiles[:, numbers[at : at + _TILES_AT_ONCE]])
            gram = gram + np.conj(spectra) @ np.swapaxes(spectra, -1, -2)
        grams.append(gram)
    if np.isscalar(grams[1]):  # one tile: nothing to compare it with
        grams[1] = grams[0]
    return np.stack(grams)
