"""The channel chooser: one colour of a stack that has several, or all planes at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import QComboBox

from napari_deepsmlm.plugin.layers.world import n_planes_of, provenance
from napari_deepsmlm.plugin.widgets.editors import make_calm

if TYPE_CHECKING:
    from napari.layers import Layer

ALL = "all planes at once"


class ChannelBox(QComboBox):
    """A list of the planes of a stack after an entry for all of them."""

    def __init__(self) -> None:
        super().__init__()
        make_calm(self)
        self.setToolTip(
            "<qt>One colour of several, reconstructed by itself; <i>all planes</i> for focal "
            "planes that a model reads together.</qt>"
        )

    @property
    def channel(self) -> int | None:
        """The chosen colour, from 1, None for all planes."""
        channel: int | None = self.currentData()
        return channel

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to choose."""
        return self.count() > 2

    def set_stack(self, stack: Layer | None) -> None:
        """List the planes of a stack; colours that the file names begin with the first."""
        n_planes = 1 if stack is None else n_planes_of(stack)
        names = [] if stack is None else list(provenance(stack).get("channels") or [])
        with QSignalBlocker(self):
            self.clear()
            self.addItem(ALL, None)
            for number in range(1, n_planes + 1):
                is_named = len(names) == n_planes
                self.addItem(names[number - 1] if is_named else f"plane {number}", number)
            self.setCurrentIndex(1 if len(names) == n_planes > 1 else 0)
