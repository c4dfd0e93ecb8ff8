"""Cramér-Rao bounds: the best precision that any method can reach, for any PSF and camera."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from napari_deepsmlm.camera import EMCCD, SCMOS, AdditiveNoise, IdealCamera
from napari_deepsmlm.psf.slopes import AXES, images_and_slopes

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from torch import Tensor

    from napari_deepsmlm.camera import Camera
    from napari_deepsmlm.psf import PSF

    Array = np.ndarray[Any, Any]

EMCCD_EXCESS = 2.0
"""Factor on the variance by the random multiplication (Robbins & Hadwen 2003,
doi:10.1109/TED.2003.813462)."""


class Bounds(NamedTuple):
    """Smallest standard deviations of an unbiased estimate, one per emitter."""

    x_nm: Tensor
    y_nm: Tensor
    z_nm: Tensor
    """Infinite for a PSF whose image ignores z."""
    photons: Tensor
    background: Tensor


def crlb(
    psf: PSF,
    xyz_nm: Tensor,
    *,
    photons: float | Tensor,
    background: float | Tensor,
    shape: tuple[int, int],
    camera: Camera | None = None,
) -> Bounds:
    """Return the square roots of the Cramér-Rao bounds of lone emitters.

    Parameters
    ----------
    psf, xyz_nm, photons, background, shape, camera : as in :func:`fisher_information`.

    Returns
    -------
    (N,) float64 each, infinite where the image does not tell the parameter.

    Examples
    --------
    >>> from napari_deepsmlm.psf import GaussianPSF
    >>> psf = GaussianPSF(pixel_size_nm=100, sigma_nm=(110, 110))
    >>> centre = torch.tensor([[1050.0, 1050.0, 0.0]])
    >>> round(crlb(psf, centre, photons=1000, background=10, shape=(21, 21)).x_nm.item(), 2)
    4.58
    """
    information = fisher_information(
        psf, xyz_nm, photons=photons, background=background, shape=shape, camera=camera
    )
    known = [0, 1, 2, 3, 4] if psf.depth_range_nm is not None else [0, 1, 3, 4]
    told = information[:, known][:, :, known]
    # Scaled to a unit diagonal first: photons and nm differ by orders of magnitude.
    scale = told.diagonal(dim1=1, dim2=2).sqrt().clamp(min=1e-300)
    correlation = told / (scale[:, :, None] * scale[:, None, :])
    inverse, failed = torch.linalg.inv_ex(correlation)
    variance = inverse.diagonal(dim1=1, dim2=2) / scale**2
    is_told = (failed == 0)[:, None] & (variance > 0)
    deviations = information.new_full((len(information), 5), torch.inf)
    deviations[:, known] = torch.where(is_told, variance, torch.inf).sqrt()
    return Bounds(*deviations.unbind(1))


def fisher_information(
    psf: PSF,
    xyz_nm: Tensor,
    *,
    photons: float | Tensor,
    background: float | Tensor,
    shape: tuple[int, int],
    camera: Camera | None = None,
) -> Tensor:
    """Return the information that a frame of one emitter holds on x, y, z, photons and background.

    I_ij = sum over pixels of (dmu/di)(dmu/dj) / variance, exact for Poisson noise (Ober et al.
    2004, doi:10.1016/S0006-3495(04)74193-4). Read noise adds to the variance of each pixel, which
    is the Poisson approximation of Huang et al. 2013 (doi:10.1038/nmeth.2488); an EMCCD's random
    gain doubles it. Derivatives come from automatic differentiation in float64.

    Parameters
    ----------
    psf : any PSF. Planes of a multi-plane PSF are independent measurements.
    xyz_nm : (N, 3) positions of N emitters, each in a frame of its own.
    photons : number or (N,), detected from the emitter by all planes.
    background : number or (N,), photons per pixel of every plane.
    shape : (H, W) of the frame that is fitted.
    camera : noise; shot noise only if left out.

    Returns
    -------
    (N, 5, 5) float64.

    Raises
    ------
    ValueError
        If photons are not positive, or neither background nor read noise keeps pixels from
        having no variance at all.
    """
    xyz = xyz_nm.double()
    n = len(xyz)
    light = torch.as_tensor(photons, dtype=torch.float64, device=xyz.device).expand(n)
    floor = torch.as_tensor(background, dtype=torch.float64, device=xyz.device).expand(n)
    if not bool((light > 0).all() and (floor >= 0).all()):
        raise ValueError("Bounds need photons above 0 and a background of 0 or more.")

    image, by_nm = images_and_slopes(psf, xyz, shape, AXES)
    light, floor = (values[:, None, None, None] for values in (light, floor))
    frames = light * image + floor
    by_light = torch.stack([image, torch.ones_like(image)], dim=-1)
    slopes = torch.cat([light[..., None] * by_nm, by_light], dim=-1)
    efficiency, variance = _noise(camera or IdealCamera(), frames)
    if not bool((variance > 0).all()):
        raise ValueError("Some pixels have no variance: give a background above 0 or a camera.")
    weight = efficiency**2 / variance
    return torch.einsum("nchwi,nchwj,nchw->nij", slopes, slopes, weight)


def _noise(camera: Camera, photons: Tensor) -> tuple[Any, Tensor]:
    """Electrons per photon, and the variance of a pixel in electrons before any gain."""
    if isinstance(camera, EMCCD):
        electrons = photons * camera.quantum_efficiency + camera.spurious_e
        read = camera.read_noise_e / camera.em_gain
        return camera.quantum_efficiency, EMCCD_EXCESS * electrons + read**2
    if isinstance(camera, SCMOS):
        electrons = photons * camera.quantum_efficiency
        return camera.quantum_efficiency, electrons + camera.read_noise_e**2
    if isinstance(camera, AdditiveNoise):
        constant = camera.poisson_photons + camera.gaussian_photons**2
        return 1.0, torch.full_like(photons, constant)
    return 1.0, photons


# -- closed forms of a Gaussian spot in focus ----------------------------------------------


def mortensen_precision(
    sigma_nm: ArrayLike, pixel_size_nm: float, photons: ArrayLike, background: ArrayLike
) -> Array:
    """Return the maximum-likelihood precision along one axis, nm.

    Mortensen et al. 2010, doi:10.1038/nmeth.1447, eq. 5: variance = s_a^2 / N / (1 + I),
    I = int_0^1 ln t / (1 + t / tau) dt, with tau of :func:`relative_background`.

    Parameters
    ----------
    sigma_nm : standard deviation of the spot.
    pixel_size_nm : side of a pixel.
    photons : of the emitter.
    background : photons per pixel.

    Examples
    --------
    >>> round(float(mortensen_precision(110, 100, 1000, 10)), 2)
    4.58
    """
    from scipy.special import spence

    tau = relative_background(sigma_nm, pixel_size_nm, photons, background)
    # int_0^1 ln t / (1 + t / tau) dt = tau Li2(-1 / tau), and spence(1 - z) = Li2(z).
    safe = np.maximum(tau, 1e-300)
    integral = np.where(tau > 0, safe * spence(1 + 1 / safe), 0.0)
    return np.asarray(np.sqrt(_pixelated(sigma_nm, pixel_size_nm) / photons / (1 + integral)))


def rieger_stallinga_precision(
    sigma_nm: ArrayLike, pixel_size_nm: float, photons: ArrayLike, background: ArrayLike
) -> Array:
    """Return the analytical approximation of the maximum-likelihood precision, nm.

    Rieger & Stallinga 2014, doi:10.1002/cphc.201300711, eq. 4:
    variance = s_a^2 / N (1 + 4 tau + sqrt(2 tau / (1 + 4 tau))). Parameters as in
    :func:`mortensen_precision`.
    """
    tau = relative_background(sigma_nm, pixel_size_nm, photons, background)
    excess = 1 + 4 * tau + np.sqrt(2 * tau / (1 + 4 * tau))
    return np.asarray(np.sqrt(_pixelated(sigma_nm, pixel_size_nm) / photons * excess))


def least_squares_precision(
    sigma_nm: ArrayLike, pixel_size_nm: float, photons: ArrayLike, background: ArrayLike
) -> Array:
    """Return the precision of an unweighted least-squares fit, nm.

    Mortensen et al. 2010, doi:10.1038/nmeth.1447, eq. 6: variance = s_a^2 / N (16 / 9 + 4 tau).
    Parameters as in :func:`mortensen_precision`.
    """
    tau = relative_background(sigma_nm, pixel_size_nm, photons, background)
    return np.asarray(np.sqrt(_pixelated(sigma_nm, pixel_size_nm) / photons * (16 / 9 + 4 * tau)))


def relative_background(
    sigma_nm: ArrayLike, pixel_size_nm: float, photons: ArrayLike, background: ArrayLike
) -> Array:
    """Return tau = 2 pi s_a^2 b / (N a^2): background under the spot over its light."""
    area = 2 * np.pi * _pixelated(sigma_nm, pixel_size_nm) / pixel_size_nm**2
    return np.asarray(area * np.asarray(background) / np.asarray(photons))


def _pixelated(sigma_nm: ArrayLike, pixel_size_nm: float) -> Array:
    """s_a^2 = s^2 + a^2 / 12: variance of a spot that square pixels widen."""
    return np.asarray(np.asarray(sigma_nm, np.float64) ** 2 + pixel_size_nm**2 / 12)
