"""Brake: what cannot be is not written as a result."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from napari_deepsmlm.inference.predicted import Predicted
    from napari_deepsmlm.mismatch import MismatchTable

# Honest runs reach less than half of these, what braked for a reason more than them; see `Brake`.
MAX_LIGHT = 4.0
MAX_MOLECULES = 4.0
MAX_PER_SIGMA2 = 0.2
# Fewer molecules say nothing yet, and neither do inputs of fewer pixels in all.
FEWEST_MOLECULES = 100
FEWEST_PIXELS = 20 * 64 * 64
SIGMAS = 2.0
WAY_OUT = (
    "Or state the camera (--camera), choose another model (--model), or go on all the same "
    "(--force)."
)


class BrakeError(ValueError):
    """A result that cannot be: one sentence says why, the others what to do.

    Attributes
    ----------
    reason : the one sentence.
    warnings : what was known of the frames before, which may be why.
    """

    def __init__(self, reason: str, *ways_out: str, warnings: Iterable[str] = ()) -> None:
        super().__init__(" ".join(filter(None, (reason, *ways_out))))
        self.reason = reason
        self.warnings = tuple(warning for warning in warnings if warning not in ways_out)


class Expected(NamedTuple):
    """What a look at the frames tells of molecules; None where it does not."""

    photons: float | None = None
    """Least light of a molecule, in the unit that the network gets."""
    sigma_px: float | None = None
    """Least width of the PSF."""


class Brake:
    """Holds what a network found against what can be in the frames.

    Three figures are judged once 100 molecules were found in 82,000 pixels (20 frames of 64 x 64),
    or at the end of a shorter run:

    1. the light of the molecules, over the light that stands above the background (see
       `inference.light`);
    2. their number, over that light divided by the least light of a molecule, which is what
       `estimate` gives less two of its errors, where it can tell;
    3. their number in an area of sigma x sigma, the PSF's width. One of it and more in five such
       areas everywhere has not been told apart by any network.

    The limits come from built-in models on simulated stacks. Honest ones (what the models were
    trained for, 500 and 2,500 photons on a background of 5 and 60, 0.05 to 6 molecules per um2,
    uniform and in filaments; in 3-D up to 3 per um2) reach 1.5, 1.1 and 0.08. A background of 300
    or 900 photons, an offset of 900 ADU taken for light, and pixels of 160 nm with an EMCCD reach
    2.6 to 12, 13 to 34 and 0.20 to 0.35, and each of them is beyond two limits at least.

    Besides, frames without contrast hold no molecule.

    Parameters
    ----------
    expected : what the frames tell.
    n_px : pixels of an input that is judged.
    is_counted : whether its molecules are those of single frames. The maxima of a sum of frames, an
        image of lines, are none.
    """

    def __init__(self, expected: Expected, *, n_px: int, is_counted: bool = True) -> None:
        self._expected = expected
        self._n_px = n_px
        self._is_counted = is_counted
        self._n_inputs = self._n_found = self._n_in_dark = 0
        self._light = self._found_light = 0.0

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
        """Whether enough was seen to judge before the end."""
        is_enough = self._n_inputs * self._n_px >= FEWEST_PIXELS
        return is_enough and self._n_found >= FEWEST_MOLECULES

    def objection(self) -> str:
        """Return in one sentence what cannot be, "" if nothing is wrong or too little was seen."""
        if self._n_found < FEWEST_MOLECULES:
            return ""
        found = f"{self._n_found / self._n_inputs:.0f} molecules per frame were found"
        return next((f"{found}, {why}." for why in self._reasons()), "")

    def _reasons(self) -> Iterator[str]:
        light = max(self._light, 1e-9)
        photons, sigma_px = self._expected
        possible = light / photons if photons else math.inf
        density_px = self._n_found / (self._n_inputs * self._n_px)
        if self._n_in_dark:
            yield f"{self._n_in_dark} of them in frames without any contrast"
        if self._found_light > MAX_LIGHT * light:
            yield (
                f"which would give {self._found_light / light:.2g} times the light that stands "
                "above the background"
            )
        if self._is_counted and self._n_found > MAX_MOLECULES * possible:
            yield (
                f"and the light above the background is that of {possible / self._n_inputs:.0f} at "
                "the most"
            )
        if self._is_counted and sigma_px and density_px * sigma_px**2 > MAX_PER_SIGMA2:
            yield (
                f"one in {1 / density_px:.2g} pixels, where a molecule's image is about "
                f"{4 * sigma_px:.2g} pixels wide"
            )


def expected_of(table: MismatchTable | None, *, photons_per_adu: float) -> Expected:
    """Return what a look at the frames tells, as far as it is sure.

    Parameters
    ----------
    table : holds the frames against what the model was trained on.
    photons_per_adu : of the network's input; the table may have found another gain.
    """
    if table is None:
        return Expected()
    rows = {row.name: row for row in table.rows}
    photons, error, *_ = table.measured("photons")
    least = None
    if photons is not None and table.adu_per_photon is not None:
        least = max(photons - SIGMAS * error, photons / SIGMAS)
        least *= table.adu_per_photon * photons_per_adu
    width = rows["psf_sigma_px"]
    trained = None if width.trained is None else width.trained[0]
    sigma, error, *_ = width.measured
    if sigma is None or not table.is_one_width:
        return Expected(least, trained)
    return Expected(least, sigma - SIGMAS * error)
