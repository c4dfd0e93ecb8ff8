"""The camera that frames are simulated with: a preset, or one by its data sheet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal

from napari_deepsmlm.plugin.forms.rows import Fields, editable
from napari_deepsmlm.plugin.widgets.editors import make_calm
from napari_deepsmlm.plugin.widgets.long_names import LongNamesBox
from napari_deepsmlm.plugin.widgets.parts import wide_row

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qtpy.QtWidgets import QFormLayout, QWidget

    from napari_deepsmlm.camera import Camera

OWN = {
    "scmos": "sCMOS or CCD by numbers",
    "emccd": "EMCCD by numbers",
    "ideal": "shot noise only",
    "additive": "noise added to a noiseless image",
}


class CameraForm(LongNamesBox):
    """A list of cameras, and editors of all numbers of one that is not in it."""

    changed = Signal()

    def __init__(self, rows: QFormLayout, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        make_calm(self)
        self.setToolTip("<qt>What turns photons into the numbers in the file (ADU).</qt>")
        self._rows = rows
        self._presets: Mapping[str, Any] = {}
        self._fields: dict[str, Fields] = {}
        self._kept: dict[str, Any] = {}
        rows.addRow(wide_row("Camera", self, label_share=24))
        self.currentIndexChanged.connect(self._on_choice)

    def fill(self, presets: Mapping[str, Any]) -> None:
        """Offer the presets, and one of each kind by its numbers."""
        from napari_deepsmlm.camera import EMCCD, SCMOS, AdditiveNoise, IdealCamera

        self._presets = presets
        cameras: tuple[type[Camera], ...] = (SCMOS, EMCCD, IdealCamera, AdditiveNoise)
        for kind, camera in zip(OWN, cameras, strict=True):
            names = editable(camera, besides=("step_adu",))
            self._fields[kind] = Fields(camera, names, self._rows, self)
            self._fields[kind].changed.connect(self.changed)
            self._kept[kind] = camera()
        for name in presets:
            self.addItem(name, None)
        for kind, title in OWN.items():
            self.addItem(title, kind)

    @property
    def camera(self) -> Camera:
        """The chosen one.

        Raises
        ------
        ValueError
            If a number is out of range.
        """
        kind = self.currentData()
        if kind is None:
            camera: Camera = self._presets[self.currentText()]
            return camera
        kept = self._kept[kind]
        own: Camera = type(kept).from_dict(
            {**dict(kept), **self._fields[kind].values()}, source="Camera"
        )
        return own

    def set_camera(self, camera: Camera) -> None:
        """Choose a camera: the preset that it is, or its kind by its numbers."""
        same = [name for name, preset in self._presets.items() if preset == camera]
        if not same:
            self._kept[camera.kind] = camera  # its maps and steps, which have no editor
            self._fields[camera.kind].fill(dict(camera))
        self.setCurrentIndex(self.findText(same[0]) if same else self.findData(camera.kind))
        self._on_choice()

    def _on_choice(self, *_: object) -> None:
        for kind, fields in self._fields.items():
            fields.show(kind == self.currentData())
        self.changed.emit()
