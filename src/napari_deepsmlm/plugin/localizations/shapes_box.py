"""The shapes that choose molecules: those of a Shapes layer, followed as they are moved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Shapes
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QWidget

from napari_deepsmlm._words import counted
from napari_deepsmlm.filtering import outline
from napari_deepsmlm.plugin.layers.chooser import LayerBox
from napari_deepsmlm.plugin.widgets.notes import Note
from napari_deepsmlm.plugin.widgets.parts import button

if TYPE_CHECKING:
    from napari.viewer import Viewer

EVERYWHERE = "everywhere"
NAME = "molecules inside"
AREAS = ("rectangle", "ellipse", "polygon")
TENTHS = 1
"""Digits of a corner in nm: finer than any localization."""

Polygons = tuple[tuple[tuple[float, float], ...], ...]


class ShapesBox(QWidget):
    """A list of the layers of shapes, a button that makes one, and a `note` about what counts.

    Of several shapes those that are selected count, else all; molecules inside any are kept.
    """

    changed = Signal()

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._watched: Shapes | None = None
        self._origin = (0.0, 0.0)
        self._last: Polygons = ()
        self.note = Note()
        tooltip = (
            "Only molecules inside shapes of a Shapes layer are kept, counted, drawn and saved: "
            "inside the selected shapes, or inside any if none is selected."
        )
        self.list = LayerBox(viewer, lambda x: isinstance(x, Shapes), tooltip, none=EVERYWHERE)
        self.list.changed.connect(self._on_choice)
        self.draw_button = button("Draw", "Draw shapes around molecules in a new layer.")
        self.draw_button.clicked.connect(self.draw)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.list.native, 1)
        row.addWidget(self.draw_button)

    def set_origin(self, origin_nm: tuple[float, float]) -> None:
        """Count positions from (y, x) nm in the world."""
        self._origin = origin_nm
        self._on_shapes()

    @property
    def polygons(self) -> Polygons | None:
        """The corners x, y in nm of each shape that counts; None: everywhere."""
        layer = self.list.layer
        return None if layer is None else polygons_of(layer, self._origin)

    def draw(self) -> None:
        """Add a layer of shapes, ready for a polygon, and choose it."""
        layer = Shapes(
            name=NAME,
            ndim=2,
            units=("nm", "nm"),
            edge_color="yellow",
            face_color="transparent",
            edge_width=20,
        )
        self._viewer.add_layer(layer)
        self.list.choose(layer)
        layer.mode = "add_polygon_lasso"

    def abandon(self) -> None:
        """Follow the viewer no more."""
        self.list.abandon()
        self._watch(None)

    def _on_choice(self, *_: object) -> None:
        self._watch(self.list.layer)
        self._on_shapes()

    def _watch(self, layer: Shapes | None) -> None:
        for name in ("set_data", "highlight", "scale", "translate", "rotate"):
            if self._watched is not None:
                getattr(self._watched.events, name).disconnect(self._on_shapes)
            if layer is not None:
                getattr(layer.events, name).connect(self._on_shapes)
        self._watched = layer

    def _on_shapes(self, *_: object) -> None:
        """Look again: shapes tell of the mouse passing over them too."""
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
    areas = [i for i, kind in enumerate(layer.shape_type) if kind in AREAS]
    chosen = [i for i in areas if i in layer.selected_data] or areas
    found: list[Any] = []
    for i in chosen:
        world = np.array([layer.data_to_world(vertex)[-2:] for vertex in layer.data[i]])
        corners = outline(layer.shape_type[i], world - origin_nm)[:, ::-1]  # (y, x) -> (x, y)
        if len(corners) > 2:
            found.append(tuple(map(tuple, corners.round(TENTHS).tolist())))
    return tuple(found)
