"""Forms: a pydantic field becomes a labelled Qt editor with unit, range and tooltip."""

from __future__ import annotations

from dataclasses import dataclass
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
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

    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

UNITS = {
    "nm": "nm",
    "um": "µm",
    "px": "px",
    "ms": "ms",
    "degrees": "°",
    "minutes": "min",
    "per_um2": "per µm²",
    "per_um": "per µm",
    "per_adu": "per ADU",
    "e": "e⁻",
}
DECIMALS = 6
MOST_INTEGER = 2**31 - 1
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


def editor_for(
    model: type[BaseModel],
    name: str,
    *,
    label: str = "",
    none_text: str = "auto",
    choices: Sequence[Any] = (),
) -> Editor:
    """Return an editor for a field, set to its default.

    Parameters
    ----------
    model : the configuration.
    name : one of its fields, of type bool, int, float, str or `Literal`, one of these or None, or a
        range: a pair of numbers.
    label : instead of the field's name; the unit is added to it, unless it has one in brackets.
    none_text : what the editor shows for None.
    choices : suggestions; an integer may still be any other, a string may not.

    Examples
    --------
    >>> from napari_deepsmlm.simulation import Filaments
    >>> label_of(Filaments, "tilt_degrees")
    'Tilt (°)'
    """
    field = model.model_fields[name]
    kind, is_optional = _kind(field.annotation)
    if choices and kind is int:
        editor = _editable_choice(choices, _limits(field))
    elif choices or get_origin(kind) is Literal:
        editor = _choice(choices or get_args(kind))
    elif kind is bool:
        editor = _check_box()
    elif kind in (int, float):
        editor = _spin_box(kind, _limits(field), none_text if is_optional else "")
    elif _is_range(field.annotation):
        editor = _range(get_args(kind)[0], _limits(field))
    elif kind is str:
        editor = _line()
    else:
        raise TypeError(f"No editor for field '{name}' of type {field.annotation}.")
    widget = editor.widget
    widget.setObjectName(name)
    set_tooltip(widget, _tooltip(field, name))
    make_calm(widget)
    if not field.is_required():
        editor.write(field.default)
    text = label_of(model, name, label)
    return Editor(text, widget, editor.read, editor.write, editor.changed)


def can_edit(field: FieldInfo) -> bool:
    """Whether there is an editor for a field."""
    kind, _ = _kind(field.annotation)
    is_simple = isinstance(kind, type) and issubclass(kind, bool | int | float | str)
    return is_simple or get_origin(kind) is Literal or _is_range(field.annotation)


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


def label_of(model: type[BaseModel], name: str, label: str = "") -> str:
    """Return a field's name in words with its unit in brackets."""
    suffix = _suffix(name)
    words = (label or name.removesuffix(f"_{suffix}")).replace("_", " ")
    unit = f" ({UNITS[suffix]})" if suffix and "(" not in words else ""
    return f"{words[:1].upper()}{words[1:]}{unit}"


# -- editors --------------------------------------------------------------------------------


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


def _spin_box(kind: type, limits: tuple[float, float], none_text: str) -> Editor:
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
        box.setValue(number)

    return Editor("", box, read, write, box.valueChanged)


class _RangeBox(QWidget):
    """Two numbers beside each other: from, to."""

    changed = Signal()

    def __init__(self, kind: type, limits: tuple[float, float]) -> None:
        super().__init__()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self.ends = [_spin_box(kind, limits, "") for _ in range(2)]
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


def _range(kind: type, limits: tuple[float, float]) -> Editor:
    box = _RangeBox(kind, limits)
    return Editor("", box, box.read, box.write, box.changed)


def _editable_choice(choices: Sequence[int], limits: tuple[float, float]) -> Editor:
    box = QComboBox()
    box.setEditable(True)
    box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
    box.addItems([str(choice) for choice in choices])
    low, high = int(limits[0]), int(limits[1])
    box.setValidator(QIntValidator(low, high, box))

    def read() -> int:
        text = box.currentText()
        return max(low, int(text)) if text.isdecimal() else low

    def write(value: int) -> None:
        box.setCurrentText(str(value))

    return Editor("", box, read, write, box.currentTextChanged)


def _choice(choices: Sequence[Any]) -> Editor:
    box = QComboBox()
    for choice in choices:
        box.addItem(str(choice), choice)

    def write(value: Any) -> None:
        index = box.findData(value)
        if index < 0:
            raise ValueError(f"'{value}' is none of {', '.join(map(str, choices))}.")
        box.setCurrentIndex(index)

    return Editor("", box, box.currentData, write, box.currentIndexChanged)


def _check_box() -> Editor:
    box = QCheckBox()
    return Editor("", box, box.isChecked, box.setChecked, box.toggled)


def _line() -> Editor:
    line = QLineEdit()
    return Editor("", line, line.text, line.setText, line.textChanged)


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


# -- fields ---------------------------------------------------------------------------------


def _kind(annotation: Any) -> tuple[Any, bool]:
    """Return the type without None, and whether None is allowed."""
    if get_origin(annotation) is Literal:
        return annotation, False
    kinds = [kind for kind in get_args(annotation) if kind is not NoneType]
    if kinds and NoneType in get_args(annotation):
        return kinds[0], True
    return annotation, False


def _is_range(kind: Any) -> bool:
    parts = get_args(kind)
    return get_origin(kind) is tuple and parts in ((float, float), (int, int))


def _limits(field: FieldInfo) -> tuple[float, float]:
    low, high = 0.0, float(MOST_INTEGER)
    for limit in field.metadata:
        match limit:
            case Ge(ge=value):
                low = float(value)  # type: ignore[arg-type]
            case Gt(gt=value):
                low = float(value) + 10.0**-DECIMALS  # type: ignore[arg-type]
            case Le(le=value) | Lt(lt=value):
                high = float(value)  # type: ignore[arg-type]
    return low, high


def _suffix(name: str) -> str:
    """Return the end of a field's name that is a unit, the longest there is."""
    return max((unit for unit in UNITS if name.endswith(f"_{unit}")), key=len, default="")


def _tooltip(field: FieldInfo, name: str) -> str:
    text = field.description or ""
    low, high = _limits(field)
    if high < MOST_INTEGER:
        text += f" Range {low:g} to {high:g} {UNITS.get(_suffix(name), '')}".rstrip() + "."
    return f"<qt>{text.strip()}</qt>"  # rich text wraps
