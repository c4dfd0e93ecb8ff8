"""The stack chooser: the layers that may be camera frames, and what is known of the chosen one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QWidget

from napari_deepsmlm.plugin.editors import make_calm
from napari_deepsmlm.plugin.layers import PixelSize, can_hold_frames, n_frames_of, pixel_size_of
from napari_deepsmlm.plugin.notes import Note
from napari_deepsmlm.plugin.remembered import recall, remember

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.viewer import Viewer

NOTHING_HERE = (
    "No layer holds camera frames. Drop a TIFF stack on the window, or choose "
    "File > Open Sample > Deep SMLM."
)


class StackBox(QComboBox):
    """A list of layers that follows the viewer, and a `note` about the chosen one."""

    changed = Signal()
    """Another layer, or none, is chosen."""

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        make_calm(self)
        self.note = Note()
        self.known_size = PixelSize(None, "")
        self._viewer = viewer
        self._stacks: list[Layer] = []
        self.activated.connect(self._on_choice)
        events = viewer.layers.events
        events.inserted.connect(self._on_inserted)
        events.removed.connect(self._list_stacks)
        events.renamed.connect(self._list_stacks)
        self._list_stacks()
        self.describe(None)

    def abandon(self) -> None:
        """Follow the viewer no more."""
        events = self._viewer.layers.events
        events.inserted.disconnect(self._on_inserted)
        for each in (events.removed, events.renamed):
            each.disconnect(self._list_stacks)

    @property
    def stack(self) -> Layer | None:
        """The chosen layer, None if there is none."""
        index = self.currentIndex()
        return self._stacks[index] if 0 <= index < len(self._stacks) else None

    def describe(self, pixel_size_nm: float | None) -> None:
        """Say what the stack is, with the pixel size that will be used."""
        stack, known = self.stack, self.known_size
        name = "" if stack is None else f": {stack.name}"
        self.setToolTip(f"<qt>The image layer that holds the camera frames{name}</qt>")
        if stack is None:
            self.note.tell(NOTHING_HERE)
            return
        height, width = stack.data.shape[-2:]
        text = f"{n_frames_of(stack)} frames of {height} × {width} px, {stack.dtype}"
        if pixel_size_nm is None:
            self.note.warn(f"{text}. Its pixel size is not known: enter it below.")
        elif pixel_size_nm == known.nm:
            self.note.tell(f"{text}, {pixel_size_nm:g} nm pixels ({known.origin}).")
        else:
            instead = "" if known.nm is None else f"; {known.origin}: {known.nm:g} nm"
            remember(stack, pixel_size_nm=pixel_size_nm)
            self.note.tell(f"{text}, {pixel_size_nm:g} nm pixels (given{instead}).")

    def _on_inserted(self, event: Any) -> None:
        """Choose a stack that was just opened."""
        is_stack = can_hold_frames(event.value) and event.value.ndim > 2
        self._list_stacks(wanted=event.value if is_stack else None)

    def _list_stacks(self, event: Any = None, *, wanted: Layer | None = None) -> None:
        """Offer the layers that may be frames, the top one first, keeping the choice."""
        before = self.stack
        kept = wanted or before or self._viewer.layers.selection.active
        self._stacks = [x for x in reversed(self._viewer.layers) if can_hold_frames(x)]
        self.clear()
        self.addItems([layer.name for layer in self._stacks])
        if kept in self._stacks:
            self.setCurrentIndex(self._stacks.index(kept))
        if self.stack != before:
            self._on_choice()

    def _on_choice(self, *_: object) -> None:
        stack = self.stack
        self.known_size = PixelSize(None, "") if stack is None else known_size_of(stack)
        self.describe(self.known_size.nm)
        self.changed.emit()


def known_size_of(stack: Layer) -> PixelSize:
    """Return the camera pixel of a layer: its own, else the one entered for such stacks before."""
    size = pixel_size_of(stack)
    kept = recall(stack) if size.nm is None else None
    if kept is None or kept.pixel_size_nm is None:
        return size
    return PixelSize(kept.pixel_size_nm, kept.origin)
