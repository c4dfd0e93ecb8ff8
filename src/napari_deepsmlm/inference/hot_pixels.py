"""Hot pixels: single pixels whose numbers mean nothing, replaced by what surrounds them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor

_AROUND = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0)]


class HotPixels:
    """A map of hot pixels.

    Parameters
    ----------
    places : (plane, row, column) of each.
    shape : planes, rows and columns of the frames.

    Examples
    --------
    >>> frames = torch.full((2, 1, 4, 4), 7.0)
    >>> frames[..., 1, 2] = 65535
    >>> HotPixels([(0, 1, 2)], (1, 4, 4)).mend(frames)
    >>> frames.unique().tolist()
    [7.0]
    """

    def __init__(self, places: Iterable[tuple[int, int, int]], shape: tuple[int, int, int]) -> None:
        C, H, W = shape
        where = torch.tensor(sorted(set(places)), dtype=torch.long).reshape(-1, 3)
        plane, row, column = where.unbind(1)
        dy, dx = torch.tensor(_AROUND).unbind(1)
        rows, columns = row[:, None] + dy, column[:, None] + dx  # (n, 8)
        is_inside = (rows >= 0) & (rows < H) & (columns >= 0) & (columns < W)
        neighbour = (plane[:, None] * H + rows.clamp(0, H - 1)) * W + columns.clamp(0, W - 1)
        self._at = (plane * H + row) * W + column
        self._neighbour = neighbour
        self._is_good = is_inside & ~torch.isin(neighbour, self._at)

    def mend(self, frames: Tensor) -> None:
        """Replace them in (..., C, H, W) float frames by the median of their good neighbours."""
        flat = frames.flatten(-3)
        at = self._at.to(frames.device)
        around = flat[..., self._neighbour.to(frames.device)]  # (..., n, 8)
        is_good = self._is_good.to(frames.device)
        around = torch.where(is_good, around, torch.nan)
        middle = torch.nanquantile(around, 0.5, dim=-1)
        flat[..., at] = torch.where(is_good.any(-1), middle, flat[..., at])
