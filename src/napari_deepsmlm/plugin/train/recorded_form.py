"""Recorded frames to train on, beside or instead of simulated ones; folded away."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal

from napari_deepsmlm.plugin.forms.rows import Fields, FoldedForm, editable
from napari_deepsmlm.plugin.widgets.editors import PathEdit
from napari_deepsmlm.plugin.widgets.parts import add_row

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_deepsmlm.training.experimental import ExperimentalData

FILES = "Camera frames (*.tif *.tiff *.npy *.raw *.dax);;All files (*)"


class RecordedForm(FoldedForm):
    """A file of sparse frames and what is taken from it; no file: simulated frames only.

    Empty until :meth:`fill`, when torch is loaded.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(
            "Train on recorded molecules",
            "Lone molecules of your own frames are cut out, moved and summed to dense frames with "
            "known positions. It needs the camera and PSF of those frames, above.",
        )
        self.setParent(parent)
        self._loaded: ExperimentalData | None = None
        self.stack_line = PathEdit(
            filter=FILES,
            nullable=True,
            label="Sparse frames",
            placeholder="none: simulated only",
            hint="Frames with well separated molecules, as the camera wrote them; a few dozen are "
            "enough. Empty: all frames are simulated.",
        )
        self.stack_line.changed.connect(self._tell_change)
        add_row(self.rows, self.stack_line)

    def fill(self) -> None:
        """Add the editors."""
        from napari_deepsmlm.training.experimental import ExperimentalData

        names = [name for name in editable(ExperimentalData) if name != "stack"]
        self.fields = Fields(ExperimentalData, names, self.rows, self.body)
        self.fields.changed.connect(self.changed)

    @property
    def data(self) -> ExperimentalData | None:
        """What is trained on besides, None if nothing is.

        Raises
        ------
        ValueError
            If a number is out of range.
        """
        from napari_deepsmlm.training.experimental import ExperimentalData

        stack = self.stack_line.value
        if stack is None:
            return None
        kept: dict[str, Any] = {} if self._loaded is None else dict(self._loaded)
        if not kept or Path(kept["stack"]).absolute() != Path(str(stack)).absolute():
            kept = {}  # the range of frames was that of another file
        values = {**kept, **self.fields.values(), "stack": stack}
        return ExperimentalData.from_dict(values, source="Recorded frames")

    def show_data(self, data: ExperimentalData | None) -> None:
        """Edit this from now on."""
        self._loaded = data
        with self.stack_line.changed.blocked():
            self.stack_line.value = None if data is None else data.stack
        if data is not None:
            self.fields.fill(dict(data))
            self.expand(animate=False)

    def _tell_change(self, *_: object) -> None:
        self.changed.emit()
