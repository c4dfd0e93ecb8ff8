"""Predicted: what one batch of inputs gave, from the pipeline to whoever adds it up."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import Self

    import numpy as np
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

    def on_cpu(self) -> Self:
        """Return the same for another process, which may not see the device."""
        return replace(self, image_on_device=self.image_on_device.cpu())
