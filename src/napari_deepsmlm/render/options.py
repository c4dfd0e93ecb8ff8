"""Options of rendering: which kind of image, how wide, coloured by what."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from pydantic import Field

from napari_deepsmlm._base import FrozenModel
from napari_deepsmlm.localizations import known_places
from napari_deepsmlm.render.gaussians import OWN_SIGMA, gaussian
from napari_deepsmlm.render.points import average_shifted_histogram, histogram

if TYPE_CHECKING:
    import threading

    from torch import Tensor

    from napari_deepsmlm.localizations import Localizations

MAX_PIXELS = 100_000_000


class RenderOptions(FrozenModel):
    """How an image is drawn from a table."""

    kind: Literal["histogram", "gaussian", "ash"] = Field(
        "histogram",
        description="histogram: molecules counted in each pixel. gaussian: each molecule as wide "
        "as it is uncertain. ash: average shifted histogram, a smooth count.",
    )
    sr_pixel_nm: float = Field(10.0, ge=0.1, le=10_000, description="Pixel of the image.")
    sigma_nm: float | None = Field(
        None,
        ge=0.1,
        le=10_000,
        description="Gaussian: standard deviation of all molecules; default: each its own "
        "uncertainty.",
    )
    n_shifts: int = Field(
        4, ge=1, le=64, description="Average shifted histogram: pixels per bin, and grids per axis."
    )


def draw(
    table: Localizations,
    shape: tuple[int, int] | None = None,
    *,
    options: RenderOptions,
    corner_px: tuple[int, int] = (0, 0),
    weights: Tensor | None = None,
    stopping: threading.Event | None = None,
) -> Tensor:
    """Return (rows, columns) molecules per pixel.

    Parameters
    ----------
    table : molecules; all frames are summed.
    shape : of the image; as far as the molecules reach if not given.
    corner_px : row and column of its first pixel, counted from the one that begins at x = y = 0.
    weights : (N,) what each molecule counts, 1 if not given.
    stopping : when set, from another thread, drawing is given up within a fraction of a second.

    Raises
    ------
    ValueError
        If the table has no uncertainties but they are to be drawn, or the image would be too large.
    InterruptedError
        Once `stopping` is set.

    Examples
    --------
    >>> from napari_deepsmlm.localizations import Localizations
    >>> table = Localizations(frame=[0, 3], x_nm=[5.0, 25.0], y_nm=[5.0, 15.0])
    >>> draw(table, options=RenderOptions(kind="histogram", sr_pixel_nm=10))
    tensor([[1., 0., 0.],
            [0., 0., 1.]])
    """
    shape = shape or field_shape(table, options.sr_pixel_nm)
    how: dict[str, Any] = {"corner_px": corner_px, "weights": weights, "stopping": stopping}
    how |= {"sr_pixel_nm": options.sr_pixel_nm}
    if options.kind == "gaussian":
        return gaussian(table, shape, sigma_nm=options.sigma_nm, **how)
    if options.kind == "ash":
        return average_shifted_histogram(table, shape, n_shifts=options.n_shifts, **how)
    return histogram(table, shape, **how)


def field_shape(table: Localizations, sr_pixel_nm: float) -> tuple[int, int]:
    """Return rows and columns of the image that reaches from (0, 0) to the last molecule.

    Rows whose position is no number, or a metre away and more, are nowhere and do not count.

    Raises
    ------
    ValueError
        If that are more than a hundred million pixels.
    """
    sides = []
    known = known_places(table, ("x_nm", "y_nm"))
    for name in ("y_nm", "x_nm"):
        values = np.asarray(table.to_numpy()[name], float)[known]
        last = float(values.max()) if len(values) else 0.0
        sides.append(max(1, math.floor(last / sr_pixel_nm) + 1))
    return _not_too_large(sides, "The molecules reach over", sr_pixel_nm)


def frames_shape(height_nm: float, width_nm: float, sr_pixel_nm: float) -> tuple[int, int]:
    """Return rows and columns of the image that covers the field of the camera frames.

    Raises
    ------
    ValueError
        If that are more than a hundred million pixels.

    Examples
    --------
    >>> frames_shape(6400, 6450, 100)
    (64, 65)
    """
    # a thousandth of a pixel less, as 64 pixels of 0.1 um are a little more than 6400 nm
    sides = [max(1, math.ceil(side / sr_pixel_nm - 1e-3)) for side in (height_nm, width_nm)]
    return _not_too_large(sides, "The frames cover", sr_pixel_nm)


def _not_too_large(sides: list[int], who: str, sr_pixel_nm: float) -> tuple[int, int]:
    rows, columns = sides
    if rows * columns > MAX_PIXELS:
        raise ValueError(
            f"{who} {rows:,} x {columns:,} pixels of {sr_pixel_nm:g} nm; choose a larger pixel, or "
            "filter out molecules that are far away."
        )
    return rows, columns


class Rendering(NamedTuple):
    """How molecules are drawn, in words and as a function."""

    words: str
    has_own_sigma: bool

    def draw(self, table: Localizations, shape: tuple[int, int], sr_pixel_nm: float) -> Tensor:
        """Return the image of a table."""
        render = gaussian if self.has_own_sigma else histogram
        return render(table, shape, sr_pixel_nm=sr_pixel_nm)


def rendering_of(columns: tuple[str, ...]) -> Rendering:
    """Return what suits a table: Gaussians if it has uncertainties, else a histogram."""
    if set(OWN_SIGMA) <= set(columns):
        return Rendering("each molecule as a Gaussian of its own uncertainty", True)
    return Rendering("molecules counted in each pixel", False)
