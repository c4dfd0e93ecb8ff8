"""Limits in the Quality panel: a real model is tried, drawn, stopped, and its numbers saved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from qtpy.QtWidgets import QFileDialog

from napari_deepsmlm.limits import LimitOptions, find_tried, measure_limits
from napari_deepsmlm.plugin.quality.training_rows import NO_MODEL

if TYPE_CHECKING:
    from pathlib import Path

    from napari_deepsmlm.plugin.quality.limits_tab import LimitsTab
    from napari_deepsmlm.plugin.quality.widget import QualityWidget

MODEL = "dilated-loc:2d-100nm"
WAIT_MS = 120_000
DENSITIES, PHOTONS = (0.5, 2.0), (1000.0, 5000.0)


@pytest.fixture
def tab(quality: QualityWidget) -> LimitsTab:
    tab = quality.limits_tab
    quality.training_rows.choose(MODEL)
    quality.tabs.setCurrentIndex(2)
    small = {"densities": "0.5, 2", "photons": "1000, 5000", "molecules": 20}
    for name, value in small.items():
        tab.editors()[f"limits_{name}"].value = value
    return tab


def measure(quality: QualityWidget, qtbot: Any) -> None:
    quality.limits_tab.run_button.click()
    qtbot.waitUntil(lambda: not quality.is_busy, timeout=WAIT_MS)
    assert not quality.message_note.is_error


def test_curves_are_those_of_the_library_and_are_saved(
    quality: QualityWidget, tab: LimitsTab, qtbot: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    assert not tab.save_button.isEnabled()
    assert MODEL in tab.model_note.text()
    assert tab.time_note.text().startswith("4 conditions")
    measure(quality, qtbot)
    options = LimitOptions(densities=DENSITIES, photons=PHOTONS, backgrounds=(10.0,), molecules=20)
    *_, (_, _, expected) = measure_limits(find_tried(MODEL), options)
    assert tab.plot is not None
    assert not tab.plot.isHidden()
    assert "1,000&nbsp;photons" in tab.plot.key.text()
    for column, bound in (("jaccard", None), ("rmse_lateral_nm", "crlb_lateral_nm")):
        for k, photons in enumerate(PHOTONS):
            part = expected.table[expected.table["photons"] == photons]
            drawn = {column: tab.plot._curves[column][k]}
            drawn |= {} if bound is None else {bound: tab.plot._bounds[column][k]}
            for name, curve in drawn.items():
                x, y = curve.getOriginalDataset()
                np.testing.assert_allclose(x, DENSITIES)
                np.testing.assert_allclose(y, part[name].to_numpy(float), rtol=1e-4)
    assert tab.plot.plots["rmse_axial_nm"].isHidden()  # the model tells no depth
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path))
    tab.save_button.click()
    qtbot.waitUntil(lambda: not quality.is_busy, timeout=WAIT_MS)
    saved = pd.read_csv(tmp_path / "limits.csv")
    np.testing.assert_allclose(saved["jaccard"], expected.table["jaccard"], rtol=1e-4)
    assert (tmp_path / "limits.png").exists()
    assert "limits.csv" in quality.message_note.text()


def test_cancel_keeps_what_is_measured(quality: QualityWidget, tab: LimitsTab, qtbot: Any) -> None:
    tab.editors()["limits_densities"].value = ", ".join(f"{one / 10:g}" for one in range(1, 20))
    tab.run_button.click()
    assert not tab.run_button.isEnabled()
    qtbot.waitUntil(lambda: tab.limits is not None, timeout=WAIT_MS)
    quality.cancel_button.click()
    qtbot.waitUntil(lambda: not quality.is_busy, timeout=WAIT_MS)
    assert tab.limits is not None
    assert 1 <= len(tab.limits.table) < 38
    assert tab.save_button.isEnabled()
    assert tab.run_button.isEnabled()


def test_without_a_model_it_says_where_to_choose_one(
    quality: QualityWidget, tab: LimitsTab
) -> None:
    quality.training_rows.choose(NO_MODEL)
    assert not tab.run_button.isEnabled()
    assert "tab Set up" in tab.model_note.text()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("densities", "0.5; 2", "numbers with commas"),
        ("photons", "0", "photons of a molecule in a frame"),
        ("photons", "1, 2, 3, 4, 5, 6, 7", "6 curves at most"),
        ("backgrounds", "10, 50", "give one number"),
    ],
)
def test_what_cannot_be_tried_is_refused_in_a_sentence(
    quality: QualityWidget, tab: LimitsTab, name: str, value: str, words: str
) -> None:
    tab.editors()[f"limits_{name}"].value = value
    tab.run_button.click()
    assert not quality.is_busy
    assert words in quality.message_note.text()
