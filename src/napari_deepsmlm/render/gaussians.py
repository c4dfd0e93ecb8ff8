"""Gaussians of molecules: each a spot of mass 1, as wide as its position is uncertain."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from napari_deepsmlm.render.points import ROWS_PER_STEP, column, in_pixels, raise_if

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    from torch import Tensor

    from napari_deepsmlm.localizations import Localizations

OWN_SIGMA = ("uncertainty_x_nm", "uncertainty_y_nm")
# A Gaussian is drawn at least as far as this many of its standard deviations; the 6e-5 of its mass
# that lie beyond go into the outermost pixels, so that none is lost.
REACH = 4.0
# A wider molecule is the same haze everywhere.
MAX_SIGMA_PX = 1e6
MAX_ELONGATION = 30.0
"""Most that a spot is longer than wide, or than a pixel: beyond, a fit has failed along it."""
# A molecule whose standard deviations are many pixels is drawn on a grid of larger ones, of which
# each still is this many, and then interpolated: 0.3 % of its peak off at most, and a hundred times
# faster.
GRID_STEPS_PER_SIGMA = 8
MAX_GRID_PX = 1 << 16
# Further away, a pixel's number would not fit its integer.
MAX_PLACE_PX = 1e9
LEAST_TILE_PX, MAX_TILE_PX = 32, 128
"""Side of the squares whose spots are drawn at once: the smaller, the less is done for a spot."""
SPOTS_PER_TILE = 16
"""With fewer, going from square to square takes longer than drawing."""
LEAST_REACH_PX = 8
# Pixels along an axis that are worked out in one step, so that memory does not grow with the number
# of molecules.
PIXELS_PER_STEP = 1 << 21


def gaussian(
    table: Localizations,
    shape: tuple[int, int],
    *,
    sr_pixel_nm: float,
    sigma_nm: float | None = None,
    corner_px: tuple[int, int] = (0, 0),
    weights: Tensor | None = None,
    stopping: threading.Event | None = None,
) -> Tensor:
    """Return (rows, columns) molecules per pixel: each a Gaussian of mass 1, integrated over them.

    Mass beyond the edges of the image is lost, nothing else is.

    Parameters
    ----------
    table : molecules; all frames are summed, on the device of the table.
    shape : of the image.
    sr_pixel_nm : its pixel, nm.
    sigma_nm : one standard deviation for all; each molecule's own uncertainty if not given.
        What is no number counts as 0, a point.
    corner_px : row and column of its first pixel, counted from the one that begins at x = y = 0.
    weights : (N,) the mass of each molecule, 1 if not given.
    stopping : when set, InterruptedError is raised before the next two million pixels.

    Raises
    ------
    ValueError
        If neither `sigma_nm` nor the uncertainties are there.
    """
    image: Tensor | None = None
    grids: dict[int, Tensor] = {}  # images of larger pixels, with one more at each side
    for start in range(0, max(len(table), 1), ROWS_PER_STEP):
        rows = slice(start, start + ROWS_PER_STEP)
        step = table[rows]
        places = in_pixels(step, sr_pixel_nm, corner_px)
        sigmas = _sigmas_px(step, sr_pixel_nm, sigma_nm)
        spots = _spots(places, sigmas, None if weights is None else weights[rows])
        if image is None:
            image = torch.zeros(shape, device=spots.device)
        for factor, some in _by_grid(spots):
            grid = image
            if factor > 1:
                sides = [-(-side // factor) + 2 for side in shape]
                grid = grids.setdefault(factor, torch.zeros(sides, device=spots.device))
            tile_px = _tile_px(some.shape[1], grid.shape)
            for part, reach in _alike(some, grid.shape, tile_px):
                raise_if(stopping)
                _add(grid, part, reach, tile_px)
    assert image is not None  # noqa: S101 - there is a first part, though it may be empty
    for factor, grid in grids.items():
        image += _interpolated(grid, factor, shape)
    return image


def _tile_px(n_spots: int, shape: torch.Size) -> int:
    side = math.sqrt(SPOTS_PER_TILE * math.prod(shape) / max(n_spots, 1))
    return int(2 ** math.floor(math.log2(min(max(side, LEAST_TILE_PX), MAX_TILE_PX))))


def _add(image: Tensor, part: Tensor, reach: int, tile_px: int) -> None:
    """Draw spots (5, n) in the order of their tiles.

    The image of a tile is the sum of products of what its spots are along y and along x: one
    product of two matrices, which a processor does far faster than it adds to scattered pixels.
    """
    n_rows, n_columns = image.shape
    tile = torch.floor(part[:2] / tile_px)
    along_x, along_y = (
        _along_axis(part[k] - tile[k] * tile_px, part[2 + k], reach, tile_px) for k in (0, 1)
    )
    along_y *= part[4].float()[:, None]
    begins = (torch.diff(tile) != 0).any(0)
    ends = [*(torch.nonzero(begins)[:, 0] + 1).tolist(), tile.shape[1]]
    corners = (tile[:, torch.tensor(ends) - 1].long().T * tile_px - reach).tolist()
    counts = [end - begin for begin, end in zip([0, *ends], ends, strict=False)]
    each = (along.split(counts) for along in (along_x, along_y))
    for (left, top), x, y in zip(corners, *each, strict=True):
        rows = slice(max(0, -top), min(y.shape[1], n_rows - top))
        columns = slice(max(0, -left), min(x.shape[1], n_columns - left))
        to = image[top + rows.start : top + rows.stop, left + columns.start : left + columns.stop]
        to.addmm_(y[:, rows].T, x[:, columns])


def _by_grid(spots: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Yield how much larger the pixels of a grid are, and the spots (5, n) to be drawn on it."""
    steps = (spots[2:4].amin(0) / GRID_STEPS_PER_SIGMA).clamp(1, MAX_GRID_PX)
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
    places: tuple[Tensor, Tensor], sigmas: tuple[Tensor, ...], weights: Tensor | None
) -> Tensor:
    """Return (5, N) x, y, sigma x, sigma y in pixels, and mass, of those that have a place."""
    y, x = places
    mass = torch.ones_like(x) if weights is None else weights.to(x)
    spots = torch.stack([x, y, *(sigma.to(x) for sigma in sigmas), mass])
    return spots[:, (spots[:2].abs() < MAX_PLACE_PX).all(0)]  # false for NaN


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
        sigmas = [column(table, name) / sr_pixel_nm for name in OWN_SIGMA]
    else:
        like = column(table, "x_nm") / sr_pixel_nm
        sigmas = 2 * [torch.full_like(like, sigma_nm / sr_pixel_nm)]
    wide = [torch.nan_to_num(sigma).clamp(0, MAX_SIGMA_PX) for sigma in sigmas]
    narrow = torch.minimum(*wide).clamp(min=1.0)
    return tuple(torch.minimum(sigma, MAX_ELONGATION * narrow) for sigma in wide)


def _alike(spots: Tensor, shape: torch.Size, tile_px: int) -> Iterator[tuple[Tensor, int]]:
    """Yield spots (5, n) that reach as far, and how far, pixels: tile after tile, some at once."""
    needed = (REACH * spots[2:4].amax(0)).clamp(min=LEAST_REACH_PX)
    reaches = torch.exp2(needed.log2().ceil()).long()
    n_rows, n_columns = shape
    ends = torch.tensor([[n_columns], [n_rows]], device=spots.device)
    for reach in reaches.unique().tolist():
        is_near = ((spots[:2] > -reach) & (spots[:2] < ends + reach)).all(0)
        group = spots[:, is_near & (reaches == reach)]
        tile = torch.floor(group[:2] / tile_px).long()
        group = group[:, torch.argsort(tile[1] * (n_columns + reach) + tile[0])]
        step = max(1, PIXELS_PER_STEP // (tile_px + 2 * reach))
        for start in range(0, group.shape[1], step):
            yield group[:, start : start + step], reach


def _along_axis(place: Tensor, sigma: Tensor, reach: int, tile_px: int) -> Tensor:
    """Return (N, tile_px + 2 reach) the mass of 1-D Gaussians in each pixel of their tile.

    place, sigma : (N,) pixels, from where the tile begins; its window begins `reach` before that.
    """
    borders = torch.arange(1 - reach, tile_px + reach, device=place.device)  # between the pixels
    scale = 1 / (math.sqrt(2) * sigma.float().clamp(min=1e-3))
    below = torch.erf((borders - place.float()[:, None]) * scale[:, None]).mul_(0.5).add_(0.5)
    edge = torch.zeros_like(below[:, :1])
    return torch.diff(below, dim=1, prepend=edge, append=edge + 1)
