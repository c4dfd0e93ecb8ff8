"""Cubic B-splines of PSF volumes, evaluated as one weighted sum of table rows per emitter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    Volume = np.ndarray[Any, Any]


class SplineTable(NamedTuple):
    """Spline coefficients laid out so that an image is a weighted sum of 64 contiguous rows.

    Lateral coefficients are `subpixels` per camera pixel. Row (z, a, b) holds those that pixels
    of a patch need at one shift: pixel (i, j) uses coefficient (s i + a, s j + b).
    """

    rows: Tensor
    """(Z * A * A, P * P)."""
    patch_px: int
    subpixels: int
    n_shifts: int
    """A: shifts along each axis."""
    z_first_nm: float
    """Depth of coefficient 1 along z: coefficient 0 and the last one serve the boundary."""
    z_step_nm: float

    @classmethod
    def build(
        cls, coefficients: Volume, *, subpixels: int, z_first_nm: float, z_step_nm: float
    ) -> SplineTable:
        """Lay out B-spline coefficients.

        Parameters
        ----------
        coefficients : (Z, S, S), the emitter at the one in the middle. S = s (P - 1) + 2 h + 3
            with h = ceil(s / 2): P pixels, half a pixel around them, and one more on each side
            for the boundary.
        subpixels : s, coefficients per camera pixel.
        z_first_nm : depth of coefficient 1.
        z_step_nm : distance of coefficients along z.
        """
        s = subpixels
        n_shifts = 2 * half_pixel(s) + 3
        P = (coefficients.shape[1] - n_shifts) // s + 1
        volume = torch.from_numpy(np.ascontiguousarray(coefficients))
        windows = volume.unfold(1, s * (P - 1) + 1, 1).unfold(2, s * (P - 1) + 1, 1)
        windows = windows[:, :n_shifts, :n_shifts, ::s, ::s]  # (Z, A, A, P, P)
        rows = windows.reshape(-1, P * P).contiguous()
        return cls(rows, P, s, n_shifts, z_first_nm, z_step_nm)

    def to(self, dtype: torch.dtype, device: torch.device) -> SplineTable:
        """Return a copy on a device."""
        return self._replace(rows=self.rows.to(device, dtype))

    def images(self, offset_px: Tensor, z_nm: Tensor) -> Tensor:
        """Return (N, P, P) for offsets (N, 2) = (x, y) within half a pixel and depths (N,)."""
        n_z = len(self.rows) // self.n_shifts**2
        iz, wz = _taps((z_nm - self.z_first_nm) / self.z_step_nm + 1, n_z)
        # A pixel sees the spline at its own position minus that of the emitter.
        xy = half_pixel(self.subpixels) - offset_px * self.subpixels + 1
        ixy, wxy = _taps(xy, self.n_shifts)
        A = self.n_shifts
        index = (iz[:, :, None] * A + ixy[:, None, 1])[..., None] * A + ixy[:, None, None, 0]
        weight = (wz[:, :, None] * wxy[:, None, 1])[..., None] * wxy[:, None, None, 0]
        image = weighted_rows(self.rows, index.flatten(1), weight.flatten(1))
        return image.view(-1, self.patch_px, self.patch_px)


def _taps(position: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Indices and weights of the four coefficients around positions: (...,) -> (..., 4) each."""
    first = torch.floor(position.detach()).clamp(1, n - 3)
    t = position - first
    # Cubic B-spline (Unser 1999, doi:10.1109/79.799930, eq. 5), without branches.
    r = 1 - t
    near = 2 / 3 - t**2 + t**3 / 2
    far = 2 / 3 - r**2 + r**3 / 2
    weights = torch.stack([r**3 / 6, near, far, t**3 / 6], dim=-1)
    steps = torch.arange(-1, 3, device=position.device)
    return first.long()[..., None] + steps, weights


def weighted_rows(rows: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    """Return sum_k weight[n, k] * rows[index[n, k]] as (N, D), differentiable in the weights."""
    result: Tensor = _WeightedRows.apply(rows, index, weight)  # type: ignore[no-untyped-call]
    return result


class _WeightedRows(torch.autograd.Function):
    """One pass over the table; forward and second derivatives too, which `embedding_bag` lacks."""

    @staticmethod
    def forward(rows: Tensor, index: Tensor, weight: Tensor) -> Tensor:
        return functional.embedding_bag(index, rows, per_sample_weights=weight, mode="sum")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], output: Tensor) -> None:
        rows, index, _ = inputs
        ctx.save_for_backward(rows, index)
        ctx.save_for_forward(rows, index)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, None, Tensor]:
        return None, None, _RowProducts.apply(*ctx.saved_tensors, gradient)  # type: ignore[no-untyped-call]

    @staticmethod
    def jvp(ctx: Any, _rows: None, _index: None, weight: Tensor) -> Tensor:
        rows, index = ctx.saved_tensors
        return functional.embedding_bag(index, rows, per_sample_weights=weight, mode="sum")

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[Any, Any, Any], rows: Tensor, index: Tensor, weight: Tensor
    ) -> tuple[Tensor, int]:
        index = _leading(index, in_dims[1], info.batch_size)
        weight = _leading(weight, in_dims[2], info.batch_size)
        image = weighted_rows(rows, index.flatten(0, 1), weight.flatten(0, 1))
        return image.unflatten(0, (info.batch_size, -1)), 0


class _RowProducts(torch.autograd.Function):
    """The way back: each row that was taken, times what came back for their sum."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, index: Tensor, gradient: Tensor) -> Tensor:
        ctx.save_for_backward(rows, index)
        parts = [
            torch.einsum("nkd,nd->nk", rows[i], g)
            for i, g in zip(index.split(64), gradient.split(64), strict=True)
        ]
        return torch.cat(parts) if parts else gradient.new_zeros(index.shape)

    @staticmethod
    def backward(ctx: Any, weight: Tensor) -> tuple[None, None, Tensor]:
        rows, index = ctx.saved_tensors
        return None, None, weighted_rows(rows, index, weight)


def _leading(values: Tensor, dim: int | None, n: int) -> Tensor:
    return values.expand(n, *values.shape) if dim is None else values.movedim(dim, 0)


def half_pixel(subpixels: int) -> int:
    """Number of coefficients that cover half a camera pixel."""
    return (subpixels + 1) // 2


def spline_coefficients(volume: Volume, axes: tuple[int, ...] = (0, 1, 2)) -> Volume:
    """Return coefficients of the B-spline through samples: two more than samples on each axis.

    Coefficient 1 belongs to sample 0. The ends are not-a-knot (de Boor 1978, "A Practical Guide
    to Splines", ch. IV), so that a cubic polynomial comes back exactly.

    Raises
    ------
    ValueError
        If an axis has fewer than four samples.
    """
    for axis in axes:
        n = volume.shape[axis]
        if n < 4:
            raise ValueError(f"A cubic spline needs at least 4 samples per axis, got {n}.")
        matrix = np.zeros((n + 2, n + 2))
        rows = np.arange(1, n + 1)
        for step, weight in ((-1, 1 / 6), (0, 4 / 6), (1, 1 / 6)):
            matrix[rows, rows + step] = weight
        matrix[0, :5] = matrix[-1, -5:] = (1, -4, 6, -4, 1)
        samples = np.moveaxis(np.asarray(volume, np.float64), axis, 0)
        padded = np.pad(samples, [(1, 1)] + [(0, 0)] * (samples.ndim - 1))
        solved = np.linalg.solve(matrix, padded.reshape(n + 2, -1))
        volume = np.moveaxis(solved.reshape(padded.shape), 0, axis)
    return volume
