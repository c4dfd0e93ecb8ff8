"""StructureBase: what every structure offers, and how molecules are drawn and packed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import torch

from napari_deepsmlm._base import FrozenModel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    Geometry = Mapping[str, Any]


class StructureBase(FrozenModel, ABC):
    """Where molecules sit, drawn for a whole batch at once."""

    @abstractmethod
    def realise(
        self, n: int, extent_nm: tuple[float, float], generator: torch.Generator
    ) -> Geometry:
        """Draw n structures that fill a field of view of (height, width) nm."""

    @abstractmethod
    def place(
        self,
        geometry: Geometry,
        counts: Tensor,
        generator: torch.Generator,
        *,
        n_frames: float | Tensor = 1.0,
    ) -> tuple[Tensor, Tensor]:
        """Put molecules on structures.

        Parameters
        ----------
        geometry : what :meth:`realise` returned, of as many structures as `counts` has entries,
            or of one that serves all.
        counts : (B,) molecules wanted on each structure.
        n_frames : frames over which `counts` is spread, one number or (B,): a structure with room
            for so many molecules in a frame has room for n_frames times as many. Sites are drawn
            with replacement, so one may shine in several frames.

        Returns
        -------
        xyz_nm : (B, E, 3) nm from the corner of the field of view.
        is_there : (B, E) which of them exist, the first ones of each row; the others are padding.
        """


def first(counts: Tensor, n: int) -> Tensor:
    """(B,) counts -> (B, n) whether a slot is among the first `counts` of its row."""
    return torch.arange(n, device=counts.device) < counts[:, None]


def slots(counts: Tensor) -> Tensor:
    """(B,) counts -> (B, largest count) whether a slot is used."""
    return first(counts, int(counts.max()) if len(counts) else 0)


def keep_first(xyz_nm: Tensor, is_good: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Move the good candidates of each frame to the front and keep `counts` of them."""
    n_candidates = is_good.shape[1]
    n_kept = min(max(int(counts.max()), 0), n_candidates)
    so_far = is_good.cumsum(1, dtype=torch.int32)
    # The k-th good candidate is where the running count of good ones first equals k.
    wanted = torch.arange(1, n_kept + 1, dtype=torch.int32, device=counts.device)
    order = torch.searchsorted(so_far, wanted.expand(len(counts), -1).contiguous())
    order.clamp_(max=max(n_candidates - 1, 0))
    found = torch.minimum(counts, so_far[:, -1].long()) if n_candidates else counts * 0
    return xyz_nm.gather(1, order[..., None].expand(-1, -1, 3)), first(found, n_kept)


def pick(weights: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """(B, K) weights -> (B, n) indices drawn with replacement."""
    if n == 0:
        return torch.zeros(len(weights), 0, dtype=torch.long, device=weights.device)
    return torch.multinomial(weights, n, replacement=True, generator=generator)


def uniform(size: tuple[int, ...], low: float, high: float, generator: torch.Generator) -> Tensor:
    """Return numbers uniform in [low, high)."""
    return low + (high - low) * torch.rand(size, generator=generator, device=generator.device)


def normal(size: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Return standard normal numbers."""
    return torch.randn(size, generator=generator, device=generator.device)


def whole(size: tuple[int, ...], low: int, high: int, generator: torch.Generator) -> Tensor:
    """Return whole numbers from `low` to `high`, both included."""
    return torch.randint(low, high + 1, size, generator=generator, device=generator.device)


def ascending(name: str, value: tuple[float, float], smallest: float | None = None) -> None:
    """Refuse a range whose ends are in the wrong order or below `smallest`."""
    if smallest is not None and not smallest <= value[0] <= value[1]:
        raise ValueError(f"{name}: must be two numbers >= {smallest}, the smaller first")
    if not value[0] <= value[1]:
        raise ValueError(f"{name}: must be two numbers, the smaller first")
