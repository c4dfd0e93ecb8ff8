"""Diffraction: from a sampled, aberrated pupil to images on camera pixels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from napari_deepsmlm.psf.zernike import zernike

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_deepsmlm.psf.optics import Pupil


class Sampling(NamedTuple):
    """The camera pixels of a patch."""

    pixel_size_nm: float
    patch_px: int
    oversampling: int
    blur_px: tuple[float, float]


class Diffraction(NamedTuple):
    """A pupil and its chirp-z matrix, everything that does not depend on the emitter."""

    fields: Tensor
    """(K, N, N) complex."""
    modes: Tensor
    """(M, N, N) Zernike phases, rad per nm RMS."""
    k: Tensor
    """(N,) lateral wave numbers, rad per pixel."""
    kz: Tensor
    """(N, N) axial wave numbers in the sample, rad/nm."""
    decay: Tensor | None
    """(N, N) evanescent decay, 1/nm, or None where the NA is below the medium's index."""
    depth_nm: float
    """Distance of z = 0 from the cover glass."""
    chirp: Tensor
    """(P * s, N) complex, wave numbers to sample positions along one axis."""
    blur: tuple[Tensor, Tensor] | None
    """(P, P) smoothing along x and along y."""
    sampling: Sampling

    @classmethod
    def build(
        cls,
        pupil: Pupil,
        modes: Sequence[tuple[int, int]],
        sampling: Sampling,
        *,
        depth_nm: float,
        index_ratio: float,
    ) -> Diffraction:
        """Return the transform of one pupil in float64 on the CPU; see :meth:`to`.

        Parameters
        ----------
        modes : (n, m) of the Zernike modes whose coefficients :meth:`images` takes.
        depth_nm : distance of z = 0 from the cover glass. The objective is moved by this times
            the index ratio, so that paraxial rays from z = 0 stay in focus.
        index_ratio : index of the immersion over that of the sample.
        """
        stage = depth_nm * (pupil.kz_medium.real - index_ratio * pupil.kz_immersion)
        k0 = 2 * math.pi / pupil.wavelength_nm
        rho, phi = torch.hypot(pupil.x, pupil.y), torch.atan2(pupil.y, pupil.x)
        shapes = [k0 * zernike(n, m, rho, phi) for n, m in modes]
        k = pupil.k * sampling.pixel_size_nm
        has_decay = bool((pupil.kz_medium.imag > 0).any())
        return cls(
            fields=pupil.fields * torch.exp(1j * stage) * _unit_energy(pupil, sampling),
            modes=torch.stack(shapes) if shapes else k.new_zeros(0, len(k), len(k)),
            k=k,
            kz=pupil.kz_medium.real,
            decay=pupil.kz_medium.imag if has_decay else None,
            depth_nm=depth_nm,
            chirp=torch.exp(1j * _positions_px(sampling)[:, None] * k),
            blur=_blur(sampling),
            sampling=sampling,
        )

    def to(self, dtype: torch.dtype, device: torch.device) -> Diffraction:
        """Return a copy with real tensors of `dtype`, complex ones to match, on `device`."""
        complex_dtype = torch.complex64 if dtype == torch.float32 else torch.complex128

        def move(value: Tensor) -> Tensor:
            return value.to(device, complex_dtype if value.is_complex() else dtype)

        return self._replace(
            fields=move(self.fields),
            modes=move(self.modes),
            k=move(self.k),
            kz=move(self.kz),
            decay=None if self.decay is None else move(self.decay),
            chirp=move(self.chirp),
            blur=None if self.blur is None else (move(self.blur[0]), move(self.blur[1])),
        )

    def images(self, offset_px: Tensor, z_nm: Tensor, coefficients_nm: Tensor) -> Tensor:
        """Return images of single photons.

        Parameters
        ----------
        offset_px : (N, 2) positions (x, y) from the centre of the patch, camera pixels.
        z_nm : (N,) depths.
        coefficients_nm : (M,) or, for aberrations that differ between emitters, (N, M) RMS of
            the modes.

        Returns
        -------
        (N, P, P) share of the photon on each pixel.
        """
        x, y, z = offset_px[:, :1, None], offset_px[:, 1:, None], z_nm[:, None, None]
        wavefront = torch.tensordot(coefficients_nm, self.modes, 1)
        phase = wavefront + z * self.kz - x * self.k - y * self.k[:, None]
        amplitude = torch.ones_like(phase)
        if self.decay is not None:
            amplitude = _evanescent(self.fields, self.decay, z + self.depth_nm)
        pupil = self.fields * torch.polar(amplitude, phase)[:, None]  # (N, K, N, N)
        field = self.chirp @ (pupil @ self.chirp.T)
        image = torch.view_as_real(field).square().sum((1, -1))
        s, P = self.sampling.oversampling, self.sampling.patch_px
        if s > 1:
            image = image.unflatten(2, (P, s)).unflatten(1, (P, s)).sum((2, 4))
        if self.blur is not None:
            image = self.blur[1] @ image @ self.blur[0].T
        return image


def _evanescent(fields: Tensor, decay: Tensor, distance_nm: Tensor) -> Tensor:
    """Amplitude after the decay to the cover glass, (N, N, N), of unit energy at every depth."""
    amplitude = torch.exp(-distance_nm.clamp(min=0) * decay)
    density = torch.view_as_real(fields).square().sum((0, -1))
    after = (density * amplitude.square()).sum((1, 2), keepdim=True)
    return amplitude * (density.sum() / after).sqrt()


def _unit_energy(pupil: Pupil, sampling: Sampling) -> Tensor:
    """Factor by which the samples of an infinite window sum to 1 (Parseval's theorem)."""
    step = (pupil.k[1] - pupil.k[0]) * sampling.pixel_size_nm / sampling.oversampling
    energy = pupil.fields.abs().square().sum()
    return step / (2 * math.pi) / energy.sqrt()


def _positions_px(sampling: Sampling) -> Tensor:
    """Sample positions along one axis from the patch centre, pixels."""
    n = sampling.patch_px * sampling.oversampling
    return (torch.arange(n, dtype=torch.float64) - (n - 1) / 2) / sampling.oversampling


def _blur(sampling: Sampling) -> tuple[Tensor, Tensor] | None:
    """Gaussian smoothing of pixel values as (P, P) matrices for x and y."""
    if sampling.blur_px == (0.0, 0.0):
        return None
    steps = torch.arange(sampling.patch_px, dtype=torch.float64)
    distance = steps[:, None] - steps
    kernels = []
    for sigma in sampling.blur_px:
        reach = torch.arange(-50, 51, dtype=torch.float64)
        total = torch.exp(-((reach / max(sigma, 1e-3)) ** 2) / 2).sum()
        kernels.append(torch.exp(-((distance / max(sigma, 1e-3)) ** 2) / 2) / total)
    return kernels[0], kernels[1]
