"""What is measured of a result, be it a table, an image, or a series of images."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from pydantic import Field

from napari_deepsmlm._base import FrozenModel
from napari_deepsmlm._words import counted
from napari_deepsmlm.localizations import known_places, require_molecules
from napari_deepsmlm.metrics import count_image, error_map, ring_correlation
from napari_deepsmlm.metrics.frc import N_BLOCKS, half_images, random_halves, time_halves

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_deepsmlm.io import FrameSource
    from napari_deepsmlm.localizations import Localizations
    from napari_deepsmlm.metrics import Decorrelation, ErrorMap, RingCorrelation

    Array = np.ndarray[Any, Any]

MAX_SIDE_PX = 8192
"""Of the images that a table is drawn as: more would need several GB."""
_CHUNK_BYTES = 64 << 20


class QualityOptions(FrozenModel):
    """How the quality of a result is measured."""

    sr_pixel_nm: float = Field(
        10.0, ge=0.1, le=1000, description="Tables: pixel of the images that they are drawn as."
    )
    n_blocks: int = Field(
        N_BLOCKS, ge=2, le=10_000, description="Blocks of time that alternate between the halves."
    )
    seed: int = Field(0, ge=0, lt=2**31 - 1, description="Of the random halves.")


class RingPair(NamedTuple):
    """Ring correlation of halves by alternating blocks of time, and of halves at random."""

    time: RingCorrelation | None
    random: RingCorrelation | None
    """Higher where one blink is split between the halves: too good."""
    pixel_nm: float
    remarks: tuple[str, ...]
    """Why a resolution is missing, and what else is to be known: one sentence each."""


class Quality(NamedTuple):
    """Everything that was measured of a result; None where it was not."""

    frc: RingPair | None = None
    decorrelation: Decorrelation | None = None
    squirrel: ErrorMap | None = None
    reference_pixel_nm: float | None = None

    def report(self) -> dict[str, float | None]:
        """Return the numbers by their names on the command line; None where there is none."""
        frc, found = self.frc, self.decorrelation
        values: dict[str, float | None] = {
            "frc_time_nm": None if frc is None or frc.time is None else frc.time.resolution_nm,
            "frc_random_nm": None
            if frc is None or frc.random is None
            else frc.random.resolution_nm,
            "decorrelation_nm": None if found is None else found.resolution_nm,
        }
        if self.squirrel is not None:
            values |= {
                "squirrel_rsp": self.squirrel.rsp,
                "squirrel_rse": self.squirrel.rse,
                "squirrel_alpha": self.squirrel.alpha,
                "squirrel_beta": self.squirrel.beta,
                "squirrel_sigma_px": self.squirrel.sigma_px,
            }
            if self.reference_pixel_nm is not None:
                sigma_nm = self.squirrel.sigma_px * self.reference_pixel_nm
                values["squirrel_sigma_nm"] = sigma_nm
        return {k: v if v is not None and math.isfinite(v) else None for k, v in values.items()}


# -- resolution -----------------------------------------------------------------------------


def frc_of_table(
    table: Localizations,
    options: QualityOptions | None = None,
    *,
    stop: Callable[[], bool] = lambda: False,
) -> RingPair:
    """Return the ring correlation of the two halves of a table, drawn as histograms.

    Parameters
    ----------
    table : molecules, nm; rows with positions that are no numbers are left out.
    stop : asked between the two; InterruptedError is raised once it is true.

    Raises
    ------
    ValueError
        If the table is empty, or all its molecules are in one frame.
    """
    options = options or QualityOptions()
    table, remarks = finite_rows(table)
    if np.ptp(table.frame) == 0:
        who = "The only molecule is" if len(table) == 1 else f"All {len(table):,} molecules are"
        raise ValueError(
            f"{who} in one frame, so there are no two halves in time; "
            "give the localizations of the whole movie."
        )
    box, pixel_nm = _field(table), options.sr_pixel_nm
    side_nm = max(box[2] - box[0], box[3] - box[1])
    if side_nm > MAX_SIDE_PX * pixel_nm:
        pixel_nm = side_nm / MAX_SIDE_PX
        remarks.append(
            f"The field is {side_nm / 1e3:.4g} µm wide, so pixels of {pixel_nm:.3g} nm were used "
            f"instead of {options.sr_pixel_nm:g}; measure a part of it for finer ones."
        )
    curves = []
    for is_second in (
        time_halves(table.frame, options.n_blocks),
        random_halves(len(table), options.seed),
    ):
        if stop():
            raise InterruptedError("Stopped.")
        halves = half_images(table, is_second, pixel_nm, box)
        curves.append(ring_correlation(*halves, pixel_nm))
    return _pair(curves[0], curves[1], pixel_nm, remarks)


def frc_of_images(
    images: FrameSource, pixel_nm: float, options: QualityOptions | None = None
) -> RingPair:
    """Return the ring correlation of the two halves of a series of images, summed.

    One image has no halves, two have one way to be halves: what is missing is said, not raised.

    Parameters
    ----------
    images : read piece by piece; focal planes are summed.
    pixel_nm : their pixel.
    """
    options = options or QualityOptions()
    n = images.n_frames
    if n == 1:
        one = "One image alone has no two halves: ring correlation needs the table or a time-lapse."
        return RingPair(None, None, pixel_nm, (one,))
    splits = [time_halves(np.arange(n), options.n_blocks)]
    remarks = []
    if n > 2:
        splits.append(random_halves(n, options.seed))
    else:
        remarks.append("Two images have one way to be halves, so there are no random ones.")
    pairs = _summed_halves(images, splits)
    curves = [ring_correlation(*pair, pixel_nm) for pair in pairs]
    return _pair(curves[0], curves[1] if n > 2 else None, pixel_nm, remarks)


def image_of_table(table: Localizations, pixel_nm: float) -> Array:
    """Return the histogram of a table over the box around its molecules, for decorrelation."""
    table, _ = finite_rows(table)
    nobody = np.zeros(len(table), bool)
    return half_images(table, nobody, pixel_nm, _field(table))[0]


def summed(
    images: FrameSource, *, stop: Callable[[], bool] = lambda: False, mean: bool = False
) -> Array:
    """Return the sum, or the mean, of all images and focal planes: (H, W) float64.

    Parameters
    ----------
    stop : asked between pieces; InterruptedError is raised once it is true.
    """
    total = np.zeros(images.shape[2:])
    for block in images.chunks(_n_per_chunk(images)):
        if stop():
            raise InterruptedError("Stopped.")
        total += block.sum((0, 1), dtype=np.float64)
    return total / images.n_frames if mean else total


# -- error map ------------------------------------------------------------------------------


def squirrel_of_image(
    image: Array, pixel_nm: float | None, reference: Array, reference_nm: float | None
) -> tuple[ErrorMap, list[str]]:
    """Return the error map of an image, and what is odd about its pixels.

    Parameters
    ----------
    reference : (H, W) mean of the camera frames.
    pixel_nm, reference_nm : pixels of both, where they are known.
    """
    found = error_map(image, reference)
    remarks = []
    if pixel_nm is not None and reference_nm is not None:
        ratio = image.shape[0] // reference.shape[0]
        if not math.isclose(ratio * pixel_nm, reference_nm, rel_tol=0.01):
            remarks.append(
                f"{ratio} pixels of {pixel_nm:g} nm lie on one of the reference, which says it has "
                f"{reference_nm:g} nm: is it the stack that the image was made from?"
            )
    return found, remarks


def squirrel_of_table(
    table: Localizations, reference: Array, reference_nm: float, sr_pixel_nm: float = 10.0
) -> ErrorMap:
    """Return the error map of a table, drawn as a histogram in whole parts of camera pixels.

    Raises
    ------
    ValueError
        If no molecule lies in the reference.
    """
    table, _ = finite_rows(table)
    upsampling = max(1, round(reference_nm / sr_pixel_nm))
    shape = reference.shape[0] * upsampling, reference.shape[1] * upsampling
    image = count_image(table, shape, reference_nm / upsampling)
    if not image.any():
        raise ValueError(
            f"No molecule lies in the {reference.shape[0]} x {reference.shape[1]} pixels of "
            f"{reference_nm:g} nm of the reference; check that it is of the same movie."
        )
    return error_map(image, reference)


def finite_rows(table: Localizations) -> tuple[Localizations, list[str]]:
    """Return the molecules that are somewhere, and a sentence about the others.

    Raises
    ------
    ValueError
        If there is none.
    """
    require_molecules(table, "measure")
    is_somewhere = known_places(table, ("x_nm", "y_nm"))
    n_lost = int((~is_somewhere).sum())
    if n_lost == len(table):
        raise ValueError("No molecule of the table has a position that is a number.")
    if not n_lost:
        return table, []
    return table[is_somewhere], [f"{counted(n_lost, 'molecule')} without a position left out."]


def _field(table: Localizations) -> tuple[float, float, float, float]:
    x, y = table.x_nm, table.y_nm
    return float(x.min()), float(y.min()), float(x.max()), float(y.max())


def _pair(
    time: RingCorrelation, random: RingCorrelation | None, pixel_nm: float, remarks: list[str]
) -> RingPair:
    for name, curve in (("time blocks", time), ("random halves", random)):
        if curve is not None and curve.problem:
            remarks.append(f"FRC, {name}: {curve.problem}")
    return RingPair(time, random, pixel_nm, tuple(remarks))


def _summed_halves(images: FrameSource, splits: list[Array]) -> list[tuple[Array, Array]]:
    """Return both halves of every split, the images read once."""
    total = np.zeros(images.shape[2:])
    seconds = [np.zeros(images.shape[2:]) for _ in splits]
    first = 0
    for block in images.chunks(_n_per_chunk(images)):
        planes = block.sum(1, dtype=np.float64)  # (n, C, H, W) -> (n, H, W)
        total += planes.sum(0)
        for second, split in zip(seconds, splits, strict=True):
            second += planes[split[first : first + len(planes)]].sum(0)
        first += len(planes)
    return [(total - second, second) for second in seconds]


def _n_per_chunk(images: FrameSource) -> int:
    return max(1, _CHUNK_BYTES // (8 * int(np.prod(images.shape[1:]))))
