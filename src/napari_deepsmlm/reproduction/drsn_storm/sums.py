"""Sums of 10 to 1,000 frames: width of a line, light on it, and gaps, beside Deep-STORM."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import map_coordinates

from napari_deepsmlm.reproduction.deep_storm.lines import (
    ANGLE_DEGREES,
    MIDDLE_NM,
    fwhm_nm,
    lines,
)
from napari_deepsmlm.reproduction.drawing import images
from napari_deepsmlm.reproduction.figure import Outcome, PaperFigure, Row, ratio
from napari_deepsmlm.reproduction.movies import HELD_OUT_SEED, seen

if TYPE_CHECKING:
    from napari_deepsmlm.reproduction.movies import Seen
    from napari_deepsmlm.reproduction.scale import Bench

NETWORKS = {"DRSN-STORM": "drsn-storm:2d-x4", "Deep-STORM": "deep-storm:2d"}
PAPER_FWHM_NM = {
    ("DRSN-STORM", 10): 28.2,
    ("DRSN-STORM", 50): 33.2,
    ("Deep-STORM", 10): 28.4,
    ("Deep-STORM", 50): 36.0,
}
ONE_FOR_ALL = {
    "DRSN-STORM": "one model for all sums, pixels and cameras, with little training so far",
    "Deep-STORM": "made for single frames, of up to 9 molecules per µm²",
}
LIGHT = {
    "DRSN-STORM": "its image is light, and counts are right only for molecules as bright as those "
    "of its training; wide lines lose some",
    "Deep-STORM": "made for single frames, it draws many molecules as few",
}
PAPER_INTENSITY_GAIN = 1.2
DISTANCE_NM = 900.0
GAP = 0.1
"""Places with less light than this part of the mean along a line are gaps."""
HALF_LENGTH_NM = 700.0


def make(bench: Bench) -> Outcome:
    """Draw the same sums with both networks."""
    sums = bench.pick(tiny=(10,), small=(10, 50, 500, 1000), full=(10, 50, 500, 1000))
    n_frames = bench.pick(tiny=10, small=1000, full=1000)
    networks = {name: bench.built_in(model) for name, model in NETWORKS.items()}
    experiment = lines(2, DISTANCE_NM, density_per_um2=2.0)
    rows: list[Row] = []
    pictures: dict[str, Any] = {}
    for n_summed in sums:
        measured = {}
        for name, used in networks.items():
            bench.says(f"{name}, sums of {n_summed}")
            movie = seen(experiment, used.path, n_frames, sum_frames=n_summed)
            measured[name] = on_line(movie)
            at = f"{name}, sums of {n_summed}"
            light, gaps = measured[name]
            rows += [
                Row(f"{at}: FWHM of a line", PAPER_FWHM_NM.get((name, n_summed)),
                    fwhm_nm(movie, shift_nm=DISTANCE_NM / 2), "nm",
                    "the paper's lines are of an image with pixels of 20 nm, ours of "
                    f"{movie.sr_pixel_nm:g} nm; {NETWORKS[name]} is {ONE_FOR_ALL[name]}"),
                Row(f"{at}: light on the line / true", None, light, "",
                    f"within 37 nm of it, a picture in the paper; {LIGHT[name]}"),
                Row(f"{at}: share of the line that is a gap", None, gaps, "",
                    f"below {100 * GAP:.0f} % of the line's mean; seen in pictures in the paper"),
            ]  # fmt: skip
            pictures[at] = movie.image
        gain = ratio(measured["DRSN-STORM"][0], measured["Deep-STORM"][0])
        rows.append(
            Row(f"sums of {n_summed}: light on the line, DRSN-STORM / Deep-STORM",
                PAPER_INTENSITY_GAIN, gain, "",
                "the paper: at least 20 % more; here both are models for any microscope")
        )  # fmt: skip
    words = " and ".join(used.words for used in networks.values())
    setup = (
        f"Two lines without width {DISTANCE_NM:g} nm apart, {n_frames} frames of 32 x 32 pixels of "
        "100 nm, 2 molecules per µm² of the field, 2,250-2,750 photons, background 20, seed "
        f"{HELD_OUT_SEED}; {words}, both on the same sums."
    )
    return Outcome(tuple(rows), setup, images(pictures))


def on_line(movie: Seen) -> tuple[float, float]:
    """Return the mean light along a line over that of the truth, and the share of gaps in it."""
    mine, true = (_along(image, movie.sr_pixel_nm) for image in (movie.image, movie.truth_image))
    if not mine.mean() > 0:
        return 0.0, 1.0
    return ratio(float(mine.mean()), float(true.mean())), float((mine < GAP * mine.mean()).mean())


def _along(image: Any, sr_pixel_nm: float) -> np.ndarray[Any, Any]:
    """Return the light along the upper line, summed over 75 nm across it."""
    angle = math.radians(ANGLE_DEGREES)
    along = np.array([math.sin(angle), math.cos(angle)])  # y, x
    normal = np.array([math.cos(angle), -math.sin(angle)])
    middle = MIDDLE_NM + DISTANCE_NM / 2 * normal
    steps = np.arange(-HALF_LENGTH_NM, HALF_LENGTH_NM, sr_pixel_nm)
    sides = np.arange(-37.5, 38, sr_pixel_nm)
    places = middle + steps[:, None, None] * along + sides[:, None] * normal
    return np.asarray(
        map_coordinates(image, np.moveaxis(places, -1, 0) / sr_pixel_nm - 0.5, order=1).sum(1)
    )


FIGURE = PaperFigure(
    "drsn-storm", "sums", "DRSN-STORM: lines in sums of frames",
    "Figs. 6-9: sums of 10 and 50 give lines of 28.2 and 33.2 nm (Deep-STORM: 28.4 and 36), "
    "brighter and with fewer gaps; sums of 500 and 1,000 keep whole filaments.",
    make,
)  # fmt: skip
