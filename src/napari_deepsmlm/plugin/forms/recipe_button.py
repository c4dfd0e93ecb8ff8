"""Save as recipe: one button for all panels whose choices `deepsmlm batch` can do."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QMessageBox, QPushButton

if TYPE_CHECKING:
    from napari_deepsmlm.batch import Recipe

ENDINGS = (".yaml", ".yml")
NO_RECONSTRUCTION = (
    " It holds the steps alone: how these molecules were found is not known, so {model} finds "
    "those of STACKS."
)


class RecipeButton(QPushButton):
    """Asks where a recipe is to be written.

    Parameters
    ----------
    what : is written, in a few words.
    """

    chosen = Signal(object)
    """The path of a file."""

    def __init__(self, what: str) -> None:
        super().__init__("Save as recipe…")
        self.setToolTip(f"<qt>Write {what} as a file that <i>deepsmlm batch</i> takes.</qt>")
        self.clicked.connect(self._ask)

    def _ask(self) -> None:
        chosen, _ = QFileDialog.getSaveFileName(
            self, "Save as recipe", "recipe.yaml", "Recipes (*.yaml *.yml)"
        )
        if chosen:
            path = Path(chosen)
            if path.suffix.lower() in ENDINGS:  # the dialog has asked whether to replace it
                self.chosen.emit(path)
            elif self._may_replace(Path(f"{chosen}.yaml")):
                self.chosen.emit(Path(f"{chosen}.yaml"))

    def _may_replace(self, path: Path) -> bool:
        if not path.exists():
            return True
        buttons = QMessageBox.StandardButton
        answer = QMessageBox.question(
            self,
            "Replace recipe?",
            f"{path} will be replaced.",
            buttons.Ok | buttons.Cancel,
            buttons.Cancel,
        )
        return bool(answer == buttons.Ok)


def write_recipe(recipe: Recipe, path: Path) -> str:
    """Write a recipe; return in words what can be done with it.

    Raises
    ------
    ValueError, OSError
        One sentence, if the file cannot be written.
    """
    recipe.to_file(path)
    told = f"Saved: deepsmlm batch {shlex.quote(str(path))} STACKS --out FOLDER."
    if recipe.inputs:
        told += " Without STACKS it takes those that it names."
    if not recipe.has_reconstruction:
        told += NO_RECONSTRUCTION.format(model=recipe.reconstruct.model)
    return told
