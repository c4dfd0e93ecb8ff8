"""The model chooser: built-in models, files of the user's, and which one suits the data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_deepsmlm._words import counted
from napari_deepsmlm.plugin.library.choices import ModelChoice, nearest
from napari_deepsmlm.plugin.widgets.editors import make_calm
from napari_deepsmlm.plugin.widgets.long_names import LongNamesBox
from napari_deepsmlm.plugin.widgets.notes import Note

if TYPE_CHECKING:
    from collections.abc import Sequence

LOAD_FILE = "Load model file…"
LOOKING = "Looking at the frames for the model that suits them; until then this one."


class ModelBox(LongNamesBox):
    """A list of models, and a `note` that says why one is chosen, or that none fits."""

    changed = Signal()
    failed = Signal(str)
    """One sentence about a file that is no model."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        make_calm(self)
        self.note = Note()
        self._choices: list[ModelChoice] = []
        self._chosen = -1
        self._tolerance = 1.15
        self._pixel_size_nm: float | None = None
        self._n_planes = 1
        self._is_users_choice = False
        self._suiting: ModelChoice | None = None
        self._reason = ""
        self._is_looking = False
        self.activated.connect(self._on_activated)

    @property
    def choice(self) -> ModelChoice | None:
        """The chosen model, None while there is none."""
        return self._choices[self._chosen] if self._choices else None

    @property
    def is_readable(self) -> bool:
        """Whether the chosen model reads frames of as many planes."""
        choice = self.choice
        return choice is not None and choice.n_planes == self._n_planes

    @property
    def choices(self) -> tuple[ModelChoice, ...]:
        """All models that are offered."""
        return tuple(self._choices)

    def set_models(self, choices: Sequence[ModelChoice], tolerance: float) -> None:
        """Offer these; `tolerance` is the misfit that still works."""
        self._tolerance = tolerance
        self._choices = list(choices)
        self._chosen = 0
        self._list_choices()
        self._suggest()

    def set_data(self, pixel_size_nm: float | None, n_planes: int = 1) -> None:
        """Choose what suits the data, unless the user chose."""
        self._pixel_size_nm = pixel_size_nm
        self._n_planes = n_planes
        self._suggest()

    @property
    def wanted_network(self) -> str | None:
        """The network of which the frames may suggest another model, None if there is none."""
        choice = self.choice
        if choice is None or self._is_users_choice:
            return None
        same = [each for each in self._choices if each.network == choice.network]
        built_in = [each for each in same if not each.is_adapted and not each.is_own]
        is_there = len(built_in) > 1 and any(each.is_for_any_pixel for each in built_in)
        is_there |= any(each.is_adapted for each in same)
        return choice.network if is_there else None

    def set_suiting(self, key: str | None, reason: str = "", *, is_looking: bool = False) -> None:
        """Choose the model that the frames suggest, unless the user chose; None: no more.

        `is_looking` says that the frames are still looked at, and so nothing is suggested yet.
        """
        self._is_looking = is_looking
        self._suiting = next((each for each in self._choices if each.key == key), None)
        self._reason = reason
        self._suggest()

    def load_file(self, path: str | Path) -> None:
        """Offer and choose a model file; `failed` says if it is none."""
        try:
            choice = ModelChoice.from_file(Path(path))
        except (ValueError, OSError) as error:
            self.failed.emit(str(error))
            return
        self.add(choice)
        self.choose(choice)

    def add(self, choice: ModelChoice) -> None:
        """Offer one more."""
        if choice not in self._choices:
            self._choices.append(choice)
        self._list_choices()

    def choose(self, choice: ModelChoice) -> None:
        """Take one of the models; it stays chosen whatever the data."""
        self._is_users_choice = True
        self._take(choice)

    def _list_choices(self) -> None:
        self.clear()
        for choice in self._choices:
            self.addItem(choice.title)
            self.setItemData(self.count() - 1, choice.key, Qt.ItemDataRole.ToolTipRole)
        if self._choices:
            self.insertSeparator(self.count())
        else:
            self.addItem("none")
        self.addItem(LOAD_FILE)
        self.setCurrentIndex(max(0, self._chosen))

    def _on_activated(self, index: int) -> None:
        self.setCurrentIndex(max(0, self._chosen))  # until a file was read, nothing is chosen
        if index == self.count() - 1:
            path, _ = QFileDialog.getOpenFileName(
                self, "Load model file", filter="Models (*.safetensors)"
            )
            if path:
                self.load_file(path)
        elif index < len(self._choices):
            self.choose(self._choices[index])

    def _take(self, choice: ModelChoice) -> None:
        self._chosen = self._choices.index(choice)
        self.setCurrentIndex(self._chosen)
        self._explain()

    def _suggest(self) -> None:
        if self._choices and self._pixel_size_nm is not None and not self._is_users_choice:
            plain = nearest(self._choices, self._pixel_size_nm, self._n_planes)
            suiting = self._suiting or plain
            self._take(plain if plain.is_own and not suiting.is_adapted else suiting)
        else:
            self._explain()

    def _explain(self) -> None:
        choice, pixel_nm = self.choice, self._pixel_size_nm
        name = "" if choice is None else f"<br>{choice.key}"
        self.setToolTip(f"<qt>The trained network. Its pixels must be the data's.{name}</qt>")
        if choice is None:
            self.note.warn("There is no built-in model here: load a model file.")
        elif choice.n_planes != self._n_planes:
            self.note.warn(
                f"This model reads frames of {counted(choice.n_planes, 'focal plane')}, the data "
                f"has {self._n_planes}: choose another one, or a channel."
            )
        elif self._is_looking and not self._is_users_choice:
            self.note.tell(LOOKING)
        elif choice == self._suiting and not self._is_users_choice:
            self.note.tell(f"Suggested: {self._reason}.")
        elif not choice.is_trained:
            self.note.tell("No network: fits each spot by itself, of sparse molecules in focus.")
        elif pixel_nm is None:
            made_for = "any" if choice.is_for_any_pixel else f"{choice.pixel_size_nm:g} nm"
            self.note.tell(f"For {made_for} pixels. Give the pixel size first.")
        elif choice.misfit(pixel_nm) > self._tolerance:
            is_best = choice == nearest(self._choices, pixel_nm, self._n_planes)
            which = "No model fits: the nearest" if is_best else "This model"
            self.note.warn(
                f"{which} was trained for {choice.pixel_size_nm:g} nm pixels, the data has "
                f"{pixel_nm:g} nm. Expect missed and false molecules; adapt it, train one for "
                "your data, or fit single molecules."
            )
        else:
            suggested = "Suggested" if choice.is_for_any_pixel else "Nearest to the data"
            why = "Chosen by you" if self._is_users_choice else suggested
            gives = f", {choice.upsampling}× finer" if choice.upsampling else ""
            made_for = (
                f"made for any pixel size{gives}"
                if choice.is_for_any_pixel
                else f"trained for {choice.pixel_size_nm:g} nm pixels, data {pixel_nm:g} nm{gives}"
            )
            self.note.tell(f"{why}: {made_for}.")
        self.changed.emit()
