"""Text grows with the font that is set for the window, and has the room that it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_deepsmlm.plugin.reconstruct.folder_table import FolderTable
from napari_deepsmlm.plugin.widgets.notes import Note
from napari_deepsmlm.plugin.widgets.plots import AXIS_WIDTH_PX, HEIGHT_PX, Plot

if TYPE_CHECKING:
    from collections.abc import Callable

POINTS = 22


@pytest.fixture
def window(qtbot: Any) -> Callable[[QWidget], QWidget]:
    """A function that puts a widget into a window whose style has a large font, as napari's has."""

    def show(widget: QWidget) -> QWidget:
        made = QWidget()
        qtbot.addWidget(made)
        QVBoxLayout(made).addWidget(widget)
        made.setStyleSheet(f"QWidget {{ font-size: {POINTS}pt; }}")
        made.show()
        qtbot.waitExposed(made)
        return made

    return show


def test_a_plot_has_larger_numbers_and_room_for_them(window: Callable[..., QWidget]) -> None:
    plot = Plot("drift (nm)", "A plot of this test.")
    usual_px = plot.getAxis("left").fixedWidth
    assert usual_px >= AXIS_WIDTH_PX
    shown = window(plot)
    for side in ("left", "bottom"):
        axis = plot.getAxis(side)
        assert axis.style["tickFont"].pointSize() == axis.label.font().pointSize() == POINTS
    line_px = plot.fontMetrics().height()
    assert plot.getAxis("left").fixedWidth > 1.3 * usual_px
    assert plot.getAxis("left").fixedWidth >= plot.fontMetrics().horizontalAdvance("0000") + line_px
    assert plot.minimumHeight() > 1.2 * HEIGHT_PX
    shown.close()


def test_the_lines_of_a_list_are_as_high_as_their_text(window: Callable[..., QWidget]) -> None:
    table = FolderTable()
    shown = window(table)
    table._show("a.tif", ("a.tif", "waits", "", ""))
    assert table.font().pointSize() == POINTS
    assert table.rowHeight(0) >= table.fontMetrics().height()
    shown.close()


def test_a_note_is_as_high_as_its_text(window: Callable[..., QWidget]) -> None:
    note = Note()
    shown = window(note)
    shown.resize(300, 400)
    note.warn("The frames are much brighter than those that the model was trained on.")
    assert note.minimumSizeHint().height() >= 2 * note.fontMetrics().height()
    shown.close()
