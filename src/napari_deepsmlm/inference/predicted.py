"""Predicted: what one batch of inputs gave, from the pipeline to whoever adds it up."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from napari_deepsmlm.localizations import Localizations


@dataclass(slots=True)
class Predicted:
    """What one batch of inputs gave."""

    first_frame: int
    n_frames: int
    n_constant: int
    unusable: tuple[int, ...]
    """Frames that are damaged or hold NaN, and gave nothing."""
    image_on_device: Tensor
    """(r H, r W) molecules per super-resolution pixel, summed over the batch, where they were
    predicted; not to be written to where `is_dark`."""
    localizations: Localizations
    """numpy columns, frames counted in the stack, nm."""
    n_inputs: int = 0
    """Frames, or sums of them, that the network saw."""
    light: float = 0.0
    """Upper limit of the light of molecules in them, in the unit of the network's input."""
    is_dark: bool = False
    """Nothing is in the image, so it need not be added to others."""

    @property
    def image(self) -> np.ndarray[Any, Any]:
        """The image, brought from the device whenever it is asked for."""
        image: np.ndarray[Any, Any] = self.image_on_device.cpu().numpy()
        return image

    def __reduce__(self) -> tuple[Callable[..., Predicted], tuple[Any, ...]]:
        """Go to another process as arrays.

        A tensor would go through shared memory, of which containers have little, and each through a
        file of its own.
        """
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        image = values.pop("image_on_device")
        return _received, (values, tuple(image.shape) if self.is_dark else self.image)


def dark_image(shape: tuple[int, ...]) -> Tensor:
    """Return an image with nothing in it, and no memory of its own."""
    return torch.zeros(()).expand(shape)


def _received(values: dict[str, Any], image: tuple[int, ...] | np.ndarray[Any, Any]) -> Predicted:
    if isinstance(image, tuple):
        return Predicted(**values, image_on_device=dark_image(image))
    return Predicted(
        **values, image_on_device=torch.from_numpy(np.require(image, requirements="W"))
    )
