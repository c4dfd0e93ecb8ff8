"""Followed view: molecules drawn as finely as the screen shows them, anew when the view changes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_deepsmlm.plugin.jobs import Job
from napari_deepsmlm.plugin.layers.contrast import steady_limits
from napari_deepsmlm.plugin.layers.hues import Hues
from napari_deepsmlm.plugin.layers.seen import Seen, leave, seen_of, watch
from napari_deepsmlm.plugin.localizations.work import Drawing

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator

    from napari.layers import Layer
    from napari.viewer import Viewer
    from qtpy.QtWidgets import QWidget

    from napari_deepsmlm.plugin.localizations.work import Kept, Wanted
    from napari_deepsmlm.render import Box, PlacedMolecules, View

REST_MS = 100
"""The view is drawn once it has been still for so long."""
DELIVERY_MS = 20


@dataclass(frozen=True, slots=True)
class SeenDrawing:
    """The image of what is seen."""

    drawing: Drawing | None
    """None if nothing is in view."""
    view: View | None
    field: Box
    """That there is anything of."""
    is_whole: bool
    """Whether all of the field is drawn, as the view has no rectangle."""

    def in_words(self, wanted: Wanted) -> str:
        """Return what is shown of what was wanted."""
        if self.drawing is None:
            return "None of them is in view."
        size = f"{self.drawing.options.sr_pixel_nm:.3g} nm per pixel"
        if self.is_whole:
            return f"In this view: the whole field, {size}."
        text = f"Drawn as finely as the screen shows: {size}."
        if wanted.options is not None and self.drawing.options.kind != wanted.options.kind:
            text += " So many are counted in pixels; zoom in for Gaussians."
        return text


class FollowedView(QObject):
    """Draws molecules as the viewer shows them, in another thread, and the latest view alone.

    Parameters
    ----------
    viewer : that is followed.
    panel : on its screen.
    """

    drawn = Signal(object)
    """A :class:`SeenDrawing`."""
    failed = Signal(str)
    ended = Signal()
    """The layer was removed."""

    def __init__(self, viewer: Viewer, panel: QWidget) -> None:
        super().__init__(panel)
        self._viewer, self._panel = viewer, panel
        self._placed: PlacedMolecules | None = None
        self._wanted: Wanted | None = None
        self._origin = (0.0, 0.0)
        self._last: SeenDrawing | None = None  # of what is followed now
        self._high: float | None = None
        self._layer: Layer | None = None
        self._job: Job | None = None
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST_MS)
        self._rest.timeout.connect(self._draw)

    @property
    def is_following(self) -> bool:
        """Whether a change of the view makes a drawing."""
        return self._wanted is not None

    @property
    def is_busy(self) -> bool:
        """Whether a drawing is on its way."""
        return self._rest.isActive() or (self._job is not None and self._job.is_running)

    def follow(self, kept: Kept, origin_nm: tuple[float, float]) -> None:
        """Draw molecules now, and whenever the view changes.

        Parameters
        ----------
        kept : what is drawn, and how.
        origin_nm : (y, x) nm in the world where positions count from.
        """
        from napari_deepsmlm.render import PlacedMolecules

        if not self.is_following:
            watch(self._viewer, self._on_moved)
            self._viewer.layers.events.removed.connect(self._on_removed)
        self._wanted, self._origin, self._last = kept.wanted, origin_nm, None
        if self._placed is None or self._placed.table is not kept.table:
            self._placed = PlacedMolecules(kept.table)
        self._draw()

    def take_layer(self, layer: Layer) -> None:
        """Draw while a layer is there and visible."""
        if layer is not self._layer:
            self._leave_layer()
            self._layer = layer
            layer.events.visible.connect(self._on_moved)

    def stop(self) -> None:
        """Follow the view no more; nothing comes after this."""
        if self.is_following:
            leave(self._viewer, self._on_moved)
            self._viewer.layers.events.removed.disconnect(self._on_removed)
        self._leave_layer()
        self._rest.stop()
        self._let_go()
        self._wanted = self._placed = self._last = self._high = None

    def _leave_layer(self) -> None:
        if self._layer is not None:
            self._layer.events.visible.disconnect(self._on_moved)
        self._layer = None

    def _on_moved(self, *_: Any) -> None:
        self._rest.start()

    def _on_removed(self, *_: Any) -> None:
        if self._layer is not None and self._layer not in self._viewer.layers:
            self.stop()
            self.ended.emit()

    def _draw(self) -> None:
        if self._wanted is None or self._placed is None:
            return
        if self._layer is not None and not self._layer.visible:
            return
        seen = seen_of(self._viewer, self._origin, self._panel)
        if self._last is not None and is_shown(seen, self._last):
            self._let_go()  # back where it was before
            return
        self._let_go()
        work = partial(draw_seen, self._placed, self._wanted, seen, self._high)
        self._job = Job(
            work,
            title="drawing what is seen",
            parent=self,
            delivery_ms=DELIVERY_MS,
            is_listed=False,
        )
        self._job.arrived.connect(self._on_drawn)
        self._job.failed.connect(self.failed)
        self._job.start()

    def _on_drawn(self, made: SeenDrawing) -> None:
        self._last = made
        if made.drawing is not None:
            self._high = made.drawing.limits[1]
        self.drawn.emit(made)

    def _let_go(self) -> None:
        if self._job is not None:
            self._job.abandon()
            self._job.deleteLater()
        self._job = None


def draw_seen(
    placed: PlacedMolecules,
    wanted: Wanted,
    seen: Seen,
    high: float | None,
    stopping: threading.Event,
) -> Generator[SeenDrawing, None, None]:
    """Yield the image of what is seen.

    Parameters
    ----------
    high : upper limit of the contrast of the image before.

    Raises
    ------
    ValueError
        One sentence: what is drawn is not in the table.
    """
    from napari_deepsmlm.render import Box

    assert wanted.options is not None  # noqa: S101 - else nothing is drawn
    field = placed.field if wanted.field_nm is None else Box(0.0, 0.0, *wanted.field_nm)
    view = _view_of(seen, field)
    if view is None:
        yield SeenDrawing(None, None, field, False)
        return
    try:
        drawn = placed.draw(view, wanted.options, wanted.color_by, stopping=stopping)
    except InterruptedError:
        return
    hues = None if drawn.mean is None else Hues(drawn.mean, drawn.limits)
    limits, corner_nm = steady_limits(drawn.density, high), (view.box.top, view.box.left)
    drawing = Drawing(drawn.density, limits, drawn.options, hues, corner_nm, is_view=True)
    yield SeenDrawing(drawing, view, field, seen.box_nm is None)


def is_shown(seen: Seen, last: SeenDrawing) -> bool:
    """Whether the last drawing shows what is seen as finely as another one would."""
    from napari_deepsmlm.render import Box

    view, drawn = _view_of(seen, last.field), last.view
    if view is None or drawn is None:
        return view is drawn
    if view.sr_pixel_nm != drawn.sr_pixel_nm:
        return False
    part = last.field if seen.box_nm is None else Box(*seen.box_nm).within(last.field)
    return part is not None and part.within(drawn.box) == part


def _view_of(seen: Seen, field: Box) -> View | None:
    from napari_deepsmlm.render import Box, view_of

    if seen.box_nm is None:
        return view_of(field, 0.0, field)  # in as many pixels as there may be
    return view_of(Box(*seen.box_nm), seen.screen_px_nm, field)
