"""Optics: how the light of one molecule spreads, by integrals over the pupil in plain numpy.

Nothing here comes from the package, so that an error of its simulator cannot hide in its judge.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import j0, j1

if TYPE_CHECKING:
    Floats = np.ndarray[Any, np.dtype[np.float64]]

REACH_NM = 1500.0
"""Light further away from its molecule is left out: 3 % of an Airy pattern of NA 1.4."""
STEP_NM = 1.0
_PUPIL_SAMPLES = 120
_MAX_SAMPLE_NM = 20.0
_SAMPLES_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Gaussian:
    """A molecule whose image is a Gaussian."""

    sigma_nm: float

    def intensity(self, r_nm: Floats, z_nm: float = 0.0) -> Floats:
        """Return photons per nm² at distances from the middle, of one photon."""
        variance = self.sigma_nm**2
        return np.exp(-0.5 * r_nm**2 / variance) / (2 * np.pi * variance)


@dataclass(frozen=True)
class Lens:
    """A freely rotating dipole seen through a lens without aberrations, in a medium that matches.

    Fields of the three dipole axes are Hankel transforms of the pupil (Richards & Wolf 1959,
    doi:10.1098/rspa.1959.0200): orders 0 and 2 of those across the optical axis, order 1 of the
    one along it. By Parseval's theorem the pupil also gives all the light, so no window is needed.
    """

    numerical_aperture: float
    wavelength_nm: float
    index: float = 1.518

    def intensity(self, r_nm: Floats, z_nm: float = 0.0) -> Floats:
        """Return photons per nm² at distances from the middle, of one photon in all the plane."""
        wave = 2 * np.pi * self.index / self.wavelength_nm
        largest = wave * self.numerical_aperture / self.index
        node, weight = np.polynomial.legendre.leggauss(_PUPIL_SAMPLES)
        across = (node + 1) / 2 * largest
        ring = weight / 2 * largest * across  # kappa d kappa
        cosine = np.sqrt(1 - (across / wave) ** 2)
        root = np.sqrt(cosine)
        phase = np.exp(1j * wave * z_nm * cosine)
        v = np.outer(r_nm, across)
        zeroth, first = j0(v), j1(v)
        second = 2 * first / np.maximum(v, 1e-9) - zeroth
        light, whole = np.zeros_like(r_nm, dtype=np.float64), 0.0
        for bessel, pupil, times in (
            (zeroth, (1 + cosine) / 2 / root, 2.0),
            (first, across / wave / root, 1.0),
            (second, (1 - cosine) / 2 / root, 2.0),
        ):
            field = bessel @ (pupil * phase * ring)
            light += times * np.abs(field) ** 2
            whole += times * float((pupil**2 * ring).sum())
        return light / (2 * np.pi * whole)


Optics = Gaussian | Lens


@cache
def radial_table(optics: Optics, z_nm: float = 0.0) -> Floats:
    """Return the intensity every `STEP_NM`, as far as the corner of the square that is drawn."""
    return optics.intensity(np.arange(0, 1.5 * REACH_NM + 400, STEP_NM), z_nm)


def add_light(
    frames: Floats,
    optics: Optics,
    rows: tuple[Any, Floats, Floats, Floats],
    pixel_nm: float,
    z_nm: float = 0.0,
) -> None:
    """Add molecules to (T, H, W) frames, each pixel with the light that falls on its area.

    Parameters
    ----------
    rows : frame, x_nm, y_nm and photons of each; nm from the outer corner of the top-left pixel.
        Molecules may lie outside the frame.
    """
    table = radial_table(optics, z_nm)
    n_sub = int(np.ceil(pixel_nm / _MAX_SAMPLE_NM))
    half = int(np.ceil(REACH_NM / pixel_nm))
    side = 2 * half + 1
    frame, x_nm, y_nm, photons = rows
    n_frames, height, width = frames.shape
    padded = np.zeros((n_frames, height + 2 * side, width + 2 * side))
    offset = (np.arange(side * n_sub) + 0.5) / n_sub - half
    at_once = max(1, _SAMPLES_AT_ONCE // len(offset) ** 2)
    column, row = np.floor(x_nm / pixel_nm).astype(int), np.floor(y_nm / pixel_nm).astype(int)
    seen = (np.abs(column - width / 2) < width / 2 + half + 1) & (
        np.abs(row - height / 2) < height / 2 + half + 1
    )
    picked = np.flatnonzero(seen & (photons > 0))
    for first in range(0, len(picked), at_once):
        some = picked[first : first + at_once]
        dx = (column[some, None] + offset) * pixel_nm - x_nm[some, None]
        dy = (row[some, None] + offset) * pixel_nm - y_nm[some, None]
        place = np.sqrt(dy[:, :, None] ** 2 + dx[:, None] ** 2) / STEP_NM
        lower = place.astype(np.int64)
        share = place - lower
        value = table[lower] * (1 - share) + table[lower + 1] * share
        patch = value.reshape(len(some), side, n_sub, side, n_sub).sum((2, 4))
        patch *= (photons[some] * (pixel_nm / n_sub) ** 2)[:, None, None]
        for one, f, r, c in zip(patch, frame[some], row[some], column[some], strict=True):
            r0, c0 = r - half + side, c - half + side
            padded[f, r0 : r0 + side, c0 : c0 + side] += one
    frames += padded[:, side : side + height, side : side + width]


@cache
def equivalent_sigma_nm(optics: Optics) -> float:
    """Return the Gaussian that fits the spot best: what a person reads off beads."""
    if isinstance(optics, Gaussian):
        return optics.sigma_nm
    from scipy.optimize import curve_fit

    r = np.arange(0, 800.0, 2.0)
    light = optics.intensity(r)
    fitted, _ = curve_fit(
        lambda r, a, s: a * np.exp(-0.5 * (r / s) ** 2),
        r,
        light / light[0],
        p0=(1.0, 0.21 * optics.wavelength_nm / optics.numerical_aperture),
        sigma=1 / np.sqrt(r + 1),  # a ring's light counts with its length
    )
    return float(abs(fitted[1]))
