"""Sums of 10 to 1,000 frames: width of a line, light on it, and gaps, beside Deep-STORM."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.ndimage import map_coordinates, uniform_filter1d

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
    from napari_deepsmlm.localizations import Localizations
    from napari_deepsmlm.reproduction.movies import Seen
    from napari_deepsmlm.reproduction.scale import Bench

    Profile = np.ndarray[Any, Any]

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
GAP, GAP_OVER_NM = 0.75, 25.0
"""Over so many nm, light below this part of the line's mean is a gap, whatever the pixels."""
STEP_NM = 5.0
HALF_LENGTH_NM = 1200.0
LIGHT_WITHIN_NM, RIDGE_WITHIN_NM = 37.5, 12.5
DIMMER = (
    f"below {100 * GAP:.0f} % of the line's mean, over {GAP_OVER_NM:g} nm; the paper's pictures of "
    "sums of 500 and 1,000 have gaps in Deep-STORM's lines"
)


class OnLines(NamedTuple):
    """What an image has along the two lines."""

    light: float
    """Mean light over that of the true molecules."""
    gaps: float
    """Share of the length that is a gap."""
    dimmest: float
    """Light of the dimmest place, over the mean of its line."""


def make(bench: Bench) -> Outcome:
    """Draw the same sums with both networks."""
    sums = bench.pick(tiny=(10,), small=(10, 50, 500, 1000), full=(10, 50, 500, 1000))
    n_frames = bench.pick(tiny=10, small=1000, full=1000)
    networks = {name: bench.built_in(model) for name, model in NETWORKS.items()}
    experiment = lines(2, DISTANCE_NM, density_per_um2=2.0)
    rows: list[Row] = []
    pictures: dict[str, dict[str, Any]] = {name: {} for name in networks}
    for n_summed in sums:
        measured = {}
        for name, used in networks.items():
            bench.says(f"{name}, sums of {n_summed}")
            movie = seen(experiment, used.path, n_frames, sum_frames=n_summed)
            measured[name] = found = on_lines(movie)
            at = f"{name}, sums of {n_summed}"
            rows += [
                Row(f"{at}: FWHM of a line", PAPER_FWHM_NM.get((name, n_summed)),
                    fwhm_nm(movie, shift_nm=DISTANCE_NM / 2), "nm",
                    "the paper's lines are of an image with pixels of 20 nm, ours of "
                    f"{movie.sr_pixel_nm:g} nm; {NETWORKS[name]} is {ONE_FOR_ALL[name]}"),
                Row(f"{at}: light on the line / true", None, found.light, "",
                    f"within 37 nm of it, a picture in the paper; {LIGHT[name]}"),
                Row(f"{at}: share of the lines that is a gap", None, found.gaps, "", DIMMER),
                Row(f"{at}: dimmest place / mean of the line", None, found.dimmest, "",
                    f"over {GAP_OVER_NM:g} nm; a picture in the paper"),
            ]  # fmt: skip
            pictures[name][f"{name}, {n_summed}"] = _middle(movie.image)
        gain = ratio(measured["DRSN-STORM"].light, measured["Deep-STORM"].light)
        rows.append(
            Row(f"sums of {n_summed}: light on the line, DRSN-STORM / Deep-STORM",
                PAPER_INTENSITY_GAIN, gain, "",
                "the paper: at least 20 % more; here both are models for any microscope")
        )  # fmt: skip
    gaps, dimmest = gaps_of(along_molecules(movie.truth))
    rows += [
        Row("true molecules: share of the lines that is a gap", None, gaps, "",
            "molecules come at random: what is no more than this is no fault of a network"),
        Row("true molecules: dimmest place / mean of the line", None, dimmest, "",
            f"over {GAP_OVER_NM:g} nm, all frames together"),
    ]  # fmt: skip
    words = " and ".join(used.words for used in networks.values())
    setup = (
        f"Two lines without width {DISTANCE_NM:g} nm apart, {n_frames} frames of 32 x 32 pixels of "
        "100 nm, 2 molecules per µm² of the field, 2,250-2,750 photons, background 20, seed "
        f"{HELD_OUT_SEED}; {words}, both on the same sums."
    )
    return Outcome(
        tuple(rows),
        setup,
        images(pictures["DRSN-STORM"] | pictures["Deep-STORM"], n_columns=len(sums)),
    )


def on_lines(movie: Seen) -> OnLines:
    """Return what an image has along both lines."""
    mine, true = (
        along_image(image, movie.sr_pixel_nm, LIGHT_WITHIN_NM)
        for image in (movie.image, movie.truth_image)
    )
    ridges = along_image(movie.image, movie.sr_pixel_nm, RIDGE_WITHIN_NM)
    return OnLines(ratio(float(mine.mean()), float(true.mean())), *gaps_of(ridges))


def gaps_of(profiles: Profile) -> tuple[float, float]:
    """Return the share of gaps in (lines, steps) of light, and the dimmest place of a line."""
    even = uniform_filter1d(profiles.astype(float), round(GAP_OVER_NM / STEP_NM), mode="nearest")
    means = even.mean(1, keepdims=True)
    if not (means > 0).all():
        return 1.0, 0.0
    return float((even < GAP * means).mean()), float((even / means).min())


def along_image(image: Any, sr_pixel_nm: float, within_nm: float) -> Profile:
    """Return (2, steps) light along the lines, summed over `within_nm` on both sides of them."""
    along, across = _axes()
    steps = np.arange(-HALF_LENGTH_NM, HALF_LENGTH_NM, STEP_NM) + STEP_NM / 2
    sides = np.arange(-within_nm, within_nm, STEP_NM) + STEP_NM / 2
    middles = MIDDLE_NM + _offsets()[:, None, None, None] * across
    places = middles + steps[:, None, None] * along + sides[:, None] * across
    at = np.moveaxis(places, -1, 0) / sr_pixel_nm - 0.5
    return np.asarray(map_coordinates(image, at, order=1).sum(-1))


def along_molecules(truth: Localizations) -> Profile:
    """Return (2, steps) molecules along the lines."""
    along, across = _axes()
    places = np.stack([truth.y_nm, truth.x_nm], 1) - MIDDLE_NM
    is_on = np.abs(places @ across - _offsets()[:, None]) < RIDGE_WITHIN_NM
    edges = np.arange(-HALF_LENGTH_NM, HALF_LENGTH_NM + STEP_NM / 2, STEP_NM)
    return np.stack([np.histogram((places @ along)[of_line], edges)[0] for of_line in is_on])


def _middle(image: Any) -> Any:
    """Return the inner half along both axes, large enough in a picture to see each pixel."""
    height, width = image.shape
    return image[height // 4 : -(height // 4), width // 4 : -(width // 4)]


def _axes() -> tuple[Profile, Profile]:
    """Return the directions along and across the lines, y before x."""
    angle = math.radians(ANGLE_DEGREES)
    return (
        np.array([math.sin(angle), math.cos(angle)]),
        np.array([math.cos(angle), -math.sin(angle)]),
    )


def _offsets() -> Profile:
    """Return how far each line is from the middle, across them."""
    return np.array([-0.5, 0.5]) * DISTANCE_NM


FIGURE = PaperFigure(
    "drsn-storm", "sums", "DRSN-STORM: lines in sums of frames",
    "Figs. 6-9: sums of 10 and 50 give lines of 28.2 and 33.2 nm (Deep-STORM: 28.4 and 36), "
    "brighter and with fewer gaps; sums of 500 and 1,000 keep whole filaments.",
    make,
)  # fmt: skip
