"""Brake box: why a run was stopped, and the two ways on."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from napari_deepsmlm.plugin.widgets.notes import Note
from napari_deepsmlm.plugin.widgets.parts import button

WAYS_OUT = (
    "The run was stopped. Adapt the model to these data, give the camera, or choose another model."
)


class BrakeBox(QWidget):
    """Says what cannot be, and asks what to do; hidden while there is nothing to ask."""

    adapt_asked = Signal()
    force_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.note = Note()
        self.adapt_button = button(
            "Adapt", "Train the model for some minutes on simulated frames like these, then run."
        )
        self.adapt_button.clicked.connect(self.adapt_asked)
        self.force_button = button("Go on anyway", "Run, and say in the report that it is wrong.")
        self.force_button.clicked.connect(self.force_asked)
        row = QHBoxLayout()
        row.addWidget(self.adapt_button)
        row.addWidget(self.force_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.note)
        column.addLayout(row)
        self.hide()

    def ask(self, reason: str) -> None:
        """Show why the result cannot be, and the buttons."""
        self.note.fail(f"{reason} {WAYS_OUT}")
        self.show()

    def clear(self) -> None:
        """Ask nothing any more."""
        self.note.clear()
        self.hide()
