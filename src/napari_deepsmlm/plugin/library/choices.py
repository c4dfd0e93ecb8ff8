"""Choices: what is known of each model before it is loaded, and which one suits the data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_deepsmlm.models import ModelCard

OWN_MISFIT = 1.05
"""Up to here the pixels of a person's own model are those of the data."""


@dataclass(frozen=True)
class ModelChoice:
    """A model by the name or path that the library knows it by."""

    key: str
    title: str
    network: str
    pixel_size_nm: float
    upsampling: int | None = None
    is_localizing: bool = False
    needs_photons: bool = False
    n_planes: int = 1
    is_for_any_pixel: bool = False
    is_adapted: bool = False
    is_trained: bool = True

    @classmethod
    def from_file(cls, path: Path, key: str = "") -> ModelChoice:
        """Read a model's header.

        Raises
        ------
        ValueError, OSError
            One sentence, if the file is no model.
        """
        from napari_deepsmlm.models import read_card

        return cls.from_card(read_card(path), key or str(path), key or _title(path))

    @classmethod
    def from_card(cls, card: ModelCard, key: str, title: str) -> ModelChoice:
        """Take from a model's card what the panels ask of it."""
        from napari_deepsmlm.models import ImageModel, model_class

        network = model_class(card.network)
        return cls(
            key=key,
            title=title,
            network=network.name,
            pixel_size_nm=card.pixel_size_nm,
            upsampling=card.upsampling,
            is_localizing=not issubclass(network, ImageModel),
            needs_photons=network.needs_photons,
            n_planes=card.n_planes,
            is_for_any_pixel=card.is_for_any_pixel,
            is_adapted=card.is_adapted,
            is_trained=card.is_trained,
        )

    @property
    def is_own(self) -> bool:
        """Whether it is a file of the person's, not a built-in model."""
        return self.key.endswith(".safetensors")

    def misfit(self, pixel_size_nm: float) -> float:
        """Return the factor between its pixels and the data's, 1 or more."""
        if self.is_for_any_pixel:
            return 1.0
        return math.exp(abs(math.log(self.pixel_size_nm / pixel_size_nm)))


def _title(path: Path) -> str:
    """The name of a file, or that of its run: all runs call their models `best` and `last`."""
    return f"{path.parent.name}/{path.stem}" if path.stem in ("best", "last") else path.name


def nearest(choices: Sequence[ModelChoice], pixel_size_nm: float, n_planes: int) -> ModelChoice:
    """Return the model for as many planes whose pixels are nearest, the first of equals.

    A person's own model comes first where its pixels are the data's, then one that was made for any
    pixel, and of those one that localizes: it states light and precision too. Models that were
    adapted to a sample are no candidates: they are for its like only; neither is what works without
    a network: whoever wants it says so.
    """
    networks = [choice for choice in choices if choice.is_trained] or choices
    general = [choice for choice in networks if not choice.is_adapted] or networks
    fitting = [choice for choice in general if choice.n_planes == n_planes] or general
    return min(
        fitting,
        key=lambda choice: (
            not (choice.is_own and choice.misfit(pixel_size_nm) < OWN_MISFIT),
            not choice.is_for_any_pixel,
            not (choice.is_for_any_pixel and choice.is_localizing),
            round(choice.misfit(pixel_size_nm), 3),
        ),
    )
