"""Table of a comparison: what was measured, what the model was trained on, and a verdict."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from napari_deepsmlm.estimation.sentences import plus_minus

if TYPE_CHECKING:
    from napari_deepsmlm.mismatch.trained import Range

Verdict = Literal["inside", "near", "outside", "cannot be told"]


class Quantity(NamedTuple):
    """What is compared, and up to which factor beyond the trained range data are near, and why."""

    label: str
    unit: str
    factor: float
    why: str


# Pixel sizes further apart than this factor make a network's idea of a molecule wrong.
PIXEL_TOLERANCE = 1.15
QUANTITIES = {
    "pixel_size_nm": Quantity(
        "Pixel", "nm", PIXEL_TOLERANCE, "widths in pixels are then near, too"
    ),
    "psf_sigma_px": Quantity("PSF σ", "px", 1.25, "molecules out of focus widen the mean"),
    "psf_sigma_nm": Quantity("PSF σ", "nm", 1.25, "molecules out of focus widen the mean"),
    "background": Quantity(
        "Background", "photons/px", 1.5, "it moves with the camera's offset and gain"
    ),
    "photons": Quantity(
        "Molecule", "photons", 2.0, "single molecules differ by more around their mean"
    ),
    "density_per_um2": Quantity("Density", "per µm²", 1.15, "places of one sample differ by more"),
    "snr": Quantity("Signal / noise", "", 1.5, "it changes with photons and background, above"),
    "em_noise": Quantity("EM noise (F²)", "", 1.2, "it is 1 or 2"),
    "n_planes": Quantity("Focal planes", "", 1.0, ""),
}
# A width that fits badly says less: of several depths, or of a structure that flickers as one.
MISFIT_SIGMA_FACTOR = 1.5
SIGMAS = 2.0


class Measurement(NamedTuple):
    """A measured value, or why there is none."""

    value: float | None
    error: float = 0.0
    """Standard error."""
    remark: str = ""
    """Why there is no value, or only a least one."""
    is_least: bool = False

    def times(self, factor: float) -> Measurement:
        """Return it in another unit."""
        value = None if self.value is None else factor * self.value
        return self._replace(value=value, error=factor * self.error)

    def beside(self, trained: Range) -> int:
        """Return -1 below, 1 above, 0 within the range, or within one error of it.

        Examples
        --------
        >>> measured = Measurement(1.25, 0.06)
        >>> measured.beside((1.0, 1.2)), measured.beside((1.0, 1.1)), measured.beside((1.4, 1.5))
        (0, 1, -1)
        """
        if self.value is None:
            return 0
        low, high = trained
        if self.value - self.error > high:
            return 1
        return -1 if self.value + self.error < low and not self.is_least else 0

    def beyond(self, trained: Range, factor: float) -> int:
        """Return -1 below, 1 above, 0 not clearly outside: by the factor, and by two errors.

        Examples
        --------
        >>> Measurement(210.0, 37.0).beyond((5.0, 100.0), 1.5)
        1
        >>> Measurement(210.0, 70.0).beyond((5.0, 100.0), 1.5)  # may be 70
        0
        """
        if self.value is None:
            return 0
        (low, high), doubt = trained, SIGMAS * self.error
        if self.value > high * factor and self.value - doubt > high:
            return 1
        is_below = self.value < low / factor and self.value + doubt < low
        return -1 if is_below and not self.is_least else 0


class MismatchRow(NamedTuple):
    """One quantity; a background, a density and a signal to noise are those of an input frame."""

    name: str
    verdict: Verdict
    measured: Measurement
    trained: Range | None
    remark: str = ""
    """What to expect outside, by how much it is near and why that is tolerated, or why it cannot be
    told.
    """
    is_said: bool = False
    """Whether it is a reason to warn who reconstructs such data."""

    @property
    def label(self) -> str:
        """The quantity with its unit."""
        quantity = QUANTITIES[self.name]
        return f"{quantity.label} ({quantity.unit})" if quantity.unit else quantity.label

    @property
    def text(self) -> str:
        """The measured value with its error."""
        value, error, _, is_least = self.measured
        if value is None:
            return "?"
        shown = plus_minus(value, error) if error > 0 else _number(value)
        return f"at least {shown}" if is_least else shown

    @property
    def trained_text(self) -> str:
        """The range the model was trained on."""
        if self.trained is None:
            return "?"
        low, high = map(_number, self.trained)
        return low if low == high else f"{low} to {high}"


class MismatchTable(NamedTuple):
    """The comparison of a stack with what a model was trained on.

    Examples
    --------
    >>> import napari_deepsmlm as ds
    >>> from napari_deepsmlm.mismatch import compare_with_training
    >>> stack = ds.Experiment(image_px=(48, 48)).simulate(60, seed=1).stack
    >>> table = compare_with_training(stack, "deep-storm:2d-100nm", pixel_size_nm=160)
    >>> [row.name for row in table.rows if row.verdict == "near"]
    ['pixel_size_nm', 'psf_sigma_nm']
    """

    model: str
    rows: tuple[MismatchRow, ...]
    scope: tuple[str, ...] = ()
    """How it was measured."""
    problems: tuple[str, ...] = ()
    """What keeps it from being told: one sentence each."""
    adu_per_photon: float | None = None
    """Gain that light was measured with, None if it is in ADU."""
    is_one_width: bool = False
    """Whether molecules are seen, with images of one width."""
    depths: str = ""
    """Where images of several widths meet a model without depth: what that means."""

    def measured(self, name: str) -> Measurement:
        """Return what was measured of a quantity."""
        return next(row.measured for row in self.rows if row.name == name)

    @property
    def outside(self) -> list[str]:
        """Return in what the data are unlike those of the training."""
        return [QUANTITIES[row.name].label for row in self.rows if row.verdict == "outside"]

    @property
    def sentences(self) -> list[str]:
        """What to know before reconstructing such data, nothing if all is well."""
        return [*filter(None, [self.depths]), *(row.remark for row in self.rows if row.is_said)]

    def report(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        rows = {}
        for row in self.rows:
            value, error, _, is_least = row.measured
            rows[row.name] = {
                "measured": value,
                "error": None if value is None else error,
                "is_least": is_least,
                "trained": None if row.trained is None else list(row.trained),
                "verdict": row.verdict,
                "remark": row.remark,
            }
        found = {"model": self.model, "quantities": rows, "depths": self.depths}
        return {**found, "scope": list(self.scope), "problems": list(self.problems)}


def range_text(low: float, high: float) -> str:
    """Return a range as sentences give it.

    Examples
    --------
    >>> range_text(800, 4500), range_text(1.0, 1.0)
    ('800 to 4500', '1')
    """
    return rounded(low) if math.isclose(low, high) else f"{rounded(low, 3)} to {rounded(high, 3)}"


def rounded(value: float, digits: int = 2) -> str:
    """Return a number of so many digits, never as 3e+02."""
    return f"{float(f'{value:.{digits}g}'):g}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
