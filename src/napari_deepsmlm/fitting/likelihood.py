"""Likelihood: molecules in windows, fitted by maximum likelihood, thousands at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from napari_deepsmlm.fitting.noise import Noise
from napari_deepsmlm.psf.slopes import images_and_slopes

if TYPE_CHECKING:
    from torch import Tensor

    from napari_deepsmlm.psf import PSF

MAX_STEPS = 40
CONVERGED = 1e-6
"""Gain of log-likelihood that the next step promises; one standard error is worth 0.5."""
DEPTHS = 9
"""Depths that are tried as starts; some PSFs look alike above and below the focus."""
LEAST_BACKGROUND = 0.01
"""Photons per pixel: a pixel that expects no light at all forbids every photon."""


class SpotFits(NamedTuple):
    """Fitted molecules, one per window."""

    values: dict[str, Tensor]
    """(N,) each: x_nm and y_nm from the window's corner, z_nm and sigma_nm where the image tells
    them, photons, background."""
    deviations: dict[str, Tensor]
    """(N,) each: standard errors by the Cramér-Rao bound at the fit, infinite where undefined."""
    p_value: Tensor
    """(N,) how often a true fit is worse than this one: even from 0 to 1 for lone molecules."""
    is_converged: Tensor
    """(N,) bool: found, and neither depth, width nor place at the end of what is possible."""


def fitted_names(psf: PSF) -> tuple[str, ...]:
    """Return what a molecule's image tells with this PSF, in the order of the columns."""
    names = ["x_nm", "y_nm"]
    if psf.depth_range_nm is not None:
        names.append("z_nm")
    if width_range_nm(psf) is not None:
        names.append("sigma_nm")
    return (*names, "photons", "background")


def width_range_nm(psf: PSF) -> tuple[float, float] | None:
    """Return the range of widths of a PSF whose molecules differ in width, else None."""
    low, high = getattr(psf, "sigma_nm", None) or (0.0, 0.0)
    return (low, high) if low < high else None


def fit_spots(
    windows: Tensor, psf: PSF, *, noise: Noise | None = None, start_xy_nm: Tensor | None = None
) -> SpotFits:
    """Return the molecule that makes each window most likely.

    Levenberg-Marquardt steps on the Poisson likelihood (Laurence & Chromy 2010,
    doi:10.1038/nmeth0510-338) with the Fisher information as the curvature, as in Smith et al.
    2010 (doi:10.1038/nmeth.1449). Read noise is taken for the shot noise of further photons that
    are added to data and model alike (Huang et al. 2013, doi:10.1038/nmeth.2488); photons that
    vary more than Poisson ones (quantum efficiency, multiplication) count as fewer.

    The p-value is that of Pearson's chi-square with the moments that counts of few photons have,
    taken for Gamma distributed; it is approximate for an EMCCD, whose counts have longer tails.

    Parameters
    ----------
    windows : (N, C, P, P) photons, one molecule in each.
    noise : of the camera, its constant a number or (N, 1, P, P); shot noise only if left out.
    start_xy_nm : (N, 2) where to start, from the window's corner; its middle if left out.

    Examples
    --------
    >>> from napari_deepsmlm.psf import GaussianPSF
    >>> psf = GaussianPSF(pixel_size_nm=100, sigma_nm=(110, 110))
    >>> place, light = torch.tensor([[[520.0, 580.0, 0.0]]]), torch.full((1, 1), 900.0)
    >>> fit = fit_spots(psf.render(place, light, (11, 11)) + 7, psf)
    >>> [round(fit.values[name].item(), 2) for name in ("x_nm", "y_nm", "photons", "background")]
    [520.0, 580.0, 900.0, 7.0]
    """
    problem = _Problem(windows.double(), psf, noise or Noise())
    theta = problem.start(start_xy_nm)
    limits = problem.limits()
    now = problem.at(theta)
    damping = theta.new_full((len(theta),), 1e-2)
    is_done = torch.zeros(len(theta), dtype=torch.bool)
    for _ in range(MAX_STEPS):
        if bool(is_done.all()):
            break
        busy = torch.nonzero(~is_done)[:, 0]
        here = now.of(busy)
        # What would leave its limits stays there, and the others move without it.
        is_held = (theta[busy] <= limits[0]) & (here.gradient < 0)
        is_held |= (theta[busy] >= limits[1]) & (here.gradient > 0)
        step = _solve(here, damping[busy], is_held)
        is_done[busy] = (step * here.gradient).sum(1) < CONVERGED
        tried = (theta[busy] + step).clamp(*limits)
        there = problem.at(tried, busy)
        is_better = there.log_likelihood >= here.log_likelihood
        damping[busy] = torch.where(is_better, damping[busy] / 10, damping[busy] * 10)
        damping.clamp_(1e-7, 1e7)
        better = busy[is_better]
        theta[better] = tried[is_better]
        now.put(better, there.of(is_better))
    # A dark background is a result like any other; at another limit the fit has failed.
    is_within = ((theta > limits[0]) & (theta < limits[1]))[:, :-1].all(1)
    names = problem.names
    deviations = _deviations(now.information)
    return SpotFits(
        dict(zip(names, theta.unbind(1), strict=True)),
        dict(zip(names, deviations.unbind(1), strict=True)),
        problem.p_value(theta),
        is_done & is_within,
    )


class _Local(NamedTuple):
    """The likelihood around a point."""

    log_likelihood: Tensor
    """(N,)"""
    gradient: Tensor
    """(N, K)"""
    information: Tensor
    """(N, K, K)"""

    def of(self, rows: Tensor) -> _Local:
        return _Local(*(values[rows] for values in self))

    def put(self, rows: Tensor, others: _Local) -> None:
        for ours, theirs in zip(self, others, strict=True):
            ours[rows] = theirs


class _Problem:
    """Windows and what is to be found in them."""

    def __init__(self, windows: Tensor, psf: PSF, noise: Noise) -> None:
        self.psf = psf
        self.per_photon = noise.per_photon
        self.shift = noise.shift(windows).expand_as(windows)
        self.data = windows + self.shift
        self.names = fitted_names(psf)
        self.shape = (windows.shape[-2], windows.shape[-1])

    def start(self, xy_nm: Tensor | None) -> Tensor:
        """(N, K) start: the depth whose image explains most, photons and background for it."""
        side = self.data.new_tensor([self.shape[1], self.shape[0]]) * self.psf.pixel_size_nm
        xy = (side / 2).expand(len(self.data), 2) if xy_nm is None else xy_nm.to(self.data)
        starts = [self._start_at(xy, depth) for depth in self._depths()]
        misfit = torch.stack([misfit for _, misfit in starts])
        return torch.stack([theta for theta, _ in starts])[misfit.argmin(0), torch.arange(len(xy))]

    def _depths(self) -> list[float]:
        if self.psf.depth_range_nm is None:
            return [0.0]
        low, high = self.psf.depth_range_nm
        # Not at the ends: from there only one way is open.
        inside = torch.linspace(low, high, DEPTHS + 2, dtype=torch.float64)[1:-1]
        return [float(depth) for depth in inside]

    def _start_at(self, xy: Tensor, depth: float) -> tuple[Tensor, Tensor]:
        """Least squares of photons and background: (N, K) and the sum of squares (N,)."""
        n = len(xy)
        xyz = torch.cat([xy, xy.new_full((n, 1), depth)], 1)
        image = self.psf.render(xyz[:, None], xy.new_ones(n, 1), self.shape).flatten(1)
        light = (self.data - self.shift).flatten(1)
        mean_image, mean_light = image.mean(1, keepdim=True), light.mean(1, keepdim=True)
        level = image - mean_image
        photons = (level * light).sum(1, keepdim=True) / level.square().sum(1, keepdim=True)
        photons = photons.clamp(min=10.0)
        background = (mean_light - photons * mean_image).clamp(min=1.0)
        misfit = (light - photons * image - background).square().sum(1)
        width = width_range_nm(self.psf)
        values = {
            "x_nm": xyz[:, 0],
            "y_nm": xyz[:, 1],
            "z_nm": xyz[:, 2],
            "sigma_nm": xy.new_full((n,), 0.0 if width is None else sum(width) / 2),
            "photons": photons[:, 0],
            "background": background[:, 0],
        }
        return torch.stack([values[name] for name in self.names], 1), misfit

    def limits(self) -> tuple[Tensor, Tensor]:
        """(K,) smallest and largest values. Widths may leave their range: misfits show so."""
        pixel = self.psf.pixel_size_nm
        height, width = self.shape
        low_sigma, high_sigma = width_range_nm(self.psf) or (0.0, 0.0)
        ranges = {
            "x_nm": (-pixel, (width + 1) * pixel),
            "y_nm": (-pixel, (height + 1) * pixel),
            "z_nm": self.psf.depth_range_nm or (0.0, 0.0),
            "sigma_nm": (low_sigma / 2, high_sigma * 2),
            "photons": (0.1, torch.inf),
            "background": (LEAST_BACKGROUND, torch.inf),
        }
        low, high = zip(*(ranges[name] for name in self.names), strict=True)
        return self.data.new_tensor(low), self.data.new_tensor(high)

    def at(self, theta: Tensor, rows: Tensor | slice = slice(None)) -> _Local:
        """The likelihood of some windows (all by default) at (N, K) values."""
        mean, slopes = self._expected(theta)
        mean, data = mean + self.shift[rows].flatten(1), self.data[rows].flatten(1)
        residual = data / mean - 1
        log_likelihood = (data * mean.log() - mean).sum(1) / self.per_photon
        gradient = torch.bmm(residual[:, None], slopes)[:, 0] / self.per_photon
        weighted = slopes / (mean[..., None] * self.per_photon)
        return _Local(log_likelihood, gradient, torch.bmm(slopes.transpose(1, 2), weighted))

    def p_value(self, theta: Tensor) -> Tensor:
        """(N,) upper tail of Pearson's chi-square."""
        mean, _ = self._expected(theta)
        shifted = mean + self.shift.flatten(1)
        variance = self.per_photon * shifted
        statistic = ((self.data.flatten(1) - shifted).square() / variance).sum(1)
        # A Poisson variable's fourth cumulant is its mean: few photons, longer tails.
        excess = (self.per_photon * mean / shifted.square()).sum(1)
        expected = float(mean.shape[1] - theta.shape[1])
        spread = 2 * expected + excess
        shape = expected**2 / spread
        p_value: Tensor = torch.special.gammaincc(shape, statistic * shape / expected)
        return p_value

    def _expected(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """(N, Q) photons and (N, Q, K) slopes, Q = C P P."""
        column = dict(zip(self.names, theta.unbind(1), strict=True))
        none = torch.zeros_like(column["x_nm"])
        xyz = torch.stack([column["x_nm"], column["y_nm"], column.get("z_nm", none)], 1)
        image, by_place = images_and_slopes(
            self.psf, xyz, self.shape, self.names[:-2], sigma_nm=column.get("sigma_nm")
        )
        image, by_place = image.flatten(1), by_place.flatten(1, 3)
        photons, background = column["photons"][:, None], column["background"][:, None]
        by_light = torch.stack([image, torch.ones_like(image)], -1)
        return (
            photons * image + background,
            torch.cat([photons[..., None] * by_place, by_light], -1),
        )


def _solve(here: _Local, damping: Tensor, is_held: Tensor) -> Tensor:
    """Damped step (N, K), in units that give the information a diagonal of ones."""
    scale, scaled = _scaled(here.information)
    scaled = scaled.masked_fill(is_held[:, :, None] | is_held[:, None], 0.0)
    damped = scaled + torch.diag_embed(damping[:, None] + is_held)
    gradient = here.gradient.masked_fill(is_held, 0.0) / scale
    solved, failed = torch.linalg.solve_ex(damped, gradient)
    return torch.where((failed == 0)[:, None], solved, 0.0) / scale


def _deviations(information: Tensor) -> Tensor:
    """(N, K) square roots of the diagonal of the inverse."""
    scale, scaled = _scaled(information)
    inverse, failed = torch.linalg.inv_ex(scaled)
    variance = inverse.diagonal(dim1=1, dim2=2) / scale.square()
    is_told = (failed == 0)[:, None] & (variance > 0)
    return torch.where(is_told, variance, torch.inf).sqrt()


def _scaled(information: Tensor) -> tuple[Tensor, Tensor]:
    """(N, K) roots of the diagonal, and the information over them: photons and nm differ much."""
    scale = information.diagonal(dim1=1, dim2=2).clamp(min=1e-30).sqrt()
    return scale, information / (scale[:, :, None] * scale[:, None])
