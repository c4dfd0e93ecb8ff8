"""Scene: the molecules in front of the camera, before any light reaches it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from napari_deepsmlm.simulation.background import smooth_pattern
from napari_deepsmlm.simulation.molecules import Emitters, Molecules

if TYPE_CHECKING:
    from torch import Tensor

    from napari_deepsmlm.psf import PSF
    from napari_deepsmlm.simulation.blinking import OnTimes
    from napari_deepsmlm.simulation.settings import Simulation
    from napari_deepsmlm.simulation.structures._base import Geometry


class Scene:
    """Draws molecules as a `Simulation` describes them.

    Parameters
    ----------
    psf : its pixel is the unit of margins, and it may have a range of widths.
    reach_nm : how far drift may carry molecules; the field of view is larger by so much.
    """

    def __init__(self, psf: PSF, simulation: Simulation, reach_nm: float = 0.0) -> None:
        self.psf = psf
        self.simulation = simulation
        self.margin_nm = simulation.margin_nm(psf) + reach_nm

    def extent_nm(self, shape: tuple[int, int]) -> tuple[float, float]:
        """Return height and width of the field of view, the frame and its margins."""
        pixel, margin = self.psf.pixel_size_nm, 2 * self.margin_nm
        return shape[0] * pixel + margin, shape[1] * pixel + margin

    def realise(self, n: int, shape: tuple[int, int], generator: torch.Generator) -> Geometry:
        """Draw n structures for frames of (H, W) pixels."""
        return self.simulation.structure.realise(n, self.extent_nm(shape), generator)

    def snapshots(
        self,
        geometry: Geometry,
        n: int,
        shape: tuple[int, int],
        generator: torch.Generator,
        n_summed: Tensor | None = None,
    ) -> tuple[Emitters, Tensor]:
        """Frames that have nothing in common: molecules are drawn for each by itself.

        With (n,) n_summed each is a sum of so many, of one structure, density, brightness and
        background: Poisson numbers add up, so the molecules of all are drawn at once.
        """
        simulation = self.simulation
        height, width = self.extent_nm(shape)
        density = between(simulation.density_per_um2, (n,), generator)
        frames: float | Tensor = 1.0 if n_summed is None else n_summed
        mean = density * (height * width / 1e6) * frames
        counts = torch.poisson(mean, generator=generator).long()
        xyz_nm, is_there = simulation.structure.place(geometry, counts, generator, n_frames=frames)
        brightness = log_between(simulation.brightness, (n, 1), generator)
        photons = self._flux(tuple(is_there.shape), generator) * brightness * is_there
        level = between(simulation.background, (n, 1, 1, 1), generator)
        if n_summed is not None:
            level = level * n_summed[:, None, None, None]
        sigma_nm = self.psf.draw_sigma_nm(tuple(is_there.shape), generator)
        number = torch.zeros_like(is_there, dtype=torch.long)
        return Emitters(is_there, self._in_frame(xyz_nm), photons, sigma_nm, number), level

    def births(
        self, n: int, n_frames: int, shape: tuple[int, int], generator: torch.Generator
    ) -> Tensor:
        """Return (n, n_frames) mean births that keep the asked density of molecules emitting."""
        density = between(self.simulation.density_per_um2, (n, n_frames), generator)
        height, width = self.extent_nm(shape)
        return density * (height * width / 1e6) / self.simulation.blinking.frames_seen

    def carried(self, geometry: Geometry, births: Tensor, generator: torch.Generator) -> Molecules:
        """Return molecules that are alive at time 0, for (B,) mean births per frame."""
        blinking = self.simulation.blinking
        worth = blinking.frames_carried / blinking.frames_seen
        on = blinking.carried(births, generator)
        return self._settle(on, geometry, worth, generator)

    def born(self, geometry: Geometry, births: Tensor, generator: torch.Generator) -> Molecules:
        """Return molecules born in frames 0 to T, for (B, T) mean births."""
        blinking = self.simulation.blinking
        worth = births.shape[1] / blinking.frames_seen
        on = blinking.born(births, generator)
        return self._settle(on, geometry, worth, generator)

    def _settle(
        self,
        on: OnTimes,
        geometry: Geometry,
        n_frames: float,
        generator: torch.Generator,
    ) -> Molecules:
        """Give molecules a place, a brightness and a width; leave out those without a place.

        Where a structure has more molecules in view than were asked for, they shine at the times
        of others.
        """
        xyz_nm, is_there = self.simulation.structure.place(
            geometry, on.counts, generator, n_frames=n_frames
        )
        size = tuple(is_there.shape)
        slot = torch.arange(size[1], device=on.counts.device) % on.counts.clamp(min=1)[:, None]
        slot = slot[..., None]
        return Molecules(
            start=on.start.take_along_dim(slot, 1),
            stop=on.stop.take_along_dim(slot, 1),
            is_there=is_there,
            xyz_nm=self._in_frame(xyz_nm),
            flux=self._flux(size, generator),
            sigma_nm=self.psf.draw_sigma_nm(size, generator),
            number=(is_there.flatten().cumsum(0) - 1).view(size),
        )

    def _in_frame(self, xyz_nm: Tensor) -> Tensor:
        """Positions from the corner of the field of view -> from the corner of the frame."""
        return xyz_nm - xyz_nm.new_tensor([1, 1, 0]) * self.margin_nm

    def _flux(self, size: tuple[int, ...], generator: torch.Generator) -> Tensor:
        flux = between(self.simulation.photons, size, generator)
        if self.simulation.photons_sd > 0:
            spread = torch.randn(size, generator=generator, device=generator.device)
            flux = (flux + self.simulation.photons_sd * spread).clamp(min=1)
        return flux

    def pattern(self, n: int, shape: tuple[int, int], generator: torch.Generator) -> Tensor:
        """Return the (n, 1, H, W) factor on the background; a single 1 where it is even."""
        simulation = self.simulation
        if simulation.unevenness == 0:
            return torch.ones(1, 1, 1, 1, device=generator.device)
        pattern = smooth_pattern(n, shape, simulation.unevenness_px, generator)
        return 1 + simulation.unevenness * pattern


def between(
    limits: tuple[float, float], size: tuple[int, ...], generator: torch.Generator
) -> Tensor:
    """Return numbers uniform in the limits."""
    low, high = limits
    return low + (high - low) * torch.rand(size, generator=generator, device=generator.device)


def log_between(
    limits: tuple[float, float], size: tuple[int, ...], generator: torch.Generator
) -> Tensor:
    """Return numbers whose logarithms are uniform in the limits."""
    return between((math.log(limits[0]), math.log(limits[1])), size, generator).exp()
