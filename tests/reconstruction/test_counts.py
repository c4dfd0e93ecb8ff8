"""An image and its table that hold other numbers of molecules: said, with what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import napari_deepsmlm as ds
from napari_deepsmlm.reconstruction.counts import counts_sentence

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize(
    ("image", "table", "part"),
    [
        (8423.0, 2528, "light of about 8,400 molecules, the table 2,528 peaks above"),
        (151.0, 100, "overlap share a peak"),
        (100.0, 151, "one molecule may have several peaks"),
        (25.0, 0, "the table 0 peaks"),
    ],
)
def test_numbers_that_differ_by_more_than_half_are_said(
    image: float, table: int, part: str
) -> None:
    sentence = counts_sentence(image, table, 0.3)
    assert part in sentence
    assert "threshold of 0.3" in sentence
    assert "deepsmlm render" in sentence


@pytest.mark.parametrize(("image", "table"), [(150.0, 100), (100.0, 150), (0.0, 0), (19.0, 1)])
def test_numbers_that_agree_or_are_too_small_are_not(image: float, table: int) -> None:
    assert counts_sentence(image, table, 0.3) == ""


def test_a_network_that_predicts_the_image_says_so_in_the_report(
    model_file: Path, small_movie: Any
) -> None:
    made = ds.reconstruct(small_movie[0], str(model_file), pixel_size_nm=100.0, threshold=0.9)
    quality, warnings = made.report.quality, made.report.warnings
    sentence = counts_sentence(quality.molecules, made.report.localizations, 0.9)
    assert sentence, "an untrained network leaves light everywhere and peaks nowhere"
    assert sentence in warnings
    assert made.report.quality.molecules == pytest.approx(float(made.image.sum()), rel=1e-3)


def test_an_image_that_is_drawn_from_the_table_agrees_with_it(
    spotter: Callable[..., Path], small_movie: Any
) -> None:
    made = ds.reconstruct(small_movie[0], str(spotter()), pixel_size_nm=100.0)
    assert made.report.localizations > 20
    assert not any("The image holds" in warning for warning in made.report.warnings)
