"""The panel finds the camera of a stack by itself, and says what it found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from qtpy.QtCore import QStandardPaths

from napari_deepsmlm import known_cameras
from napari_deepsmlm.camera import SCMOS
from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.plugin.forms.camera_box import AUTO, BY_NUMBERS, NONE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np

    from napari_deepsmlm.plugin.reconstruct.widget import ReconstructWidget

WAIT_MS = 60_000
NM = {"scale": (1, 100, 100), "units": ("pixel", "nm", "nm")}


@pytest.fixture(scope="module")
def bright() -> np.ndarray:
    """(40, 48, 48): enough to tell the camera from."""
    experiment = Experiment(image_px=(48, 48), camera=SCMOS(quantum_efficiency=1.0))
    frames: np.ndarray = experiment.simulate(40, seed=3).stack[:, 0]
    return frames


def wait_for(panel: ReconstructWidget, qtbot: Any, text: str) -> None:
    note = panel.form.camera_finder.note
    qtbot.waitUntil(lambda: text in note.text(), timeout=WAIT_MS)


def test_the_camera_is_found_said_used_and_kept_for_the_layer(
    panel: ReconstructWidget,
    viewer: Any,
    qtbot: Any,
    run: Callable[[], None],
    bright: np.ndarray,
    spotter: Callable[..., Path],
) -> None:
    box, finder = panel.form.camera_box, panel.form.camera_finder
    viewer.add_image(bright, name="cells", **NM)
    assert finder.note.text() == ""  # this model counts no photons
    panel.form.model_box.load_file(spotter())
    assert box.value == AUTO
    wait_for(panel, qtbot, "Camera: estimated: offset 100")
    known = finder.known
    assert known.photons_per_adu == pytest.approx(0.7471, rel=0.2)
    run()
    assert panel._result.report["camera"] == known.to_json()

    box.value = BY_NUMBERS
    box.baseline.value = 400
    box.photons_per_adu.value = 0.75
    wait_for(panel, qtbot, "Camera: given: offset 400 ADU, 0.75 photons per ADU")
    assert "lies above" in finder.note.text()
    box.value = NONE
    wait_for(panel, qtbot, "count as photons")
    assert panel.form.options().camera is None
    box.value = AUTO
    assert "Camera: estimated" in finder.note.text()  # at once: nothing is found twice
    assert finder.known is known
    viewer.layers.remove("cells")
    assert finder.note.text() == ""


def test_what_was_entered_before_is_the_camera_of_auto(
    panel: ReconstructWidget,
    viewer: Any,
    qtbot: Any,
    bright: np.ndarray,
    spotter: Callable[..., Path],
) -> None:
    panel.form.model_box.load_file(spotter())
    viewer.add_image(bright, name="cells", **NM)
    kind = known_cameras.kind_of_stack("", (48, 48), "uint16")
    known_cameras.remember(kind, camera={"kind": "ideal", "baseline": 101.0, "gain": 1.3})
    panel.form.camera_box.value = NONE
    panel.form.camera_box.value = AUTO
    wait_for(panel, qtbot, "Camera: remembered: offset 101 ADU")


def test_the_folder_of_the_data_is_that_of_qt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # what the tests put in its place
    place = QStandardPaths.StandardLocation.GenericDataLocation
    assert str(known_cameras.data_folder().parent) == QStandardPaths.writableLocation(place)
