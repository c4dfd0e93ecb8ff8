"""Layer choosers: the layers that may serve for something; or none of them, or a file instead."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from magicgui.types import Separator
from magicgui.widgets import ComboBox
from qtpy.QtCore import Qt

from napari_deepsmlm.plugin.widgets.editors import make_calm

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Layer
    from napari.viewer import Viewer

NONE = "none"


class LayerList(ComboBox):
    """A list of layers that follows the viewer; it is filled at once.

    Its value is the chosen layer, None if there is none; `changed` tells of another one.

    Parameters
    ----------
    viewer : whose layers are listed, the top one first.
    accepts : whether a layer may serve.
    why_not : the rest of a sentence about a layer that nearly serves; it is listed, not for choice.
    """

    def __init__(
        self,
        viewer: Viewer,
        accepts: Callable[[Layer], bool],
        tooltip: str,
        *,
        why_not: Callable[[Layer], str] = lambda layer: "",
        **options: Any,
    ) -> None:
        self._viewer, self._accepts, self._why_not = viewer, accepts, why_not
        self._last: Any = None
        self._is_listing = False
        super().__init__(choices=self.entries, tooltip=f"<qt>{tooltip}</qt>", **options)
        make_calm(self.native)
        events = viewer.layers.events
        events.inserted.connect(self._on_inserted)
        events.removed.connect(self.refresh)
        events.renamed.connect(self.refresh)
        for layer in viewer.layers:
            layer.events.metadata.connect(self._on_metadata)

    @property
    def layer(self) -> Any:
        """The chosen layer, None if there is none or it is a file."""
        return None if isinstance(self.value, Path) else self.value

    def choose(self, layer: Layer | None) -> None:
        """Choose a layer of the list."""
        if layer in self.choices:
            self.value = layer

    def refresh(self, event: Any = None, *, wanted: Any = None) -> None:
        """List what there is now, and keep the choice if nothing else is wanted."""
        kept = self.value if wanted is None else wanted
        self._is_listing = True
        try:
            self._list(kept)
        finally:
            self._is_listing = False
        self._on_value_change()

    def reset_choices(self, *_: Any) -> None:
        """List what there is now: magicgui and napari ask for it by this name."""
        self.refresh()

    def refused(self) -> list[tuple[Layer, str]]:
        """Return the layers that nearly serve, with why they do not."""
        reasons = [(layer, self._why_not(layer)) for layer in reversed(self._viewer.layers)]
        return [(layer, reason) for layer, reason in reasons if reason]

    def _list(self, kept: Any) -> None:
        self.choices = ()  # magicgui keeps the order of what was listed before
        super().reset_choices()
        for layer, reason in self.refused():
            self._list_refused(layer, reason)
        if kept in self.choices:
            self.value = kept
        elif not self.choices:
            self.native.setCurrentIndex(-1)

    def _list_refused(self, layer: Layer, reason: str) -> None:
        """Add what cannot be chosen, which magicgui has not, but for separators."""
        self.native.addItem(f"{layer.name} (cannot be used)", Separator)
        index = self.native.count() - 1
        tip = f"<qt>{layer.name} {reason}</qt>"
        self.native.setItemData(index, tip, Qt.ItemDataRole.ToolTipRole)
        self.native.model().item(index).setEnabled(False)

    def abandon(self) -> None:
        """Follow the viewer no more."""
        events = self._viewer.layers.events
        events.inserted.disconnect(self._on_inserted)
        events.removed.disconnect(self.refresh)
        events.renamed.disconnect(self.refresh)
        for layer in self._viewer.layers:
            layer.events.metadata.disconnect(self._on_metadata)

    # -- what may differ ---------------------------------------------------------------------

    def entries(self, _: Any = None) -> list[tuple[str, Any]]:
        """Return what can be chosen, with its name."""
        layers = reversed(self._viewer.layers)
        return [(layer.name, layer) for layer in layers if self._accepts(layer)]

    def wants(self, layer: Layer) -> bool:
        """Whether a layer that may serve is chosen as soon as it is added."""
        return False

    def on_change(self) -> None:
        """Take note of another choice, before others hear of it."""

    def _on_inserted(self, event: Any) -> None:
        event.value.events.metadata.connect(self._on_metadata)
        is_wanted = self._accepts(event.value) and self.wants(event.value)
        self.refresh(wanted=event.value if is_wanted else None)

    def _on_metadata(self, event: Any) -> None:
        """Look again at a layer that has got a table, or a pixel size, since."""
        layer = event.source
        is_wanted = self.value is None and self._accepts(layer) and self.wants(layer)
        self.refresh(wanted=layer if is_wanted else None)

    def _on_value_change(self, value: Any = None) -> None:
        """Tell of another choice, also of none where magicgui would not."""
        if not self._is_listing and self.value != self._last:
            self._last = self.value
            self.on_change()
            self.changed.emit(self.value)


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
        why_not: Callable[[Layer], str] = lambda layer: "",
    ) -> None:
        self._prefers, self.null_string = prefers, none
        self._files: list[Path] = []
        super().__init__(viewer, accepts, tooltip, why_not=why_not, nullable=True)
        layers = reversed(viewer.layers)
        self.refresh(wanted=next((x for x in layers if accepts(x) and prefers(x)), None))

    def add_file(self, path: Path) -> None:
        """Offer a file, and choose it."""
        self._files = [*(file for file in self._files if file != path), path]
        self.refresh(wanted=path)

    def entries(self, _: Any = None) -> list[tuple[str, Any]]:
        """Return the layers and the files; magicgui puts none of them before."""
        layers = [(_unlike(name, self.null_string), layer) for name, layer in super().entries()]
        names = [path.name for path in self._files]
        files = [(path.name if names.count(path.name) == 1 else path, path) for path in self._files]
        return [*layers, *((f"file: {name}", path) for name, path in files)]

    def wants(self, layer: Layer) -> bool:
        """Whether none is chosen and this one is preferred."""
        return self.value is None and self._prefers(layer)


def _unlike(name: str, other: str) -> str:
    """Return a name that differs from another: magicgui tells entries apart by their texts."""
    return f"{name} (layer)" if name == other else name
