"""The table chooser: the layers that keep localizations, and files opened here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_deepsmlm.plugin.layers.chooser import LayerList
from napari_deepsmlm.plugin.layers.tables import origin_of, table_of
from napari_deepsmlm.plugin.layers.world import provenance

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.viewer import Viewer

    from napari_deepsmlm.localizations import Localizations

NOTHING_HERE = (
    "No layer has localizations. Open a table, drop one on the window, or reconstruct a stack."
)
RENDERING = "is_rendering"
"""Marks an image that follows another layer's table, in its provenance."""


class TableBox(LayerList):
    """A list of the layers with a table.

    Parameters
    ----------
    viewer : whose layers are offered.
    """

    def __init__(self, viewer: Viewer) -> None:
        tooltip = "The layer whose localizations are filtered and drawn."
        super().__init__(viewer, _has_table, tooltip)

    def table(self) -> tuple[Localizations, tuple[float, float]] | None:
        """Return the table of the chosen layer, and (y, x) nm in the world of its origin."""
        layer = self.layer
        found = None if layer is None else table_of(layer)
        return None if layer is None or found is None else (found, origin_of(layer))

    def wants(self, layer: Layer) -> bool:
        """Whether it is the first, or a table that was just opened."""
        return self.layer is None or layer.source.path is not None


def _has_table(layer: Layer) -> bool:
    """Whether a layer has localizations, and is no image that this panel drew of them."""
    try:
        return not provenance(layer).get(RENDERING) and table_of(layer) is not None
    except ValueError:  # features that somebody else gave the same names
        return False
