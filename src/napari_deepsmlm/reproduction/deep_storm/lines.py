"""Width of simulated lines (24 nm) and the nearest lines that are seen as two."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.profiles import ProfileFit, fit_profile, line_profile
from napari_deepsmlm.reproduction.drawing import images
from napari_deepsmlm.reproduction.figure import Outcome, PaperFigure, Row
from napari_deepsmlm.reproduction.movies import HELD_OUT_SEED, Seen, seen

if TYPE_CHECKING:
    from napari_deepsmlm.reproduction.scale import Bench

MODEL = "deep-storm:2d-100nm"
SIDE_PX = 32
ANGLE_DEGREES = 30.0
MIDDLE_NM = 50.0 * SIDE_PX
PAPER_FWHM_NM = 24.0
LEAST_DIP, RIGHT_WITHIN = 0.2, 0.2
NOT_RESOLVED = "not resolved"
DISTANCES_NM = (40.0, 50.0, 60.0, 80.0, 100.0)


def lines(n_lines: int, distance_nm: float, density_per_um2: float = 1.0) -> Experiment:
    """Return straight lines through the middle of a small field, light as the model knows it."""
    return Experiment.from_dict(
        {
            "psf": {"kind": "gaussian", "pixel_size_nm": 100.0, "sigma_nm": [110.0, 110.0]},
            "camera": {"kind": "scmos", "quantum_efficiency": 1.0, "read_noise_e": 1.5},
            "image_px": [SIDE_PX, SIDE_PX],
            "simulation": {
                "structure": {
                    "kind": "lines",
                    "n_lines": n_lines,
                    "distance_nm": distance_nm,
                    "angle_degrees": ANGLE_DEGREES,
                },
                "density_per_um2": [density_per_um2, density_per_um2],
                "photons": [2250.0, 2750.0],
                "background": [20.0, 20.0],
            },
        }
    )


def across(
    image: Any, sr_pixel_nm: float, model: Any = "gauss", *, shift_nm: float = 0.0,
    half_nm: float = 250.0, length_nm: float = 1500.0,
) -> ProfileFit | None:  # fmt: skip
    """Return the fit of a profile across the middle, averaged along it; None where it is dark."""
    angle = math.radians(ANGLE_DEGREES)
    across_yx = np.array([math.cos(angle), -math.sin(angle)])
    centre = MIDDLE_NM + shift_nm * across_yx
    ends = (tuple(centre - half_nm * across_yx), tuple(centre + half_nm * across_yx))
    try:
        return fit_profile(
            line_profile(image, ends, pixel_size_nm=sr_pixel_nm, width_nm=length_nm), model
        )
    except ValueError:
        return None


def fwhm_nm(movie: Seen, **where: Any) -> float:
    """Return the width of the line in the middle of an image, NaN where there is none."""
    fit = across(movie.image, movie.sr_pixel_nm, **where)
    return math.nan if fit is None else fit.fwhm_nm


def width(bench: Bench) -> Outcome:
    """Measure the width of one line."""
    model = bench.built_in(MODEL)
    n_frames = bench.pick(tiny=20, small=150, full=1000)
    bench.says("one line")
    movie = seen(lines(1, 0.0), model.path, n_frames)
    truth = across(movie.truth_image, movie.sr_pixel_nm)
    true_nm = math.nan if truth is None else truth.fwhm_nm
    rows = (
        Row("FWHM of a line", PAPER_FWHM_NM, fwhm_nm(movie), "nm", "the paper's light and number of"
            " frames are in a supplement; ours: see the set-up"),
        Row("FWHM of the true molecules", None, true_nm, "nm",
            "lines have no width: what is left are the pixels of 12.5 nm"),
    )  # fmt: skip
    setup = (
        f"One straight line without width at 30 degrees, {n_frames} frames of {SIDE_PX} x {SIDE_PX}"
        f" pixels of 100 nm, 1 molecule per µm² of the field, 2,250-2,750 photons, background 20, "
        f"averaged over 1.5 µm of it; seed {HELD_OUT_SEED}; {model.words}."
    )
    return Outcome(rows, setup, images({"truth": movie.truth_image, "Deep-STORM": movie.image}))


def pairs(bench: Bench) -> Outcome:
    """Find the nearest lines that are seen as two."""
    model = bench.built_in(MODEL)
    n_frames = bench.pick(tiny=20, small=100, full=1000)
    distances = bench.pick(tiny=DISTANCES_NM[-1:], small=DISTANCES_NM, full=DISTANCES_NM)
    rows, pictures, nearest, is_lost = [], {}, math.nan, False
    for distance in reversed(distances):
        bench.says(f"lines {distance:g} nm apart")
        movie = seen(lines(2, distance), model.path, n_frames)
        fit = across(movie.image, movie.sr_pixel_nm, "two-gauss")
        found, dip = as_two(fit, distance)
        rows += [
            Row(f"lines {distance:g} nm apart: distance found", distance, found, "nm",
                "the paper's column is the truth here", NOT_RESOLVED),
            Row(f"lines {distance:g} nm apart: dip between them", None, dip, "",
                "1 - light in the middle / light of the lines; none in the paper", NOT_RESOLVED),
        ]  # fmt: skip
        if math.isfinite(found) and not is_lost:
            nearest = distance
        is_lost = is_lost or math.isnan(found)
        pictures[f"{distance:g} nm"] = movie.image
    rows.append(
        Row("nearest lines seen as two", None, nearest, "nm",
            "distance right within 20 % and a dip of 20 %; the paper shows pairs without a figure",
            "none")
    )  # fmt: skip
    setup = (
        f"Two parallel lines, otherwise as for the width of one; {n_frames} frames each, "
        f"seed {HELD_OUT_SEED}; {model.words}."
    )
    return Outcome(tuple(rows), setup, images(pictures))


def as_two(fit: ProfileFit | None, distance_nm: float) -> tuple[float, float]:
    """Return distance and dip of two lines, both NaN where the fit has not found them.

    Where they are one line in the image, a fit of two finds a line and something far away.
    """
    if fit is None or fit.distance_nm is None:
        return math.nan, math.nan
    is_right = abs(fit.distance_nm - distance_nm) < RIGHT_WITHIN * distance_nm
    dip = dip_of(fit)
    return (fit.distance_nm, dip) if is_right and dip > LEAST_DIP else (math.nan, math.nan)


def dip_of(fit: ProfileFit) -> float:
    """Return how much darker it is in the middle of two lines than on the dimmer one.

    0 where the fit is one line. Both curves are Gaussians of one width.
    """
    if fit.distance_nm is None or not fit.sigma_nm or min(fit.heights) <= 0:
        return 0.0
    half = math.exp(-0.5 * (fit.distance_nm / 2 / fit.sigma_nm) ** 2)
    whole = math.exp(-0.5 * (fit.distance_nm / fit.sigma_nm) ** 2)
    low, high = sorted(fit.heights)
    return max(0.0, 1 - (low + high) * half / (low + high * whole))


WIDTH = PaperFigure(
    "deep-storm", "line-width", "Deep-STORM: width of a line",
    "Results: frames with many molecules along a line give a line of 24 nm.", width,
)  # fmt: skip
PAIRS = PaperFigure(
    "deep-storm", "line-pairs", "Deep-STORM: pairs of lines",
    "Fig. 3: resolves nearby edges of microtubules.", pairs,
)  # fmt: skip
