"""ModelCard: what the header of a model file says about the model."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Self

from pydantic import ConfigDict, Field, field_validator

from napari_deepsmlm._base import FrozenModel

if TYPE_CHECKING:
    from pathlib import Path

USUAL_PIXEL_NM = 100.0
"""Camera pixel of a model whose configuration states none."""


class ModelCard(FrozenModel):
    """What a model is, what it was trained on, and how good it is.

    Keys that this version does not know are kept, and written again with the model: a newer version
    may add some.

    Examples
    --------
    >>> from napari_deepsmlm.models import built_in_models, read_card
    >>> card = read_card(built_in_models()["deep-storm:2d-100nm"])
    >>> card.network, card.pixel_size_nm, card.upsampling, card.is_for_any_pixel
    ('deep-storm', 100.0, 8, False)
    """

    model_config = ConfigDict(extra="allow", allow_inf_nan=True)

    network: str = Field(description="Name of the network, such as deep-storm.")
    config: dict[str, Any] = Field(description="The network's own choices, as plain values.")
    n_planes: int = Field(1, ge=1, description="Focal planes that it reads.")
    version: str = Field("", description="Of napari-deepsmlm, when it was trained.")
    experiment: dict[str, Any] | None = Field(
        None, description="What it was trained on; `Experiment.from_dict` reads it."
    )
    training_record: dict[str, Any] = Field(
        {}, description="Steps, minutes, device, and scores on the validation set."
    )
    trained_on: str = Field("simulated frames", description="The same for people, in a sentence.")
    metrics: dict[str, Any] = Field({}, description="Scores by sample, on frames never trained on.")
    adaptation: dict[str, Any] | None = Field(
        None, description="How it was adapted to data; `adaptation_of` reads it."
    )
    sha256: str | None = Field(None, description="Of the weights.")

    @field_validator("config")
    @classmethod
    def _sizes_can_be(cls, value: dict[str, Any]) -> dict[str, Any]:
        pixel_nm, upsampling = value.get("pixel_size_nm"), value.get("upsampling")
        if pixel_nm is not None and not _is_positive(pixel_nm):
            raise ValueError("needs a pixel_size_nm above 0")
        if upsampling is not None and not (_is_positive(upsampling) and upsampling % 1 == 0):
            raise ValueError("needs a whole upsampling of 1 or more")
        return value

    @classmethod
    def from_header(cls, values: Any, path: Path) -> Self:
        """Return the card in the header of a file.

        Raises
        ------
        ValueError
            One sentence, if something is missing or cannot be.
        """
        if isinstance(values, dict):
            for key in ("network", "config"):
                if key not in values:
                    raise ValueError(f"{path.name}: the model's header has no '{key}'.")
        return cls.from_dict(values, source=f"{path.name}: the model's header is damaged")

    def to_header(self) -> dict[str, Any]:
        """Return the plain values that :meth:`from_header` reads, those that were stated."""
        return self.model_dump(exclude_unset=True)

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some values changed, and none stated that was not."""
        return type(self).model_validate({**self.to_header(), **changes})

    @property
    def pixel_size_nm(self) -> float:
        """Camera pixel that it is for, nm."""
        stated = self.config.get("pixel_size_nm")
        return USUAL_PIXEL_NM if stated is None else float(stated)

    @property
    def upsampling(self) -> int | None:
        """Image pixels per camera pixel; None if its image may be drawn as fine as one likes."""
        stated = self.config.get("upsampling")
        return None if stated is None else int(stated)

    @property
    def is_for_any_pixel(self) -> bool:
        """Whether the pixel size does not matter: trained on many microscopes, or not at all."""
        if not self.is_trained:
            return True
        return self.experiment is not None and self.experiment.get("variety") is not None

    @property
    def is_trained(self) -> bool:
        """Whether it is a network, which was trained on something."""
        from napari_deepsmlm.models import untrained_models

        return self.network not in untrained_models()

    @property
    def is_adapted(self) -> bool:
        """Whether it was adapted to somebody's data, and is for their like only."""
        return self.adaptation is not None

    @property
    def reads_depth(self) -> bool:
        """Whether it reads depth from the shape of the PSF."""
        return bool(self.config.get("z_max_nm"))

    @property
    def reads_neighbours(self) -> bool:
        """Whether it reads a frame together with those before and after it."""
        n_frames = self.config.get("frames")
        return isinstance(n_frames, int) and n_frames > 1

    @property
    def psf(self) -> dict[str, Any] | None:
        """The PSF that it was trained on, as plain values; None if that is not recorded."""
        return self._recorded("psf")

    @property
    def blinking(self) -> dict[str, Any] | None:
        """The blinking that it was trained on, as plain values; None if that is not recorded."""
        return self._recorded("simulation", "blinking")

    @property
    def title(self) -> str:
        """Name of its network for people, such as Deep-STORM; the plain one if it is unknown here.

        Examples
        --------
        >>> ModelCard(network="deep-storm", config={}).title
        'Deep-STORM'
        """
        from napari_deepsmlm.models import available_models, untrained_models

        network = {**available_models(), **untrained_models()}.get(self.network)
        return self.network if network is None else network.title

    def _recorded(self, *keys: str) -> dict[str, Any] | None:
        found: Any = self.experiment
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        return found if isinstance(found, dict) else None


def _is_positive(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and value > 0 and math.isfinite(value)
