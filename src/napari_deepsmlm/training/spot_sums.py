"""Spot sums: crops of lone molecules, placed at random and added up to dense frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

import torch

from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.simulation.scene import between

if TYPE_CHECKING:
    from torch import Tensor

    from napari_deepsmlm.simulation import Simulation
    from napari_deepsmlm.training.spot_library import SpotLibrary


class PlacedSpots(NamedTuple):
    """Which spots of a library are where in frames, and how much dimmed: N in all."""

    n_frames: int
    shape: tuple[int, int]
    frame: Tensor
    """(N,) ascending."""
    which: Tensor
    """(N,) row of the library."""
    row: Tensor
    """(N,) of the crop's corner, which may lie outside of the frame."""
    column: Tensor
    """(N,)"""
    dimming: Tensor
    """(N,) factor on the light, 1 at most."""

    @classmethod
    def draw(
        cls,
        library: SpotLibrary,
        simulation: Simulation,
        n_frames: int,
        shape: tuple[int, int],
        generator: torch.Generator,
        *,
        pixel_size_nm: float,
    ) -> Self:
        """Draw spots, also beyond the edge as far as their crops reach into the frame.

        Whole pixels: where in its pixel a molecule is stays as it was recorded.

        Parameters
        ----------
        simulation : its densities and photons.
        shape : (H, W) of the frames.
        """
        side, device = library.model.shape[-1], generator.device
        density = between(simulation.density_per_um2, (n_frames,), generator)
        n_places = (shape[0] + side - 1) * (shape[1] + side - 1)
        mean = density * n_places * (pixel_size_nm / 1000) ** 2
        counts = torch.poisson(mean, generator=generator).long()
        n = int(counts.sum())
        frame = torch.repeat_interleave(torch.arange(n_frames, device=device), counts)
        which, row, column = (
            torch.randint(low, high, (n,), generator=generator, device=device)
            for low, high in ((0, library.n_spots), (1 - side, shape[0]), (1 - side, shape[1]))
        )
        wanted = between(simulation.photons, (n,), generator)
        dimming = (wanted / library.photons[which]).clamp(max=1)
        return cls(n_frames, shape, frame, which, row, column, dimming)

    def summed(self, library: SpotLibrary) -> tuple[Tensor, Tensor, Tensor]:
        """Return light, residuals and the variance of the noise in these, (B, C, H, W) each."""
        by = self.dimming[:, None, None, None]
        return (
            self._sum(library.model[self.which] * by),
            self._sum(library.residual[self.which] * by),
            self._sum(library.variance[self.which] * by.square()),
        )

    def truth(self, library: SpotLibrary, level: Tensor, pixel_size_nm: float) -> Localizations:
        """Return the molecules inside the frames, sorted by frame.

        Parameters
        ----------
        level : (B,) background of the frames, photons per pixel.
        """
        x, y, z = library.xyz_nm[self.which].unbind(1)
        x, y = x + self.column * pixel_size_nm, y + self.row * pixel_size_nm
        height_nm, width_nm = (side * pixel_size_nm for side in self.shape)
        is_inside = (x >= 0) & (x < width_nm) & (y >= 0) & (y < height_nm)
        table = Localizations(
            frame=self.frame,
            x_nm=x,
            y_nm=y,
            z_nm=z,
            photons=self.dimming * library.photons[self.which],
            background=level[self.frame],
        )
        return table[is_inside]

    def _sum(self, patches: Tensor) -> Tensor:
        """(N, C, P, P) patches added where they lie; what falls outside is lost."""
        _, C, P, _ = patches.shape
        # A rim of one patch around the frames takes what falls outside.
        rim = P - 1
        height, width = self.shape[0] + 2 * rim, self.shape[1] + 2 * rim
        steps = torch.arange(P, device=patches.device)
        plane = self.frame[:, None] * C + torch.arange(C, device=patches.device)  # (N, C)
        corner = plane * height * width + ((self.row + rim) * width + self.column + rim)[:, None]
        index = corner[:, :, None, None] + steps[:, None] * width + steps
        frames = patches.new_zeros(self.n_frames * C * height * width)
        frames.index_add_(0, index.flatten(), patches.flatten())
        padded = frames.view(self.n_frames, C, height, width)
        return padded[..., rim : rim + self.shape[0], rim : rim + self.shape[1]].clone()
