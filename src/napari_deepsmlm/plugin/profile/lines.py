"""The line chooser: a Shapes layer whose lines are measured, followed while they are dragged."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Shapes

from napari_deepsmlm._palette import YELLOW
from napari_deepsmlm.plugin.layers.chooser import LayerList
from napari_deepsmlm.plugin.profile.images import viewer_places

if TYPE_CHECKING:
    import pandas as pd
    from napari.layers import Layer
    from napari.viewer import Viewer

    Floats = np.ndarray[Any, np.dtype[np.float64]]

LAYER_NAME = "profile lines"
COLOR = YELLOW
FEATURE = "line"
MEASURED_KINDS = ("line", "path")
_LINE_EVENTS = ("set_data", "data", "scale", "translate", "rotate", "shear", "affine", "units")


@dataclass(frozen=True)
class DrawnLine:
    """A straight line in the viewer.

    Attributes
    ----------
    name : its number, as "2", or of a path and its part, as "2.1".
    shape : which shape of the layer it is of.
    ends : (2, 2) start and end in the viewer's world, displayed axes.
    """

    name: str
    shape: int
    ends: Floats


class LinesBox(LayerList):
    """A list of Shapes layers; the lines of the chosen one are followed while they are dragged.

    Parameters
    ----------
    viewer : whose layers are offered.
    """

    def __init__(self, viewer: Viewer) -> None:
        tooltip = "The Shapes layer whose lines are measured, as many as you like"
        self._followed: Shapes | None = None
        super().__init__(viewer, lambda layer: isinstance(layer, Shapes), tooltip)

    def add_layer(self) -> Shapes:
        """Add an empty layer over the images, choose it, and let the mouse draw lines in it."""
        viewer = self._viewer
        displayed = viewer.dims.displayed
        is_usual = tuple(displayed) == (viewer.dims.ndim - 2, viewer.dims.ndim - 1)
        ndim = 2 if is_usual else viewer.dims.ndim
        units = viewer.layers.extent.units if len(viewer.layers) else None
        layer = viewer.add_shapes(
            ndim=ndim,
            name=LAYER_NAME,
            edge_color=COLOR,
            face_color="transparent",
            edge_width=self._edge_width(),
            opacity=1,
            units=None if units is None else units[-ndim:],
            features=_numbers(0),
            text={"string": "{line}", "color": COLOR, "size": 10, "anchor": "upper_left"},
        )
        viewer.layers.selection.active = layer
        layer.mode = "add_line"
        return layer

    def lines(self) -> tuple[list[DrawnLine], list[str]]:
        """Return the lines that are drawn, and sentences about shapes that are none."""
        layer = self.layer
        if layer is None or layer not in self._viewer.layers:
            return [], []
        lines: list[DrawnLine] = []
        others: list[str] = []
        to_world = viewer_places(layer, self._viewer)
        for i, (kind, points) in enumerate(zip(layer.shape_type, layer.data, strict=True)):
            if kind in MEASURED_KINDS:
                lines += _parts(i, to_world(points))
            else:
                others.append(f"shape {i + 1} is a {kind}")
        note = f"Only lines and paths are measured: {', '.join(others)}."
        return lines, [note] if others else []

    def select(self, shape: int) -> None:
        """Show in the viewer which shape is meant."""
        layer = self.layer
        if layer is not None and shape < layer.nshapes and layer.mode in ("select", "pan_zoom"):
            layer.selected_data = {shape}

    def abandon(self) -> None:
        """Follow nothing any more."""
        self._follow(None)
        super().abandon()

    def wants(self, layer: Layer) -> bool:
        """Whether it is one that was added for lines."""
        return bool(layer.name.startswith(LAYER_NAME))

    def on_change(self) -> None:
        """Follow the lines of another layer."""
        self._follow(self.layer)

    def _edge_width(self) -> float:
        """Thin: a five-hundredth of what there is to see."""
        if not len(self._viewer.layers):
            return 1.0
        extent = self._viewer.layers.extent.world
        sides = (extent[1] - extent[0])[list(self._viewer.dims.displayed)]
        return float(sides.max()) / 500

    def _follow(self, layer: Shapes | None) -> None:
        if self._followed is not None:
            for name in _LINE_EVENTS:
                self._followed.events[name].disconnect(self._tell_change)
        if layer is not None:
            for name in _LINE_EVENTS:
                layer.events[name].connect(self._tell_change)
        self._followed = layer

    def _tell_change(self, *_: object) -> None:
        if self._followed is not None:
            _number(self._followed)
        self.changed.emit(self.layer)


def _parts(shape: int, points: Floats) -> list[DrawnLine]:
    """Return the straight parts of a shape, each measured for itself."""
    if len(points) == 2:
        return [DrawnLine(str(shape + 1), shape, points)]
    pairs = enumerate(pairwise(points), start=1)
    return [DrawnLine(f"{shape + 1}.{i}", shape, np.array(pair)) for i, pair in pairs]


def _number(layer: Shapes) -> None:
    """Let each line of a layer of ours have its number beside it."""
    if list(layer.features) != [FEATURE]:
        return
    numbers = _numbers(layer.nshapes)
    if not layer.features.astype(str).equals(numbers):
        layer.features = numbers


def _numbers(n: int) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame({FEATURE: [str(i + 1) for i in range(n)]}, dtype=str)
