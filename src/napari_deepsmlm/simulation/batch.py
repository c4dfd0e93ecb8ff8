"""Batch: frames and the molecules in them, what simulation hands to training and to files."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

    from napari_deepsmlm.localizations import Localizations


class Batch(NamedTuple):
    """Frames and the molecules in them."""

    frames: Tensor
    """(B, C, H, W) ADU. With temporal context, C counts the planes of the first frame of the
    window, then those of the next. Sums of N frames hold N baselines."""
    truth: Localizations
    """Molecules inside the window, sorted by `frame`, the index in the batch; with temporal
    context those of the middle frame."""
