"""What is done with the molecules that a filter keeps: drift, linking, resolution, depth."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from napari_deepsmlm.plugin.layers.localizations import camera_pixel_nm
from napari_deepsmlm.plugin.layers.world import provenance
from napari_deepsmlm.plugin.localizations.after_work import (
    Doing,
    Done,
    Source,
    link_molecules,
    resolution_of,
    take_off_drift,
)
from napari_deepsmlm.plugin.localizations.depth_work import InDepth, in_depth

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.viewer import Viewer

    from napari_deepsmlm.plugin.localizations.widget import LocalizationsWidget


class AfterSteps:
    """The steps that the buttons of an :class:`AfterBox` ask for, each a job of the panel.

    Parameters
    ----------
    panel : whose molecules they are, and which tells what is done.
    viewer : that gets the new layers.
    """

    def __init__(self, panel: LocalizationsWidget, viewer: Viewer) -> None:
        self._panel, self._viewer = panel, viewer
        box = panel.after
        box.drift_asked.connect(partial(self._make_layer, take_off_drift))
        box.link_asked.connect(partial(self._make_layer, link_molecules))
        box.undo_asked.connect(self.undo)
        box.depth_asked.connect(self.show_depth)
        box.resolution_asked.connect(self.measure_resolution)

    def source(self) -> Source | None:
        """Return the molecules kept and how they came about, None before the filter has run."""
        kept, shown = self._panel.filtered, self._panel.shown
        if kept is None or shown.layer is None:
            return None
        known = provenance(shown.layer)
        stated = known.get("pixel_size_nm") or camera_pixel_nm(self._viewer)
        known = {**known, "pixel_size_nm": None if stated is None else float(stated)}
        steps = tuple(kept.wanted.steps())
        return Source(kept.table, steps, shown.layer.name, shown.origin, known)

    def _make_layer(self, work: Any) -> None:
        """Make a table of the molecules kept, in another thread, and a layer of it."""
        source, layer = self.source(), self._panel.shown.layer
        if source is not None and layer is not None:
            on_event = partial(self._on_made, layer)
            self._panel.begin(partial(work, source), on_event, title="working on localizations")

    def _on_made(self, source: Layer, event: Doing | Done) -> None:
        panel = self._panel
        if isinstance(event, Doing):
            panel.status_note.tell(event.what)
            return
        self._viewer.add_layer(event.layer)
        panel.after.show_done(event, source if source in self._viewer.layers else None)
        panel.shown.show_all_points()
        source.visible = False
        panel.table_box.choose(event.layer)

    def undo(self) -> None:
        """Remove the layer that a step made last, and go back to the one it was made of."""
        panel = self._panel
        panel.after.forget(self._viewer.layers)
        if not panel.after.done:
            panel.update_buttons()
            return
        made, source = panel.after.done.pop()
        panel.after.show_of(source)
        if source is not None and source in self._viewer.layers:
            source.visible = True
            panel.table_box.choose(source)
        self._viewer.layers.remove(made)
        panel.update_buttons()

    def measure_resolution(self) -> None:
        """Measure the resolution of the molecules kept, in another thread."""
        panel = self._panel
        if panel.filtered is not None:
            panel.status_note.tell("Measuring the resolution…")
            work = partial(resolution_of, panel.filtered.table)
            panel.begin(work, panel.status_note.tell, title="measuring the resolution")

    def show_depth(self) -> None:
        """Draw the molecules kept for the 3-D view, in another thread."""
        kept, shown = self._panel.filtered, self._panel.shown
        if kept is not None and shown.layer is not None:
            self._panel.status_note.tell("Drawing the volume…")
            work = partial(in_depth, kept.table, shown.layer.name, shown.origin)
            self._panel.begin(work, self._on_depth, title="drawing a volume")

    def _on_depth(self, made: InDepth) -> None:
        for layer in self._viewer.layers:
            layer.visible = False
        for layer in made.layers:
            self._viewer.add_layer(layer)
        self._viewer.dims.ndisplay = 3
        self._viewer.reset_view()
        self._panel.status_note.tell(made.sentence)
