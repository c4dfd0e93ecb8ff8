"""Zernike polynomials in Noll's normalisation, and the published coefficient sets."""

from __future__ import annotations

import json
import math
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from torch import Tensor

# The 21 modes that the published coefficient sets use, in their order.
MODES = (
    (2, -2), (2, 2), (3, -1), (3, 1), (4, 0), (3, -3), (3, 3), (4, -2), (4, 2), (5, -1), (5, 1),
    (6, 0), (4, -4), (4, 4), (5, -3), (5, 3), (6, -2), (6, 2), (7, 1), (7, -1), (8, 0),
)  # fmt: skip


class Aberration(NamedTuple):
    """One Zernike mode of the wavefront."""

    n: int
    m: int
    rms_nm: float
    """Root mean square over the pupil, nm; the sign is the sign of the coefficient."""


def zernike(n: int, m: int, rho: Tensor, phi: Tensor) -> Tensor:
    """Return Z_n^m with unit root mean square over the unit disc.

    Noll 1976, doi:10.1364/JOSA.66.000207, eqs. 1-3: sqrt(2 (n + 1) / (1 + delta_m0)) R_n^|m|(rho)
    times cos(m phi) for m >= 0 and sin(|m| phi) for m < 0.

    Parameters
    ----------
    n, m : radial order and azimuthal frequency.
    rho, phi : (...) polar coordinates; rho = 1 is the edge of the pupil.

    Raises
    ------
    ValueError
        If no polynomial has these indices.

    Examples
    --------
    >>> zernike(2, 0, torch.tensor([0.0, 1.0]), torch.zeros(2))
    tensor([-1.7321,  1.7321])
    """
    check_mode(n, m)
    order = abs(m)
    radial = torch.zeros_like(rho)
    for k in range((n - order) // 2 + 1):
        ways = math.comb(n - k, k) * math.comb(n - 2 * k, (n - order) // 2 - k)
        radial = radial + (-1) ** k * ways * rho ** (n - 2 * k)
    angular = torch.cos(m * phi) if m >= 0 else torch.sin(order * phi)
    return math.sqrt((n + 1) * (1 if m == 0 else 2)) * radial * angular


def check_mode(n: int, m: int) -> None:
    """Refuse indices that no Zernike polynomial has.

    Raises
    ------
    ValueError
        Unless n >= 0, |m| <= n and n - |m| is even.
    """
    if n < 0 or abs(m) > n or (n - abs(m)) % 2:
        raise ValueError(f"no Zernike polynomial has n = {n}, m = {m}: n - |m| must be even, >= 0")


@cache
def coefficient_sets() -> dict[str, tuple[str, tuple[float, ...]]]:
    """Return the published sets by name: their unit, and 21 coefficients in the order of `MODES`.

    Raises
    ------
    ValueError
        If the shipped file is not what this code expects.
    """
    text = files("napari_deepsmlm.psf").joinpath("psf_coefficients.json").read_text("utf-8")
    content = json.loads(text)
    if tuple(map(tuple, content["order_nm"])) != MODES:
        raise ValueError("psf_coefficients.json lists its modes in another order than this code.")
    return {name: (entry["unit"], tuple(entry["c"])) for name, entry in content["sets"].items()}


def aberrations_of(name: str, wavelength_nm: float) -> tuple[Aberration, ...]:
    """Return the non-zero modes of a published set, in nm whatever the unit of the file.

    Some sets are in nm, some in wavelengths of the microscope they were measured with, and one
    in units of 680 nm.

    Raises
    ------
    ValueError
        If there is no set of that name.

    Examples
    --------
    >>> aberrations_of("DMO-Tetrapod_3um_measured_demo3", wavelength_nm=670)[0]
    Aberration(n=2, m=-2, rms_nm=-70.72...)
    """
    sets = coefficient_sets()
    if name not in sets:
        raise ValueError(f"Unknown coefficient set '{name}'. Available: {', '.join(sets)}.")
    unit, values = sets[name]
    scale = {"nm": 1.0, "waves": wavelength_nm, "waves_x680nm": 680.0}[unit]
    modes = zip(MODES, values, strict=True)
    return tuple(Aberration(n, m, value * scale) for (n, m), value in modes if value != 0)
