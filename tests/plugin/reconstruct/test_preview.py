"""The preview follows the slider, never blocks the window, and leaves nothing behind."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import QTimer

from napari_deepsmlm import reconstruction
from napari_deepsmlm.models import FoundModel, find_model
from napari_deepsmlm.plugin.jobs import Job

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_deepsmlm.plugin.reconstruct.widget import ReconstructWidget

WAIT_MS = 60_000
NM = {"scale": (1, 100, 100), "units": ("pixel", "nm", "nm")}
NAME = "cells preview"


@pytest.fixture
def previewing(
    panel: ReconstructWidget, viewer: Any, qtbot: Any, stack: np.ndarray
) -> ReconstructWidget:
    """The preview of frame 3 is there."""
    viewer.add_image(stack, name="cells", **NM)
    viewer.dims.set_point(0, 3)
    panel.preview.button.click()
    wait_for(panel, qtbot, "Preview of frame 3:")
    return panel


def wait_for(panel: ReconstructWidget, qtbot: Any, words: str) -> None:
    qtbot.waitUntil(lambda: words in panel.status_note.text(), timeout=WAIT_MS)


def test_the_model_is_loaded_once(
    previewing: ReconstructWidget, viewer: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[FoundModel] = []
    load = FoundModel.load
    monkeypatch.setattr(FoundModel, "load", lambda found: loads.append(found) or load(found))
    for frame in (4, 9, 0):
        viewer.dims.set_point(0, frame)
        wait_for(previewing, qtbot, f"Preview of frame {frame}:")
    assert loads == []
    previewing.form.fill_in(threshold=0.3)
    qtbot.waitUntil(lambda: len(loads) == 1, timeout=WAIT_MS)


def test_sums_are_around_the_slider(
    previewing: ReconstructWidget, viewer: Any, qtbot: Any, stack: np.ndarray, model_file: Path
) -> None:
    previewing.form.fill_in(sum_frames=5)
    for frame, (first, last) in {7: (5, 9), 0: (0, 4), 11: (7, 11)}.items():
        viewer.dims.set_point(0, frame)
        wait_for(previewing, qtbot, f"Preview of frames {first} to {last}:")
        expected = reconstruction.reconstruct(
            stack,
            str(model_file),
            pixel_size_nm=100.0,
            sum_frames=5,
            frame_range=(first, last + 1),
        )
        np.testing.assert_array_equal(viewer.layers[NAME].data, expected.image)


def test_a_region_is_previewed_where_it_lies(
    previewing: ReconstructWidget, viewer: Any, qtbot: Any
) -> None:
    whole = viewer.layers[NAME].data
    box = previewing.form.region_box
    box.draw()
    viewer.layers["region"].add_rectangles(
        np.array([(1.5, 2.5), (1.5, 20.5), (11.5, 20.5), (11.5, 2.5)])
    )
    qtbot.waitUntil(lambda: viewer.layers[NAME].data.shape == (40, 72), timeout=WAIT_MS)
    part = viewer.layers[NAME]
    np.testing.assert_allclose(part.data, whole[8:48, 12:84], atol=1e-4 * whole.max())
    np.testing.assert_allclose(part.translate, [150 + 12.5, 250 + 12.5])


def test_a_slider_that_plays_shows_previews_and_ends_at_the_last(
    previewing: ReconstructWidget, viewer: Any, qtbot: Any
) -> None:
    shown: list[str] = []
    previewing.preview.told.connect(shown.append)
    for frame in range(12):
        viewer.dims.set_point(0, frame)
        qtbot.wait(60)
    wait_for(previewing, qtbot, "Preview of frame 11:")
    assert len(shown) > 1
    qtbot.wait(50)
    assert len(previewing.preview.findChildren(Job)) <= 1, "jobs that are over are let go"


def test_the_window_stays_alive(previewing: ReconstructWidget, viewer: Any, qtbot: Any) -> None:
    ticks: list[float] = []
    timer = QTimer()
    timer.timeout.connect(lambda: ticks.append(time.perf_counter()))
    timer.start(5)
    for frame in (4, 9, 0, 6):
        viewer.dims.set_point(0, frame)
        wait_for(previewing, qtbot, f"Preview of frame {frame}:")
    timer.stop()
    gaps = np.diff(ticks)
    assert np.percentile(gaps, 90) < 0.05
    assert gaps.max() < 2


def test_the_viewer_may_be_closed(
    previewing: ReconstructWidget, viewer: Any, qtbot: Any, no_threads_left: None
) -> None:
    viewer.dims.set_point(0, 5)
    viewer.close()
    qtbot.wait(300)


@pytest.mark.parametrize("how", ["button", "run", "stack", "preview layer"])
def test_it_is_taken_away(previewing: ReconstructWidget, viewer: Any, qtbot: Any, how: str) -> None:
    if how == "button":
        previewing.preview.button.click()
    elif how == "run":
        previewing.run_button.click()
    else:
        viewer.layers.remove("cells" if how == "stack" else NAME)
    assert not previewing.preview.button.isChecked()
    assert NAME not in viewer.layers
    qtbot.waitUntil(lambda: not previewing.is_busy, timeout=WAIT_MS)
    assert NAME not in viewer.layers


def test_a_slow_network_shows_a_first_look(
    previewing: ReconstructWidget, viewer: Any, qtbot: Any
) -> None:
    told: list[str] = []
    shown: list[np.ndarray] = []
    previewing.preview.told.connect(told.append)
    previewing.preview.told.connect(lambda _: shown.append(viewer.layers[NAME].data))
    previewing.form.model_box.load_file(find_model("drsn-storm:2d-100nm-x4").path)
    qtbot.waitUntil(lambda: any(words.startswith("First") for words in told), timeout=WAIT_MS)
    qtbot.waitUntil(lambda: told[-1].startswith("Preview"), timeout=WAIT_MS)
    assert told[-2].startswith("First look at frame 3")
    assert shown[-2].shape == shown[-1].shape
    assert not np.array_equal(shown[-2], shown[-1])


def test_it_ends_where_the_model_cannot_read_the_frames(
    previewing: ReconstructWidget, viewer: Any, qtbot: Any, spotter: Callable[..., Path]
) -> None:
    previewing.form.model_box.load_file(spotter(planes=4))
    qtbot.waitUntil(lambda: not previewing.preview.button.isChecked(), timeout=WAIT_MS)
    assert NAME not in viewer.layers
    assert "reads frames of 4 focal planes, the data has 1" in previewing.form.model_box.note.text()
