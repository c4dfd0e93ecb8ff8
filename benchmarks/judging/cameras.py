"""Cameras: photons to ADU as sCMOS, EMCCD and CCD chips make them, pixel by pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]

_GAIN_SPREAD, _OFFSET_SPREAD_ADU = 0.02, 2.0
_READ_SPREAD = 0.35
"""Of the logarithm of a pixel's read noise: in every chip some pixels are three times worse."""


@dataclass(frozen=True)
class Sensor:
    """A camera; electrons are those before any multiplication unless named otherwise."""

    kind: str
    offset_adu: float
    e_per_adu: float
    read_noise_e: float
    """After the multiplication, where there is one."""
    quantum_efficiency: float = 0.9
    em_gain: float = 1.0
    spurious_e: float = 0.0
    has_maps: bool = False
    full_scale_adu: int = 65_535

    @property
    def excess(self) -> float:
        """Variance of the multiplied signal over that of the electrons."""
        return 2.0 if self.em_gain > 1 else 1.0

    @property
    def adu_per_photon(self) -> float:
        """Mean ADU above the offset that a photon gives."""
        return self.quantum_efficiency * self.em_gain / self.e_per_adu

    def variance_e2(self, photons: float) -> float:
        """Return the variance of a pixel in electrons before multiplication, squared."""
        mean = self.quantum_efficiency * photons + self.spurious_e
        return self.excess * mean + (self.read_noise_e / self.em_gain) ** 2

    def expose(self, photons: Array, rng: np.random.Generator) -> Array:
        """Return (T, H, W) uint16 frames of as many expected photons."""
        shape = photons.shape[-2:]
        gain, offset, read = np.ones(shape), np.full(shape, self.offset_adu), self.read_noise_e
        read = np.full(shape, read)
        if self.has_maps:
            gain = rng.normal(1, _GAIN_SPREAD, shape)
            offset = offset + rng.normal(0, _OFFSET_SPREAD_ADU, shape)
            read = read * np.exp(rng.normal(0, _READ_SPREAD, shape))
        electrons = rng.poisson(self.quantum_efficiency * photons + self.spurious_e)
        signal = electrons.astype(np.float64)
        if self.em_gain > 1:
            signal = np.where(electrons > 0, rng.gamma(np.maximum(electrons, 1), self.em_gain), 0.0)
        signal += rng.normal(0, 1, photons.shape) * read
        adu = np.floor(signal / self.e_per_adu * gain + offset)
        return np.clip(adu, 0, self.full_scale_adu).astype(np.uint16)

    def stated(self) -> dict[str, Any]:
        """Return the camera in the package's words, as a person who knows it would state it."""
        kind = "emccd" if self.em_gain > 1 else "scmos"
        words: dict[str, Any] = {
            "kind": kind,
            "baseline": self.offset_adu,
            "quantum_efficiency": self.quantum_efficiency,
            "read_noise_e": self.read_noise_e,
            "e_per_adu": self.e_per_adu,
        }
        extra = {"em_gain": self.em_gain, "spurious_e": self.spurious_e}
        return words | extra if kind == "emccd" else words


SENSORS = {
    "scmos": Sensor("sCMOS", 100, 0.46, 1.3, 0.9, has_maps=True),
    "scmos400": Sensor("sCMOS, offset 400", 400, 0.24, 1.0, 0.8, has_maps=True),
    "emccd": Sensor("EMCCD, gain 300", 400, 16.0, 70.0, 0.92, em_gain=300.0, spurious_e=0.002),
    "emccd100": Sensor("EMCCD, gain 300, challenge", 100, 45.0, 74.4, 0.9, 300.0, 0.002),
    "ccd": Sensor("CCD, offset 1000", 1000, 2.2, 6.0, 0.7),
    "scmos12bit": Sensor("sCMOS of 12 bits", 100, 0.46, 1.3, 0.9, full_scale_adu=1000),
}
