"""Bead layers: which layers hold bead z-stacks, and what is known of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QListWidget, QListWidgetItem, QSizePolicy, QWidget

from napari_deepsmlm.plugin.layers.world import IS_OF_BEADS, KEY, can_hold_frames, provenance

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.viewer import Viewer

    Array = np.ndarray[Any, Any]

HEIGHT_PX = 76


class BeadStackList(QListWidget):
    """The layers that may be bead stacks, each with a box to tick; it follows the viewer.

    It is a Qt widget: in magicgui's list of several, a click without Ctrl undoes the others.
    """

    changed = Signal()
    """Other layers are ticked."""

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFixedHeight(HEIGHT_PX)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setToolTip(
            "<qt>Image layers (z, y, x), or (z, plane, y, x): tick those that show beads while the "
            "focus moves through them.</qt>"
        )
        self._viewer = viewer
        self._layers: list[Layer] = []
        self.itemChanged.connect(self._on_tick)
        events = viewer.layers.events
        for event in (events.inserted, events.removed, events.renamed):
            event.connect(self._list)
        self._list()

    @property
    def stacks(self) -> list[Layer]:
        """The ticked layers, in the order of the list."""
        is_ticked = (
            self._item(i).checkState() == Qt.CheckState.Checked for i in range(self.count())
        )
        return [layer for layer, ticked in zip(self._layers, is_ticked, strict=True) if ticked]

    def tick(self, *layers: Layer) -> None:
        """Choose these layers."""
        self._list(wanted=list(layers))

    def abandon(self) -> None:
        """Follow the viewer no more."""
        events = self._viewer.layers.events
        for event in (events.inserted, events.removed, events.renamed):
            event.disconnect(self._list)

    def _item(self, i: int) -> QListWidgetItem:
        item = self.item(i)
        assert item is not None  # noqa: S101 - i is in range
        return item

    def _list(self, event: Any = None, *, wanted: list[Layer] | None = None) -> None:
        before = self.stacks
        layers = [layer for layer in reversed(self._viewer.layers) if _may_be_beads(layer)]
        if wanted is None:
            # A stack that is alone is meant.
            wanted = before or layers[:1] if len(layers) == 1 else before
        with QSignalBlocker(self):
            self._layers = layers
            self.clear()
            for layer in layers:
                item = QListWidgetItem(layer.name, self)
                item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsUserCheckable)
                is_ticked = layer in wanted
                item.setCheckState(Qt.CheckState.Checked if is_ticked else Qt.CheckState.Unchecked)
        if self.stacks != before:
            self.changed.emit()

    def _on_tick(self, *_: object) -> None:
        self.changed.emit()


def volume_of(layer: Layer) -> Array:
    """Return a layer's images as (C, Z, H, W), or (Z, H, W) of one plane."""
    data = np.asarray(layer.data)
    return data if data.ndim == 3 else data.swapaxes(0, 1)  # (Z, C, H, W) -> (C, Z, H, W)


def z_step_of(layer: Layer) -> float | None:
    """Return the distance of a layer's images, nm, if its first axis is a length."""
    unit = layer.units[0]
    if not unit.is_compatible_with("nm"):
        return None
    return float((layer.scale[0] * unit).to("nm").magnitude)


def mark_as_beads(stack: Layer) -> None:
    """Keep with a layer that its images are of beads, and not of a sample."""
    stack.metadata = {**stack.metadata, KEY: {**provenance(stack), IS_OF_BEADS: True}}


def _may_be_beads(layer: Layer) -> bool:
    return can_hold_frames(layer) and layer.ndim in (3, 4)
