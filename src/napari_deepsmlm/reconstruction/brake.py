"""Brake: what cannot be is not written as a result."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_deepsmlm.models import ImageModel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_deepsmlm.inference.pipeline import Predicted
    from napari_deepsmlm.mismatch import MismatchTable
    from napari_deepsmlm.models import SMLMModel

MOST_LIGHT = 2.5
MOST_MOLECULES = 4.0
MOST_PER_SIGMA2 = 0.3
# Fewer molecules say nothing yet, and neither do fewer inputs than those in so many pixels.
FEWEST_MOLECULES = 100
FEWEST_PIXELS = 20 * 64 * 64
SIGMAS = 2.0
WAY_OUT = (
    "Nothing was written. Train the model on data like these (--adapt 5, or Adapt in the panel), "
    "state the camera, or choose another model; --force goes on all the same."
)


class BrakeError(ValueError):
    """A result that cannot be: one sentence says why, and what to do."""


class Expected(NamedTuple):
    """What a look at the frames tells of molecules; None where it does not."""

    photons: float | None = None
    """Least light of a molecule, in the unit that the network gets."""
    sigma_px: float | None = None
    """Least width of a PSF."""


class Brake:
    """Holds what a network found in the first frames against what can be in them.

    Three figures are judged as soon as 100 molecules were found in 82,000 pixels (20 frames of 64
    x 64), or at the end of a shorter run:

    - the light of the found molecules over that which stands above the background, see
      `inference.light`. Honest runs reach ... at the most.
    """

    def __init__(self, model: SMLMModel, expected: Expected, *, n_px: int, sum_frames: int) -> None:
        self._expected = expected
        self._n_px = n_px
        # Summed frames become an image of lines, whose maxima are no molecules.
        self._counts = sum_frames == 1 or not isinstance(model, ImageModel)
        self._n_inputs = self._n_found = 0
        self._n_in_dark = 0
        self._light = self._found_light = 0.0
        self.is_decided = False

    def add(self, predicted: Predicted) -> None:
        """Take one batch."""
        table = predicted.localizations
        self._n_inputs += predicted.n_inputs
        self._n_found += len(table)
        self._light += predicted.light
        if "photons" in table:
            self._found_light += float(np.asarray(table["photons"]).sum())
        if predicted.n_constant == predicted.n_frames:
            self._n_in_dark += len(table)

    @property
    def can_judge(self) -> bool:
        """Whether enough was seen to judge."""
        is_enough = self._n_inputs * self._n_px >= FEWEST_PIXELS
        return is_enough and self._n_found >= FEWEST_MOLECULES

    def objection(self) -> str:
        """Return in one sentence what cannot be, "" if all of it can."""
        return next(self._objections(), "")
