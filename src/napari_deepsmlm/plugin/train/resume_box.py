"""The offer to go on with a run that did not come to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QMessageBox, QVBoxLayout, QWidget

from napari_deepsmlm.plugin.widgets.notes import Note
from napari_deepsmlm.plugin.widgets.parts import button
from napari_deepsmlm.runs import discard
from napari_deepsmlm.training.record import BEST, RunRecord

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class ResumeBox(QWidget):
    """Says which run stopped where, the newest first, and asks what to do; hidden if there is none.

    Nothing is lost by not answering: the run is offered again.
    """

    chosen = Signal(object)
    """Folder of the run to go on with."""
    failed = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._runs: dict[Path, RunRecord] = {}
        self.note = Note()
        self.resume_button = button("Resume", "Go on from its last autosave, with its settings.")
        self.discard_button = button("Discard…", "Do not offer this run any more.")
        self.resume_button.clicked.connect(self._on_resume)
        self.discard_button.clicked.connect(self._on_discard)
        row = QHBoxLayout()
        row.addWidget(self.resume_button)
        row.addWidget(self.discard_button)
        column = QVBoxLayout(self)
        column.addWidget(self.note)
        column.addLayout(row)
        self.hide()

    @property
    def folder(self) -> Path | None:
        """The run that is offered, None if there is none."""
        return next(iter(self._runs), None)

    def offer(self, runs: Mapping[Path, RunRecord]) -> None:
        """Ask about these runs, one after the other."""
        self._runs = dict(runs)
        self._ask()

    def _ask(self) -> None:
        folder = self.folder
        self.setVisible(folder is not None)
        if folder is not None:
            self.note.tell(self._runs[folder].sentence())
            self.setToolTip(f"<qt>{folder}</qt>")

    def _on_resume(self) -> None:
        folder = self.folder
        if folder is not None:
            del self._runs[folder]
            self._ask()
            self.chosen.emit(folder)

    def _on_discard(self) -> None:
        folder = self.folder
        if folder is None or not self._is_sure(folder):
            return
        self._runs.pop(folder, None)  # gone already, if it was asked about anew meanwhile
        try:
            discard(folder)
        except OSError as error:
            self.failed.emit(f"{folder} could not be removed: {error}.")
        self._ask()

    def _is_sure(self, folder: Path) -> bool:
        kept = "Its best model stays." if (folder / BEST).exists() else "It has no model yet."
        buttons = QMessageBox.StandardButton
        question = f"The run in {folder} cannot go on any more then. {kept}"
        answer = QMessageBox.question(
            self, "Discard this run?", question, buttons.Discard | buttons.Cancel, buttons.Cancel
        )
        return bool(answer == buttons.Discard)
