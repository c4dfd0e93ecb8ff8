"""Layer chooser: the layers that may serve for something, none, or a file instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QComboBox, QWidget

from napari_deepsmlm.plugin.editors import make_calm

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari.layers import Layer
    from napari.viewer import Viewer

NONE = "none"


class LayerBox(QComboBox):
    """A list of layers that follows the viewer, after "none" and before the files.

    Parameters
    ----------
    viewer : whose layers are listed, the top one first.
    accepts : whether a layer may serve.
    prefers : whether a layer that was just added is chosen, if none is.
    """

    changed = Signal()
    """Another layer or file, or none, is chosen."""

    def __init__(
        self,
        viewer: Viewer,
        accepts: Callable[[Layer], bool],
        tooltip: str,
        *,
        prefers: Callable[[Layer], bool] = lambda layer: False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        make_calm(self)
        self.setToolTip(f"<qt>{tooltip}</qt>")
        self._viewer, self._accepts, self._prefers = viewer, accepts, prefers
        self._choices: list[Layer | Path | None] = [None]
        self._files: list[Path] = []
        self.activated.connect(self._on_choice)
        events = viewer.layers.events
        events.inserted.connect(self._on_inserted)
        events.removed.connect(self._list)
        events.renamed.connect(self._list)
        for layer in viewer.layers:
            layer.events.metadata.connect(self._on_metadata)
        preferred = next(filter(self._may_prefer, reversed(viewer.layers)), None)
        self._list(wanted=preferred)

    @property
    def chosen(self) -> Layer | Path | None:
        """The layer or file, None if there is none."""
        return self._choices[max(self.currentIndex(), 0)]

    @property
    def layer(self) -> Layer | None:
        """The chosen layer, None if there is none or it is a file."""
        index = self.currentIndex()
        is_layer = 0 < index < len(self._choices) - len(self._files)
        return self._choices[index] if is_layer else None

    def choose(self, layer: Layer | None) -> None:
        """Choose a layer of the list, or none."""
        self._list(wanted=layer, is_kept=False)

    def add_file(self, path: Path) -> None:
        """Offer a file, and choose it."""
        self._files = [*(file for file in self._files if file != path), path]
        self._list(wanted=path)

    def abandon(self) -> None:
        """Follow the viewer no more."""
        events = self._viewer.layers.events
        events.inserted.disconnect(self._on_inserted)
        events.removed.disconnect(self._list)
        events.renamed.disconnect(self._list)
        for layer in self._viewer.layers:
            layer.events.metadata.disconnect(self._on_metadata)

    def _may_prefer(self, layer: Layer) -> bool:
        return self._accepts(layer) and self._prefers(layer)

    def _on_inserted(self, event: Any) -> None:
        event.value.events.metadata.connect(self._on_metadata)
        self._offer(event.value)

    def _on_metadata(self, event: Any) -> None:
        """Look again at a layer that has got a table, or a pixel size, since."""
        self._offer(event.source)

    def _offer(self, layer: Layer) -> None:
        is_wanted = self.chosen is None and self._may_prefer(layer)
        self._list(wanted=layer if is_wanted else None)

    def _list(
        self, event: Any = None, *, wanted: Layer | Path | None = None, is_kept: bool = True
    ) -> None:
        before = self.chosen
        kept = wanted if wanted is not None or not is_kept else before
        layers = [layer for layer in reversed(self._viewer.layers) if self._accepts(layer)]
        self._choices = [None, *layers, *self._files]
        with QSignalBlocker(self):
            self.clear()
            self.addItem(NONE)
            self.addItems([layer.name for layer in layers])
            self.addItems([f"file: {path.name}" for path in self._files])
            self.setCurrentIndex(self._choices.index(kept) if kept in self._choices else 0)
        if self.chosen is not before:
            self.changed.emit()

    def _on_choice(self, *_: object) -> None:
        self.changed.emit()
