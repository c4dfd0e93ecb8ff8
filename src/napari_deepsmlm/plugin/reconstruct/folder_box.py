"""Folder box: all stacks of a folder by the choices of the form, in the background."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QProgressBar, QVBoxLayout, QWidget

from napari_deepsmlm._words import counted
from napari_deepsmlm.plugin.reconstruct.folder_table import FolderTable
from napari_deepsmlm.plugin.widgets.editors import PathEdit, parts_of
from napari_deepsmlm.plugin.widgets.notes import Note
from napari_deepsmlm.plugin.widgets.parts import button, let_shrink

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator

    from napari_deepsmlm.batch import BatchFinished, Recipe
    from napari_deepsmlm.batch.stacks import Found
    from napari_deepsmlm.plugin.jobs import Events

BAR_STEPS = 1000
MAX_NAMED = 3


def look_into(folder: Path, stopping: threading.Event) -> Generator[Found, None, None]:
    """Yield the stacks in a folder."""
    from napari_deepsmlm.batch import StackFinder

    yield StackFinder([str(folder)]).find()


def results_of(folder: Path) -> Path:
    """Return where the results of a folder go if nothing else is said."""
    return folder.with_name(f"{folder.name}_results")


def batch_live(
    recipe: Recipe, out: Path, stopping: threading.Event
) -> Generator[object, None, None]:
    """Yield the events of a `BatchJob`; nothing of the results stays in memory."""
    from napari_deepsmlm.batch import BatchJob

    yield from BatchJob(recipe, out, stopping=stopping).run()


class FolderBox(QWidget):
    """The folder, where its results go, its stacks, and how far they are; hidden until asked for.

    Parameters
    ----------
    bar : of the panel.
    """

    told = Signal(str)
    """What is under way."""
    closed = Signal()

    def __init__(self, bar: QProgressBar) -> None:
        super().__init__()
        self._bar = bar
        self.folder: Path | None = None
        self.n_stacks = 0
        self.finished: BatchFinished | None = None
        self.note = Note()
        self.table = FolderTable()
        self.out_edit = PathEdit(
            mode="d", hint="Where the results go: a folder for each stack, and summary.csv.",
            label="Results in",
        )  # fmt: skip
        for part in parts_of(self.out_edit):
            part.native.setAccessibleName(self.out_edit.label)
        self.run_button = button(
            "Run folder",
            "Reconstruct every stack by the choices above, each into a folder of its own. What is "
            "done and unchanged is skipped.",
        )
        self.close_button = button("Close", "Go back to single stacks; results stay on the disk.")
        self.close_button.clicked.connect(self._close)
        self._lay_out()
        self.hide()

    @property
    def out(self) -> Path:
        """Where the results go: beside the folder if nothing is entered."""
        text = str(self.out_edit.line_edit.value).strip()
        if not text and self.folder is not None:
            return results_of(self.folder)
        return Path(text)

    @property
    def can_run(self) -> bool:
        """Whether there is something to do."""
        return self.folder is not None and self.n_stacks > 0

    def choose(self) -> Path | None:
        """Return the folder that the user chooses, None if they change their mind."""
        start = "" if self.folder is None else str(self.folder)
        chosen = QFileDialog.getExistingDirectory(self, "Folder of stacks", start)
        return Path(chosen) if chosen else None

    def open_folder(self, folder: Path) -> Events:
        """Show a folder, and return the work that looks for its stacks."""
        self.folder, self.n_stacks, self.finished = folder, 0, None
        self.out_edit.value = results_of(folder)
        self.table.show_found(())
        self.note.tell(f"Looking for stacks in {folder}…")
        self.show()
        return partial(look_into, folder)

    def show_found(self, found: Found) -> None:
        """Say what is there."""
        self.n_stacks = len(found.stacks)
        self.table.show_found([stack.path for stack in found.stacks])
        left_out = ""
        if found.left_out:
            names = ", ".join(path.name for path in found.left_out[:MAX_NAMED])
            more = " …" if len(found.left_out) > MAX_NAMED else ""
            left_out = f" Left out, as they hold no movie: {names}{more}."
        if self.n_stacks:
            self.note.tell(f"{counted(self.n_stacks, 'stack')} in {self.folder}.{left_out}")
        else:
            self.note.warn(f"No stack of 10 or more frames in {self.folder}.{left_out}")

    def begin(self, recipe: Recipe) -> Events:
        """Get ready, and return the work."""
        self.finished = None
        self._bar.setRange(0, BAR_STEPS)
        self._bar.setValue(0)
        self._bar.setFormat("%p %")
        self._bar.show()
        self.told.emit("Opening the stacks and the model…")
        return partial(batch_live, recipe, self.out)

    def show_event(self, event: object) -> None:
        """Show an event of the work."""
        from napari_deepsmlm.batch import (
            BatchFinished,
            Listed,
            StackBegan,
            StackEnded,
            StackProgress,
        )

        match event:
            case Listed():
                self.table.show_found(event.files)
            case StackBegan():
                self.table.mark(event.file, "running")
            case StackProgress():
                self._bar.setValue(round(BAR_STEPS * event.share))
                doing = f"{event.doing.what} {event.doing.remark}".strip()
                self.told.emit(
                    f"Stack {event.number} of {event.n_stacks}, {event.file.name}: {doing}"
                )
            case StackEnded():
                self.table.show_rows(event.rows)
            case BatchFinished():
                self.finished = event
                self.table.show_rows(event.rows)
                self.told.emit(f"{event.sentence} {event.summary}")

    def set_busy(self, is_busy: bool, *, can_run: bool) -> None:
        """Let those parts be used that make sense now."""
        self.run_button.setEnabled(can_run and self.can_run)
        self.close_button.setEnabled(not is_busy)
        self.out_edit.enabled = not is_busy

    def _close(self) -> None:
        self.folder = None
        self.hide()
        self.closed.emit()

    def _lay_out(self) -> None:
        out = QHBoxLayout()
        out.addWidget(QLabel("Results in"))
        out.addWidget(self.out_edit.native, 1)
        row = QHBoxLayout()
        for each in (self.run_button, self.close_button):
            let_shrink(each)
            row.addWidget(each)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.note)
        column.addLayout(out)
        column.addLayout(row)
        column.addWidget(self.table)
