"""Where simulated molecules sit: a structure by its numbers, or the one that was loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from qtpy.QtCore import QSignalBlocker, Signal

from napari_deepsmlm.plugin.forms.rows import Fields, FoldedForm, editable
from napari_deepsmlm.plugin.widgets.editors import make_calm
from napari_deepsmlm.plugin.widgets.long_names import LongNamesBox
from napari_deepsmlm.plugin.widgets.parts import wide_row

if TYPE_CHECKING:
    from qtpy.QtWidgets import QFormLayout, QWidget

    from napari_deepsmlm.simulation.structures import Structure

NAMES = {
    "uniform": "anywhere",
    "filaments": "bundles of filaments",
    "microtubules": "microtubules in 3-D",
    "lines": "parallel lines",
    "siemens_star": "Siemens star",
    "rings": "rings",
    "nuclear_pores": "nuclear pores",
}
AS_LOADED = "as loaded"


class StructureForm(LongNamesBox):
    """A list of structures; the numbers of the chosen one are folded away in :attr:`more`.

    Parameters
    ----------
    rows : the form that gets the list.
    """

    changed = Signal()

    def __init__(self, rows: QFormLayout, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        make_calm(self)
        self.setToolTip("<qt>Where the molecules sit.</qt>")
        rows.addRow(wide_row("Structure", self, label_share=24))
        self.more = FoldedForm("More about the structure", "Its sizes, distances and depths.")
        self._known = _known_structures()
        self._loaded: Structure | None = None
        self.fields: Fields | None = None
        for kind in self._known:
            self.addItem(NAMES[kind], kind)
        self.currentIndexChanged.connect(self._on_choice)
        self._on_choice()

    @property
    def structure(self) -> Structure:
        """The chosen one.

        Raises
        ------
        ValueError
            If a number is out of range.
        """
        kind, loaded = self.currentData(), self._loaded
        if self.fields is None:
            assert loaded is not None  # noqa: S101 - only what was loaded has no editors
            return loaded
        kept = dict(loaded) if loaded is not None and loaded.kind == kind else {}
        values = {**kept, **self.fields.values()}
        structure: Structure = self._known[kind].from_dict(values, source="Structure")
        return structure

    def set_structure(self, structure: Structure) -> None:
        """Choose a structure; one that has no editors is kept as it is."""
        self._loaded = structure
        with QSignalBlocker(self):
            self.removeItem(self.findData(AS_LOADED))
            if structure.kind not in self._known:
                self.insertItem(0, f"{AS_LOADED}: {_in_words(structure)}", AS_LOADED)
            is_known = structure.kind in self._known
            self.setCurrentIndex(self.findData(structure.kind if is_known else AS_LOADED))
        self._on_choice()

    def _on_choice(self, *_: object) -> None:
        """Ask for the numbers of the chosen structure."""
        if self.fields is not None:
            self.fields.remove()
            self.fields = None
        kind = self.currentData()
        if kind in self._known:
            made = self._known[kind]
            self.fields = Fields(made, editable(made), self.more.rows, self)
            if self._loaded is not None and self._loaded.kind == kind:
                self.fields.fill(dict(self._loaded))
            self.fields.changed.connect(self.changed)
        self.more.setVisible(self.fields is not None)
        self.changed.emit()


def _known_structures() -> dict[str, Any]:
    """Return the classes that have editors, by their kinds."""
    from napari_deepsmlm.simulation import structures

    made = {_kind_of(made): made for name in structures.__all__ if (made := vars(structures)[name])}
    return {kind: made[kind] for kind in NAMES}


def _kind_of(structure: Any) -> str:
    kind = getattr(structure, "model_fields", {}).get("kind")
    return "" if kind is None else str(get_args(kind.annotation)[0])


def _in_words(structure: Structure) -> str:
    parts = [part.kind for part in getattr(structure, "parts", ())]
    return " and ".join(parts) if parts else structure.kind
