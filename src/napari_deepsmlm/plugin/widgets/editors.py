"""Editors: magicgui widgets that edit one value, and Qt ones for what magicgui has not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

# Not public, but the only way to put a Qt widget of one's own into a magicgui widget.
from magicgui.backends._qtpy.widgets import QBaseRangedWidget, QBaseValueWidget
from magicgui.widgets import ComboBox, FileEdit, TupleEdit
from magicgui.widgets.bases import RangedWidget, ValueWidget
from qtpy.QtCore import QEvent, QLocale, QObject, Qt
from qtpy.QtGui import QIntValidator
from qtpy.QtWidgets import QAbstractSpinBox, QComboBox, QDoubleSpinBox, QLabel, QSizePolicy, QWidget

from napari_deepsmlm.plugin.widgets.long_names import BothEnds, LongNamesBox

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Choices = Sequence[Any] | Callable[[Any], Sequence[Any]]

DECIMALS = 6
LEAST_WIDTH_PX = 50
ELLIPSIS_WIDTH_PX = 30


class _NumberBox(QDoubleSpinBox):
    """A number as short as it can be written: magicgui's FloatSpinBox would show 0.002000."""

    def textFromValue(self, value: float) -> str:
        """0.002 rather than 0.002000."""
        text = f"{value:.{self.decimals()}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text


class _NumberBackend(QBaseRangedWidget):
    _qwidget: QDoubleSpinBox

    def __init__(self, *, decimals: int, **kwargs: Any) -> None:
        super().__init__(_NumberBox, **kwargs)
        self._qwidget.setLocale(QLocale.c())
        self._qwidget.setDecimals(decimals)
        self._qwidget.setKeyboardTracking(False)  # a number counts when it is typed to its end


class Number(RangedWidget[Any]):
    """A whole or another number, moved into its range; words may stand for None.

    magicgui's spin boxes know no None, and that of whole numbers has no words either.
    """

    def __init__(
        self,
        *,
        limits: tuple[float, float],
        kind: type = float,
        none_text: str = "",
        **options: Any,
    ) -> None:
        self._kind, self._low = kind, kind(limits[0])
        below = 0 if self._low > 0 else self._low - 1  # stands for None, and shows the words
        options |= {"nullable": bool(none_text), "step": 1 if kind is int else None}
        options["widget_type"] = _NumberBackend
        super().__init__(
            min=below if none_text else self._low,
            max=kind(limits[1]),
            backend_kwargs={"decimals": 0 if kind is int else DECIMALS},
            **options,
        )
        self.native.setSpecialValueText(none_text)
        make_calm(self.native)

    def get_value(self) -> Any:
        """Return the number, None where the words are shown."""
        number = self.native.value()
        if self._nullable and number <= self.min:
            return None
        return max(self._low, self._kind(number))

    def set_value(self, value: Any) -> None:
        """Show a number, or the nearest one in the range."""
        is_none = value is None and self._nullable
        number = self.min if is_none else min(max(self._kind(value), self._low), self.max)
        self.native.setValue(number)

    def _on_value_change(self, value: Any = None) -> None:
        if self._nullable and self.min < value < self._low:
            self.native.setValue(self._low)  # between None and the range
        else:
            self.changed.emit(self.value)


class NumberRange(TupleEdit):
    """Two numbers beside each other: from, to."""

    def __init__(self, *, limits: tuple[float, float], kind: type = float, **options: Any) -> None:
        options["annotation"] = tuple[kind, kind]  # type: ignore[valid-type]
        end = {"widget_type": Number, "kind": kind, "limits": limits}
        super().__init__(options=end, **options)
        row = self.native.layout()
        row.setSpacing(4)
        between = QLabel("to")
        between.setStyleSheet("min-width: 0px;")
        row.insertWidget(1, between)
        for number in self:
            make_narrow(number.native)


class _SuggestionsBackend(QBaseValueWidget):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(QComboBox, "currentText", "setCurrentText", "currentTextChanged", **kwargs)


class Suggestions(ValueWidget[int]):
    """A whole number with suggestions: magicgui's ComboBox takes nothing but its choices."""

    def __init__(
        self, *, choices: Sequence[int], limits: tuple[float, float], **options: Any
    ) -> None:
        self._low, self._high = int(limits[0]), int(limits[1])
        super().__init__(**options | {"widget_type": _SuggestionsBackend})
        self.native.setEditable(True)
        self.native.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.native.addItems([str(value) for value in choices])
        self.native.setValidator(QIntValidator(self._low, self._high, self.native))

    def get_value(self) -> int:
        """Return the number, the least one where there is none."""
        text = self.native.currentText()
        return min(max(self._low, int(text)), self._high) if text.isdecimal() else self._low

    def set_value(self, value: Any) -> None:
        """Show a number."""
        self.native.setCurrentText(str(value))


class PathEdit(FileEdit):
    """A path that counts when it is typed to its end, with a narrow button that opens a dialog."""

    def __init__(self, *, hint: str, placeholder: str = "", **options: Any) -> None:
        super().__init__(**options)
        set_tooltip(self, hint)
        self.choose_btn.text, self.choose_btn.max_width = "…", ELLIPSIS_WIDTH_PX
        self.choose_btn.tooltip = "<qt>Choose it in a window.</qt>"
        line = self.line_edit.native
        line.setPlaceholderText(placeholder)
        line.setCursorPosition(0)
        self.line_edit.changed.disconnect()  # magicgui would tell of every letter
        line.editingFinished.connect(self._tell_change)

    def set_value(self, value: Any) -> None:
        """Show a path, and tell of it."""
        super().set_value(value)
        self._tell_change()

    def _tell_change(self) -> None:
        self.changed.emit(self.value)


def choice(choices: Choices, *, tooltip: str, label: str = "") -> ComboBox:
    """Return a list of values, or of pairs of a text and a value."""
    made = ComboBox(choices=choices, label=label, tooltip=f"<qt>{tooltip}</qt>")
    make_calm(made.native)
    return made


def set_tooltip(widget: Any, text: str) -> None:
    """Give an editor and its parts a tooltip that wraps."""
    for part in parts_of(widget):
        part.tooltip = f"<qt>{text}</qt>"


def parts_of(widget: Any) -> list[Any]:
    """Return an editor, and those that it consists of."""
    return [widget, *(widget if isinstance(widget, TupleEdit | FileEdit) else ())]


def make_calm(widget: QWidget) -> None:
    """Let an editor neither widen its panel nor change when the wheel passes over it."""
    widget.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    widget.setStyleSheet(f"min-width: {LEAST_WIDTH_PX}px;")  # napari's own is wider
    widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    widget.installEventFilter(_NoWheel(widget))
    if isinstance(widget, QComboBox) and not isinstance(widget, LongNamesBox):
        widget.installEventFilter(BothEnds(widget))


def make_narrow(box: QAbstractSpinBox) -> None:
    """Let a number have room beside another one: its buttons would leave none."""
    box.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.NoButtons)
    box.setStyleSheet("min-width: 30px; padding: 1px 3px;")


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
