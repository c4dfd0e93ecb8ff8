"""The camera chooser: found by itself or not known, a preset, or two numbers of a data sheet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QDoubleSpinBox, QFormLayout, QWidget

from napari_deepsmlm.plugin.memory.known_stacks import recall, remember
from napari_deepsmlm.plugin.memory.settings import read_settings
from napari_deepsmlm.plugin.widgets.editors import make_calm
from napari_deepsmlm.plugin.widgets.notes import Note
from napari_deepsmlm.plugin.widgets.parts import show_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_deepsmlm.plugin.layers.chooser import LayerList

UNKNOWN = "not known: ADU as photons"
AUTO = "auto: file or noise"
NONE = "none: ADU are photons"
BY_NUMBERS = "baseline and gain below"


class CameraBox(QComboBox):
    """A list of cameras, and editors of baseline and photons per ADU for one that is not in it.

    Parameters
    ----------
    unknown : what is done without a camera.
    is_auto : instead of that, offer to find the camera, which is chosen first, or to have none.
    """

    changed = Signal()

    def __init__(
        self, parent: QWidget | None = None, *, unknown: str = UNKNOWN, is_auto: bool = False
    ) -> None:
        super().__init__(parent)
        make_calm(self)
        self._unknown = AUTO if is_auto else unknown
        self._is_auto = is_auto
        self.note = Note()
        self.setToolTip(
            "<qt>What turns the numbers in the file (ADU) into photons. This model needs it for "
            "photons and precision. <i>auto</i> takes it from the file, from what was entered for "
            "such stacks, or from the noise of the frames.</qt>"
        )
        self.baseline = _number(100.0, 1, 65_535.0, "Offset that the camera adds, ADU.")
        self.photons_per_adu = _number(
            1.0, 4, 10_000.0, "Electrons per ADU / (EM gain × quantum efficiency)."
        )
        self.photons_per_adu.setMinimum(0.0001)
        self.currentIndexChanged.connect(self._on_choice)
        for box in (self.baseline, self.photons_per_adu):
            box.valueChanged.connect(self._tell_change)
            box.editingFinished.connect(self._keep)
        self.activated.connect(self._keep)
        self._rows: QFormLayout | None = None
        self._is_needed = True
        self._layers: LayerList | None = None

    def follow(self, layers: LayerList) -> None:
        """Offer the camera that was entered for stacks like the chosen one, and keep what is."""
        self._layers = layers
        layers.changed.connect(self._recall)

    def add_to(self, form: QFormLayout, presets: Sequence[str]) -> None:
        """Offer the presets, and append the rows."""
        nothing = [NONE] if self._is_auto else []
        self.addItems([self._unknown, BY_NUMBERS, *presets, *nothing])
        self._rows = form
        form.addRow("Camera", self)
        form.addRow("Baseline (ADU)", self.baseline)
        form.addRow("Photons per ADU", self.photons_per_adu)
        form.addRow(self.note)
        self._recall()
        self.set_needed(False)

    def set_needed(self, is_needed: bool) -> None:
        """Show the rows only for models that count photons."""
        self._is_needed = is_needed
        is_by_numbers = is_needed and self.currentText() == BY_NUMBERS
        show_row(self._rows, self, is_needed)
        for box in (self.baseline, self.photons_per_adu):
            show_row(self._rows, box, is_by_numbers)
        self.note.setVisible(is_needed and bool(self.note.text()))

    @property
    def camera(self) -> Any:
        """The value of the option `camera`."""
        chosen = self._chosen() if self._is_needed else None
        if chosen is None and self._is_auto:
            return "none" if self._is_needed and self.currentText() == NONE else "auto"
        return chosen

    def _chosen(self) -> str | dict[str, Any] | None:
        """Return what was entered, which is worth being remembered."""
        if self.currentText() in ("", self._unknown, NONE):
            return None
        if self.currentText() == BY_NUMBERS:
            gain = 1 / self.photons_per_adu.value()
            return {"kind": "ideal", "baseline": self.baseline.value(), "gain": gain}
        return self.currentText()

    def _recall(self) -> None:
        """Choose what was entered for such stacks, else the camera of the preferences."""
        stack = None if self._layers is None else self._layers.layer
        if stack is None or self.count() == 0:
            return
        kept = recall(stack)
        if kept is None or kept.camera is None:
            self._choose(read_settings().default_camera)
        elif self._choose(kept.camera):
            self.note.tell(f"Camera as {kept.origin}.")
            self.note.setVisible(self._is_needed)

    def _choose(self, camera: str | dict[str, Any]) -> bool:
        """Take a preset or numbers; False if there is no such preset any more."""
        self.note.clear()
        if isinstance(camera, dict):
            self.baseline.setValue(float(camera.get("baseline", 100.0)))
            self.photons_per_adu.setValue(1 / max(float(camera.get("gain", 1.0)), 1e-4))
            self.setCurrentText(BY_NUMBERS)
            return True
        is_there = bool(camera) and self.findText(camera) >= 0
        self.setCurrentText(camera if is_there else self._unknown)
        return is_there

    def _keep(self, *_: object) -> None:
        """Remember what the user chose for stacks like the chosen one."""
        stack = None if self._layers is None else self._layers.layer
        if stack is not None:
            self.note.clear()
            remember(stack, camera=self._chosen())

    def _on_choice(self, *_: object) -> None:
        self.set_needed(self._is_needed)
        self.changed.emit()

    def _tell_change(self, *_: object) -> None:
        self.changed.emit()


def _number(value: float, decimals: int, most: float, tooltip: str) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setDecimals(decimals)
    box.setRange(0.0, most)
    box.setValue(value)
    box.setKeyboardTracking(False)
    box.setToolTip(f"<qt>{tooltip}</qt>")
    make_calm(box)
    return box
