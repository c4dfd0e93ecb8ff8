"""Results on disk: the files that the command line writes too, saved from the panel."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget

from napari_deepsmlm.io.result_files import RESULT_NAMES

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator

    from napari_deepsmlm.reconstruction import Reconstruction


def ask_for_folder(parent: QWidget) -> Path | None:
    """Return the folder that the user chooses, None if they change their mind."""
    chosen = QFileDialog.getExistingDirectory(parent, "Folder for the results")
    if not chosen:
        return None
    folder = Path(chosen)
    there = [name for name in RESULT_NAMES if (folder / name).exists()]
    if not there:
        return folder
    buttons = QMessageBox.StandardButton
    question = f"{', '.join(there)} in {folder} will be replaced."
    answer = QMessageBox.question(
        parent, "Replace results?", question, buttons.Ok | buttons.Cancel, buttons.Cancel
    )
    return folder if answer == buttons.Ok else None


def write_results(
    result: Reconstruction, folder: Path, stopping: threading.Event
) -> Generator[str, None, None]:
    """Write image, table and report, each whole or not at all, and yield what was done."""
    result.save(folder)
    yield f"Saved {', '.join(RESULT_NAMES)} in {folder}."
