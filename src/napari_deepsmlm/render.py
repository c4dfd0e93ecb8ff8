"""Render: a table of molecules becomes an image whose sums are numbers of molecules."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from napari_deepsmlm.localizations import Localizations

OWN_SIGMA = ("uncertainty_x_nm", "uncertainty_y_nm")
# A Gaussian is drawn as far as this many of its standard deviations; the 6e-5 of its mass that lie
# beyond go into the outermost pixels, so that none is lost.
REACH = 4.0
# A wider molecule is haze anyway, and must not take all the memory: it is drawn this wide.
WIDEST_PX = 128.0
# Further away, a pixel's number would not fit its integer.
FARTHEST_PX = 1e9
# Pixels that are drawn in one step, so that memory does not grow with the number of molecules.
PIXELS_PER_STEP = 1 << 20


def histogram(table: Localizations, shape: tuple[int, int], *, sr_pixel_nm: float) -> Tensor:
    """Return (rows, columns) numbers of molecules: each in the pixel that contains it.

    Parameters
    ----------
    table : molecules; all frames are summed, on the device of the table.
    shape : of the image, whose pixel (0, 0) begins at x = y = 0.
    sr_pixel_nm : its pixel, nm.

    Examples
    --------
    >>> from napari_deepsmlm.localizations import Localizations
    >>> table = Localizations(frame=[0, 3, 3], x_nm=[5, 12, 15], y_nm=[5, 5, 5])
    >>> histogram(table, (1, 3), sr_pixel_nm=10)
    tensor([[1., 2., 0.]])
    """
    x, y = _in_pixels(table, "x_nm", sr_pixel_nm), _in_pixels(table, "y_nm", sr_pixel_nm)
    is_inside = (x >= 0) & (x < shape[1]) & (y >= 0) & (y < shape[0])  # false for NaN
    pixel = y[is_inside].long() * shape[1] + x[is_inside].long()
    image = torch.zeros(shape[0] * shape[1], device=x.device)
    return image.index_add_(0, pixel, torch.ones_like(pixel, dtype=image.dtype)).view(shape)


def gaussian(
    table: Localizations,
    shape: tuple[int, int],
    *,
    sr_pixel_nm: float,
    sigma_nm: float | None = None,
) -> Tensor:
    """Return (rows, columns) molecules per pixel: each a Gaussian of mass 1, integrated over them.

    Mass beyond the edges of the image is lost, nothing else is.

    Parameters
    ----------
    table : molecules; all frames are summed, on the device of the table.
    shape : of the image, whose pixel (0, 0) begins at x = y = 0.
    sr_pixel_nm : its pixel, nm.
    sigma_nm : one standard deviation for all; each molecule's own uncertainty if not given.
        What is no number counts as 0, a point; what is above 128 pixels is drawn as 128.

    Raises
    ------
    ValueError
        If neither `sigma_nm` nor the uncertainties are there.
    """
    x, y = _in_pixels(table, "x_nm", sr_pixel_nm), _in_pixels(table, "y_nm", sr_pixel_nm)
    spots = torch.stack([x, y, *_sigmas_px(table, sr_pixel_nm, sigma_nm)])  # (4, N)
    spots = spots[:, (spots[:2].abs() < FARTHEST_PX).all(0)]  # false for NaN
    image = torch.zeros(shape[0] * shape[1], device=spots.device)
    for part, reach in _alike(spots):
        columns, along_x = _along_axis(part[0], part[2], reach, shape[1])
        rows, along_y = _along_axis(part[1], part[3], reach, shape[0])
        pixels = rows[:, :, None] * shape[1] + columns[:, None]  # (N, K, K)
        image.index_add_(0, pixels.flatten(), (along_y[:, :, None] * along_x[:, None]).flatten())
    return image.view(shape)


class Rendering(NamedTuple):
    """How molecules are drawn, in words and as a function."""

    words: str
    has_own_sigma: bool

    def draw(self, table: Localizations, shape: tuple[int, int], sr_pixel_nm: float) -> Tensor:
        """Return the image of a table."""
        render = gaussian if self.has_own_sigma else histogram
        return render(table, shape, sr_pixel_nm=sr_pixel_nm)


def rendering_of(columns: tuple[str, ...]) -> Rendering:
    """Return what suits a table: Gaussians if it has uncertainties, else a histogram."""
    if set(OWN_SIGMA) <= set(columns):
        return Rendering("each molecule as a Gaussian of its own uncertainty", True)
    return Rendering("molecules counted in each pixel", False)


def _column(table: Localizations, name: str) -> Tensor:
    values = table[name]
    # A copy, as numpy's may be read-only, which torch does not know.
    return values if isinstance(values, torch.Tensor) else torch.tensor(values)


def _in_pixels(table: Localizations, name: str, sr_pixel_nm: float) -> Tensor:
    # In the column's own precision: float32 would move molecules over the borders of pixels.
    return _column(table, name) / sr_pixel_nm


def _sigmas_px(
    table: Localizations, sr_pixel_nm: float, sigma_nm: float | None
) -> tuple[Tensor, ...]:
    """Return (N,) standard deviations along x and y, none unusable."""
    missing = [name for name in OWN_SIGMA if name not in table]
    if sigma_nm is None and missing:
        raise ValueError(f"The table has no {' and no '.join(missing)}; give sigma_nm.")
    if sigma_nm is None:
        sigmas = [_in_pixels(table, name, sr_pixel_nm) for name in OWN_SIGMA]
    else:
        x = _in_pixels(table, "x_nm", sr_pixel_nm)
        sigmas = 2 * [torch.full_like(x, sigma_nm / sr_pixel_nm)]
    return tuple(torch.nan_to_num(sigma).clamp(0, WIDEST_PX) for sigma in sigmas)


def _alike(spots: Tensor) -> Iterator[tuple[Tensor, int]]:
    """Yield spots (4, n) whose windows are of one size, not too many at once, and its reach."""
    needed = (REACH * spots[2:].amax(0)).ceil().clamp(min=1)
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
