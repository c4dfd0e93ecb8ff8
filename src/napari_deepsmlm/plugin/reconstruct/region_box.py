"""The region chooser: all of the frames, or a rectangle that was drawn on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_deepsmlm.plugin.layers.drawn_shapes import DrawnShapesBox
from napari_deepsmlm.plugin.layers.world import frame_placement, is_in_nm, set_pixel_size

if TYPE_CHECKING:
    from napari.layers import Layer, Shapes
    from napari.viewer import Viewer

WHOLE = "whole frames"
NAME = "region"
# A side drawn within this much of a pixel's edge is meant to lie on it.
SNAP_PX = 0.01

Corners = tuple[int, int, int, int]


class RegionBox(DrawnShapesBox):
    """The layers of shapes; of several shapes the selected one counts, else the last.

    Of any shape it is the rectangle around it.
    """

    def __init__(self, viewer: Viewer) -> None:
        super().__init__(
            viewer,
            none=WHOLE,
            tooltip="Only this part of the frames is reconstructed: the rectangle around a shape "
            "of a Shapes layer, in whole camera pixels. The network sees what surrounds it too.",
            draw_tooltip="Draw a rectangle on the frames in a new layer.",
        )
        self._stack: Layer | None = None

    def set_stack(self, stack: Layer | None) -> None:
        """Choose on these frames."""
        self._stack = stack
        self._describe()

    @property
    def region(self) -> Corners | None:
        """First row and column, and those after the last, px; None for all of the frames.

        Raises
        ------
        ValueError
            If there is no rectangle, or it lies outside the frames.
        """
        if self.layer is None or self._stack is None:
            return None
        return corners_on(self.layer, self._stack)

    def draw(self) -> None:
        """Add a layer of shapes on the frames, ready for a rectangle, and choose it."""
        stack = self._stack
        if stack is None:
            return
        placement = frame_placement(2, None)
        placement |= {"scale": stack.scale[-2:], "units": stack.units[-2:]}
        placement |= {"translate": stack.translate[-2:]}
        self.add_layer(NAME, "add_rectangle", edge_width=0.3, **placement)
        self.note.tell("Drag a rectangle over the part that matters.")

    def move_into_nm(self, pixel_size_nm: float) -> None:
        """Let the shapes keep their place on frames that are about to be shown in nm."""
        layer, stack = self.layer, self._stack
        if layer is None or stack is None or is_in_nm(stack, pixel_size_nm):
            return
        if np.allclose(layer.scale[-2:], stack.scale[-2:]):
            set_pixel_size(layer, pixel_size_nm)

    def on_chosen(self) -> None:
        """Tell of another layer, whatever is on it."""
        self._describe()
        self.changed.emit()

    def on_shapes(self, *_: object) -> None:
        """Say what is chosen, and tell of a change."""
        before = self.note.text()
        self._describe()
        if self.note.text() != before:
            self.changed.emit()

    def _describe(self) -> None:
        try:
            region = self.region
        except ValueError as error:
            self.note.warn(str(error))
            return
        if region is None:
            self.note.clear()
            return
        y, x, y_end, x_end = region
        self.note.tell(
            f"Rows {y} to {y_end - 1}, columns {x} to {x_end - 1}: {y_end - y} × {x_end - x} px."
        )


def corners_on(layer: Shapes, stack: Layer) -> Corners:
    """Return first row and column of a stack that a shape touches, and those after the last.

    Raises
    ------
    ValueError
        If no shape has an area, or it lies outside the frames.
    """
    areas = [i for i, kind in enumerate(layer.shape_type) if kind in DrawnShapesBox.areas]
    selected = [i for i in layer.selected_data if i in areas]
    if not areas:
        raise ValueError(f"'{layer.name}' has no rectangle: draw one on the frames.")
    vertices = np.asarray(layer.data[max(selected or areas)])
    world = np.array([layer.data_to_world(vertex)[-2:] for vertex in vertices])
    # napari's pixel 0 reaches from -0.5 to 0.5.
    places = (world - stack.translate[-2:]) / stack.scale[-2:] + 0.5
    height, width = stack.data.shape[-2:]
    low = np.floor(places.min(axis=0) + SNAP_PX).clip(0)
    high = np.ceil(places.max(axis=0) - SNAP_PX).clip(None, (height, width))
    if (high <= low).any():
        raise ValueError(f"The shape of '{layer.name}' lies outside the frames: move it there.")
    (y, x), (y_end, x_end) = low.astype(int).tolist(), high.astype(int).tolist()
    return y, x, y_end, x_end
