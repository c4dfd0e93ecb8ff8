"""Simulated beside real frames: wrong settings are told, the spread of right ones is not."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from qtpy.QtGui import QFontMetricsF

from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.plugin.train.frames import LookStrip
from napari_deepsmlm.plugin.train.look import look_at, says

if TYPE_CHECKING:
    import numpy as np

WIDE = {"density_per_um2": (0.0, 8.0), "photons": (1500.0, 3500.0), "background": (10.0, 30.0)}


def told(experiment: Experiment, frame: np.ndarray) -> str:
    looks = look_at(experiment, lambda *_: frame[None, None], threading.Event())
    return says(next(looks))


@pytest.mark.parametrize("seed", range(4))
def test_a_frame_from_within_the_ranges_is_no_cause_for_words(seed: int) -> None:
    dense = {**WIDE, "density_per_um2": (4.8, 4.8)}
    frame = Experiment(simulation=dense).simulate(1, seed=seed).stack[0, 0]
    assert "molecules" not in told(Experiment(simulation=WIDE), frame)


def test_molecules_that_are_four_times_as_bright_are_told() -> None:
    bright = {**WIDE, "density_per_um2": (8.0, 8.0), "photons": (14000.0, 14000.0)}
    frame = Experiment(simulation=bright).simulate(1).stack[0, 0]
    assert "molecules are" in told(Experiment(simulation=WIDE), frame)


@pytest.mark.parametrize("brightest", [900.0, 2500.0, 30_000.0])
def test_the_numbers_below_the_histograms_stay_apart(qtbot: Any, brightest: float) -> None:
    strip = LookStrip()
    qtbot.addWidget(strip)
    strip.resize(360, 130)
    axis = strip.histograms.getPlotItem().getAxis("bottom")
    room_px = 85.0  # beside two frames, in a panel of a small laptop
    spacing = axis.tickSpacing(0.0, brightest, room_px)[0][0]
    digits = QFontMetricsF(axis.style["tickFont"] or axis.font()).horizontalAdvance(
        f"{brightest:.0f}"
    )
    assert spacing * room_px / brightest > 1.2 * digits
    assert spacing <= brightest
