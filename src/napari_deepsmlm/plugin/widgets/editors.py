"""Editors: Qt widgets that edit one value, each read and written in the same way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QLocale, QObject, Qt, Signal
from qtpy.QtGui import QIntValidator
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QSizePolicy,
    QSpinBox,
    QWidget,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DECIMALS = 6
LEAST_WIDTH_PX = 50


@dataclass(frozen=True)
class Editor:
    """A widget that edits one value.

    Attributes
    ----------
    label : what stands before it, with the unit.
    widget : the Qt widget.
    read, write : its value in the terms of the field.
    changed : Qt signal; arguments are to be ignored.
    """

    label: str
    widget: QWidget
    read: Callable[[], Any]
    write: Callable[[Any], None]
    changed: Any

    def add_to(self, form: QFormLayout) -> None:
        """Append a row."""
        form.addRow(self.label, self.widget)
        label = form.labelForField(self.widget)
        if label is not None:
            label.setToolTip(self.widget.toolTip())


def set_tooltip(widget: QWidget, text: str) -> None:
    """Give an editor and its parts a tooltip that wraps."""
    for part in (widget, *widget.findChildren(QDoubleSpinBox), *widget.findChildren(QSpinBox)):
        part.setToolTip(text)


def make_calm(widget: QWidget) -> None:
    """Let an editor neither widen its panel nor change when the wheel passes over it."""
    widget.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    widget.setStyleSheet(f"min-width: {LEAST_WIDTH_PX}px;")  # napari's own is wider
    widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    widget.installEventFilter(_NoWheel(widget))


class _NumberBox(QDoubleSpinBox):
    """A number as short as it can be written, with steps of its own size."""

    def __init__(self) -> None:
        super().__init__()
        self.setLocale(QLocale.c())
        self.setDecimals(DECIMALS)
        self.setStepType(QAbstractSpinBox.StepType.AdaptiveDecimalStepType)

    def textFromValue(self, value: float) -> str:
        """0.002 rather than 0.002000."""
        return f"{value:.{DECIMALS}f}".rstrip("0").rstrip(".")


def spin_box(kind: type, limits: tuple[float, float], none_text: str) -> Editor:
    """Return an editor of a number; `none_text`, if there is one, stands for None."""
    low, high = limits
    box: Any = QSpinBox() if kind is int else _NumberBox()
    below = 0.0 if low > 0 else -1.0
    box.setRange(kind(below if none_text else low), kind(high))
    box.setSpecialValueText(none_text)  # shown at the minimum, which stands for None
    box.setKeyboardTracking(False)

    def read() -> Any:
        value = box.value()
        if none_text and value <= box.minimum():
            return None
        return max(kind(low), value)

    def write(value: Any) -> None:
        number: Any = box.minimum() if value is None else kind(value)
        # Qt would do the same, but PySide6 cannot hand it any number.
        box.setValue(min(max(number, box.minimum()), box.maximum()))

    return Editor("", box, read, write, box.valueChanged)


class _RangeBox(QWidget):
    """Two numbers beside each other: from, to."""

    changed = Signal()

    def __init__(self, kind: type, limits: tuple[float, float]) -> None:
        super().__init__()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self.ends = [spin_box(kind, limits, "") for _ in range(2)]
        for end in self.ends:
            make_calm(end.widget)
            end.widget.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.NoButtons)  # type: ignore[attr-defined]
            end.widget.setStyleSheet("min-width: 30px; padding: 1px 3px;")
            row.addWidget(end.widget, 1)
            end.changed.connect(self._tell_change)
        row.insertWidget(1, QLabel("to"))
        row.setSpacing(4)

    def read(self) -> tuple[Any, ...]:
        return tuple(end.read() for end in self.ends)

    def write(self, values: Sequence[Any]) -> None:
        for end, value in zip(self.ends, values, strict=True):
            end.write(value)

    def _tell_change(self, *_: object) -> None:
        self.changed.emit()


def range_boxes(kind: type, limits: tuple[float, float]) -> Editor:
    """Return an editor of two numbers, from and to."""
    box = _RangeBox(kind, limits)
    return Editor("", box, box.read, box.write, box.changed)


def editable_choice(choices: Sequence[int], limits: tuple[float, float]) -> Editor:
    """Return an editor of a whole number with suggestions."""
    box = QComboBox()
    box.setEditable(True)
    box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
    box.addItems([str(value) for value in choices])
    low, high = int(limits[0]), int(limits[1])
    box.setValidator(QIntValidator(low, high, box))

    def read() -> int:
        text = box.currentText()
        return min(max(low, int(text)), high) if text.isdecimal() else low

    def write(value: int) -> None:
        box.setCurrentText(str(value))

    return Editor("", box, read, write, box.currentTextChanged)


def choice(choices: Sequence[Any]) -> Editor:
    """Return an editor of one of some values."""
    box = QComboBox()
    for value in choices:
        box.addItem(str(value), value)
    return editor_around("", box)


def editor_around(label: str, box: QComboBox, *, by_text: bool = False) -> Editor:
    """Return an editor of what a list offers: its data, or its texts."""
    value_at = box.itemText if by_text else box.itemData

    def write(value: Any) -> None:
        offered = [value_at(index) for index in range(box.count())]
        if value not in offered:
            texts = ", ".join(box.itemText(index) for index in range(box.count()))
            raise ValueError(f"'{value}' is none of {texts}.")
        box.setCurrentIndex(offered.index(value))

    read = box.currentText if by_text else box.currentData
    return Editor(label, box, read, write, box.currentIndexChanged)


def check_box(label: str = "", box: QCheckBox | None = None) -> Editor:
    """Return an editor of a claim, around a box if there is one already."""
    box = box or QCheckBox()

    def write(value: bool) -> None:
        if not isinstance(value, bool):
            raise ValueError(f"'{value}' is neither true nor false.")
        box.setChecked(value)

    return Editor(label, box, box.isChecked, write, box.toggled)


def line() -> Editor:
    """Return an editor of a text."""
    box = QLineEdit()
    return Editor("", box, box.text, box.setText, box.textChanged)


class _NoWheel(QObject):
    """Keeps the wheel, which scrolls the panel, from changing a value it passes over."""

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Pass wheel events on for widgets that were not clicked before."""
        if event is None or event.type() != QEvent.Type.Wheel:
            return super().eventFilter(watched, event)
        if isinstance(watched, QWidget) and not watched.hasFocus():
            event.ignore()
            return True
        return super().eventFilter(watched, event)
