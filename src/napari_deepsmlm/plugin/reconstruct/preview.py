"""Preview: the prediction of the frames around the slider, on the frames, as it moves."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_deepsmlm._words import counted
from napari_deepsmlm.plugin.jobs import Job
from napari_deepsmlm.plugin.layers.contrast import contrast_limits
from napari_deepsmlm.plugin.layers.world import frame_under_slider, n_frames_of
from napari_deepsmlm.plugin.reconstruct.overlay import Overlay
from napari_deepsmlm.plugin.reconstruct.work import ImageSoFar
from napari_deepsmlm.plugin.widgets.frame_numbers import frames_in_words
from napari_deepsmlm.plugin.widgets.parts import button

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator

    from napari.layers import Layer
    from napari.viewer import Viewer

    from napari_deepsmlm.estimation import KnownCamera
    from napari_deepsmlm.plugin.reconstruct.form import ReconstructForm
    from napari_deepsmlm.reconstruction import Preview, PreviewMaker, ReconstructOptions

DELAY_MS = 50
DELIVERY_MS = 20
# A prediction that takes longer is given up when the slider moves on, and so is what follows a
# first look; a shorter one is shown first, or a slider that plays would never show any.
PATIENCE_S = 1.0


class FramePreview(QObject):
    """A button that stays down, and a layer that follows the slider while it is.

    Parameters
    ----------
    viewer : whose slider is followed, and which gets the layer.
    form : says which stack, and how it is reconstructed.
    parent : the panel.
    """

    told = Signal(str)
    """What is shown."""
    failed = Signal(str)
    """One sentence."""

    def __init__(self, viewer: Viewer, form: ReconstructForm, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer, self._form = viewer, form
        self._job: Job | None = None
        self._started = 0.0
        self._is_slow = self._has_shown = False
        self._maker: PreviewMaker | None = None
        self._overlay: Overlay | None = None
        tooltip = "Predict the frame under the slider, or the frames around it that are summed."
        self.button = button("Preview", tooltip)
        self.button.setCheckable(True)
        self.button.toggled.connect(self._on_toggled)
        self._delay = QTimer(self)
        self._delay.setSingleShot(True)
        self._delay.setInterval(DELAY_MS)
        self._delay.timeout.connect(self._predict)
        form.changed.connect(self.ask)
        viewer.dims.events.current_step.connect(self.ask)
        viewer.layers.events.removed.connect(self._on_removed)

    def stop(self) -> None:
        """Switch it off and take the layer away."""
        self.button.setChecked(False)

    def ask(self, *_: object) -> None:
        """Predict soon: the slider or a choice has changed."""
        if self.button.isChecked() and not self._delay.isActive():
            self._delay.start()

    def abandon(self) -> None:
        """Follow the viewer no more, stop without waiting, and take the layer away."""
        self._viewer.dims.events.current_step.disconnect(self.ask)
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        self._end()
        if self._overlay is not None:
            self._overlay.remove()
        self._overlay = None

    def _end(self) -> None:
        self._delay.stop()
        self._let_go()
        self._maker = None

    def _let_go(self) -> None:
        """Give up the last prediction."""
        if self._job is not None:
            self._job.abandon()
            self._job.deleteLater()
        self._job = None

    def _on_toggled(self, is_on: bool) -> None:
        if is_on:
            self.told.emit("Loading the model…")
            self._delay.start()
            return
        self._end()
        if self._overlay is not None:
            self._overlay.remove()
        self._overlay = None
        self.told.emit("")

    def _on_removed(self, event: Any) -> None:
        overlay = self._overlay
        if overlay is not None and event.value in (overlay.stack, overlay.layer):
            self.stop()

    def _predict(self) -> None:
        """Begin with the frames under the slider, unless the last prediction is almost there."""
        if not self._form.is_complete:
            self.stop()  # the form says what is wrong
            return
        is_awaited = time.monotonic() - self._started < PATIENCE_S and not self._has_shown
        if self._job is not None and self._job.is_running and is_awaited:
            self._delay.start()
            return
        self._let_go()
        try:
            options = self._form.options()
        except ValueError as error:
            self.failed.emit(str(error))
            return
        self._begin(options)

    def _begin(self, options: ReconstructOptions) -> None:
        from napari_deepsmlm.reconstruction import PreviewMaker

        stack = self._form.stack
        assert stack is not None  # noqa: S101 - the form is complete
        if self._maker is None:
            self._maker = PreviewMaker()
        shown = frame_under_slider(self._viewer, stack)
        wanted = frames_around(shown, options.sum_frames, n_frames_of(stack))
        options = options.replace(frame_range=wanted, window=None)
        self._place(stack, options)
        self._started = time.monotonic()
        self._has_shown = False
        if self._is_slow:
            self.told.emit("Predicting…")
        # The layer's own frames, which are open already.
        work = partial(
            predict, self._maker, stack.data, options, camera=self._form.camera_finder.known
        )
        self._job = Job(
            work, title="previewing", parent=self, delivery_ms=DELIVERY_MS, is_listed=False
        )
        self._job.arrived.connect(self._show)
        self._job.failed.connect(self.failed)
        self._job.start()

    def _place(self, stack: Layer, options: ReconstructOptions) -> None:
        pixel_nm = options.pixel_size_nm
        assert pixel_nm is not None  # noqa: S101 - the form is complete
        if self._overlay is not None and self._overlay.is_of(stack, pixel_nm):
            return
        if self._overlay is not None:
            self._overlay.remove()
        self._form.region_box.move_into_nm(pixel_nm)
        name = f"{stack.name} preview"
        self._overlay = Overlay(self._viewer, stack, pixel_nm, name, is_see_through=True)

    def _show(self, event: object) -> None:
        if self._overlay is None:
            return
        if isinstance(event, ImageSoFar):
            self._overlay.show(event)
            if not self._has_shown:
                self._is_slow = time.monotonic() - self._started > PATIENCE_S
            self._has_shown = True
        else:
            self.told.emit(str(event))


def frames_around(frame: int, n_summed: int, n_frames: int) -> tuple[int, int]:
    """Return the first frame and the one after the last of a sum around a frame.

    Examples
    --------
    >>> frames_around(50, 10, 100), frames_around(2, 10, 100), frames_around(50, 500, 100)
    ((45, 55), (0, 10), (0, 100))
    """
    first = max(0, min(frame - n_summed // 2, n_frames - n_summed))
    return first, min(first + n_summed, n_frames)


def predict(
    maker: PreviewMaker,
    frames: Any,
    options: ReconstructOptions,
    stopping: threading.Event,
    *,
    camera: KnownCamera | None = None,
) -> Generator[object, None, None]:
    """Yield the image of the preview and a sentence about it, twice if there is a first look."""
    for made in maker.make(frames, options, stopping=stopping, camera=camera):
        limits = contrast_limits(made.image)
        yield ImageSoFar(made.image, limits, made.sr_pixel_nm, made.origin_px, is_last=True)
        yield in_words(made)


def in_words(made: Preview) -> str:
    """Say what is shown."""
    first, last = made.frames.start, made.frames.stop - 1
    which = frames_in_words(first, last)
    if not made.is_last:
        return f"First look at {which}, {1e3 * made.seconds:.0f} ms; the whole network follows…"
    found = counted(made.n_localizations, "localization")
    return f"Preview of {which}: {found}, {1e3 * made.seconds:.0f} ms."
