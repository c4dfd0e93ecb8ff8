"""LineProfile: the values of an image along a line, averaged across its width."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import distance_transform_edt, map_coordinates, spline_filter

from napari_deepsmlm.profiles.grid import PixelGrid

if TYPE_CHECKING:
    from collections.abc import Iterator

    Floats = np.ndarray[Any, np.dtype[np.float64]]

# A quintic spline leaves a line of sigma 1 px within 1 % of its width in any direction, a cubic one
# 2 %, and linear interpolation, which blurs, 13 %.
ORDER = 5
REACH_PX = 16  # the spline of what lies further away is less than 1e-6
BRIGHT_SIDE, BRIGHT_PERCENT = 256, 99.0  # of the sample that tells how bright an image is
SAMPLES_PER_PART = 128
MAX_SAMPLES = 100_000


@dataclass(frozen=True, slots=True)
class LineProfile:
    """Values along a line at equal distances from its start to its end.

    Attributes
    ----------
    position_nm : (n,) true distances from the start of the line.
    value : (n,) mean across the width, in the units of the image; NaN where the line is outside
        the image, or where the image has no value.
    width_nm, n_lines : the band that was averaged, and how many parallel lines it was sampled on.
    n_outside, n_missing : samples beyond the image, and on pixels that are NaN or infinite.
    bright : what bright structures of the image have above its dark parts, from a sample of it.
    """

    position_nm: Floats
    value: Floats
    width_nm: float
    n_lines: int
    n_outside: int
    n_missing: int
    bright: float = 0.0

    @property
    def length_nm(self) -> float:
        """From start to end."""
        return float(self.position_nm[-1])

    @property
    def step_nm(self) -> float:
        """Between two samples: a pixel or a little less."""
        return self.length_nm / (len(self.position_nm) - 1)

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences about what was left out."""
        n, texts = len(self.position_nm), []
        if self.n_outside:
            texts.append(f"{self.n_outside} of {n} samples lie outside the image: left out.")
        if self.n_missing:
            texts.append(f"{self.n_missing} of {n} samples have no value (NaN): left out.")
        return tuple(texts)


def line_profile(
    image: Any,
    line_nm: Any,
    *,
    pixel_size_nm: float | tuple[float, float] | None = None,
    grid: PixelGrid | None = None,
    width_px: float = 1.0,
    width_nm: float | None = None,
) -> LineProfile:
    """Return the values of an image along a line, at true distances of a pixel or a little less.

    The pixels around each sample are interpolated by a quintic spline. The width is measured in
    the sample, at right angles to the line there, also where pixels are not square or are sheared.

    Parameters
    ----------
    image : (rows, columns) grey levels; what lies near the line is read, and a coarse
        sample of the whole, which tells how bright the image is.
    line_nm : ((y, x), (y, x)) start and end.
    pixel_size_nm : side of the pixels, or (height, width); nm are counted from the image's corner.
    grid : instead of it, where the pixels lie.
    width_px : averaged across the line, in pixels of this image.
    width_nm : the same in nm, instead.

    Raises
    ------
    ValueError
        If the image is no grey image, or the line has no length or lies outside the image.

    Examples
    --------
    >>> image = np.arange(12.0).reshape(3, 4)
    >>> profile = line_profile(image, ((150, 50), (150, 350)), pixel_size_nm=100)
    >>> profile.position_nm, profile.value.round(6)
    (array([  0., 100., 200., 300.]), array([4., 5., 6., 7.]))
    """
    _require_grey(image)
    if (pixel_size_nm is None) == (grid is None):
        raise ValueError("Give either pixel_size_nm or grid: where the pixels lie.")
    grid = PixelGrid.of_pixels(pixel_size_nm) if pixel_size_nm is not None else grid
    assert grid is not None  # noqa: S101 - one of the two is given
    ends = _ends(line_nm)
    vector = ends[1] - ends[0]
    length_nm = float(np.linalg.norm(vector))
    n = _n_samples(length_nm, grid.pitch_nm(vector) if length_nm else 1.0)
    normal = np.array([-vector[1], vector[0]]) / length_nm
    offsets_nm, band_nm = _offsets(width_px, width_nm, grid.pitch_nm(normal))
    along = ends[0] + np.linspace(0, 1, n)[:, None] * vector  # (n, 2)
    places = grid.to_pixels(along + offsets_nm[:, None, None] * normal)  # (n_lines, n, 2)
    is_inside = _is_inside(grid.to_pixels(along), image.shape)
    if not is_inside.any():
        raise ValueError(_outside(ends, grid, image.shape))
    values = _mean(_sample(image, places))
    values[~is_inside] = np.nan
    return LineProfile(
        position_nm=np.linspace(0, length_nm, n),
        value=values,
        width_nm=band_nm,
        n_lines=len(offsets_nm),
        n_outside=int((~is_inside).sum()),
        n_missing=int((is_inside & np.isnan(values)).sum()),
        bright=_bright(image),
    )


def _bright(image: Any) -> float:
    rows, columns = (slice(None, None, -(-n // BRIGHT_SIDE)) for n in image.shape)
    values = np.asarray(image[rows, columns], np.float64)
    values = values[np.isfinite(values)]
    if not values.size:
        return 0.0
    above = values - values.min()
    above = above[above > 0]
    return float(np.percentile(above, BRIGHT_PERCENT)) if above.size else 0.0


def _require_grey(image: Any) -> None:
    shape, kind = tuple(image.shape), np.dtype(image.dtype).kind
    if len(shape) == 3 and shape[-1] in (3, 4):
        raise ValueError(
            f"This is a colour image, {shape}: choose one channel, or its grey levels."
        )
    if len(shape) != 2 or 0 in shape:
        raise ValueError(f"A profile needs one image (rows, columns), got shape {shape}.")
    if kind not in "uifb":
        raise ValueError(f"A profile needs real grey levels, got {np.dtype(image.dtype)}.")


def _ends(line_nm: Any) -> Floats:
    ends = np.asarray(line_nm, float)
    if ends.shape != (2, 2) or not np.isfinite(ends).all():
        raise ValueError(f"A line is ((y, x), (y, x)) with finite numbers, got {line_nm}.")
    return ends


def _n_samples(length_nm: float, pitch_nm: float) -> int:
    n = int(np.ceil(length_nm / pitch_nm - 1e-6)) + 1
    if n < 2:
        raise ValueError("The line has no length: its two ends must be apart.")
    if n > MAX_SAMPLES:
        raise ValueError(
            f"The line is {n - 1:,} pixels long; at most {MAX_SAMPLES:,} can be profiled."
        )
    return n


def _offsets(width_px: float, width_nm: float | None, pitch_nm: float) -> tuple[Floats, float]:
    """Return where the parallel lines are, nm from the middle, and how wide they are together."""
    width_px = width_px if width_nm is None else width_nm / pitch_nm
    if not 0 < width_px <= MAX_SAMPLES:
        raise ValueError(f"The width must be above 0 (and sensible), got {width_px:g} px.")
    n = max(1, int(np.ceil(width_px - 1e-6)))
    return ((np.arange(n) + 0.5) / n - 0.5) * width_px * pitch_nm, width_px * pitch_nm


def _is_inside(places_px: Floats, shape: tuple[int, ...]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Whether (..., 2) places lie on pixels, whose borders are half a pixel off their centres."""
    inside: Any = (places_px >= -0.5) & (places_px <= np.array(shape) - 0.5)
    return np.asarray(inside.all(-1))


def _outside(ends: Floats, grid: PixelGrid, shape: tuple[int, ...]) -> str:
    (y0, x0), (y1, x1) = grid.to_pixels(ends)
    return (
        f"The line from ({y0:.1f}, {x0:.1f}) to ({y1:.1f}, {x1:.1f}) px lies outside the image "
        f"of {shape[0]} x {shape[1]} px; draw it across the image."
    )


def _sample(image: Any, places: Floats) -> Floats:
    """Return (n_lines, n) values at (n_lines, n, 2) places, NaN outside, part by part."""
    values = np.full(places.shape[:2], np.nan)
    for part in _parts(places.shape[1]):
        wanted = places[:, part]
        inside = _is_inside(wanted, image.shape)
        if inside.any():
            values[:, part][inside] = _interpolate(image, wanted[inside])
    return values


def _parts(n: int) -> Iterator[slice]:
    """Yield pieces of the line: the box around each is small, even where the line is long."""
    for start in range(0, n, SAMPLES_PER_PART):
        yield slice(start, start + SAMPLES_PER_PART)


def _interpolate(image: Any, places: Floats) -> Floats:
    """Return (m,) values at (m, 2) places inside the image, NaN beside pixels without a value."""
    low = np.maximum(np.floor(places.min(0)).astype(int) - REACH_PX, 0)
    high = np.minimum(np.ceil(places.max(0)).astype(int) + REACH_PX + 1, image.shape)
    box = np.asarray(image[low[0] : high[0], low[1] : high[1]], np.float64)
    at = (places - low).T
    is_missing = ~np.isfinite(box)
    if is_missing.all():
        return np.full(len(places), np.nan)
    if is_missing.any():
        nearest = distance_transform_edt(is_missing, return_distances=False, return_indices=True)
        box = box[tuple(nearest)]
    # Mirrored at the border of the image; at that of the box it is too far away to matter.
    coefficients = spline_filter(box, ORDER, mode="mirror")
    values = map_coordinates(coefficients, at, order=ORDER, mode="mirror", prefilter=False)
    if is_missing.any():
        touched = map_coordinates(is_missing.astype(float), at, order=1, mode="nearest")
        values[touched > 1e-6] = np.nan
    return np.asarray(values)


def _mean(values: Floats) -> Floats:
    """Return (n,) means over the lines, of what is there; NaN where nothing is."""
    count = np.isfinite(values).sum(0)
    total = np.nansum(values, 0)
    mean = np.full(len(total), np.nan)
    np.divide(total, count, out=mean, where=count > 0)
    return mean
