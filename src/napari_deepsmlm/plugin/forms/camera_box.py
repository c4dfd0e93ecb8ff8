"""The camera chooser: found by itself or not known, a preset, or two numbers of a data sheet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magicgui.widgets import ComboBox

from napari_deepsmlm.plugin.memory.known_stacks import recall, remember
from napari_deepsmlm.plugin.memory.settings import read_settings
from napari_deepsmlm.plugin.widgets.editors import Number, make_calm
from napari_deepsmlm.plugin.widgets.notes import Note
from napari_deepsmlm.plugin.widgets.parts import add_row, show_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtWidgets import QFormLayout

    from napari_deepsmlm.plugin.layers.chooser import LayerList

AUTO = "auto: file or noise"
NONE = "none: ADU = photons"
BY_NUMBERS = "baseline and gain"
MAX_ADU = 65_535.0
TOOLTIP = (
    "What turns the numbers in the file (ADU) into photons. This model needs it for photons and "
    "precision. <i>auto</i> takes it from the file, from what was entered for such stacks, or from "
    "the noise of the frames."
)


class CameraBox(ComboBox):
    """A list of cameras, and editors of baseline and photons per ADU for one that is not in it.

    Parameters
    ----------
    unknown : what is done without a camera.
    is_auto : instead of that, offer to find the camera, which is chosen first, or to have none.
    """

    def __init__(
        self, *, unknown: str = NONE, is_auto: bool = False, tooltip: str = TOOLTIP
    ) -> None:
        self._unknown = AUTO if is_auto else unknown
        self._is_auto = is_auto
        self._presets: Sequence[str] = ()
        self._rows: QFormLayout | None = None
        self._is_needed = True
        self._layers: LayerList | None = None
        self.note = Note()
        self.baseline = _number("Baseline (ADU)", 100.0, 0.0, "Offset that the camera adds, ADU.")
        self.photons_per_adu = _number(
            "Photons per ADU", 1.0, 0.0001, "Electrons per ADU / (EM gain × quantum efficiency)."
        )
        super().__init__(choices=self._offered, label="Camera", tooltip=f"<qt>{tooltip}</qt>")
        make_calm(self.native)
        self.changed.connect(self._on_choice)
        for box in (self.baseline, self.photons_per_adu):
            box.changed.connect(self._tell_change)
            box.native.editingFinished.connect(self._keep)
        self.native.activated.connect(self._keep)

    def follow(self, layers: LayerList) -> None:
        """Offer the camera that was entered for stacks like the chosen one, and keep what is."""
        self._layers = layers
        layers.changed.connect(self._recall)

    def add_to(self, form: QFormLayout, presets: Sequence[str]) -> None:
        """Offer the presets, and append the rows."""
        self._presets, self._rows = presets, form
        for row in (self, self.baseline, self.photons_per_adu):
            add_row(form, row)
        form.addRow(self.note)
        self.reset_choices()
        self._recall()
        self.set_needed(False)

    def _offered(self, _: object) -> list[str]:
        if self._rows is None:
            return []
        nothing = [NONE] if self._is_auto else []
        return [self._unknown, BY_NUMBERS, *self._presets, *nothing]

    def set_needed(self, is_needed: bool) -> None:
        """Show the rows only for models that count photons."""
        self._is_needed = is_needed
        is_by_numbers = is_needed and self.value == BY_NUMBERS
        show_row(self._rows, self.native, is_needed)
        for box in (self.baseline, self.photons_per_adu):
            show_row(self._rows, box.native, is_by_numbers)
        self.note.setVisible(is_needed and bool(self.note.text()))

    @property
    def camera(self) -> Any:
        """The value of the option `camera`."""
        chosen = self._chosen() if self._is_needed else None
        if chosen is None and self._is_auto:
            return "none" if self._is_needed and self.value == NONE else "auto"
        return chosen

    def _chosen(self) -> str | dict[str, Any] | None:
        """Return what was entered, which is worth being remembered."""
        if self.value in (None, self._unknown, NONE):
            return None
        if self.value == BY_NUMBERS:
            gain = 1 / self.photons_per_adu.value
            return {"kind": "ideal", "baseline": self.baseline.value, "gain": gain}
        return str(self.value)

    def _recall(self) -> None:
        """Choose what was entered for such stacks, else the camera of the preferences."""
        stack = None if self._layers is None else self._layers.layer
        if stack is None or not len(self):
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
            self.baseline.value = float(camera.get("baseline", 100.0))
            self.photons_per_adu.value = 1 / max(float(camera.get("gain", 1.0)), 1e-4)
            self.value = BY_NUMBERS
            return True
        is_there = camera in self.choices
        self.value = camera if is_there else self._unknown
        return is_there

    def _keep(self, *_: object) -> None:
        """Remember what the user chose for stacks like the chosen one."""
        stack = None if self._layers is None else self._layers.layer
        if stack is not None:
            self.note.clear()
            remember(stack, camera=self._chosen())

    def _on_choice(self, *_: object) -> None:
        self.set_needed(self._is_needed)

    def _tell_change(self, *_: object) -> None:
        self.changed.emit(self.value)


def _number(label: str, value: float, least: float, tooltip: str) -> Number:
    tooltip = f"<qt>{tooltip}</qt>"
    return Number(limits=(least, MAX_ADU), value=value, label=label, tooltip=tooltip)
