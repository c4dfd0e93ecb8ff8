"""The shapes that choose a part of something: a list of their layers, a button that makes one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Shapes
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QWidget

from napari_deepsmlm.plugin.layers.chooser import LayerBox
from napari_deepsmlm.plugin.widgets.notes import Note
from napari_deepsmlm.plugin.widgets.parts import button

if TYPE_CHECKING:
    from napari.viewer import Viewer

EVENTS = ("set_data", "highlight", "scale", "translate", "rotate")


class DrawnShapesBox(QWidget):
    """A list of the layers of shapes, a button that makes one, and a `note` about what counts.

    Parameters
    ----------
    viewer : whose layers are listed.
    none : what the list says where no layer is chosen.
    tooltip : of the list.
    draw_tooltip : of the button.
    """

    changed = Signal()

    areas = ("rectangle", "ellipse", "polygon")
    """Kinds of shapes that have an inside."""

    def __init__(self, viewer: Viewer, *, none: str, tooltip: str, draw_tooltip: str) -> None:
        super().__init__()
        self._viewer = viewer
        self._watched: Shapes | None = None
        self.note = Note()
        self.list = LayerBox(viewer, lambda x: isinstance(x, Shapes), tooltip, none=none)
        self.list.changed.connect(self._on_choice)
        self.draw_button = button("Draw", draw_tooltip)
        self.draw_button.clicked.connect(lambda: self.draw())
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.list.native, 1)
        row.addWidget(self.draw_button)

    @property
    def layer(self) -> Shapes | None:
        """The chosen layer, None for everything."""
        layer: Shapes | None = self.list.layer
        return layer

    def draw(self) -> None:
        """Add a layer of shapes, ready for the mouse, and choose it."""
        raise NotImplementedError

    def add_layer(self, name: str, mode: str, **look: Any) -> None:
        """Add an empty layer, choose it, and let the mouse draw."""
        look = {"edge_color": "yellow", "face_color": "transparent", **look}
        layer = Shapes(name=name, ndim=2, **look)
        self._viewer.add_layer(layer)
        self.list.choose(layer)
        layer.mode = mode

    def abandon(self) -> None:
        """Follow the viewer no more."""
        self.list.abandon()
        self._watch(None)

    def on_chosen(self) -> None:
        """Do what another layer asks for."""
        self.on_shapes()

    def on_shapes(self, *_: object) -> None:
        """Look again: shapes tell of the mouse passing over them too."""
        raise NotImplementedError

    def _on_choice(self, *_: object) -> None:
        self._watch(self.layer)
        self.on_chosen()

    def _watch(self, layer: Shapes | None) -> None:
        for name in EVENTS:
            if self._watched is not None:
                getattr(self._watched.events, name).disconnect(self.on_shapes)
            if layer is not None:
                getattr(layer.events, name).connect(self.on_shapes)
        self._watched = layer
