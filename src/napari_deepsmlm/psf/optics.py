"""Optics of the pupil: what a freely rotating dipole sends through each point of the lens."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor


class Lens(NamedTuple):
    """The numbers that a pupil function needs."""

    numerical_aperture: float
    wavelength_nm: float
    index_medium: float
    index_cover: float
    index_immersion: float
    is_vectorial: bool
    pupil_px: int


class Pupil(NamedTuple):
    """A sampled pupil, axes (ky, kx)."""

    fields: Tensor
    """(K, N, N) complex amplitude of each field component, before aberrations and defocus."""
    x: Tensor
    """(N, N) position along kx, 1 at the edge."""
    y: Tensor
    """(N, N) position along ky."""
    k: Tensor
    """(N,) lateral wave number of a row or column, rad/nm."""
    kz_medium: Tensor
    """(N, N) axial wave number in the sample, rad/nm; its imaginary part is evanescent decay."""
    kz_immersion: Tensor
    """(N, N) axial wave number in the immersion, rad/nm."""
    wavelength_nm: float


def build_pupil(lens: Lens) -> Pupil:
    """Return the pupil of a lens in float64 on the CPU.

    Vectorial: K = 6 components, the two transverse fields of dipoles along x, y and z, whose
    intensities add up for a dipole that rotates freely (Stallinga & Rieger 2010,
    doi:10.1364/OE.18.024461, eqs. 2-10; Fresnel transmission through cover glass and immersion).
    Scalar: K = 1, apodisation only.
    """
    n_fine = lens.pupil_px * _SUBSAMPLES
    grid = (torch.arange(n_fine, dtype=torch.float64) + 0.5) * 2 / n_fine - 1
    y, x = torch.meshgrid(grid, grid, indexing="ij")
    rho, phi = torch.hypot(x, y), torch.atan2(y, x)
    is_inside = rho <= 1
    k0 = 2 * math.pi / lens.wavelength_nm
    sine = lens.numerical_aperture * rho.clamp(max=1.0)
    cos_medium = _cosine(sine, lens.index_medium)
    cos_cover = _cosine(sine, lens.index_cover)
    cos_immersion = _cosine(sine, lens.index_immersion)
    # Energy conservation of an aplanatic lens that collects a spherical wave (Stallinga eq. 7).
    apodisation = cos_immersion.sqrt() / cos_medium
    if lens.is_vectorial:
        p, s = _transmission(lens, cos_medium, cos_cover, cos_immersion)
        components = _dipole_fields(p, s, cos_medium, sine / lens.index_medium, phi)
    else:
        components = torch.ones_like(cos_medium)[None]
    share = is_inside.double()

    def mean(values: Tensor) -> Tensor:
        """Mean over the part of each square inside the aperture."""
        return _coarse(values * share) / _coarse(share).clamp(min=1e-12)

    return Pupil(
        fields=_coarse(components * apodisation * share),
        x=mean(x),
        y=mean(y),
        k=_coarse_axis(grid) * lens.numerical_aperture * k0,
        kz_medium=mean(cos_medium) * (k0 * lens.index_medium),
        kz_immersion=mean(cos_immersion.real) * (k0 * lens.index_immersion),
        wavelength_nm=lens.wavelength_nm,
    )


def _dipole_fields(p: Tensor, s: Tensor, cosine: Tensor, sine: Tensor, phi: Tensor) -> Tensor:
    """Transverse fields (x, y) behind the lens for dipoles along x, y, z: (6, N, N)."""
    cos_phi, sin_phi = torch.cos(phi), torch.sin(phi)
    along_p = (cosine * cos_phi, cosine * sin_phi, -sine)
    along_s = (-sin_phi, cos_phi, torch.zeros_like(phi))
    fields = []
    for dipole_p, dipole_s in zip(along_p, along_s, strict=True):
        fields.append(cos_phi * p * dipole_p - sin_phi * s * dipole_s)
        fields.append(sin_phi * p * dipole_p + cos_phi * s * dipole_s)
    return torch.stack(fields)


def _transmission(
    lens: Lens, medium: Tensor, cover: Tensor, immersion: Tensor
) -> tuple[Tensor, Tensor]:
    """Fresnel amplitude transmission of p and s waves from the sample into the immersion."""
    p, s = torch.ones_like(medium), torch.ones_like(medium)
    indices = (lens.index_medium, lens.index_cover, lens.index_immersion)
    cosines = (medium, cover, immersion)
    for i in range(2):
        n1, n2 = indices[i], indices[i + 1]
        cos1, cos2 = cosines[i], cosines[i + 1]
        p = p * 2 * n1 * cos1 / (n1 * cos2 + n2 * cos1)
        s = s * 2 * n1 * cos1 / (n1 * cos1 + n2 * cos2)
    return p, s


def _cosine(sine_times_index: Tensor, index: float) -> Tensor:
    """Cosine of the angle in a medium; imaginary, for a decaying wave, beyond total reflection."""
    squared = 1 - (sine_times_index / index) ** 2
    # Exactly at the critical angle the apodisation would divide by 0.
    squared = torch.where(squared.abs() < 1e-6, 1e-6, squared)
    return torch.complex(squared.clamp(min=0).sqrt(), (-squared).clamp(min=0).sqrt())


# The field is steep at the rim of a high-NA pupil (1 / sqrt(cos theta)). Each pupil sample is
# the mean over its square, cut by the aperture: 64 samples then do as well as 200 plain ones.
_SUBSAMPLES = 8


def _coarse(values: Tensor) -> Tensor:
    """Means over squares: (..., n * s, n * s) -> (..., n, n)."""
    n = values.shape[-1] // _SUBSAMPLES
    squares: Tensor = values.unflatten(-1, (n, _SUBSAMPLES)).unflatten(-3, (n, _SUBSAMPLES))
    return squares.mean((-3, -1))


def _coarse_axis(values: Tensor) -> Tensor:
    groups: Tensor = values.unflatten(-1, (-1, _SUBSAMPLES))
    return groups.mean(-1)
