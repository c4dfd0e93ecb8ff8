"""Gaps along lines, on images and molecules whose gaps are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.reproduction.deep_storm.lines import ANGLE_DEGREES, MIDDLE_NM, SIDE_PX
from napari_deepsmlm.reproduction.drsn_storm.sums import (
    DISTANCE_NM,
    HALF_LENGTH_NM,
    RIDGE_WITHIN_NM,
    along_image,
    along_molecules,
    gaps_of,
)

ANGLE = math.radians(ANGLE_DEGREES)
BOTH_LINES_NM = 4 * HALF_LENGTH_NM


def two_lines(sr_pixel_nm: float, fwhm_nm: float, gap_nm: float, left: float) -> np.ndarray:
    """Even lines; over `gap_nm` in the middle of one of them only a part of the light is left."""
    middles = (np.arange(SIDE_PX * 100 / sr_pixel_nm) + 0.5) * sr_pixel_nm - MIDDLE_NM
    y, x = np.meshgrid(middles, middles, indexing="ij")
    along = y * math.sin(ANGLE) + x * math.cos(ANGLE)
    across = y * math.cos(ANGLE) - x * math.sin(ANGLE)
    sigma = fwhm_nm / 2.355
    upper, lower = (
        np.exp(-0.5 * ((across - side * DISTANCE_NM / 2) / sigma) ** 2) for side in (1, -1)
    )
    return np.where(np.abs(along) < gap_nm / 2, left, 1.0) * upper + lower


@pytest.mark.parametrize(("sr_pixel_nm", "fwhm_nm"), [(12.5, 24.0), (12.5, 70.0), (25.0, 70.0)])
def test_lines_without_gaps_have_none_whatever_the_pixels(
    sr_pixel_nm: float, fwhm_nm: float
) -> None:
    image = two_lines(sr_pixel_nm, fwhm_nm, gap_nm=0, left=1)
    share, dimmest = gaps_of(along_image(image, sr_pixel_nm, RIDGE_WITHIN_NM))
    assert share == 0
    assert dimmest > 0.95


@pytest.mark.parametrize(("sr_pixel_nm", "fwhm_nm"), [(12.5, 24.0), (25.0, 70.0)])
@pytest.mark.parametrize("gap_nm", [100.0, 300.0])
def test_the_share_of_a_gap_is_its_length(
    sr_pixel_nm: float, fwhm_nm: float, gap_nm: float
) -> None:
    image = two_lines(sr_pixel_nm, fwhm_nm, gap_nm, left=0)
    share, dimmest = gaps_of(along_image(image, sr_pixel_nm, RIDGE_WITHIN_NM))
    assert share * BOTH_LINES_NM == pytest.approx(gap_nm, abs=2 * sr_pixel_nm)
    assert dimmest < 0.05


def test_a_place_that_is_a_little_dimmer_is_no_gap_and_half_the_light_is_one() -> None:
    faint, half = (
        gaps_of(along_image(two_lines(12.5, 30, 200, left), 12.5, RIDGE_WITHIN_NM))
        for left in (0.85, 0.5)
    )
    assert faint[0] == 0
    assert faint[1] == pytest.approx(0.85, abs=0.03)
    assert half[0] * BOTH_LINES_NM == pytest.approx(200, abs=25)
    assert half[1] == pytest.approx(0.5, abs=0.03)


def test_true_molecules_are_judged_in_the_same_way() -> None:
    along = np.arange(-HALF_LENGTH_NM + 0.5, HALF_LENGTH_NM)
    along = along[np.abs(along - 400) > 60]  # 120 nm without molecules, of both lines
    across = np.repeat([-0.5, 0.5], len(along)) * DISTANCE_NM
    along = np.tile(along, 2)
    truth = Localizations(
        frame=np.zeros(len(along), int),
        x_nm=MIDDLE_NM + along * math.cos(ANGLE) - across * math.sin(ANGLE),
        y_nm=MIDDLE_NM + along * math.sin(ANGLE) + across * math.cos(ANGLE),
    )
    share, dimmest = gaps_of(along_molecules(truth))
    assert share * BOTH_LINES_NM == pytest.approx(2 * 120, abs=20)
    assert dimmest == 0


def test_an_image_without_light_is_one_gap() -> None:
    assert gaps_of(along_image(np.zeros((128, 128)), 25.0, RIDGE_WITHIN_NM)) == (1.0, 0.0)
