"""Zernike fit: the aberrations of a pupil that explain a bead stack."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from napari_deepsmlm.psf.slopes import value_and_slopes
from napari_deepsmlm.psf.zernike import MODES, Aberration, coefficient_sets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from napari_deepsmlm.psf.pupil import PupilPSF

    Array = np.ndarray[Any, Any]

MAX_DEPTHS = 17
"""More images than this only cost time; they are thinned evenly."""


class ZernikeFit(NamedTuple):
    """A pupil PSF fitted to a stack."""

    psf: PupilPSF
    """Its `focus_nm` is the depth at which the stack shows the optics' z = 0."""
    shift_px: tuple[float, float]
    """Position (x, y) of the bead from the centre of the window."""
    residual: float
    """Root mean square of data minus fit over that of the data."""
    z_scale: float
    """Factor on the depths with which these optics explain the stack best: 1 if all is right."""


def fit_zernike(
    volume: Array,
    z_nm: Array,
    optics: PupilPSF,
    *,
    modes: Sequence[tuple[int, int]] = MODES,
    n_steps: int = 30,
    keep_on: Callable[[], None] = lambda: None,
) -> ZernikeFit:
    """Return the aberrations that explain an averaged bead stack best.

    Levenberg-Marquardt on the Zernike coefficients, the bead's position and its depth, with
    derivatives by automatic differentiation; brightness and background of each
    image are solved for in closed form. Starts from no aberrations, and from every published
    set, whichever explains the stack best, because large aberrations have false minima.
    Residuals are weighted as for Poisson noise (Aristov et al. 2018,
    doi:10.1038/s41467-018-04709-4).

    Parameters
    ----------
    volume : (Z, P, P), background removed, bead near the centre, P odd.
    z_nm : (Z,) depths of the bead in the images.
    optics : NA, indices, wavelength, pixel size and blur; its aberrations are ignored.
    modes : (n, m) of the polynomials to be fitted.
    keep_on : called many times a second; what it raises ends the fit.

    Raises
    ------
    ValueError
        If the volume and the depths do not match.
    """
    Z, P, _ = volume.shape
    if len(z_nm) != Z or P % 2 == 0:
        raise ValueError(f"{len(z_nm)} depths for a volume of shape {volume.shape}; P must be odd.")
    chosen = np.unique(np.linspace(0, Z - 1, min(Z, MAX_DEPTHS)).round().astype(int))
    problem = _Problem(volume[chosen], z_nm[chosen], optics, modes, keep_on)
    starts = [problem.residual(start) for start in problem.starts()]
    best = int(np.argmin([float(values.square().sum()) for values in starts]))
    parameters = _levenberg_marquardt(problem.residual, problem.starts()[best], n_steps)
    found = problem.residual(parameters)
    coefficients, (x, y), focus = problem.split(parameters)
    aberrations = tuple(
        Aberration(n, m, value) for (n, m), value in zip(modes, coefficients.tolist(), strict=True)
    )
    z_range = (float(z_nm.min()), float(z_nm.max()))
    return ZernikeFit(
        psf=optics.replace(aberrations=aberrations, focus_nm=float(focus), z_range_nm=z_range),
        shift_px=(float(x), float(y)),
        residual=float(found.square().sum().sqrt() / problem.weighted_data.square().sum().sqrt()),
        z_scale=_z_scale(problem, parameters),
    )


class _Problem:
    """Residuals of one stack; parameters are coefficients / 10 nm, x, y, and focus / 100 nm."""

    def __init__(
        self,
        volume: Array,
        z_nm: Array,
        optics: PupilPSF,
        modes: Sequence[tuple[int, int]],
        keep_on: Callable[[], None],
    ) -> None:
        self.modes = modes
        self._keep_on = keep_on
        self.pupil = optics.replace(
            aberrations=tuple(Aberration(n, m, 0.0) for n, m in modes),
            patch_px=volume.shape[-1],
            focus_nm=0.0,
            z_range_nm=(-1e6, 1e6),
        )
        self.data = torch.as_tensor(np.ascontiguousarray(volume), dtype=torch.float32)
        self.z_nm = torch.as_tensor(np.ascontiguousarray(z_nm), dtype=torch.float32)
        # Poisson weights from smoothed data; a floor where there is almost no light.
        smooth = torch.nn.functional.avg_pool2d(self.data[:, None], 3, 1, 1)[:, 0]
        floor = 0.02 * smooth.amax((1, 2), keepdim=True)
        self.weight = smooth.clamp(min=0).add(floor).rsqrt()
        self.weighted_data = self.data * self.weight

    def starts(self) -> list[Tensor]:
        """No aberrations, then the published sets."""
        tables = [dict.fromkeys(MODES, 0.0)]
        for unit, values in coefficient_sets().values():
            scale = 1.0 if unit == "nm" else self.pupil.wavelength_nm
            tables.append(dict(zip(MODES, (value * scale for value in values), strict=True)))
        return [
            torch.tensor([t.get(mode, 0.0) / 10 for mode in self.modes] + [0.0] * 3).float()
            for t in tables
        ]

    def scaled_residual(self, parameters: Tensor) -> Tensor:
        """As `residual`, the last parameter the logarithm of a factor on all depths."""
        return self.residual(parameters[:-1], parameters[-1].exp())

    def split(self, parameters: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Coefficients in nm, (x, y) in pixels, focus in nm."""
        return parameters[:-3] * 10, parameters[-3:-1], parameters[-1] * 100

    def residual(self, parameters: Tensor, z_scale: Tensor | float = 1.0) -> Tensor:
        """Weighted model minus data, flat."""
        self._keep_on()
        coefficients, xy, focus = self.split(parameters)
        n = len(self.z_nm)
        offsets = xy[None].expand(n, 2)
        model = self.pupil.images(offsets, self.z_nm * z_scale - focus, coefficients)
        # Per image: brightness a and background b of the weighted fit data = a model + b.
        w = self.weight.square()
        total = w.sum((1, 2), keepdim=True)
        mean_model = (w * model).sum((1, 2), keepdim=True) / total
        mean_data = (w * self.data).sum((1, 2), keepdim=True) / total
        centred = model - mean_model
        a = (w * centred * (self.data - mean_data)).sum((1, 2), keepdim=True)
        a = a / (w * centred.square()).sum((1, 2), keepdim=True)
        return ((a * centred - (self.data - mean_data)) * self.weight).flatten()


# Start values of the factor on the depths: the right one lies within a third of one of them.
_Z_SCALES = (0.5, 0.7, 1.0, 1.4, 2.0)


def _z_scale(problem: _Problem, fitted: Tensor, n_steps: int = 30) -> float:
    """Factor on the depths of the best fit that is free to choose it."""
    starts = [torch.cat([fitted, fitted.new_tensor([math.log(scale)])]) for scale in _Z_SCALES]
    best = min(starts, key=lambda start: float(problem.scaled_residual(start).square().sum()))
    return float(_levenberg_marquardt(problem.scaled_residual, best, n_steps)[-1].exp())


def _levenberg_marquardt(
    residual_of: Callable[[Tensor], Tensor], start: Tensor, n_steps: int
) -> Tensor:
    parameters, damping = start, 1e-3
    residual = residual_of(parameters)
    cost = float(residual.square().sum())
    for _ in range(n_steps):
        slopes = _jacobian(residual_of, parameters)
        normal = slopes.T @ slopes
        gradient = slopes.T @ residual
        improved = False
        for _ in range(6):
            damped = normal + damping * torch.diag(normal.diagonal().clamp(min=1e-12))
            candidate = parameters - torch.linalg.solve(damped, gradient)
            candidate_residual = residual_of(candidate)
            candidate_cost = float(candidate_residual.square().sum())
            if candidate_cost < cost:
                improved = True
                break
            damping *= 10
        if not improved:
            break
        gain = 1 - candidate_cost / cost
        parameters, residual, cost = candidate, candidate_residual, candidate_cost
        damping = max(damping / 10, 1e-9)
        if gain < 1e-5:
            break
    return parameters


def _jacobian(residual_of: Callable[[Tensor], Tensor], parameters: Tensor) -> Tensor:
    units = torch.eye(len(parameters), dtype=parameters.dtype)
    return torch.stack(value_and_slopes(residual_of, parameters, units)[1], dim=1)
