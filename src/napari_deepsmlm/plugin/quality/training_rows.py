"""Training rows: the model whose training frames are held against, and how it gets them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QFileDialog, QFormLayout, QWidget

from napari_deepsmlm.plugin.forms.camera_box import CameraBox
from napari_deepsmlm.plugin.forms.model_box import LOAD_FILE
from napari_deepsmlm.plugin.forms.rows import Fields
from napari_deepsmlm.plugin.layers.world import provenance
from napari_deepsmlm.plugin.library.choices import ModelChoice
from napari_deepsmlm.plugin.widgets.editors import make_calm
from napari_deepsmlm.plugin.widgets.long_names import LongNamesBox
from napari_deepsmlm.plugin.widgets.notes import Note
from napari_deepsmlm.plugin.widgets.parts import wide_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Layer

    from napari_deepsmlm.mismatch import InputSettings
    from napari_deepsmlm.plugin.layers.chooser import LayerBox

OF_RESULT, NO_MODEL = "that of the result", "none"
NOT_KNOWN = "not known: from the noise"


class TrainingRows(QObject):
    """The model of the result, or another one with its camera and the frames summed.

    Parameters
    ----------
    result_boxes : choose the result, whose layer knows how it was made.
    frames_box : chooses the camera frames.
    """

    changed = Signal()
    failed = Signal(str)
    """One sentence about a file that is no model."""

    def __init__(
        self, result_boxes: Sequence[LayerBox], frames_box: LayerBox, parent: QWidget
    ) -> None:
        super().__init__(parent)
        self._result_boxes, self._frames_box = result_boxes, frames_box
        self._models: list[ModelChoice] = []
        self._chosen = 0
        self._fields: Fields | None = None
        self.box, self.note = LongNamesBox(), Note()  # its last entry opens a file
        make_calm(self.box)
        self.box.setToolTip(
            "<qt>The model whose training the camera frames are held against: pixel size, PSF "
            "width, background, photons, density, signal to noise.</qt>"
        )
        self.box.activated.connect(self._on_activated)
        self.camera_box = CameraBox(
            unknown=NOT_KNOWN,
            tooltip="What turns the numbers in the file (ADU) into photons. Without it the noise "
            "of the frames tells, as far as it can.",
        )
        for each in (*result_boxes, frames_box):
            each.changed.connect(self.refresh)

    def add_to(
        self, rows: QFormLayout, models: Sequence[ModelChoice], cameras: Sequence[str]
    ) -> None:
        """Offer the models, and append the rows."""
        from napari_deepsmlm.mismatch import InputSettings

        self._models = list(models)
        self._list_models()
        rows.addRow(wide_row("Model", self.box))
        rows.addRow(self.note)
        self.camera_box.follow(self._frames_box)
        self.camera_box.add_to(rows, cameras)
        self._fields = Fields(InputSettings, ["sum_frames"], rows, self.box)
        self.refresh()

    def choose(self, key: str) -> None:
        """Take the model of the result, none, or a model by its name or path."""
        keys = [OF_RESULT, NO_MODEL, *(choice.key for choice in self._models)]
        self._chosen = keys.index(key)
        self.box.setCurrentIndex(self._chosen)
        self.refresh()

    def load_file(self, path: Path) -> None:
        """Offer and choose a model file; `failed` says if it is none."""
        try:
            choice = ModelChoice.from_file(path)
        except (ValueError, OSError) as error:
            self.failed.emit(str(error))
            return
        if choice not in self._models:
            self._models.append(choice)
        self._list_models()
        self.choose(choice.key)

    def settings(self) -> InputSettings | None:
        """Return the chosen model, with what it gets; None if there is none.

        Raises
        ------
        ValueError
            One sentence about what is out of range.
        """
        if self._fields is None or self.box.currentText() == NO_MODEL:
            return None  # before the panel is filled nothing may import torch here

        from napari_deepsmlm.mismatch import InputSettings

        if self._is_of_result:
            return self._of_result()
        key = self._models[self._chosen - 2].key
        values = {**self._fields.values(), "model": key, "camera": self.camera_box.camera}
        return InputSettings.from_dict(values, source="Training")

    def refresh(self, *_: object) -> None:
        """Say what is taken from the result, or let the user choose."""
        if self._fields is None:
            return
        is_chosen = not self._is_of_result and self.box.currentText() != NO_MODEL
        self.camera_box.set_needed(is_chosen)
        self._fields.show(is_chosen)
        self.note.clear()
        if self._is_of_result:
            self._tell(self._of_result())
        self.changed.emit()

    @property
    def _is_of_result(self) -> bool:
        return self._chosen == 0

    def _of_result(self) -> InputSettings | None:
        from napari_deepsmlm.mismatch import settings_of

        layers: list[Layer | None] = [box.layer for box in self._result_boxes]
        known = (settings_of(provenance(layer)) for layer in layers if layer is not None)
        return next((settings for settings in known if settings is not None), None)

    def _tell(self, found: InputSettings | None) -> None:
        if found is not None:
            camera = "camera not stated" if found.camera is None else "its camera"
            summed = f", {found.sum_frames} frames summed" if found.sum_frames > 1 else ""
            self.note.tell(f"{_short(found.model)}, {camera}{summed}.")
        elif any(box.value is not None for box in self._result_boxes):
            self.note.tell("The result does not say which model made it: choose one.")

    def _list_models(self) -> None:
        self.box.clear()
        self.box.addItems([OF_RESULT, NO_MODEL, *(choice.title for choice in self._models)])
        self.box.insertSeparator(self.box.count())
        self.box.addItem(LOAD_FILE)
        self.box.setCurrentIndex(self._chosen)

    def _on_activated(self, index: int) -> None:
        if index != self.box.count() - 1:
            self._chosen = index
            self.refresh()
            return
        self.box.setCurrentIndex(self._chosen)  # until a file was read, nothing is chosen
        path, _ = QFileDialog.getOpenFileName(
            self.box, "Load model file", filter="Models (*.safetensors)"
        )
        if path:
            self.load_file(Path(path))


def _short(model: str) -> Any:
    """Return the name of a model, of a file without its folder."""
    return Path(model).name if model.endswith(".safetensors") else model
