"""Adapting seen from the window: figures before and now, and the frame under the slider."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_deepsmlm.plugin.layers.contrast import contrast_limits
from napari_deepsmlm.plugin.layers.world import frame_under_slider, frames_of
from napari_deepsmlm.plugin.reconstruct.overlay import Overlay
from napari_deepsmlm.plugin.reconstruct.work import ImageSoFar
from napari_deepsmlm.plugin.widgets.editors import Number
from napari_deepsmlm.plugin.widgets.notes import Note
from napari_deepsmlm.plugin.widgets.parts import button, duration

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator

    from napari.layers import Layer
    from napari.viewer import Viewer
    from qtpy.QtWidgets import QProgressBar

    from napari_deepsmlm.adaptation import Adapted, AdaptOptions
    from napari_deepsmlm.plugin.jobs import Events
    from napari_deepsmlm.reconstruction import ReconstructOptions
    from napari_deepsmlm.training.events import StepDone

MAX_MINUTES = 600.0
DEFAULT_MINUTES = 5.0


def adapt_live(
    frames: Any, options: AdaptOptions, watch_frame: int, stopping: threading.Event
) -> Generator[object, None, None]:
    """Yield the events of an `AdaptJob` that trains in a process of its own."""
    from napari_deepsmlm.adaptation import AdaptJob
    from napari_deepsmlm.runs import TrainingProcess

    yield from AdaptJob(
        frames, options, make_run=TrainingProcess, watch_frame=watch_frame, stopping=stopping
    ).run()


class Adapting(QObject):
    """The button, the time, the figures, and a layer that shows how one frame gets better.

    Parameters
    ----------
    viewer : whose slider says which frame is shown, and which gets the layer.
    bar : of the panel.
    parent : the panel.
    """

    told = Signal(str)
    """What is under way."""

    def __init__(self, viewer: Viewer, bar: QProgressBar, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer, self._bar = viewer, bar
        self._overlay: Overlay | None = None
        self._watched: Any = None
        self.done: Adapted | None = None
        self.button = button(
            "Adapt",
            "Measure the frames, train the model on simulated frames like them in a process of its "
            "own, and reconstruct with the better of the two.",
        )
        self.minutes_box = Number(
            limits=(0.1, MAX_MINUTES),
            value=DEFAULT_MINUTES,
            label="Adapt for (min)",
            tooltip="<qt>How long <i>Adapt</i> trains; it ends earlier when nothing improves any "
            "more.</qt>",
        )
        self.note = Note()

    def begin(self, stack: Layer, options: ReconstructOptions) -> Events:
        """Get ready, and return the work.

        Raises
        ------
        ValueError
            One sentence about a choice that does not suit.
        """
        from napari_deepsmlm.reconstruction import adapt_options

        wanted = adapt_options(options, self.minutes_box.value)
        assert options.pixel_size_nm is not None  # noqa: S101 - the button waits for it
        self.done = self._watched = None
        self.note.clear()
        self._overlay = Overlay(
            self._viewer,
            stack,
            options.pixel_size_nm,
            f"{stack.name} adapting",
            is_see_through=True,
        )
        self._bar.setRange(0, 0)
        self._bar.setFormat("%p %")
        self._bar.show()
        self.told.emit("Measuring the frames, and judging the model as it is…")
        frame = frame_under_slider(self._viewer, stack)
        return partial(adapt_live, frames_of(stack), wanted, frame)

    def show(self, event: object) -> None:
        """Show an event of the work."""
        from napari_deepsmlm.adaptation import Adapted, Planned, Watched
        from napari_deepsmlm.training import events

        match event:
            case Planned():
                self._before = event.before
                self._tell_scores(None)
            case Watched():
                self._watched = event
                self._show_image(event.images[0])
            case events.StepDone():
                self._show_step(event)
            case events.Validated():
                scores = event.scores
                self._tell_scores(scores | {"efficiency_lateral": scores["efficiency"]})
            case events.Previewed():
                self._show_image(event.images[0])
            case Adapted():
                self.done = event
                self.note.tell(event.sentence)

    def end(self) -> None:
        """Take the layer away."""
        if self._overlay is not None:
            self._overlay.remove()
        self._overlay = None

    def _show_step(self, event: StepDone) -> None:
        self._bar.setRange(0, 1000)
        self._bar.setValue(round(1000 * event.progress))
        self.told.emit(
            f"Adapting: step {event.step:,}, {duration(event.seconds_left)} left at the most"
        )

    def _tell_scores(self, now: dict[str, float] | None) -> None:
        from napari_deepsmlm.adaptation import scores_in_words

        text = f"On simulated frames like these: {scores_in_words(self._before)} before"
        self.note.tell(f"{text}." if now is None else f"{text}; {scores_in_words(now)} now.")

    def _show_image(self, image: Any) -> None:
        if self._overlay is None or self._watched is None:
            return
        watched = self._watched
        self._overlay.show(
            ImageSoFar(
                image, contrast_limits(image), watched.sr_pixel_nm, watched.origin_px, is_last=True
            )
        )
