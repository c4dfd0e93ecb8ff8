"""Gaussians of molecules: each a spot of mass 1, as wide as its position is uncertain."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from napari_deepsmlm.render.points import ROWS_PER_STEP, in_pixels, raise_if

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    from torch import Tensor

    from napari_deepsmlm.localizations import Localizations

OWN_SIGMA = ("uncertainty_x_nm", "uncertainty_y_nm")
# A Gaussian is drawn as far as this many of its standard deviations; the 6e-5 of its mass that lie
# beyond go into the outermost pixels, so that none is lost.
REACH = 4.0
# A wider molecule is the same haze everywhere.
WIDEST_PX = 1e6
LONGEST = 30.0
"""Most that a spot is longer than wide, or than a pixel: beyond, a fit has failed along it."""
# A molecule whose standard deviations are many pixels is drawn on a grid of larger ones, of which
# each still is this many, and then interpolated: 0.3 % of its peak off at most, and a hundred times
# faster.
GRID_STEPS_PER_SIGMA = 8
COARSEST_PX = 1 << 16
# Further away, a pixel's number would not fit its integer.
FARTHEST_PX = 1e9
# Pixels that are drawn in one step, so that memory does not grow with the number of molecules.
PIXELS_PER_STEP = 1 << 20


def gaussian(
    table: Localizations,
    shape: tuple[int, int],
    *,
    sr_pixel_nm: float,
    sigma_nm: float | None = None,
    weights: Tensor | None = None,
    stopping: threading.Event | None = None,
) -> Tensor:
    """Return (rows, columns) molecules per pixel: each a Gaussian of mass 1, integrated over them.

    Mass beyond the edges of the image is lost, nothing else is.

    Parameters
    ----------
    table : molecules; all frames are summed, on the device of the table.
    shape : of the image, whose pixel (0, 0) begins at x = y = 0.
    sr_pixel_nm : its pixel, nm.
    sigma_nm : one standard deviation for all; each molecule's own uncertainty if not given.
        What is no number counts as 0, a point.
    weights : (N,) the mass of each molecule, 1 if not given.
    stopping : when set, InterruptedError is raised before the next million pixels.

    Raises
    ------
    ValueError
        If neither `sigma_nm` nor the uncertainties are there.
    """
    image: Tensor | None = None
    grids: dict[int, Tensor] = {}  # images of larger pixels, with one more at each side
    for start in range(0, max(len(table), 1), ROWS_PER_STEP):
        rows = slice(start, start + ROWS_PER_STEP)
        spots = _spots(
            table[rows], sr_pixel_nm, sigma_nm, None if weights is None else weights[rows]
        )
        if image is None:
            image = torch.zeros(shape, device=spots.device)
        for factor, some in _by_grid(spots):
            grid = image
            if factor > 1:
                sides = [-(-side // factor) + 2 for side in shape]
                grid = grids.setdefault(factor, torch.zeros(sides, device=spots.device))
            for part, reach in _alike(some):
                raise_if(stopping)
                _add(grid, part, reach)
    assert image is not None  # noqa: S101 - there is a first part, though it may be empty
    for factor, grid in grids.items():
        image += _interpolated(grid, factor, shape)
    return image


def _add(image: Tensor, part: Tensor, reach: int) -> None:
    """Draw spots (5, n) whose windows are of one size."""
    n_rows, n_columns = image.shape
    columns, along_x = _along_axis(part[0], part[2], reach, n_columns)
    rows, along_y = _along_axis(part[1], part[3], reach, n_rows)
    along_y = along_y * part[4].float()[:, None]
    pixels = rows[:, :, None] * n_columns + columns[:, None]  # (N, K, K)
    mass = along_y[:, :, None] * along_x[:, None]
    image.view(-1).index_add_(0, pixels.flatten(), mass.flatten())


def _by_grid(spots: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Yield how much larger the pixels of a grid are, and the spots (5, n) to be drawn on it."""
    steps = (spots[2:4].amin(0) / GRID_STEPS_PER_SIGMA).clamp(1, COARSEST_PX)
    factors = torch.exp2(steps.log2().floor()).long()
    for factor in factors.unique().tolist():
        some = spots[:, factors == factor].clone()
        if factor > 1:
            some[:2] = some[:2] / factor + 1
            some[2:4] /= factor
        yield factor, some


def _interpolated(grid: Tensor, factor: int, shape: tuple[int, int]) -> Tensor:
    """Return the mass in each pixel of the image, (rows, columns), of a grid of larger ones."""
    rows, columns = (
        (torch.arange(side, device=grid.device) + 0.5) / factor + 0.5 for side in shape
    )
    along_y = _between(grid, rows)
    return _between(along_y.T, columns).T / factor**2


def _between(values: Tensor, at: Tensor) -> Tensor:
    """Interpolate rows of values linearly at places that count from the middle of the first."""
    low = at.floor().long().clamp(0, len(values) - 2)
    share = (at - low)[:, None]
    return values[low] * (1 - share) + values[low + 1] * share


def _spots(
    table: Localizations, sr_pixel_nm: float, sigma_nm: float | None, weights: Tensor | None
) -> Tensor:
    """Return (5, N) x, y, sigma x, sigma y in pixels, and mass, of those that have a place."""
    x, y = in_pixels(table, "x_nm", sr_pixel_nm), in_pixels(table, "y_nm", sr_pixel_nm)
    mass = torch.ones_like(x) if weights is None else weights.to(x)
    spots = torch.stack([x, y, *_sigmas_px(table, sr_pixel_nm, sigma_nm), mass])
    return spots[:, (spots[:2].abs() < FARTHEST_PX).all(0)]  # false for NaN


def _sigmas_px(
    table: Localizations, sr_pixel_nm: float, sigma_nm: float | None
) -> tuple[Tensor, ...]:
    """Return (N,) standard deviations along x and y, none unusable."""
    missing = [name for name in OWN_SIGMA if name not in table]
    if sigma_nm is None and missing:
        raise ValueError(
            f"The table has no {' and no '.join(missing)}: give one width for all molecules, nm "
            "(Width σ in the panel, --sigma on the command line, sigma_nm in Python)."
        )
    if sigma_nm is None:
        sigmas = [in_pixels(table, name, sr_pixel_nm) for name in OWN_SIGMA]
    else:
        x = in_pixels(table, "x_nm", sr_pixel_nm)
        sigmas = 2 * [torch.full_like(x, sigma_nm / sr_pixel_nm)]
    wide = [torch.nan_to_num(sigma).clamp(0, WIDEST_PX) for sigma in sigmas]
    narrow = torch.minimum(*wide).clamp(min=1.0)
    return tuple(torch.minimum(sigma, LONGEST * narrow) for sigma in wide)


def _alike(spots: Tensor) -> Iterator[tuple[Tensor, int]]:
    """Yield spots (5, n) whose windows are of one size, not too many at once, and its reach."""
    needed = (REACH * spots[2:4].amax(0)).ceil().clamp(min=1)
    # Sizes 1, 2, 3, 4, 6, 8, 12, 16, ...: few groups, and no window much larger than needed.
    octave = torch.exp2(needed.log2().ceil())
    reaches = torch.where(needed <= 0.75 * octave, 0.75 * octave, octave).ceil().long()
    for reach in reaches.unique().tolist():
        group = spots[:, reaches == reach]
        for part in group.split(max(1, PIXELS_PER_STEP // (2 * reach + 1) ** 2), dim=1):
            yield part, reach


def _along_axis(centre: Tensor, sigma: Tensor, reach: int, n: int) -> tuple[Tensor, Tensor]:
    """Return (N, 2 reach + 1) pixels of [0, n) and the mass of 1-D Gaussians in them.

    centre, sigma : (N,) pixels.
    """
    first = centre.floor()
    steps = torch.arange(-reach, reach + 1, device=centre.device)
    borders = steps[1:] - (centre - first).float()[:, None]  # those between the pixels
    scale = 1 / (math.sqrt(2) * sigma.float().clamp(min=1e-3))
    below = 0.5 + 0.5 * torch.erf(borders * scale[:, None])
    edge = torch.zeros_like(below[:, :1])
    mass = torch.diff(below, dim=1, prepend=edge, append=edge + 1)
    pixel = first.long()[:, None] + steps
    is_inside = (pixel >= 0) & (pixel < n)
    return pixel.clamp(0, n - 1), mass * is_inside
