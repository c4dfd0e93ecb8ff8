"""Recorded frames to train on, beside or instead of simulated ones; folded away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit, QWidget

from napari_deepsmlm.plugin.forms.rows import Fields, FoldedForm, editable
from napari_deepsmlm.plugin.widgets.parts import button

if TYPE_CHECKING:
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
        self.stack_line = QLineEdit()
        self.stack_line.setPlaceholderText("none: simulated only")
        self.stack_line.setToolTip(
            "<qt>Frames with well separated molecules, as the camera wrote them; a few dozen are "
            "enough. Empty: all frames are simulated.</qt>"
        )
        self.stack_line.editingFinished.connect(self.changed)
        browse = button("…", "Choose the file.")
        browse.setMaximumWidth(30)
        browse.clicked.connect(self._on_browse)
        row = QHBoxLayout()
        row.addWidget(self.stack_line, 1)
        row.addWidget(browse)
        self.rows.addRow("Sparse frames", row)

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

        stack = self.stack_line.text().strip()
        if not stack:
            return None
        kept: dict[str, Any] = {} if self._loaded is None else dict(self._loaded)
        if str(kept.get("stack")) != stack:
            kept = {}  # the range of frames was that of another file
        values = {**kept, **self.fields.values(), "stack": stack}
        return ExperimentalData.from_dict(values, source="Recorded frames")

    def show_data(self, data: ExperimentalData | None) -> None:
        """Edit this from now on."""
        self._loaded = data
        self.stack_line.setText("" if data is None else str(data.stack))
        if data is not None:
            self.fields.fill(dict(data))
            self.expand(animate=False)

    def _on_browse(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Sparse frames", filter=FILES)
        if path:
            self.stack_line.setText(path)
            self.changed.emit()
