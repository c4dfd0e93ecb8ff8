"""Layer choosers: the layers that may serve for something; or none of them, or a file instead."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtGui import QStandardItemModel
from qtpy.QtWidgets import QComboBox, QWidget

from napari_deepsmlm.plugin.widgets.editors import make_calm

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Layer
    from napari.viewer import Viewer

NONE = "none"


class LayerList(QComboBox):
    """A list of layers that follows the viewer; whoever builds on it calls :meth:`refresh` first.

    Parameters
    ----------
    viewer : whose layers are listed, the top one first.
    accepts : whether a layer may serve.
    why_not : the rest of a sentence about a layer that nearly serves; it is listed, not for choice.
    """

    changed = Signal()
    """Another one, or none, is chosen."""

    def __init__(
        self,
        viewer: Viewer,
        accepts: Callable[[Layer], bool],
        tooltip: str,
        parent: QWidget | None = None,
        *,
        why_not: Callable[[Layer], str] = lambda layer: "",
    ) -> None:
        super().__init__(parent)
        make_calm(self)
        self.setToolTip(f"<qt>{tooltip}</qt>")
        self._viewer, self._accepts, self._why_not = viewer, accepts, why_not
        self._choices: list[Any] = []
        self._last: Any = None
        self.activated.connect(self._on_choice)
        events = viewer.layers.events
        events.inserted.connect(self._on_inserted)
        events.removed.connect(self.refresh)
        events.renamed.connect(self.refresh)

    @property
    def chosen(self) -> Any:
        """What is chosen, None if nothing is."""
        index = self.currentIndex()
        return self._choices[index] if 0 <= index < len(self._choices) else None

    @property
    def layer(self) -> Any:
        """The chosen layer, None if there is none."""
        return self.chosen

    def choose(self, layer: Layer | None) -> None:
        """Choose a layer of the list."""
        if layer in self._choices:
            self.setCurrentIndex(self._choices.index(layer))
        self._on_choice()

    def refresh(self, event: Any = None, *, wanted: Any = None) -> None:
        """List what there is now, and keep the choice if nothing else is wanted."""
        kept = self.chosen if wanted is None else wanted
        entries, refused = self.entries(), self.refused()
        with QSignalBlocker(self):
            self.clear()
            self._choices = [choice for _, choice in entries]
            self.addItems([text for text, _ in entries])
            for layer, reason in refused:
                self._list_refused(layer, reason)
            if kept in self._choices:
                self.setCurrentIndex(self._choices.index(kept))
            elif not entries:
                self.setCurrentIndex(-1)
        self._on_choice()

    def refused(self) -> list[tuple[Layer, str]]:
        """Return the layers that nearly serve, with why they do not."""
        reasons = [(layer, self._why_not(layer)) for layer in reversed(self._viewer.layers)]
        return [(layer, reason) for layer, reason in reasons if reason]

    def _list_refused(self, layer: Layer, reason: str) -> None:
        self.addItem(f"{layer.name} (cannot be used)")
        index = self.count() - 1
        self.setItemData(index, f"<qt>{layer.name} {reason}</qt>", Qt.ItemDataRole.ToolTipRole)
        model = self.model()
        if isinstance(model, QStandardItemModel):
            item = model.item(index)
            if item is not None:
                item.setEnabled(False)

    def abandon(self) -> None:
        """Follow the viewer no more."""
        events = self._viewer.layers.events
        events.inserted.disconnect(self._on_inserted)
        events.removed.disconnect(self.refresh)
        events.renamed.disconnect(self.refresh)

    # -- what may differ ---------------------------------------------------------------------

    def entries(self) -> list[tuple[str, Any]]:
        """Return what can be chosen, with its name."""
        layers = reversed(self._viewer.layers)
        return [(layer.name, layer) for layer in layers if self._accepts(layer)]

    def wants(self, layer: Layer) -> bool:
        """Whether a layer that may serve is chosen as soon as it is added."""
        return False

    def on_change(self) -> None:
        """Take note of another choice, before others hear of it."""

    def _on_inserted(self, event: Any) -> None:
        is_wanted = self._accepts(event.value) and self.wants(event.value)
        self.refresh(wanted=event.value if is_wanted else None)

    def _on_choice(self, *_: object) -> None:
        if self.chosen != self._last:
            self._last = self.chosen
            self.on_change()
            self.changed.emit()


class LayerBox(LayerList):
    """A list of layers after an entry for none of them, and before files that were added.

    Parameters
    ----------
    viewer, accepts : as for every list of layers.
    prefers : whether a layer that was just added is chosen, if none is.
    none : what no choice is called.
    """

    def __init__(
        self,
        viewer: Viewer,
        accepts: Callable[[Layer], bool],
        tooltip: str,
        *,
        prefers: Callable[[Layer], bool] = lambda layer: False,
        none: str = NONE,
        parent: QWidget | None = None,
        why_not: Callable[[Layer], str] = lambda layer: "",
    ) -> None:
        super().__init__(viewer, accepts, tooltip, parent, why_not=why_not)
        self._prefers, self._none = prefers, none
        self._files: list[Path] = []
        for layer in viewer.layers:
            layer.events.metadata.connect(self._on_metadata)
        layers = reversed(viewer.layers)
        self.refresh(wanted=next((x for x in layers if accepts(x) and prefers(x)), None))

    @property
    def layer(self) -> Any:
        """The chosen layer, None if there is none or it is a file."""
        return None if isinstance(self.chosen, Path) else self.chosen

    def add_file(self, path: Path) -> None:
        """Offer a file, and choose it."""
        self._files = [*(file for file in self._files if file != path), path]
        self.refresh(wanted=path)

    def abandon(self) -> None:
        """Follow the viewer no more."""
        super().abandon()
        for layer in self._viewer.layers:
            layer.events.metadata.disconnect(self._on_metadata)

    def entries(self) -> list[tuple[str, Any]]:
        """Return none, the layers, and the files."""
        files = [(f"file: {path.name}", path) for path in self._files]
        return [(self._none, None), *super().entries(), *files]

    def wants(self, layer: Layer) -> bool:
        """Whether none is chosen and this one is preferred."""
        return self.chosen is None and self._prefers(layer)

    def _on_inserted(self, event: Any) -> None:
        event.value.events.metadata.connect(self._on_metadata)
        super()._on_inserted(event)

    def _on_metadata(self, event: Any) -> None:
        """Look again at a layer that has got a table, or a pixel size, since."""
        is_wanted = self._accepts(event.source) and self.wants(event.source)
        self.refresh(wanted=event.source if is_wanted else None)
