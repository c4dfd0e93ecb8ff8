"""Experimental training data: dense frames with known molecules, made of sparse recorded ones."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from pydantic import Field, ValidationInfo, field_validator

from napari_deepsmlm._base import FrozenModel
from napari_deepsmlm.fitting import Noise
from napari_deepsmlm.io import open_frames
from napari_deepsmlm.simulation.batch import Batch
from napari_deepsmlm.simulation.scene import between
from napari_deepsmlm.training.data import mixed_seed
from napari_deepsmlm.training.spot_library import SpotLibrary
from napari_deepsmlm.training.spot_sums import PlacedSpots

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from napari_deepsmlm.io import FrameSource
    from napari_deepsmlm.localizations import Localizations
    from napari_deepsmlm.training.data import SimulatedBatches

logger = logging.getLogger(__name__)

HELD_OUT = 5
"""One of so many spots, those of the last frames, is kept for validation."""
FRAMES_AT_ONCE = 100
MUCH_DAMPED = 0.5
"""Residuals kept to this part or less are worth a warning."""


class ExperimentalData(FrozenModel):
    """Recorded sparse frames to train on.

    Density, photons and background of the frames that are made of them are those of the
    experiment's `simulation`; a molecule is never made brighter than it was recorded.
    """

    stack: Path = Field(
        description="Frames with well separated molecules, ADU; as seen from the YAML's folder."
    )
    frames: tuple[int, int] | None = Field(
        None, description="First frame, from 0, and the one after the last; all if none."
    )
    threshold: float = Field(
        5.0, ge=3, description="Least light of a spot, standard deviations of the background."
    )
    least_photons: float = Field(0.0, ge=0, description="Dimmer molecules are left out.")
    least_p_value: float = Field(
        1e-3,
        ge=0,
        lt=1,
        description="Worse fits are taken for overlapping spots. 0 keeps all: bright spots of a "
        "real microscope show that no PSF is exact.",
    )
    mirror: bool = Field(
        False, description="Use mirror images of the spots too: right if the PSF is symmetric."
    )
    share: float = Field(
        1.0, gt=0, le=1, description="Share of the batches made of recorded spots; others simulate."
    )

    @field_validator("stack")
    @classmethod
    def _as_seen_from_the_file(cls, value: Path, info: ValidationInfo) -> Path:
        folder = (info.context or {}).get("folder") or Path()
        return Path(folder / value).absolute()

    @field_validator("frames")
    @classmethod
    def _ascending(cls, value: tuple[int, int] | None) -> tuple[int, int] | None:
        if value is not None and not 0 <= value[0] < value[1]:
            raise ValueError("must be two frame numbers from 0, the smaller first")
        return value


class ExperimentalBatches:
    """Batches of dense frames, sums of recorded spots: a function of seed and step alone.

    The second kind of training data of Deep-STORM (Nehme et al. 2018, doi:10.1364/OPTICA.5.000458):
    sparse frames are localized precisely, cropped, moved by whole pixels and summed, so that
    positions are known and the spots are those of the microscope. A fifth of the spots, from the
    last frames, is kept for validation.

    Summing K crops would sum K backgrounds and the noise of K frames. So that frames have the
    noise of one exposure, each crop is parted into the light of the fitted molecule and a
    residual: what the true PSF adds to the model, and the noise. Dimming a crop by w (molecules
    may be recorded brighter than they are needed) multiplies the variance of its noise by w². In
    the sum, each pixel has an expected light m, and noise of variance v in its residuals, which
    the camera's model tells. Of m the camera exposes anew what leaves m its own noise: light
    m - v / g, g the variance per photon. Where v is larger than g m even then, residuals are
    damped to v = g m. So mean and variance of every pixel are those of one frame of this camera,
    read noise included, whatever the number of crops. Where crops are damped the fitted PSF
    stands in for the measured one: `kept` says how much of the residuals is kept, and bright
    recordings keep more.

    Not corrected: a fit follows the noise a little, so residuals lack about a twentieth of it, and
    positions err by the fit's standard error, both the less the more a spot is dimmed; light of
    molecules too dim to be seen stays in the residuals.

    Parameters
    ----------
    library : lone spots.
    simulated : the source of the other batches; optics, camera, ranges and sizes are its own.
    share : of the batches that are made of spots.
    mirror : use mirror images too.

    Raises
    ------
    ValueError
        If windows of several frames, or sums of frames, are asked for.
    """

    def __init__(
        self,
        library: SpotLibrary,
        simulated: SimulatedBatches,
        *,
        share: float = 1.0,
        mirror: bool = False,
    ) -> None:
        if simulated.context > 0 or simulated.simulator.simulation.sum_frames[1] > 1:
            raise ValueError(
                "Recorded spots make single frames: use a network that looks at one frame at a "
                "time, with sum_frames 1, 1."
            )
        self.simulated = simulated
        self.share = share
        self.batch_size = simulated.batch_size
        self.pixel_size_nm = simulated.simulator.psf.pixel_size_nm
        n_held_out = max(1, library.n_spots // HELD_OUT)
        parts = library.of(slice(0, -n_held_out)), library.of(slice(-n_held_out, None))
        self._train, self._held_out = (
            (part.with_mirrored(self.pixel_size_nm) if mirror else part).to(simulated.device)
            for part in parts
        )

    @classmethod
    def from_stack(cls, config: ExperimentalData, simulated: SimulatedBatches) -> Self:
        """Localize the frames of a stack and keep its lone spots.

        Raises
        ------
        FileNotFoundError, ValueError
            If there is no such file, its frames, planes or pixels are not those asked for, or it
            has too few lone spots; one sentence.
        """
        psf, camera = simulated.simulator.psf, simulated.simulator.camera
        with open_frames(config.stack) as source:
            _check(source, config, psf.n_planes, psf.pixel_size_nm)
            first, stop = config.frames or (0, source.n_frames)
            library = SpotLibrary.from_frames(
                _photons(source, first, stop, simulated),
                psf,
                camera,
                threshold=config.threshold,
                least_photons=config.least_photons,
                least_p_value=config.least_p_value,
            )
        data = cls(library, simulated, share=config.share, mirror=config.mirror)
        kept = data.kept()
        logger.info("%s: %d lone spots; residuals kept: %.2f", source.name, library.n_spots, kept)
        if kept <= MUCH_DAMPED:
            logger.warning(
                "%s: the spots are so dim beside the frames made of them that %.0f %% of how they "
                "differ from the PSF is lost; record brighter ones, or train at fewer photons or "
                "at lower density.",
                source.name,
                100 * (1 - kept),
            )
        return data

    @property
    def n_spots(self) -> tuple[int, int]:
        """Crops for training and for validation, mirror images among them."""
        return self._train.n_spots, self._held_out.n_spots

    def at(self, step: int) -> Batch:
        """Return the batch of one training step."""
        if self.share < 1 and self._chance(step) >= self.share:
            return self.simulated.at(step)
        seed = 2 * mixed_seed(self.simulated.seed, step)
        return self._draw(self._train, self.batch_size, self.simulated.shape, seed)[0]

    def validation(self, n_frames: int, shape: tuple[int, int] | None = None) -> Batch:
        """Return frames made of the spots that no training batch has.

        Parameters
        ----------
        shape : (H, W) of its frames; that of the patches if not given.
        """
        # Odd seeds: no training step has one.
        seed = 2 * mixed_seed(self.simulated.seed, 0) + 1
        return self._draw(self._held_out, n_frames, shape or self.simulated.shape, seed)[0]

    def bounds(self, truth: Localizations) -> dict[str, float]:
        """Return the Cramér-Rao bounds of lone molecules, as far as the PSF is right."""
        return self.simulated.bounds(truth)

    def kept(self, n_frames: int = 8) -> float:
        """Return how much of the residuals is kept in the noisy pixels, 1 if nothing is damped.

        It is the mean factor over all pixels that crops cover, in frames of the training set.
        """
        seed = 2 * mixed_seed(self.simulated.seed, 0)
        return self._draw(self._train, n_frames, self.simulated.shape, seed)[1]

    def _chance(self, step: int) -> float:
        """A number from 0 to 1 that goes with the step."""
        return float(np.random.default_rng([self.simulated.seed, step, 1]).random())

    def _draw(
        self, library: SpotLibrary, n_frames: int, shape: tuple[int, int], seed: int
    ) -> tuple[Batch, float]:
        generator = torch.Generator(self.simulated.device).manual_seed(seed)
        simulation = self.simulated.simulator.simulation
        placed = PlacedSpots.draw(
            library, simulation, n_frames, shape, generator, pixel_size_nm=self.pixel_size_nm
        )
        level = between(simulation.background, (n_frames, 1, 1, 1), generator)
        light, residual, variance = placed.summed(library)
        frames, kept = self._exposed(light + level, residual, variance, generator)
        truth = placed.truth(library, level.flatten(), self.pixel_size_nm)
        return self.simulated.as_input(Batch(frames, truth)), kept

    def _exposed(
        self, expected: Tensor, residual: Tensor, variance: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, float]:
        """Frames with the noise of one exposure, and the mean share of the residuals in them."""
        camera = self.simulated.simulator.camera
        per_photon = Noise.of(camera, (expected.shape[-2], expected.shape[-1])).per_photon
        room = per_photon * expected / variance.clamp(min=1e-12)
        kept = room.clamp(0, 1).sqrt()
        missing = (expected - kept.square() * variance / per_photon).clamp(min=0)
        shape = (expected.shape[-2], expected.shape[-1])
        origin_px = camera.draw_origin_px(len(expected), shape, generator)
        adu = camera.expose(missing.clone(), generator, origin_px=origin_px)
        noise = camera.to_photons(adu, origin_px=origin_px) - missing
        is_covered = variance > 0
        share = float(kept[is_covered].mean()) if bool(is_covered.any()) else 1.0
        return expected + kept * residual + noise, share


def _photons(
    source: FrameSource, first: int, stop: int, simulated: SimulatedBatches
) -> Iterator[Tensor]:
    for block in source.chunks(FRAMES_AT_ONCE, first, stop):
        adu = torch.as_tensor(block.astype(np.float32))
        yield simulated.simulator.camera.to_photons(adu)


def _check(
    source: FrameSource, config: ExperimentalData, n_planes: int, pixel_size_nm: float
) -> None:
    n_frames, n_channels = source.shape[:2]
    if config.frames is not None and config.frames[1] > n_frames:
        raise ValueError(
            f"{source.name}: frames {config.frames[0]}:{config.frames[1]} are asked for, and the "
            f"stack has frames 0:{n_frames}."
        )
    if n_channels != n_planes:
        raise ValueError(f"{source.name} has {n_channels} planes a frame and the PSF {n_planes}.")
    given = source.pixel_size_nm
    if given is not None and abs(given - pixel_size_nm) > 0.01 * pixel_size_nm:
        raise ValueError(
            f"{source.name} has pixels of {given:g} nm and the PSF of {pixel_size_nm:g} nm: "
            "correct the experiment's pixel_size_nm."
        )
