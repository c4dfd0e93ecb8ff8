"""Histograms of molecules: counts per pixel, also averaged over shifted grids."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    import threading

    from torch import Tensor

    from napari_deepsmlm.localizations import Localizations

ROWS_PER_STEP = 1 << 20


def histogram(
    table: Localizations,
    shape: tuple[int, int],
    *,
    sr_pixel_nm: float,
    corner_px: tuple[int, int] = (0, 0),
    weights: Tensor | None = None,
    stopping: threading.Event | None = None,
) -> Tensor:
    """Return (rows, columns) numbers of molecules: each in the pixel that contains it.

    Parameters
    ----------
    table : molecules; all frames are summed, on the device of the table.
    shape : of the image.
    sr_pixel_nm : its pixel, nm.
    corner_px : row and column of its first pixel, counted from the one that begins at x = y = 0.
    weights : (N,) what each molecule counts, 1 if not given.
    stopping : when set, InterruptedError is raised before the next million molecules.

    Examples
    --------
    >>> from napari_deepsmlm.localizations import Localizations
    >>> table = Localizations(frame=[0, 3, 3], x_nm=[5, 12, 15], y_nm=[5, 5, 5])
    >>> histogram(table, (1, 3), sr_pixel_nm=10)
    tensor([[1., 2., 0.]])
    """
    image: Tensor | None = None
    # float64: a float32 that counts by ones stops at 2**24
    is_exact = weights is None and len(table) < 1 << 24
    dtype = torch.float32 if is_exact else torch.float64
    for start in range(0, max(len(table), 1), ROWS_PER_STEP):
        raise_if(stopping)
        part = table[start : start + ROWS_PER_STEP]
        y, x = in_pixels(part, sr_pixel_nm, corner_px)
        if image is None:
            image = torch.zeros(shape[0] * shape[1], dtype=dtype, device=x.device)
        is_inside = (x >= 0) & (x < shape[1]) & (y >= 0) & (y < shape[0])  # false for NaN
        pixel = y[is_inside].long() * shape[1] + x[is_inside].long()
        if weights is None:
            count = torch.ones_like(pixel, dtype=image.dtype)
        else:
            count = weights[start : start + ROWS_PER_STEP][is_inside].to(image)
        image.index_add_(0, pixel, count)
    assert image is not None  # noqa: S101 - there is a first part, though it may be empty
    return image.view(shape).float()


def average_shifted_histogram(
    table: Localizations,
    shape: tuple[int, int],
    *,
    sr_pixel_nm: float,
    n_shifts: int = 4,
    corner_px: tuple[int, int] = (0, 0),
    weights: Tensor | None = None,
    stopping: threading.Event | None = None,
) -> Tensor:
    """Return (rows, columns) molecules per pixel, the mean of histograms on shifted grids.

    Each grid has bins of `n_shifts` pixels; the grids lie one pixel apart, in all `n_shifts`²
    places. Their mean is the fine histogram under a pyramid as wide as two bins, so a molecule
    keeps its mass of 1. Mass beyond the edges of the image is lost.

    Scott 1985, doi:10.1214/aos/1176349654.

    Parameters
    ----------
    table, shape, sr_pixel_nm, corner_px, weights, stopping : as for :func:`histogram`.
    n_shifts : pixels per bin; 1 gives the histogram itself.
    """
    margin = n_shifts - 1
    wide = (shape[0] + 2 * margin, shape[1] + 2 * margin)
    counts = histogram(
        table,
        wide,
        sr_pixel_nm=sr_pixel_nm,
        corner_px=(corner_px[0] - margin, corner_px[1] - margin),
        weights=weights,
        stopping=stopping,
    )
    return _under_triangle(_under_triangle(counts, n_shifts, 0), n_shifts, 1)


def _under_triangle(counts: Tensor, n_shifts: int, axis: int) -> Tensor:
    """Return the means under a triangle of `2 n_shifts - 1` pixels, where it lies inside."""
    n = counts.shape[axis] - 2 * (n_shifts - 1)
    image = torch.zeros_like(counts.narrow(axis, 0, n))
    for step in range(2 * n_shifts - 1):
        weight = (1 - abs(step - n_shifts + 1) / n_shifts) / n_shifts
        image.add_(counts.narrow(axis, step, n), alpha=weight)
    return image


def raise_if(stopping: threading.Event | None) -> None:
    """Raise InterruptedError once an image is not wanted any more."""
    if stopping is not None and stopping.is_set():
        raise InterruptedError("Stopped.")


def in_pixels(
    table: Localizations, sr_pixel_nm: float, corner_px: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Return (N,) rows and columns in the image whose first pixel is the one at `corner_px`."""
    # In the columns' own precision: float32 would move molecules over the borders of pixels. A
    # whole number is taken off without rounding, so a part of an image has the pixels of the whole.
    row, col = (column(table, name) / sr_pixel_nm for name in ("y_nm", "x_nm"))
    return row - corner_px[0], col - corner_px[1]


def column(table: Localizations, name: str) -> Tensor:
    """Return a column as a tensor."""
    values = table[name]
    # A copy of plain order: numpy's may be read-only or run backwards, which torch does not know.
    return values if isinstance(values, torch.Tensor) else torch.tensor(np.array(values, order="C"))
