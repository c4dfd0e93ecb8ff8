"""Simulator: batches of frames with known molecules, and whole movies of one structure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch
from pydantic import Field, field_validator

from napari_deepsmlm._base import FrozenModel
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.simulation.structures import Structure, Uniform

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from napari_deepsmlm.camera import Camera
    from napari_deepsmlm.psf import PSF
    from napari_deepsmlm.simulation.structures import Geometry


# Molecules this far outside the window still light its edge (4 sigma of the widest 2-D PSF).
MARGIN_PX = 5


class Simulation(FrozenModel):
    """What blinks in front of the camera. A range is drawn anew for each frame."""

    structure: Structure = Field(Uniform(), description="Where the molecules sit.")
    density_per_um2: tuple[float, float] = Field(
        (0.5, 8.0), description="Emitting molecules per frame and square micrometre."
    )
    photons: tuple[float, float] = Field(
        (2000.0, 2500.0), description="Photons of a molecule in a frame, uniform."
    )
    brightness: tuple[float, float] = Field(
        (1.0, 1.0), description="Factor on all photons of a frame, log-uniform."
    )
    background: tuple[float, float] = Field(
        (20.0, 50.0), description="Background photons per pixel, uniform over a frame."
    )

    @field_validator("density_per_um2", "photons", "brightness", "background")
    @classmethod
    def _ascending(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 <= value[0] <= value[1]:
            raise ValueError("must be two numbers >= 0, the smaller first")
        return value

    @field_validator("brightness")
    @classmethod
    def _positive(cls, value: tuple[float, float]) -> tuple[float, float]:
        if value[0] == 0:
            raise ValueError("must be above 0")
        return value


class Batch(NamedTuple):
    """Frames and the molecules in them."""

    frames: Tensor
    """(B, C, H, W) ADU."""
    truth: Localizations
    """Molecules inside the window, sorted by `frame`, the index in the batch."""


class Simulator:
    """Draws frames on the device of the generator that it is given.

    Each frame of a batch has a structure, a density, a brightness and a background of its own:
    that is what networks are trained on. A movie keeps one structure, and its molecules blink
    independently from frame to frame.

    Examples
    --------
    >>> import torch
    >>> from napari_deepsmlm.camera import SCMOS
    >>> from napari_deepsmlm.psf import GaussianPSF
    >>> simulator = Simulator(GaussianPSF(), SCMOS(), Simulation(density_per_um2=(2, 2)))
    >>> batch = simulator.batch(4, (32, 32), torch.Generator().manual_seed(0))
    >>> batch.frames.shape
    torch.Size([4, 1, 32, 32])
    """

    def __init__(self, psf: PSF, camera: Camera, simulation: Simulation) -> None:
        self.psf = psf
        self.camera = camera
        self.simulation = simulation

    def batch(self, n: int, shape: tuple[int, int], generator: torch.Generator) -> Batch:
        """Return n independent frames of (H, W) pixels with their molecules."""
        structure = self.simulation.structure
        geometry = structure.realise(n, self._extent_nm(shape), generator)
        return self._expose(geometry, n, shape, generator)

    def movie(
        self,
        n_frames: int,
        shape: tuple[int, int],
        generator: torch.Generator,
        chunk: int = 100,
    ) -> Iterator[Batch]:
        """Yield consecutive frames of one structure, `chunk` at a time, frames counted on."""
        structure = self.simulation.structure
        geometry = structure.realise(1, self._extent_nm(shape), generator)
        for start in range(0, n_frames, chunk):
            n = min(chunk, n_frames - start)
            frames, truth = self._expose(geometry, n, shape, generator)
            yield Batch(frames, truth.with_columns(frame=truth.frame + start))

    def _extent_nm(self, shape: tuple[int, int]) -> tuple[float, float]:
        pixel = self.psf.pixel_size_nm
        return (shape[0] + 2 * MARGIN_PX) * pixel, (shape[1] + 2 * MARGIN_PX) * pixel

    def _expose(
        self, geometry: Geometry, n: int, shape: tuple[int, int], generator: torch.Generator
    ) -> Batch:
        simulation = self.simulation
        height, width = self._extent_nm(shape)
        density = _between(simulation.density_per_um2, (n,), generator)
        counts = torch.poisson(density * (height * width / 1e6), generator=generator).long()
        xyz_nm, is_there = simulation.structure.place(geometry, counts, generator)
        xyz_nm = xyz_nm - xyz_nm.new_tensor([1, 1, 0]) * MARGIN_PX * self.psf.pixel_size_nm
        brightness = _log_between(simulation.brightness, (n, 1), generator)
        photons = _between(simulation.photons, is_there.shape, generator) * brightness * is_there
        background = _between(simulation.background, (n, 1, 1, 1), generator)
        sigma_nm = self.psf.draw_sigma_nm(is_there.shape, generator)
        light = self.psf.render(xyz_nm, photons, shape, sigma_nm=sigma_nm) + background
        frames = self.camera.expose(light, generator)
        columns = {"photons": photons, "background": background[..., 0, 0].expand_as(photons)}
        if sigma_nm is not None:
            columns["sigma_nm"] = sigma_nm
        return Batch(frames, self._truth(xyz_nm, is_there, shape, columns))

    def _truth(
        self,
        xyz_nm: Tensor,
        is_there: Tensor,
        shape: tuple[int, int],
        columns: dict[str, Tensor],
    ) -> Localizations:
        """Molecules inside the window: padded (B, E) columns -> rows sorted by frame."""
        x, y, z = xyz_nm.unbind(-1)
        pixel = self.psf.pixel_size_nm
        is_inside = (x >= 0) & (x < shape[1] * pixel) & (y >= 0) & (y < shape[0] * pixel)
        frame, slot = torch.nonzero(is_there & is_inside, as_tuple=True)
        padded = {"x_nm": x, "y_nm": y, "z_nm": z, **columns}
        rows = {name: values[frame, slot] for name, values in padded.items()}
        return Localizations.from_columns({"frame": frame, **rows})


def _between(
    limits: tuple[float, float], size: tuple[int, ...], generator: torch.Generator
) -> Tensor:
    low, high = limits
    return low + (high - low) * torch.rand(size, generator=generator, device=generator.device)


def _log_between(
    limits: tuple[float, float], size: tuple[int, ...], generator: torch.Generator
) -> Tensor:
    return _between((math.log(limits[0]), math.log(limits[1])), size, generator).exp()
