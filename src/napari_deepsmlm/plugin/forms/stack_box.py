"""The stack chooser: the layers that may be camera frames, and what is known of the chosen one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_deepsmlm._words import counted
from napari_deepsmlm.io import PixelSize
from napari_deepsmlm.plugin.layers.chooser import LayerList
from napari_deepsmlm.plugin.layers.world import (
    can_hold_frames,
    n_frames_of,
    pixel_size_of,
    why_no_frames,
)
from napari_deepsmlm.plugin.memory.known_stacks import recall, remember
from napari_deepsmlm.plugin.widgets.notes import Note

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.viewer import Viewer

NOTHING_HERE = (
    "No layer holds camera frames. Drop a TIFF stack on the window, or choose "
    "File > Open Sample > Deep SMLM."
)


class StackBox(LayerList):
    """A list of the layers that may be frames, and a `note` about the chosen one."""

    def __init__(self, viewer: Viewer) -> None:
        self.note = Note()
        self.known_size = PixelSize()
        super().__init__(viewer, can_hold_frames, NOTHING_HERE, why_not=why_no_frames)
        self.native.setAccessibleName("Stack")
        if self.stack is None:
            self.describe(None)

    @property
    def stack(self) -> Layer | None:
        """The chosen layer, None if there is none."""
        stack: Layer | None = self.layer
        return stack

    def describe(self, pixel_size_nm: float | None) -> None:
        """Say what the stack is, with the pixel size that will be used."""
        stack, known = self.stack, self.known_size
        name = "" if stack is None else f": {stack.name}"
        self.tooltip = f"<qt>The image layer that holds the camera frames{name}</qt>"
        if stack is None:
            refused = self.refused()
            if refused:
                layer, reason = refused[0]
                self.note.warn(f"{layer.name} {reason}")
            else:
                self.note.tell(NOTHING_HERE)
            return
        height, width = stack.data.shape[-2:]
        text = f"{counted(n_frames_of(stack), 'frame')} of {height} × {width} px, {stack.dtype}"
        if pixel_size_nm is None:
            self.note.warn(f"{text}. Its pixel size is not known: enter it below.")
        elif pixel_size_nm == known.nm:
            self.note.tell(f"{text}, {pixel_size_nm:g} nm pixels ({known.origin}).")
        else:
            instead = "" if known.nm is None else f"; {known.origin}: {known.nm:g} nm"
            remember(stack, pixel_size_nm=pixel_size_nm)
            self.note.tell(f"{text}, {pixel_size_nm:g} nm pixels (given{instead}).")

    def wants(self, layer: Layer) -> bool:
        """Whether it is a stack: somebody has just opened it."""
        return bool(layer.ndim > 2)

    def refresh(self, event: Any = None, *, wanted: Any = None) -> None:
        """List what there is now; where nothing was chosen, the selected layer is wanted."""
        if wanted is None and self.stack is None:
            wanted = self._viewer.layers.selection.active
        super().refresh(wanted=wanted)

    def on_change(self) -> None:
        """Find out the pixel size."""
        stack = self.stack
        self.known_size = PixelSize() if stack is None else known_size_of(stack)
        self.describe(self.known_size.nm)


def known_size_of(stack: Layer) -> PixelSize:
    """Return the camera pixel of a layer: its own, else the one entered for such stacks before."""
    size = pixel_size_of(stack)
    kept = recall(stack) if size.nm is None else None
    if kept is None or kept.pixel_size_nm is None:
        return size
    return PixelSize(kept.pixel_size_nm, kept.origin)
