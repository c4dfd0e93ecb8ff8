"""Molecules: those of a stretch of time, and the table of who emits in which frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from napari_deepsmlm.simulation.blinking import shares
from napari_deepsmlm.simulation.structures._base import first

if TYPE_CHECKING:
    from torch import Tensor

    from napari_deepsmlm.simulation.movement import Movement


class Molecules(NamedTuple):
    """Molecules of B samples, padded to the M of the fullest one; times from the first frame."""

    start: Tensor
    """(B, M, J) frames, as in `blinking.OnTimes`."""
    stop: Tensor
    """(B, M, J) frames."""
    is_there: Tensor
    """(B, M)"""
    xyz_nm: Tensor
    """(B, M, 3) nm from the corner of the frame, before drift."""
    flux: Tensor
    """(B, M) photons per frame of a molecule that is on throughout."""
    sigma_nm: Tensor | None
    """(B, M) width of the PSF, where it has a range."""
    number: Tensor
    """(B, M) identity, counted on through a movie."""

    def joined(self, others: Molecules) -> Molecules:
        """Return both, side by side in each sample."""
        n_visits = max(self.start.shape[-1], others.start.shape[-1])
        sigma_nm = None
        if self.sigma_nm is not None and others.sigma_nm is not None:
            sigma_nm = torch.cat([self.sigma_nm, others.sigma_nm], 1)
        return Molecules(
            torch.cat([_widened(self.start, n_visits), _widened(others.start, n_visits)], 1),
            torch.cat([_widened(self.stop, n_visits), _widened(others.stop, n_visits)], 1),
            torch.cat([self.is_there, others.is_there], 1),
            torch.cat([self.xyz_nm, others.xyz_nm], 1),
            torch.cat([self.flux, others.flux], 1),
            sigma_nm,
            torch.cat([self.number, others.number], 1),
        )

    def after(self, n_frames: int) -> Molecules:
        """Return the molecules of one sample that outlive n_frames, times counted from there."""
        lives = self.is_there[0] & (self.stop[0] > n_frames).any(-1)
        # Intervals that are over now end before 0 and light no frame.
        return Molecules(
            self.start[:, lives] - n_frames,
            self.stop[:, lives] - n_frames,
            self.is_there[:, lives],
            self.xyz_nm[:, lives],
            self.flux[:, lives],
            None if self.sigma_nm is None else self.sigma_nm[:, lives],
            self.number[:, lives],
        )


class Emitters(NamedTuple):
    """Molecules that emit in each of F frames, padded to the number E of the fullest frame."""

    is_there: Tensor
    """(F, E)"""
    xyz_nm: Tensor
    """(F, E, 3) nm, after drift."""
    photons: Tensor
    """(F, E) photons; 0 where there is no molecule (padding)."""
    sigma_nm: Tensor | None
    """(F, E) nm."""
    number: Tensor
    """(F, E) identity."""

    def every(self, step: int, first_frame: int) -> Emitters:
        """Return those of each `step`-th frame from one on."""
        rows = slice(first_frame, None, step)
        sigma_nm = None if self.sigma_nm is None else self.sigma_nm[rows]
        return Emitters(
            self.is_there[rows],
            self.xyz_nm[rows],
            self.photons[rows],
            sigma_nm,
            self.number[rows],
        )


class Moving(NamedTuple):
    """A structure that moves, at one moment of a movie."""

    movement: Movement
    now: int
    """Frame of the movie that is the first here."""
    sides_nm: tuple[float, float]
    """Height and width of the frames."""

    def places(self, rest_nm: Tensor, n_frames: int) -> tuple[Tensor, Tensor]:
        """(B, M, 3) places at frame 0 -> those of each frame (B, T, M, 3), and who has grown."""
        frame = self.now + torch.arange(n_frames, device=rest_nm.device, dtype=rest_nm.dtype)
        rest, frame = rest_nm[:, None], frame[:, None]
        middle_nm = self.sides_nm[1] / 2, self.sides_nm[0] / 2
        return (
            self.movement.moved(rest, frame, middle_nm),
            self.movement.is_grown(rest, frame, middle_nm),
        )


def emitting(
    molecules: Molecules,
    n_frames: int,
    brightness: Tensor,
    *,
    drift_nm: Tensor | None = None,
    within_nm: tuple[float, float, float] | None = None,
    moving: Moving | None = None,
) -> Emitters:
    """Return the molecules that emit in each of n_frames.

    Parameters
    ----------
    brightness : (B, n_frames) factor on all photons of a frame.
    drift_nm : (n_frames, 3) nm that the sample has moved.
    within_nm : height, width and margin, nm: molecules further outside are left out.
    moving : how the structure moves, if it does; places of molecules are those of frame 0 then.

    Returns
    -------
    Emitters of B · n_frames frames, those of a sample in a row.
    """
    share = shares(molecules.start, molecules.stop, n_frames)
    emits = (share > 0) & molecules.is_there[:, None]
    places = molecules.xyz_nm[:, None]  # (B, 1, M, 3), or (B, T, M, 3) of what moves
    if moving is not None:
        places, is_grown = moving.places(molecules.xyz_nm, n_frames)
        emits &= is_grown
    if within_nm is not None:
        emits &= _is_near(places, drift_nm, within_nm)
    emits = emits.flatten(0, 1)  # (B, T, M) -> (B*T, M)
    counts = emits.sum(1)
    is_there = first(counts, int(counts.max()) if len(counts) else 0)
    # Boolean indexing keeps order: the emitters of a frame are in the order of its molecules.
    frame, column = emits.nonzero(as_tuple=True)
    which = torch.zeros(is_there.shape, dtype=torch.long, device=emits.device)
    which[is_there] = column
    sample = torch.arange(len(emits), device=emits.device)[:, None] // n_frames
    xyz_nm = molecules.xyz_nm[sample, which]
    if moving is not None:
        row = torch.arange(len(emits), device=emits.device)[:, None]
        xyz_nm = places.flatten(0, 1)[row, which]
    if drift_nm is not None:
        xyz_nm = xyz_nm + drift_nm.repeat(len(molecules.flux), 1)[:, None]
    light = share.flatten(0, 1).gather(1, which) * brightness.flatten()[:, None]
    sigma_nm = molecules.sigma_nm
    return Emitters(
        is_there,
        xyz_nm,
        molecules.flux[sample, which] * light * is_there,
        None if sigma_nm is None else sigma_nm[sample, which],
        molecules.number[sample, which],
    )


def _is_near(
    places: Tensor, drift_nm: Tensor | None, within_nm: tuple[float, float, float]
) -> Tensor:
    """(B, T or 1, M, 3) -> (B, T, M) or (B, 1, M)."""
    height, width, margin = within_nm
    seen = places if drift_nm is None else places + drift_nm[:, None]
    x, y = seen[..., 0], seen[..., 1]
    return (x > -margin) & (x < width + margin) & (y > -margin) & (y < height + margin)


def _widened(times: Tensor, n_visits: int) -> Tensor:
    return torch.nn.functional.pad(times, (0, n_visits - times.shape[-1]))
