"""Asking: a table that does not state its unit or its pixel opens with an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QComboBox, QDialog, QDoubleSpinBox

from napari_deepsmlm.plugin.layers.tables import table_of
from napari_deepsmlm.plugin.localizations.widget import LocalizationsWidget

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLUGIN = "napari-deepsmlm"
NM = {"scale": (1, 130, 130), "units": ("pixel", "nm", "nm"), "axis_labels": ("t", "y", "x")}


class Answer:
    """Answers the window that asks, as a person does; keeps what it proposed."""

    def __init__(
        self, unit: str | None, pixel_nm: float | None, *, is_closed: bool = False
    ) -> None:
        self.unit, self.pixel_nm, self.is_closed = unit, pixel_nm, is_closed
        self.proposed_nm = self.n_units = 0.0
        self._timer = QTimer()
        self._timer.timeout.connect(self._look)
        self._timer.start(50)

    def _look(self) -> None:
        dialog = QApplication.activeModalWidget()
        if not isinstance(dialog, QDialog):
            return
        self._timer.stop()
        (pixel,) = dialog.findChildren(QDoubleSpinBox)
        units = dialog.findChildren(QComboBox)
        self.proposed_nm, self.n_units = pixel.value(), len(units)
        if self.unit is not None:
            units[0].setCurrentText(self.unit)
        if self.pixel_nm is not None:
            pixel.setValue(self.pixel_nm)
        dialog.reject() if self.is_closed else dialog.accept()


@pytest.fixture
def picasso(tmp_path: Path) -> Path:
    """A table of Picasso whose YAML was not copied."""
    kind = [("frame", "u4"), ("x", "f4"), ("y", "f4"), ("lpx", "f4"), ("lpy", "f4")]
    with h5py.File(tmp_path / "locs.hdf5", "w") as file:
        file["locs"] = np.array([(0, 1, 2, 0.1, 0.1), (3, 4, 5, 0.1, 0.1)], kind)
    return tmp_path / "locs.hdf5"


def test_the_pixel_of_picasso_is_asked_for_and_used(viewer: Any, picasso: Path) -> None:
    answer = Answer(None, 106.667)  # as many decimals as cameras have
    (layer,) = viewer.open(str(picasso), plugin=PLUGIN)
    table = table_of(layer)
    assert table is not None
    np.testing.assert_allclose(table.x_nm, [1.5 * 106.667, 4.5 * 106.667])
    assert (answer.n_units, layer.metadata["napari_deepsmlm"]["pixel_size_nm"]) == (0, 106.667)


def test_the_pixel_of_the_open_frames_is_proposed(viewer: Any, picasso: Path) -> None:
    viewer.add_image(np.zeros((5, 16, 16), np.uint16), **NM)
    answer = Answer(None, None)
    (layer,) = viewer.open(str(picasso), plugin=PLUGIN)
    table = table_of(layer)
    assert table is not None
    assert answer.proposed_nm == 130
    np.testing.assert_allclose(table.x_nm, [195, 585])


def test_a_table_without_units_asks_which(viewer: Any, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("frame,x,y,z\n1,0.1,0.2,0\n2,0.3,0.4,0\n")
    answer = Answer("micrometres", None)
    (layer,) = viewer.open(str(tmp_path / "t.csv"), plugin=PLUGIN)
    table = table_of(layer)
    assert table is not None
    assert answer.n_units == 1
    np.testing.assert_allclose(table.x_nm, [100, 300])


def test_a_window_that_is_closed_leaves_one_sentence(viewer: Any, picasso: Path) -> None:
    answer = Answer(None, None, is_closed=True)
    with pytest.raises(ValueError, match=r"^locs\.hdf5: its positions are in camera pixels"):
        viewer.open(str(picasso), plugin=PLUGIN)
    assert answer.proposed_nm == 100
    assert not len(viewer.layers)


def test_what_was_done_to_open_a_table_is_shown(viewer: Any, tmp_path: Path) -> None:
    notification_manager.records.clear()
    (tmp_path / "t.csv").write_text("frame,x [nm],y [nm]\n0,1,2\n1,NaN,3\n2,4,5\n")
    viewer.open(str(tmp_path / "t.csv"), plugin=PLUGIN)
    message = notification_manager.records[-1].message
    assert message.startswith("t.csv: 1 of 3 rows has no frame or position and was left out")
    assert "Frames were counted from 0." in message


@pytest.fixture
def panel(viewer: Any, qtbot: Any, no_threads_left: None) -> Iterator[LocalizationsWidget]:
    widget = LocalizationsWidget(viewer)
    qtbot.addWidget(widget)
    widget.show()
    yield widget
    widget.abandon()


def test_the_panel_asks_too(
    viewer: Any, panel: LocalizationsWidget, picasso: Path, qtbot: Any
) -> None:
    answer = Answer(None, 160.0)
    panel.open(picasso)
    qtbot.waitUntil(lambda: len(viewer.layers) == 1, timeout=60_000)
    table = table_of(viewer.layers[0])
    assert table is not None
    np.testing.assert_allclose(table.x_nm, [240, 720])
    assert answer.n_units == 0
