"""Conditions: the microscopes, samples and traps that models are judged on, as one table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from judging.cameras import SENSORS, Sensor
from judging.optics import Gaussian, Lens, add_light, equivalent_sigma_nm

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from judging.optics import Optics

# nm: camera pixel. optics: `g190` is a Gaussian of 190 nm, `1.40/660` a lens of that NA at that
# wavelength. photons: median of a molecule in a whole frame; `~0.8` is the spread of their
# logarithm, else 0.3. background: photons per pixel. dens: molecules per µm² and frame for a spot
# of 110 nm; wider spots get fewer, so that as many overlap. on: mean on-time in frames, 0 for
# molecules of single whole frames. frames: how many, and pixels along each side.
TABLE = """
name                   |nm |optics  |photons |background|dens|sample   |camera  |on |frames
sparse                 |100|1.40/660|1500    |30        |0.1 |uniform  |scmos   |0  |40 x 64
medium                 |100|1.40/660|1500    |30        |1   |uniform  |scmos   |1.5|24 x 48
crowded                |100|1.40/660|1500    |30        |3   |uniform  |scmos   |1.5|24 x 48
packed filaments       |100|1.40/660|1500    |30        |5.5 |filaments|scmos   |1.5|24 x 48
bright sparse CCD      |100|g110    |10000   |30        |0.1 |uniform  |ccd     |0  |40 x 64
bright crowded         |100|g120    |10000   |300       |3   |filaments|scmos400|3  |24 x 48
dim sparse dark EMCCD  |100|1.40/600|300     |2         |0.1 |uniform  |emccd   |0  |40 x 64
dim medium             |100|1.40/660|300     |30        |1   |uniform  |scmos   |1.5|24 x 48
dim near the noise     |100|1.40/660|300     |300       |0.1 |uniform  |scmos400|0  |40 x 64
unequal brightness     |100|g110    |1500~0.8|30        |1   |uniform  |scmos   |1.5|24 x 48
clusters               |100|1.40/660|1500    |30        |1   |clusters |scmos   |3  |24 x 48
background 300         |100|1.40/660|1500    |300       |1   |uniform  |scmos   |1.5|24 x 48
background 1000 sparse |100|1.40/660|1500    |1000      |0.1 |uniform  |scmos   |0  |40 x 64
background 1000 crowded|100|1.40/660|10000   |1000      |3   |uniform  |emccd100|1.5|24 x 48
cells, background 300  |100|1.40/660|1500    |300 cells |1   |filaments|scmos400|1.5|24 x 48
slope, background 1000 |130|g120    |10000   |1000 slope|1   |filaments|scmos   |1.5|24 x 48
CCD offset 1000        |100|1.40/660|1500    |30 slope  |1   |uniform  |ccd     |1.5|24 x 48
narrow spot            |100|1.45/530|1500    |30        |3   |uniform  |scmos400|1.5|24 x 48
wide spot              |100|g190    |1500    |30        |1   |uniform  |scmos   |1.5|24 x 48
65 nm sparse           |65 |1.45/580|1500    |2         |0.1 |uniform  |scmos   |0  |40 x 80
65 nm crowded          |65 |1.40/660|1500    |30        |3   |filaments|scmos400|1.5|24 x 64
65 nm dim EMCCD        |65 |1.45/530|300     |2         |1   |uniform  |emccd   |1.5|24 x 64
65 nm wide bright      |65 |g150    |10000   |30        |1   |uniform  |scmos   |1.5|24 x 64
130 nm EMCCD           |130|1.30/670|1500    |30        |1   |uniform  |emccd   |1.5|24 x 48
130 nm packed          |130|1.40/680|10000   |300       |5.5 |uniform  |scmos   |1.5|24 x 40
160 nm sparse          |160|1.20/600|1500    |30        |0.1 |uniform  |scmos   |0  |40 x 48
160 nm crowded EMCCD   |160|1.20/600|10000   |300 slope |3   |filaments|emccd100|1.5|24 x 40
160 nm wide            |160|g190    |1500    |2         |1   |clusters |ccd     |1.5|24 x 48
"""

TRAPS = {
    "hot pixel": ("medium", "one pixel reads 65535 in every frame"),
    "bead": ("medium", "a bead of 200,000 photons that never goes dark"),
    "saturated": ("medium", "nine times the light on a camera that ends at 1000 ADU"),
    "floats": ("medium", "every number is divided by the largest: floats from 0 to 1"),
    "empty": ("sparse", "nothing blinks, background 30"),
    "empty, background 1000": ("background 1000 sparse", "nothing blinks, background 1000"),
    "empty, EMCCD": ("130 nm EMCCD", "nothing blinks, EMCCD"),
    "drift": ("medium", "the sample moves by 600 nm"),
    "haze": ("medium", "as many molecules again, 500 to 1000 nm out of focus"),
}
"""Name -> the condition that is changed, and how."""

LEAST_CONTRAST = 5.0
"""Standard deviations: below, noise looks like molecules in every frame, whatever the method."""

QUICK = ("sparse", "medium", "background 300", "130 nm EMCCD", "hot pixel", "empty")


@dataclass(frozen=True)
class Condition:
    """One simulated stack."""

    name: str
    pixel_nm: float
    optics: Optics
    photons: float
    spread: float
    background: float
    unevenness: str
    density: float
    structure: str
    camera: str
    on_frames: float
    n_frames: int
    side_px: int
    trap: str = ""

    def replace(self, **changes: Any) -> Condition:
        """Return the condition with other values."""
        return replace(self, **changes)

    @property
    def scene(self) -> str:
        """Name of the sample: that of the condition that a trap is laid in."""
        return TRAPS[self.trap][0] if self.trap else self.name

    @property
    def sensor(self) -> Sensor:
        """The camera."""
        return SENSORS[self.camera]

    @property
    def size_nm(self) -> float:
        """Side of the frame."""
        return self.side_px * self.pixel_nm

    @property
    def sigma_nm(self) -> float:
        """Width of the Gaussian that fits the spot best."""
        return equivalent_sigma_nm(self.optics)

    @property
    def density_per_um2(self) -> float:
        """Molecules per µm² and frame, as many per area of a spot as `density` at 110 nm."""
        return self.density * (110.0 / self.sigma_nm) ** 2

    @property
    def is_empty(self) -> bool:
        """Whether nothing blinks."""
        return self.trap.startswith("empty")

    @cached_property
    def spot(self) -> np.ndarray[Any, Any]:
        """Shares of the light on the pixels around a molecule in the middle of one."""
        frame = np.zeros((1, 41, 41))
        middle = np.array([20.5 * self.pixel_nm])
        add_light(frame, self.optics, (np.array([0]), middle, middle, np.ones(1)), self.pixel_nm)
        return frame[0]

    @property
    def stands_out(self) -> float:
        """Brightest pixel of a median molecule over the noise of that pixel."""
        signal = self.photons * float(self.spot.max())
        variance = self.sensor.variance_e2(signal + self.background)
        return self.sensor.quantum_efficiency * signal / float(np.sqrt(variance))

    @property
    def least_photons(self) -> float:
        """Photons that the best filter tells from nothing by `LEAST_CONTRAST` deviations."""
        dark = self.sensor.variance_e2(self.background) / float((self.spot**2).sum())
        level, efficiency = LEAST_CONTRAST, self.sensor.quantum_efficiency
        # level^2 = (qN)^2 / (excess qN + dark), solved for N
        half = level**2 * self.sensor.excess / 2
        return float(half + np.sqrt(half**2 + level**2 * dark)) / efficiency


def _condition(line: str) -> Condition:
    name, pixel, optics, photons, background, density, sample, camera, on, frames = (
        cell.strip() for cell in line.split("|")
    )
    light, _, spread = photons.partition("~")
    level, _, unevenness = background.partition(" ")
    n_frames, _, side = frames.partition(" x ")
    aperture, _, wavelength = optics.partition("/")
    return Condition(
        name=name,
        pixel_nm=float(pixel),
        optics=Lens(float(aperture), float(wavelength))
        if wavelength
        else Gaussian(float(optics[1:])),
        photons=float(light),
        spread=float(spread or 0.3),
        background=float(level),
        unevenness=unevenness or "even",
        density=float(density),
        structure=sample,
        camera=camera,
        on_frames=float(on),
        n_frames=int(n_frames),
        side_px=int(side),
    )


CONDITIONS = {one.name: one for one in map(_condition, TABLE.strip().splitlines()[1:])}
ALL = CONDITIONS | {
    name: CONDITIONS[base].replace(name=name, trap=name) for name, (base, _) in TRAPS.items()
}


def find(
    names: Iterable[str | Condition] | None = None, known: Mapping[str, Condition] = ALL
) -> list[Condition]:
    """Return conditions by their names, all if none are given.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    found = []
    for name in known if names is None else names:
        if isinstance(name, Condition):
            found.append(name)
        elif name in known:
            found.append(known[name])
        else:
            raise ValueError(f"Unknown condition '{name}'. Available: {', '.join(known)}.")
    return found
