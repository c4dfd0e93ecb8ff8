"""The conclusion is that of the worst measure, in a sentence that says what to do."""

from __future__ import annotations

import math

import numpy as np
import pytest

from napari_deepsmlm.evaluation import Quality, RingPair, conclude
from napari_deepsmlm.metrics import ErrorMap, RingCorrelation


def ring(resolution_nm: float) -> RingCorrelation:
    curve = np.zeros(3)
    return RingCorrelation(curve, curve, curve, resolution_nm, "")


def quality(*, time_nm: float = 40.0, random_nm: float | None = 38.0, rsp: float = 0.97) -> Quality:
    image = np.zeros((2, 2))
    random = None if random_nm is None else ring(random_nm)
    return Quality(
        frc=RingPair(ring(time_nm), random, 10.0, ()),
        squirrel=ErrorMap(image, image, 1.0, rsp, 1.0, 0.0, 1.3),
    )


def test_what_is_good_is_said_with_its_numbers() -> None:
    level, sentence = conclude(quality(), {"molecules": {"jaccard": 0.91}})
    assert level == "good"
    assert sentence == (
        "Good: the resolution is 40 nm (FRC); the result explains 94 % of what the mean of the "
        "frames shows; 91 % of the molecules are found and right (Jaccard)."
    )


@pytest.mark.parametrize(
    ("found", "scores", "outside", "level", "words"),
    [
        (quality(rsp=0.75), {}, [], "look closer", "explains 56 %"),
        (quality(rsp=0.3), {}, [], "poor", "look at the error map"),
        (quality(rsp=-0.9), {}, [], "poor", "explains 0 %"),
        (quality(time_nm=math.nan), {}, [], "look closer", "share no detail"),
        (quality(time_nm=2760, random_nm=2700), {}, [], "look closer", "is 2,760 nm, no finer"),
        (quality(time_nm=70), {}, [], "look closer", "take off drift and link"),
        (quality(), {"molecules": {"jaccard": 0.6}}, [], "look closer", "60 % of the molecules"),
        (quality(), {"image": {"nmse_percent": 80.0}}, [], "good", "the resolution is 40 nm"),
        (quality(), {}, ["Background"], "look closer", "unlike those of the training: Background"),
        (quality(rsp=0.3), {}, ["Pixel"], "poor", "explains 9 %"),
    ],
)
def test_the_worst_measure_decides(found, scores, outside, level: str, words: str) -> None:
    conclusion = conclude(found, scores, outside)
    assert conclusion.level == level
    assert words in conclusion.sentence


def test_nothing_measured_is_no_conclusion() -> None:
    assert conclude(Quality()) is None
    assert conclude(Quality(), {"molecules": {"jaccard": math.nan}}) is None
