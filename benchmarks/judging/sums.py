"""Sums: networks that draw an image of many frames, judged by that image and by a line in it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import napari_deepsmlm as ds
from judging.grid import Condition
from judging.marks import image_marks
from judging.measures import as_opened, table_of
from judging.optics import Gaussian, Lens, add_light
from judging.reference import fits_by_threshold
from judging.sample import MARGIN_NM, Rows, blink
from judging.stacks import SALT, Stack, digest_of, kept
from napari_deepsmlm.metrics import count_image, nmse_percent
from napari_deepsmlm.profiles import fit_profile, line_profile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from judging.marks import Mark

    Array = np.ndarray[Any, Any]

SUM_FRAMES = 10
N_FRAMES, SIDE_PX = 200, 40
BLUR_PX = 1.0
LINE_SIGMA_NM = 10.0
_ANGLES = (0.45, 0.45, 1.9)
"""Of the lines, radians from the x axis: two that are parallel, and one that crosses them."""
_PARALLEL_NM = 900.0
_BAND_NM, _ACROSS_NM = 800.0, 400.0


def _condition(
    name: str, pixel_nm: float, optics: Gaussian | Lens, photons: float, light: float, camera: str
) -> Condition:
    density = 0.5
    return Condition(
        name, pixel_nm, optics, photons, 0.3, light, "even", density, "lines", camera, 1.5,
        N_FRAMES, SIDE_PX,
    )  # fmt: skip


SUMS = {
    one.name: one
    for one in (
        _condition("sums", 100, Lens(1.40, 660), 1500, 30, "scmos"),
        _condition("sums, background 300", 100, Lens(1.40, 660), 1500, 300, "scmos400"),
        _condition("sums, EMCCD 130 nm", 130, Lens(1.30, 670), 1500, 30, "emccd"),
        _condition("sums, 65 nm", 65, Lens(1.45, 580), 1500, 2, "scmos"),
        _condition("sums, 160 nm, offset 1000", 160, Gaussian(130), 10_000, 30, "ccd"),
    )
}


@dataclass(frozen=True)
class SumRow:
    """A network's image of one stack, with the fitter's beside it."""

    condition: str
    seed: int
    nmse_percent: float
    """Of the summed image, both blurred by `BLUR_PX` pixels, scaled by least squares."""
    fwhm_nm: float
    """Of one line in it."""
    true_fwhm_nm: float
    fitter_nmse_percent: float
    fitter_fwhm_nm: float
    molecules_ratio: float
    said: tuple[str, ...]
    is_refused: bool
    cpu_seconds: float

    @property
    def efficiency(self) -> float:
        """What is right of the image, 0 to 100."""
        return float(np.clip(100 - np.nan_to_num(self.nmse_percent, nan=100.0), 0, 100))

    @property
    def scores(self) -> dict[str, float]:
        """What was measured of the model's image."""
        nmse = self.nmse_percent
        return {"nmse_percent": nmse, "fwhm_nm": self.fwhm_nm, "efficiency": self.efficiency}

    @property
    def fitter(self) -> dict[str, float]:
        """The same of the fitter's image."""
        nmse = self.fitter_nmse_percent
        return {"nmse_percent": nmse, "fwhm_nm": self.fitter_fwhm_nm, "efficiency": 100 - nmse}

    def marks(self) -> Iterator[Mark]:
        """Yield what is demanded, and whether it is reached."""
        return image_marks(self)


def line_ends(index: int, size_nm: float) -> tuple[Array, Array]:
    """Return the (x, y) middle of a line and its direction."""
    angle = _ANGLES[index]
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-along[1], along[0]])
    shift = (-0.5, 0.5, 0.0)[index] * _PARALLEL_NM
    return np.full(2, size_nm / 2) + shift * across, along


def make_sums(condition: Condition, seed: int) -> Stack:
    """Return frames of molecules on three straight lines."""
    rng = np.random.default_rng(
        [SALT, seed, 77, int(condition.pixel_nm), int(condition.background)]
    )
    size, on = condition.size_nm, condition.on_frames
    area_um2 = ((size + 2 * MARGIN_NM) / 1e3) ** 2
    n = rng.poisson(condition.density * area_um2 * (condition.n_frames + 5 * on) / (on + 1))
    line = rng.integers(len(_ANGLES), size=n)
    ends = [line_ends(index, size) for index in range(len(_ANGLES))]
    middle, along = (np.array(part)[line] for part in zip(*ends, strict=True))
    place = rng.uniform(-0.75, 0.75, (n, 1)) * (size + MARGIN_NM)
    xy_nm = middle + place * along + rng.normal(0, LINE_SIGMA_NM, (n, 2))
    light = condition.photons * np.exp(rng.normal(0, condition.spread, n))
    start = rng.uniform(-5 * on, condition.n_frames, n)
    x_nm, y_nm = xy_nm.T
    rows = blink((x_nm, y_nm), light, start, rng.exponential(on, n), condition.n_frames)
    shape = (condition.n_frames, condition.side_px, condition.side_px)
    photons = np.full(shape, float(condition.background))
    add_light(photons, condition.optics, rows[:4], condition.pixel_nm)
    frames = condition.sensor.expose(photons, rng)
    return Stack(frames, rows, Rows(*(column[:0] for column in rows)), None)


def load_sums(condition: Condition, seed: int, cache: Path) -> Stack:
    """Return the stack, from the folder if it is there."""
    columns = kept(cache, "sums", (condition, seed, _CODE), lambda: _packed(condition, seed))
    frames = columns.pop("frames")
    rows = Rows(**columns)
    return Stack(frames, rows, Rows(*(column[:0] for column in rows)), None)


def judge_sums(condition: Condition, seed: int, options: dict[str, Any], cache: Path) -> SumRow:
    """Return how well sums of `SUM_FRAMES` frames become an image."""
    stack = load_sums(condition, seed, cache)
    started = time.process_time()
    said: tuple[str, ...] = ()
    try:
        result = ds.reconstruct(
            as_opened(stack.frames),
            pixel_size_nm=condition.pixel_nm,
            sum_frames=SUM_FRAMES,
            **options,
        )
        image, said = np.asarray(result.image, np.float64), tuple(result.report["warnings"])
        sr_pixel_nm = result.sr_pixel_nm
    except ValueError as refusal:
        sr_pixel_nm = condition.pixel_nm / 4
        image, said = np.zeros((4 * condition.side_px,) * 2), (str(refusal),)
    seconds = time.process_time() - started
    truth = count_image(table_of(stack.truth), image.shape, sr_pixel_nm)
    fits = [
        count_image(table, image.shape, sr_pixel_nm)
        for table in fits_by_threshold(condition, stack, cache).values()
    ]
    best = min(fits, key=lambda drawn: _nmse(drawn, truth))
    return SumRow(
        condition=condition.name,
        seed=seed,
        nmse_percent=_nmse(image, truth),
        fwhm_nm=_fwhm_nm(image, sr_pixel_nm, condition),
        true_fwhm_nm=_fwhm_nm(truth, sr_pixel_nm, condition),
        fitter_nmse_percent=_nmse(best, truth),
        fitter_fwhm_nm=_fwhm_nm(best, sr_pixel_nm, condition),
        molecules_ratio=float(image.sum() / truth.sum()),
        said=said,
        is_refused=not image.any(),
        cpu_seconds=seconds,
    )


def _nmse(image: Array, truth: Array) -> float:
    return nmse_percent(image, truth, blur_sigma_px=BLUR_PX)


def _fwhm_nm(image: Array, sr_pixel_nm: float, condition: Condition) -> float:
    """Width of the first line, averaged along it where no other line is near; NaN without one."""
    middle, along = line_ends(0, condition.size_nm)
    away = middle - 0.25 * condition.size_nm * along
    across = np.array([-along[1], along[0]]) * _ACROSS_NM
    ends = tuple((float(end[1]), float(end[0])) for end in (away - across, away + across))
    try:
        profile = line_profile(image, ends, pixel_size_nm=sr_pixel_nm, width_nm=_BAND_NM)
        return float(fit_profile(profile).fwhm_nm)
    except ValueError:  # an image that is dark there has no width
        return float("nan")


def _packed(condition: Condition, seed: int) -> dict[str, Array]:
    stack = make_sums(condition, seed)
    return {"frames": stack.frames, **stack.truth._asdict()}


_CODE = digest_of(Path(__file__))
