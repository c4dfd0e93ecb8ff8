"""The shapes that choose molecules: those of a Shapes layer, followed as they are moved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_deepsmlm._words import counted
from napari_deepsmlm.filtering import outline
from napari_deepsmlm.plugin.layers.drawn_shapes import DrawnShapesBox

if TYPE_CHECKING:
    from napari.layers import Shapes
    from napari.viewer import Viewer

EVERYWHERE = "everywhere"
NAME = "molecules inside"
TENTHS = 1
"""Digits of a corner in nm: finer than any localization."""

Polygons = tuple[tuple[tuple[float, float], ...], ...]


class ShapesBox(DrawnShapesBox):
    """The layers of shapes; of several shapes those that are selected count, else all.

    Molecules inside any of them are kept.
    """

    def __init__(self, viewer: Viewer) -> None:
        super().__init__(
            viewer,
            none=EVERYWHERE,
            tooltip="Only molecules inside shapes of a Shapes layer are kept, counted, drawn and "
            "saved: inside the selected shapes, or inside any if none is selected.",
            draw_tooltip="Draw shapes around molecules in a new layer.",
        )
        self._origin = (0.0, 0.0)
        self._last: Polygons = ()

    def set_origin(self, origin_nm: tuple[float, float]) -> None:
        """Count positions from (y, x) nm in the world."""
        self._origin = origin_nm
        self.on_shapes()

    @property
    def polygons(self) -> Polygons | None:
        """The corners x, y in nm of each shape that counts; None: everywhere."""
        return None if self.layer is None else polygons_of(self.layer, self._origin)

    def draw(self) -> None:
        """Add a layer of shapes, ready for a polygon, and choose it."""
        self.add_layer(NAME, "add_polygon_lasso", units=("nm", "nm"), edge_width=20)

    def on_shapes(self, *_: object) -> None:
        """Say what counts, and tell of a change."""
        now = self.polygons
        if now is None:
            self.note.clear()
        elif now:
            self.note.tell(f"Inside {counted(len(now), 'shape')}.")
        else:
            self.note.warn("No shape with an inside yet: all molecules are kept.")
        if (now or ()) != self._last:
            self._last = now or ()
            self.changed.emit()


def polygons_of(layer: Shapes, origin_nm: tuple[float, float]) -> Polygons:
    """Return the corners x, y of the shapes that count, nm from (y, x) in the world."""
    areas = [i for i, kind in enumerate(layer.shape_type) if kind in DrawnShapesBox.areas]
    chosen = [i for i in areas if i in layer.selected_data] or areas
    found: list[Any] = []
    for i in chosen:
        world = np.array([layer.data_to_world(vertex)[-2:] for vertex in layer.data[i]])
        corners = outline(layer.shape_type[i], world - origin_nm)[:, ::-1]  # (y, x) -> (x, y)
        if len(corners) > 2:
            found.append(tuple(map(tuple, corners.round(TENTHS).tolist())))
    return tuple(found)
