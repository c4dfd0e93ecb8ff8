from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import Field
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QAbstractSpinBox, QApplication, QFormLayout, QWidget

from napari_deepsmlm._base import FrozenModel
from napari_deepsmlm.plugin.forms.field import editor_for
from napari_deepsmlm.plugin.widgets.parts import add_row


class Sample(FrozenModel):
    pixel_size_nm: float | None = Field(None, ge=1, le=500, description="Camera pixel.")
    n_frames: int = Field(10, ge=2, le=99, description="How many.")
    share: float = Field(0.25, ge=0, le=1, description="A share.")
    is_on: bool = Field(True, description="Whether.")
    kind: Literal["a", "b"] = Field("b", description="Which.")
    name: str = Field("x", description="Its name.")
    photons: tuple[float, float] = Field((1.0, 5.0), description="From, to.")
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
        ("photons", (2.0, 4.5)),
    ],
)
def test_an_editor_starts_at_the_default_and_gives_back_what_is_written(
    qtbot: Any, name: str, other: Any
) -> None:
    editor = editor_for(Sample, name)
    qtbot.addWidget(editor.native)
    assert editor.value == Sample.model_fields[name].default
    told: list[Any] = []
    editor.changed.connect(told.append)
    editor.value = other
    assert told == [other]
    assert editor.value == other
    assert Sample.from_dict({name: editor.value})


def test_label_has_the_unit_and_tooltip_the_description_with_the_range(qtbot: Any) -> None:
    editor = editor_for(Sample, "pixel_size_nm")
    qtbot.addWidget(editor.native)
    assert editor.label == "Pixel size (nm)"
    assert editor.native.toolTip() == "<qt>Camera pixel. Range 1 to 500 nm.</qt>"


def test_none_is_shown_in_words_and_the_range_is_kept(qtbot: Any) -> None:
    editor = editor_for(Sample, "pixel_size_nm", none_text="unknown")
    qtbot.addWidget(editor.native)
    assert editor.native.text() == "unknown"
    editor.value = 0.5
    assert editor.value == 1.0
    editor.value = 9999
    assert editor.value == 500.0
    editor.value = None
    assert editor.value is None


def test_what_is_typed_between_none_and_the_range_becomes_its_start(qtbot: Any) -> None:
    editor = editor_for(Sample, "pixel_size_nm")
    qtbot.addWidget(editor.native)
    editor.native.setValue(0.4)
    assert (editor.native.text(), editor.value) == ("1", 1.0)


@pytest.mark.parametrize(("value", "text"), [(0.002, "0.002"), (0.25, "0.25"), (1, "1"), (0, "0")])
def test_a_number_is_as_short_as_it_can_be_written(qtbot: Any, value: float, text: str) -> None:
    editor = editor_for(Sample, "share")
    qtbot.addWidget(editor.native)
    editor.value = value
    assert editor.native.text() == text


def test_whole_numbers_keep_their_noughts(qtbot: Any) -> None:
    editor = editor_for(Sample, "n_frames")
    qtbot.addWidget(editor.native)
    editor.value = 90
    assert (editor.native.text(), editor.value, type(editor.value)) == ("90", 90, int)


def test_a_number_counts_when_it_is_typed_to_its_end(qtbot: Any) -> None:
    editor = editor_for(Sample, "n_frames")
    qtbot.addWidget(editor.native)
    told: list[Any] = []
    editor.changed.connect(told.append)
    editor.native.lineEdit().selectAll()
    qtbot.keyClicks(editor.native, "42")
    assert told == []
    qtbot.keyClick(editor.native, Qt.Key.Key_Return)
    assert told == [42]


def test_a_choice_that_is_not_offered_and_a_word_for_a_number_are_refused(qtbot: Any) -> None:
    for name, value in (("kind", "c"), ("n_frames", "many"), ("is_on", "yes"), ("photons", (1,))):
        editor = editor_for(Sample, name)
        qtbot.addWidget(editor.native)
        with pytest.raises((ValueError, TypeError)):
            editor.value = value
        assert editor.value == Sample.model_fields[name].default


def test_screen_readers_hear_the_label_of_every_editor(qtbot: Any) -> None:
    form = QWidget()
    qtbot.addWidget(form)
    rows = QFormLayout(form)
    for name in ("pixel_size_nm", "photons", "is_on"):
        editor = editor_for(Sample, name)
        add_row(rows, editor)
        label = rows.labelForField(editor.native)
        assert editor.native.accessibleName() == editor.label == label.text()
        for box in editor.native.findChildren(QAbstractSpinBox):
            assert box.accessibleName() == editor.label
        assert label.toolTip() == editor.tooltip != ""


def test_suggested_numbers_may_be_any_other(qtbot: Any) -> None:
    editor = editor_for(Sample, "n_frames", choices=(10, 50))
    qtbot.addWidget(editor.native)
    editor.value = 37
    assert editor.value == 37
    editor.native.setCurrentText("")
    assert editor.value == 2


def test_a_field_without_an_editor_is_said_so() -> None:
    with pytest.raises(TypeError, match="No editor for field 'parts'"):
        editor_for(Sample, "parts")


def test_the_wheel_scrolls_past_an_editor(qtbot: Any) -> None:
    editor = editor_for(Sample, "n_frames")
    qtbot.addWidget(editor.native)
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
    QApplication.sendEvent(editor.native, turn)
    assert editor.value == 10
