"""Simulator: batches of frames with known molecules, and whole movies of one structure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.simulation.batch import Batch
from napari_deepsmlm.simulation.blinking import Independent
from napari_deepsmlm.simulation.light import expected_light
from napari_deepsmlm.simulation.molecules import emitting
from napari_deepsmlm.simulation.movie import chunks, movie_blocks
from napari_deepsmlm.simulation.replay import replay_blocks
from napari_deepsmlm.simulation.scene import Scene, between, log_between
from napari_deepsmlm.simulation.settings import Simulation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from napari_deepsmlm.camera import Camera
    from napari_deepsmlm.psf import PSF
    from napari_deepsmlm.simulation.molecules import Emitters

__all__ = ["Batch", "Simulation", "Simulator"]


class Simulator:
    """Draws frames on the device of the generator that it is given.

    Each sample of a batch has a structure, a density, a brightness and a background of its own:
    that is what networks are trained on. A movie keeps one structure, and its molecules keep
    their identity from frame to frame.

    Examples
    --------
    >>> import torch
    >>> from napari_deepsmlm.camera import SCMOS
    >>> from napari_deepsmlm.psf import GaussianPSF
    >>> simulator = Simulator(GaussianPSF(), SCMOS(), Simulation(density_per_um2=(2, 2)))
    >>> batch = simulator.batch(4, (32, 32), torch.Generator().manual_seed(0))
    >>> batch.frames.shape
    torch.Size([4, 1, 32, 32])
    >>> simulator.batch(4, (32, 32), torch.Generator().manual_seed(0), context=1).frames.shape
    torch.Size([4, 3, 32, 32])
    """

    def __init__(self, psf: PSF, camera: Camera, simulation: Simulation) -> None:
        self.psf = psf
        self.camera = camera
        self.simulation = simulation

    def batch(
        self,
        n: int,
        shape: tuple[int, int],
        generator: torch.Generator,
        *,
        context: int = 0,
        origin_px: Tensor | None = None,
        n_summed: Tensor | None = None,
    ) -> Batch:
        """Return n independent frames of (H, W) pixels, or windows, with their molecules.

        Where the simulation sums frames, a sample is the sum of N frames in ADU, with N baselines,
        and its truth lists the molecules of all N.

        Parameters
        ----------
        context : frames before and after the one whose molecules are the truth: windows of
            2 · context + 1 frames, (n, (2 · context + 1) · C, H, W). Drift stands still in them.
        origin_px : (n, 2) places on the sensor, for a camera with maps.
        n_summed : (n,) frames in each sum; drawn by `draw_sums` if not given.
        """
        if n < 1:
            raise ValueError(f"n must be at least 1 frame, got {n}.")
        if context < 0:
            raise ValueError(f"context must be at least 0, got {context}.")
        simulation = self.simulation
        scene = Scene(self.psf, simulation)
        if n_summed is None:
            n_summed = self.draw_sums(n, generator)
        if n_summed is not None and context > 0:
            raise ValueError("Sums of frames have no temporal context: set sum_frames to 1, 1.")
        geometry = scene.realise(n, shape, generator)
        if context == 0 and isinstance(simulation.blinking, Independent):
            emitters, level = scene.snapshots(geometry, n, shape, generator, n_summed)
            n_frames = 1
        else:
            n_frames = 2 * context + 1
            births = scene.births(n, 1, shape, generator).expand(n, n_frames).contiguous()
            molecules = scene.carried(geometry, births[:, 0], generator)
            molecules = molecules.joined(scene.born(geometry, births, generator))
            brightness = log_between(simulation.brightness, (n, 1), generator)
            emitters = emitting(molecules, n_frames, brightness.expand(n, n_frames))
            level = between(simulation.background, (n, 1, 1, 1), generator)
        background = level * scene.pattern(n, shape, generator)
        shifts = simulation.plane_shifts_nm(n, self.psf.n_planes, generator)
        frames = self.expose(
            emitters,
            shape,
            generator,
            background=background.repeat_interleave(n_frames, 0),
            shifts=None if shifts is None else shifts.repeat_interleave(n_frames, 0),
            origin_px=None if origin_px is None else origin_px.repeat_interleave(n_frames, 0),
            n_summed=n_summed,
        )
        middle = emitters.every(n_frames, first_frame=context)
        # (B*T, C, H, W) -> (B, T*C, H, W)
        frames = frames.unflatten(0, (n, n_frames)).flatten(1, 2)
        return Batch(frames, self.truth(middle, background, shape))

    def draw_sums(self, n: int, generator: torch.Generator) -> Tensor | None:
        """Return (n,) frames to sum for n samples, or None where nothing is summed or drawn."""
        low, high = self.simulation.sum_frames
        if high == 1:
            return None
        # Half a frame more at both ends, rounded: each has the share of its neighbourhood.
        drawn = log_between((low - 0.5, high + 0.5), (n,), generator)
        return drawn.round().clamp(low, high)

    def movie(
        self,
        n_frames: int,
        shape: tuple[int, int],
        generator: torch.Generator,
        chunk: int = 100,
        activations: Localizations | None = None,
    ) -> Iterator[Batch]:
        """Yield consecutive frames of one structure, `chunk` at a time, frames counted on.

        The size of the chunks changes neither frames nor molecules, and bounds the memory. The
        truth has a column `molecule`, the identity that a molecule keeps while it blinks, and
        with drift `drift_x_nm` and so on: positions are as the camera sees them, after drift.
        With `activations` the molecules are those of a table: see `replay_blocks`.
        """
        if chunk < 1:
            raise ValueError(f"chunk must be at least 1 frame, got {chunk}.")
        if activations is None:
            return chunks(movie_blocks(self, n_frames, shape, generator), chunk)
        return chunks(replay_blocks(self, activations, n_frames, shape, generator), chunk)

    def expose(
        self,
        emitters: Emitters,
        shape: tuple[int, int],
        generator: torch.Generator,
        *,
        background: Tensor,
        shifts: Tensor | None,
        origin_px: Tensor | None,
        n_summed: Tensor | None = None,
    ) -> Tensor:
        """Return (F, C, H, W) ADU of emitters; `background` is (F, 1, H or 1, W or 1) photons."""
        light = expected_light(
            self.psf,
            emitters.xyz_nm,
            emitters.photons,
            shape,
            sigma_nm=emitters.sigma_nm,
            plane_shift_nm=shifts,
        )
        light = light + background
        return self.camera.expose(light, generator, origin_px=origin_px, n_frames=n_summed)

    def truth(
        self,
        emitters: Emitters,
        background: Tensor,
        shape: tuple[int, int],
        *,
        columns: dict[str, Tensor] | None = None,
    ) -> Localizations:
        """Return the emitters inside the frame: padded (F, E) columns -> rows sorted by frame."""
        x, y, z = emitters.xyz_nm.unbind(-1)
        pixel = self.psf.pixel_size_nm
        is_inside = (x >= 0) & (x < shape[1] * pixel) & (y >= 0) & (y < shape[0] * pixel)
        frame, slot = torch.nonzero(emitters.is_there & is_inside, as_tuple=True)
        padded = {"x_nm": x, "y_nm": y, "z_nm": z, "photons": emitters.photons}
        rows = {name: values[frame, slot] for name, values in padded.items()}
        rows["background"] = _under(background, frame, rows["y_nm"] / pixel, rows["x_nm"] / pixel)
        if emitters.sigma_nm is not None:
            rows["sigma_nm"] = emitters.sigma_nm[frame, slot]
        more = {n: v.expand(x.shape)[frame, slot] for n, v in (columns or {}).items()}
        return Localizations.from_columns({"frame": frame, **rows, **more})


def _under(background: Tensor, frame: Tensor, y_px: Tensor, x_px: Tensor) -> Tensor:
    """(F, 1, H or 1, W or 1) background -> (N,) that of the pixels where molecules are."""
    height, width = background.shape[-2:]
    if height * width == 1:
        return background[frame, 0, 0, 0]
    # A molecule in the last nm of a frame may round to its edge.
    row, column = y_px.long().clamp(max=height - 1), x_px.long().clamp(max=width - 1)
    return background[frame, 0, row, column]
