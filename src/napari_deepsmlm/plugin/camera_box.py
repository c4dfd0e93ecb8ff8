"""The camera chooser: not known, a preset, or the two numbers of a data sheet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QDoubleSpinBox, QFormLayout, QWidget

from napari_deepsmlm.plugin.editors import make_calm

if TYPE_CHECKING:
    from collections.abc import Sequence

UNKNOWN = "not known: ADU as photons"
BY_NUMBERS = "baseline and gain below"


class CameraBox(QComboBox):
    """A list of cameras, and editors of baseline and photons per ADU for one that is not in it."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        make_calm(self)
        self.setToolTip(
            "<qt>What turns the numbers in the file (ADU) into photons. This model needs it for "
            "photons and precision.</qt>"
        )
        self.baseline = _number(100.0, 1, 65_535.0, "Offset that the camera adds, ADU.")
        self.photons_per_adu = _number(
            1.0, 4, 10_000.0, "Electrons per ADU / (EM gain × quantum efficiency)."
        )
        self.photons_per_adu.setMinimum(0.0001)
        self.currentIndexChanged.connect(self._on_choice)
        for box in (self.baseline, self.photons_per_adu):
            box.valueChanged.connect(self._tell_change)
        self._rows: QFormLayout | None = None
        self._is_needed = True

    def add_to(self, form: QFormLayout, presets: Sequence[str]) -> None:
        """Offer the presets, and append the rows."""
        self.addItems([UNKNOWN, BY_NUMBERS, *presets])
        self._rows = form
        form.addRow("Camera", self)
        form.addRow("Baseline (ADU)", self.baseline)
        form.addRow("Photons per ADU", self.photons_per_adu)
        self.set_needed(False)

    def set_needed(self, is_needed: bool) -> None:
        """Show the rows only for models that count photons."""
        self._is_needed = is_needed
        is_by_numbers = is_needed and self.currentText() == BY_NUMBERS
        show_row(self._rows, self, is_needed)
        for box in (self.baseline, self.photons_per_adu):
            show_row(self._rows, box, is_by_numbers)

    @property
    def camera(self) -> Any:
        """The value of the option `camera`."""
        if not self._is_needed or self.currentText() in ("", UNKNOWN):
            return None
        if self.currentText() == BY_NUMBERS:
            gain = 1 / self.photons_per_adu.value()
            return {"kind": "ideal", "baseline": self.baseline.value(), "gain": gain}
        return self.currentText()

    def _on_choice(self, *_: object) -> None:
        self.set_needed(self._is_needed)
        self.changed.emit()

    def _tell_change(self, *_: object) -> None:
        self.changed.emit()


def show_row(form: QFormLayout | None, widget: QWidget, is_shown: bool) -> None:
    """Show or hide an editor with its label (`setRowVisible` came with Qt 6.4)."""
    widget.setVisible(is_shown)
    label = None if form is None else form.labelForField(widget)
    if label is not None:
        label.setVisible(is_shown)


def _number(value: float, decimals: int, most: float, tooltip: str) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setDecimals(decimals)
    box.setRange(0.0, most)
    box.setValue(value)
    box.setKeyboardTracking(False)
    box.setToolTip(f"<qt>{tooltip}</qt>")
    make_calm(box)
    return box
