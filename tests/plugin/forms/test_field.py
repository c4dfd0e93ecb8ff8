from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import Field
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication

from napari_deepsmlm._base import FrozenModel
from napari_deepsmlm.plugin.forms.field import editor_for


class Sample(FrozenModel):
    pixel_size_nm: float | None = Field(None, ge=1, le=500, description="Camera pixel.")
    n_frames: int = Field(10, ge=2, le=99, description="How many.")
    share: float = Field(0.25, ge=0, le=1, description="A share.")
    is_on: bool = Field(True, description="Whether.")
    kind: Literal["a", "b"] = Field("b", description="Which.")
    name: str = Field("x", description="Its name.")
    parts: tuple[int, ...] = Field((), description="No editor for this.")


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("pixel_size_nm", 106.5),
        ("n_frames", 20),
        ("share", 0.75),
        ("is_on", False),
        ("kind", "a"),
        ("name", "y"),
    ],
)
def test_an_editor_starts_at_the_default_and_gives_back_what_is_written(
    qtbot: Any, name: str, other: Any
) -> None:
    editor = editor_for(Sample, name)
    qtbot.addWidget(editor.widget)
    assert editor.read() == Sample.model_fields[name].default
    with qtbot.waitSignal(editor.changed):
        editor.write(other)
    assert editor.read() == other
    assert Sample.from_dict({name: editor.read()})


def test_label_has_the_unit_and_tooltip_the_description_with_the_range(qtbot: Any) -> None:
    editor = editor_for(Sample, "pixel_size_nm")
    qtbot.addWidget(editor.widget)
    assert editor.label == "Pixel size (nm)"
    assert editor.widget.toolTip() == "<qt>Camera pixel. Range 1 to 500 nm.</qt>"


def test_none_is_shown_in_words_and_the_range_is_kept(qtbot: Any) -> None:
    editor = editor_for(Sample, "pixel_size_nm", none_text="unknown")
    qtbot.addWidget(editor.widget)
    assert editor.widget.text() == "unknown"
    editor.write(0.5)
    assert editor.read() == 1.0
    editor.write(9999)
    assert editor.read() == 500.0
    editor.write(None)
    assert editor.read() is None


def test_suggested_numbers_may_be_any_other(qtbot: Any) -> None:
    editor = editor_for(Sample, "n_frames", choices=(10, 50))
    qtbot.addWidget(editor.widget)
    editor.write(37)
    assert editor.read() == 37
    editor.widget.setCurrentText("")
    assert editor.read() == 2


def test_a_field_without_an_editor_is_said_so() -> None:
    with pytest.raises(TypeError, match="No editor for field 'parts'"):
        editor_for(Sample, "parts")


def test_the_wheel_scrolls_past_an_editor(qtbot: Any) -> None:
    editor = editor_for(Sample, "n_frames")
    qtbot.addWidget(editor.widget)
    turn = QWheelEvent(
        QPointF(5, 5),
        QPointF(5, 5),
        QPoint(0, 0),
        QPoint(0, 120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(editor.widget, turn)
    assert editor.read() == 10
