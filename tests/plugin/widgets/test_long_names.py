from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_deepsmlm.plugin.widgets.editors import choice
from napari_deepsmlm.plugin.widgets.long_names import LongNamesBox

if TYPE_CHECKING:
    from napari_deepsmlm.plugin.reconstruct.widget import ReconstructWidget

LONG = "2026-11-21_1432_deep-storm-bundled-tubulin-100nm-second-attempt/best"


@pytest.fixture
def box(qtbot: Any) -> LongNamesBox:
    made = LongNamesBox()
    qtbot.addWidget(made)
    made.addItems(["short", LONG])
    made.resize(160, 30)
    made.show()
    qtbot.waitExposed(made)
    return made


def test_a_short_name_is_shown_whole(box: LongNamesBox) -> None:
    assert box.shown_name == "short"


def test_a_long_name_loses_its_middle_only(box: LongNamesBox) -> None:
    box.setCurrentIndex(1)
    first, _, last = box.shown_name.partition("…")
    assert LONG.startswith(first)
    assert LONG.endswith(last)
    assert abs(len(first) - len(last)) <= 4
    assert box.fontMetrics().horizontalAdvance(box.shown_name) <= box.width()
    assert box.currentText() == LONG
    box.resize(900, 30)
    assert box.shown_name == LONG


def test_what_is_drawn_is_the_shown_name(box: LongNamesBox) -> None:
    box.setCurrentIndex(1)
    long = box.grab().toImage()
    box.setItemText(1, box.shown_name)
    assert box.grab().toImage() == long


def test_the_opened_list_is_as_wide_as_the_longest_name(box: LongNamesBox, qtbot: Any) -> None:
    box.showPopup()
    view = box.view()
    qtbot.waitUntil(view.isVisible)
    assert view.viewport().width() >= view.fontMetrics().horizontalAdvance(LONG)
    assert view.textElideMode() == Qt.TextElideMode.ElideMiddle
    box.hidePopup()
    box.addItem(100 * LONG)
    box.showPopup()
    screen = QApplication.primaryScreen()
    assert screen is not None
    assert view.minimumWidth() == screen.availableGeometry().width()
    box.hidePopup()


def test_every_built_in_model_can_be_read_in_a_narrow_panel(
    panel: ReconstructWidget, qtbot: Any
) -> None:
    panel.setParent(None)
    panel.resize(370, 600)
    panel.show()
    qtbot.waitExposed(panel)
    box = panel.form.model_box
    names = [box.itemText(i) for i in range(len(box.choices))]
    assert len(names) > 3
    for index, name in enumerate(names):
        box.setCurrentIndex(index)
        assert box.shown_name == name
    panel.close()


def test_a_list_of_layers_shows_both_ends_too(box: LongNamesBox, qtbot: Any) -> None:
    plain = choice([LONG], tooltip="A list as most are.").native
    qtbot.addWidget(plain)
    box.setCurrentIndex(1)
    for each in (plain, box):
        each.setStyleSheet("")
        each.resize(160, 30)
        each.show()
        qtbot.waitExposed(each)
    assert plain.grab().toImage() == box.grab().toImage()
