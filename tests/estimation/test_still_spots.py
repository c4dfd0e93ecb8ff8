"""Still spots: a bead is told and spoils nothing; blinking, crowds and cells are no beads."""

from __future__ import annotations

import math

import numpy as np
import pytest

from napari_deepsmlm.estimation import estimate, know_camera
from napari_deepsmlm.estimation.still_spots import StillSpot, find_still_spots, region_without
from napari_deepsmlm.io import open_frames
from napari_deepsmlm.mismatch import compare_with_training

SIDE, N, BACKGROUND = 48, 40, 30.0
BEAD = (30, 12)


def image(y: float, x: float, photons: float, sigma: float = 1.1) -> np.ndarray:
    at = np.arange(SIDE) + 0.5
    spot = [np.exp(-((at - c) ** 2) / (2 * sigma**2)) for c in (y, x)]
    return photons * np.outer(*spot) / (2 * math.pi * sigma**2)


def blinking(per_frame: int = 12, *, within: float = SIDE, seed: int = 0) -> np.ndarray:
    """(T, H, W) expected photons of molecules anywhere in a square in the middle."""
    rng = np.random.default_rng(seed)
    light = np.full((N, SIDE, SIDE), BACKGROUND)
    for frame in light:
        for y, x in SIDE / 2 + within * rng.uniform(-0.5, 0.5, (per_frame, 2)):
            frame += image(y, x, rng.uniform(800, 1600))
    return light


def exposed(light: np.ndarray) -> np.ndarray:
    return (np.random.default_rng(5).poisson(light) + 100).astype(np.uint16)


def with_bead(photons: float = 50_000) -> np.ndarray:
    return exposed(blinking() + image(BEAD[0] + 0.4, BEAD[1] + 0.7, photons))


@pytest.mark.parametrize("photons", [8_000, 50_000, 200_000])
def test_a_bead_is_found_where_it_is(photons: float) -> None:
    (spot,) = find_still_spots(with_bead(photons))
    assert math.hypot(spot.row - BEAD[0], spot.column - BEAD[1]) <= 1.5


@pytest.mark.parametrize(
    "light",
    [
        blinking(),
        blinking(60),
        blinking(20, within=12),
        blinking() + image(20, 20, 3e5, sigma=9),
        np.full((N, SIDE, SIDE), BACKGROUND),
    ],
    ids=["sparse", "dense", "cluster", "cell", "empty"],
)
def test_what_blinks_or_is_no_spot_is_no_bead(light: np.ndarray) -> None:
    assert find_still_spots(exposed(light)) == []


def test_a_part_without_the_light_of_spots_is_measured() -> None:
    spots = [StillSpot(30, 10, 8), StillSpot(5, 40, 4)]
    rows, columns = region_without(spots, (SIDE, SIDE), 16)
    assert (rows, columns) == (slice(10, SIDE), slice(19, SIDE))
    whole = (slice(0, SIDE), slice(0, SIDE))
    assert region_without([StillSpot(24, 24, 12)], (SIDE, SIDE), 16) == whole  # no room
    assert region_without([], (SIDE, SIDE), 16) == whole


def test_a_bead_is_said_and_nothing_is_concluded_from_it() -> None:
    frames = with_bead(200_000)
    (warning,) = know_camera(open_frames(frames)).warnings
    assert "A bright spot never goes dark (row 30 column 12), as a bead does" in warning
    table = compare_with_training(frames, "dilated-loc:2d", pixel_size_nm=100)
    assert table.sentences == []
    assert any("never goes dark" in sentence for sentence in table.scope)


@pytest.mark.parametrize("oddity", ["bead", "hot pixel"])
def test_an_estimate_is_that_without_it(oddity: str) -> None:
    clean = exposed(blinking())
    odd = with_bead() if oddity == "bead" else clean.copy()
    if oddity == "hot pixel":
        odd[:, 20, 20] = 60_000
    without, found = estimate(clean, pixel_size_nm=100), estimate(odd, pixel_size_nm=100)
    assert found.density_per_um2 == pytest.approx(without.density_per_um2, rel=0.2)
    assert found.photons == pytest.approx(without.photons, rel=0.15)
    assert found.background == pytest.approx(without.background, rel=0.15)
    assert found.psf_sigma_nm == pytest.approx(without.psf_sigma_nm, rel=0.05)


@pytest.mark.parametrize("seed", range(4))
def test_few_molecules_and_crowds_of_one_width_are_no_widths_that_vary(seed: int) -> None:
    for light in (blinking(3, seed=seed), blinking(20, within=14, seed=seed), blinking(seed=seed)):
        table = compare_with_training(exposed(light)[:24], "dilated-loc:2d", pixel_size_nm=100)
        assert table.depths == ""


@pytest.mark.parametrize("highest", [300, 1000, 4095])
def test_light_that_is_cut_off_anywhere_is_said(highest: int) -> None:
    light = blinking()
    frames = np.minimum(exposed(light * highest / 100), highest)
    for stack in (frames, (frames / highest).astype(np.float32)):
        said = " ".join(know_camera(open_frames(stack)).warnings)
        assert "of the pixels are saturated" in said
    assert "saturated" not in " ".join(know_camera(open_frames(exposed(light))).warnings)
