"""Blinking: when molecules emit, as intervals on a time axis counted in frames."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import torch
from pydantic import Field

from napari_deepsmlm._base import FrozenModel
from napari_deepsmlm.simulation.structures._base import slots

if TYPE_CHECKING:
    from torch import Tensor


class OnTimes(NamedTuple):
    """When molecules are on: up to J intervals each, padded with intervals of length 0."""

    start: Tensor
    """(B, M, J) frames."""
    stop: Tensor
    """(B, M, J) frames."""
    counts: Tensor
    """(B,) molecules of each sample; the rest of the M is padding."""


class _Blinking(FrozenModel, ABC):
    """Molecules are born at a rate, emit for a while as a subclass says, and end.

    A movie begins in the stationary state, as if it had run for ever before its first frame:
    :meth:`carried` gives the molecules that were born earlier and are still alive, :meth:`born` the
    new ones. All laws here are memoryless: the rest of a life is distributed as a whole one.
    """

    @property
    @abstractmethod
    def frames_seen(self) -> float:
        """Mean number of frames in which a molecule emits."""

    @property
    @abstractmethod
    def frames_carried(self) -> float:
        """Mean number of molecules alive when a frame begins, per molecule born in a frame."""

    @abstractmethod
    def _alive(self, counts: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return starts and stops (B, M, J) of molecules that are alive at time 0."""

    @abstractmethod
    def _new(self, frame: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return starts and stops (B, M, J) of molecules born in frames (B, M)."""

    def carried(self, births: Tensor, generator: torch.Generator) -> OnTimes:
        """Return the molecules alive at time 0.

        Parameters
        ----------
        births : (B,) mean births per frame.
        """
        counts = torch.poisson(births * self.frames_carried, generator=generator).long()
        return OnTimes(*self._alive(counts, generator), counts)

    def born(self, births: Tensor, generator: torch.Generator) -> OnTimes:
        """Return the molecules born in frames 0 to T.

        Parameters
        ----------
        births : (B, T) mean births in each frame.
        """
        so_far = births.cumsum(1)
        total = so_far[:, -1]
        counts = torch.poisson(total, generator=generator).long()
        size = slots(counts).shape
        place = torch.rand(size, generator=generator, device=births.device) * total[:, None]
        frame = torch.searchsorted(so_far, place, right=True).clamp(max=births.shape[1] - 1)
        return OnTimes(*self._new(frame.to(births.dtype), generator), counts)


class Independent(_Blinking):
    """A molecule emits in one whole frame: frames have nothing in common (Deep-STORM, DRSN)."""

    kind: Literal["independent"] = "independent"

    @property
    def frames_seen(self) -> float:
        """One."""
        return 1.0

    @property
    def frames_carried(self) -> float:
        """None."""
        return 0.0

    def _alive(self, counts: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        nothing = torch.zeros(*slots(counts).shape, 1, device=counts.device)
        return nothing, nothing

    def _new(self, frame: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        return frame[..., None], frame[..., None] + 1


class Survival(_Blinking):
    """A molecule emits in whole frames and stays on for the next one with a probability.

    The chain that FD-DeepLoc trains with (Fu et al. 2023, doi:10.1038/s41592-023-01775-5).
    """

    kind: Literal["survival"] = "survival"
    stays_on: float = Field(0.5, ge=0, le=0.999, description="Probability from frame to frame.")

    @property
    def frames_seen(self) -> float:
        """Mean of the geometric distribution, 1 / (1 - p)."""
        return 1 / (1 - self.stays_on)

    @property
    def frames_carried(self) -> float:
        """The molecules that stay on from the frame before."""
        return self.stays_on / (1 - self.stays_on)

    def _alive(self, counts: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        return self._new(torch.zeros(slots(counts).shape, device=counts.device), generator)

    def _new(self, frame: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        more = torch.zeros_like(frame)
        if self.stays_on > 0:
            more = (_exponential(frame.shape, generator) / -math.log(self.stays_on)).floor()
        return frame[..., None], (frame + 1 + more)[..., None]


class Exponential(_Blinking):
    """A molecule lights up at any time and stays on for an exponential time.

    DECODE's kinetics (Speiser et al. 2021, doi:10.1038/s41592-021-01236-x): photons of a frame
    are the flux times the part of the frame in which the molecule is on. DECODE lets molecules
    light up from 3 τ before the first frame, which misses 5 % of those alive in it; here none is
    missed.
    """

    kind: Literal["exponential"] = "exponential"
    on_frames: float = Field(2.0, gt=0, le=1000, description="Mean time on, frames (τ).")

    @property
    def frames_seen(self) -> float:
        """τ + 1: an interval of length t at any phase touches t + 1 frames on average."""
        return self.on_frames + 1

    @property
    def frames_carried(self) -> float:
        """By Little's law, births per frame times τ are on."""
        return self.on_frames

    def _alive(self, counts: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        start = torch.zeros(*slots(counts).shape, 1, device=counts.device)
        return start, self.on_frames * _exponential(start.shape, generator)

    def _new(self, frame: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        start = (frame + _fraction(frame, generator))[..., None]
        return start, start + self.on_frames * _exponential(start.shape, generator)


class FourState(_Blinking):
    """Off, on, dark, bleached: a molecule blinks a few times before it bleaches.

    The SMLM Challenge 2016 (Sage et al. 2019, doi:10.1038/s41592-019-0364-4): an on-time of 3
    frames, a dark time of 2.5 frames, and "bleaching 1.5", taken here as the mean number of visits
    to the on state; read as rates that compete, 1/1.5 against 1/2.5, it would be 1.6 visits.
    """

    kind: Literal["four_state"] = "four_state"
    on_frames: float = Field(3.0, gt=0, le=1000, description="Mean time of a visit, frames.")
    dark_frames: float = Field(2.5, gt=0, le=1000, description="Mean time between visits, frames.")
    visits: float = Field(1.5, ge=1, le=20, description="Mean number of visits until bleaching.")

    @property
    def frames_seen(self) -> float:
        """Frames that begin on, the frame of birth, and frames with a return from the dark."""
        on, dark = self.visits * self.on_frames, (self.visits - 1) * self.dark_frames
        return on + 1 + dark * -math.expm1(-1 / self.dark_frames)

    @property
    def frames_carried(self) -> float:
        """By Little's law, the mean life from birth to bleaching."""
        return self.visits * self.on_frames + (self.visits - 1) * self.dark_frames

    def _alive(self, counts: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        size = slots(counts).shape
        share_dark = (self.visits - 1) * self.dark_frames / self.frames_carried
        is_dark = torch.rand(size, generator=generator, device=counts.device) < share_dark
        delay = is_dark * self.dark_frames * _exponential(size, generator)
        return self._visits(delay, generator)

    def _new(self, frame: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        return self._visits(frame + _fraction(frame, generator), generator)

    def _visits(self, start: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """(B, M) first time on -> (B, M, J) all times on and off."""
        again = torch.zeros_like(start)
        if self.visits > 1:
            rate = -math.log1p(-1 / self.visits)
            again = (_exponential(start.shape, generator) / rate).floor()
        n_visits = 1 + again
        most = int(n_visits.max()) if n_visits.numel() else 1
        size = (*start.shape, most)
        on = self.on_frames * _exponential(size, generator)
        dark = self.dark_frames * _exponential(size, generator)
        stops = start[..., None] + (on + dark).cumsum(-1) - dark
        starts = stops - on
        is_real = torch.arange(most, device=start.device) < n_visits[..., None]
        return starts * is_real, stops * is_real


Blinking = Annotated[Independent | Survival | Exponential | FourState, Field(discriminator="kind")]


def shares(start: Tensor, stop: Tensor, n_frames: int) -> Tensor:
    """Return the part of each frame in which a molecule is on: (B, M, J) -> (B, n_frames, M)."""
    B, M, J = start.shape
    frame = torch.arange(n_frames, device=start.device, dtype=start.dtype)
    if J == 1:
        return _overlap(start.transpose(1, 2), stop.transpose(1, 2), frame[:, None])
    # Most of the J intervals of a molecule are padding: work on those within these frames only.
    is_seen = (stop > start) & (stop > 0) & (start < n_frames)
    sample, molecule, _ = is_seen.nonzero(as_tuple=True)
    seen = _overlap(start[is_seen][:, None], stop[is_seen][:, None], frame)
    total = seen.new_zeros(B * M, n_frames).index_add_(0, sample * M + molecule, seen)
    return total.view(B, M, n_frames).transpose(1, 2)


def _overlap(start: Tensor, stop: Tensor, frame: Tensor) -> Tensor:
    return (stop.minimum(frame + 1) - start.maximum(frame)).clamp(min=0)


def _exponential(size: tuple[int, ...], generator: torch.Generator) -> Tensor:
    uniform = torch.rand(size, generator=generator, device=generator.device)
    return -torch.log1p(-uniform)


def _fraction(frame: Tensor, generator: torch.Generator) -> Tensor:
    return torch.rand(frame.shape, generator=generator, device=frame.device)
