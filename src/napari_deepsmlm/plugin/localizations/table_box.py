"""The table chooser: the layers that keep localizations, and files opened here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QWidget

from napari_deepsmlm.plugin.editors import make_calm
from napari_deepsmlm.plugin.layer_tables import origin_of, table_of
from napari_deepsmlm.plugin.layers import provenance

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.viewer import Viewer

    from napari_deepsmlm.localizations import Localizations

NOTHING_HERE = (
    "No layer has localizations. Open a table, drop one on the window, or reconstruct a stack."
)
RENDERING = "is_rendering"
"""Marks an image that follows another layer's table, in its provenance."""


class TableBox(QComboBox):
    """A list of layers with a table that follows the viewer.

    Parameters
    ----------
    viewer : whose layers are offered.
    """

    changed = Signal()
    """Another layer, or none, is chosen."""

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        make_calm(self)
        self.setToolTip("<qt>The layer whose localizations are filtered and drawn.</qt>")
        self._viewer = viewer
        self._layers: list[Layer] = []
        self._before: Layer | None = None
        self.activated.connect(self._on_choice)
        events = viewer.layers.events
        events.inserted.connect(self._on_inserted)
        events.removed.connect(self._list_layers)
        events.renamed.connect(self._list_layers)
        self._list_layers()

    @property
    def layer(self) -> Layer | None:
        """The chosen layer, None if there is none."""
        index = self.currentIndex()
        return self._layers[index] if 0 <= index < len(self._layers) else None

    def table(self) -> tuple[Localizations, tuple[float, float]] | None:
        """Return the table of the chosen layer, and (y, x) nm in the world of its origin."""
        layer = self.layer
        found = None if layer is None else table_of(layer)
        return None if layer is None or found is None else (found, origin_of(layer))

    def choose(self, layer: Layer | None) -> None:
        """Choose a layer."""
        if layer in self._layers:
            self.setCurrentIndex(self._layers.index(layer))
        self._on_choice()

    def refresh(self) -> None:
        """Look for layers that have got a table since, as the result of a run at its end."""
        self._list_layers()

    def showPopup(self) -> None:
        """Offer what there is now."""
        self.refresh()
        super().showPopup()

    def disconnect_viewer(self) -> None:
        """Follow the viewer no more."""
        events = self._viewer.layers.events
        events.inserted.disconnect(self._on_inserted)
        events.removed.disconnect(self._list_layers)
        events.renamed.disconnect(self._list_layers)

    def _on_inserted(self, event: Any) -> None:
        before = self.layer
        self._list_layers()
        if before is None or event.value.source.path is not None:  # a table that was just opened
            self.choose(event.value if event.value in self._layers else self.layer)

    def _list_layers(self, event: Any = None) -> None:
        kept = self.layer
        self._layers = [layer for layer in reversed(self._viewer.layers) if _has_table(layer)]
        self.clear()
        self.addItems([layer.name for layer in self._layers])
        if kept in self._layers:
            self.setCurrentIndex(self._layers.index(kept))
        if self.layer != self._before:
            self._on_choice()

    def _on_choice(self, *_: object) -> None:
        if self.layer != self._before:
            self._before = self.layer
            self.changed.emit()


def _has_table(layer: Layer) -> bool:
    """Whether a layer has localizations, and is no image that this panel drew of them."""
    try:
        return not provenance(layer).get(RENDERING) and table_of(layer) is not None
    except ValueError:  # features that somebody else gave the same names
        return False
