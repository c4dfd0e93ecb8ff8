"""The table of molecules that a layer carries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Points

from napari_deepsmlm.localizations import REQUIRED_COLUMNS, Localizations

if TYPE_CHECKING:
    from napari.layers import Layer


def has_table(layer: Layer) -> bool:
    """Whether a layer carries a table of molecules: points with frame, x and y as features."""
    return isinstance(layer, Points) and set(REQUIRED_COLUMNS) <= set(layer.features.columns)


def table_in(layer: Layer) -> Localizations:
    """Return the table of such a layer, in nm."""
    return Localizations.from_dataframe(layer.features)
