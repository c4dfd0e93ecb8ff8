"""The strip that holds simulated frames beside real ones, redrawn when a setting changes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from napari_deepsmlm.plugin.forms.stack_box import StackBox
from napari_deepsmlm.plugin.jobs import Job
from napari_deepsmlm.plugin.layers.world import IS_OF_BEADS, frames_around, provenance
from napari_deepsmlm.plugin.train.look import look_at
from napari_deepsmlm.plugin.widgets.notes import Note

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.viewer import Viewer

    from napari_deepsmlm.experiment import Experiment
    from napari_deepsmlm.plugin.train.frames import LookStrip
    from napari_deepsmlm.plugin.train.look import Frames

DELAY_MS = 400


class RealStackBox(StackBox):
    """The stacks that may be of the sample: those of beads are left out."""

    def entries(self, _: Any = None) -> list[tuple[str, Any]]:
        """Return what can be chosen, with its name."""
        return [each for each in super().entries() if not provenance(each[1]).get(IS_OF_BEADS)]


class LookBox(QWidget):
    """The chooser of the stack to compare with, and under it the strip, once there is torch.

    Parameters
    ----------
    viewer : whose layers are offered; the frame under its slider is shown.
    experiment : returns the settings as they are, or raises a ValueError.
    """

    def __init__(self, viewer: Viewer, experiment: Callable[[], Experiment]) -> None:
        super().__init__()
        self._viewer = viewer
        self._experiment = experiment
        self._job: Job | None = None
        self._is_due = False
        self.strip: LookStrip | None = None
        self.stack_box = RealStackBox(viewer)
        self.stack_box.changed.connect(self.ask)
        self._delay = QTimer(self)
        self._delay.setSingleShot(True)
        self._delay.setInterval(DELAY_MS)
        self._delay.timeout.connect(self._look)
        viewer.dims.events.current_step.connect(self.ask)
        self.row = QHBoxLayout()
        self.row.setContentsMargins(9, 4, 9, 0)
        self.row.addWidget(self.stack_box.native, 1)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.addLayout(self.row)
        self.note = Note()
        self._column.addWidget(self.note)

    def fill(self) -> None:
        """Add the strip."""
        from napari_deepsmlm.plugin.train.frames import LookStrip

        self.strip = LookStrip()
        self._column.insertWidget(1, self.strip)

    def set_colors(self, background: str, text: str) -> None:
        """Follow the theme of the window."""
        if self.strip is not None:
            self.strip.set_colors(background, text)

    def ask(self, *_: object) -> None:
        """Redraw the strip soon: settings, stack or slider have changed."""
        self._delay.start()

    def real_frames(self) -> Frames | None:
        """Return what reads the frame under the slider, None if there is no stack."""
        stack = self.stack_box.stack
        return None if stack is None else frames_around(self._viewer, stack)

    def abandon(self) -> None:
        """Stop without waiting, and follow the viewer no more."""
        self._delay.stop()
        self._viewer.dims.events.current_step.disconnect(self.ask)
        self.stack_box.abandon()
        if self._job is not None:
            self._job.abandon()

    def _look(self) -> None:
        """Simulate, or remember to, once the job at hand is done."""
        if self.strip is None:
            return
        if self._job is not None and self._job.is_running:
            self._is_due = True
            return
        try:
            experiment = self._experiment()
        except ValueError as error:
            self.note.fail(str(error))
            return
        self.note.clear()
        self._is_due = False
        work = partial(look_at, experiment, self.real_frames())
        self._job = Job(work, title="simulating", parent=self)
        self._job.arrived.connect(self.strip.show_look)
        self._job.failed.connect(self.note.fail)
        self._job.ended.connect(self._on_ended)
        self._job.start()

    def _on_ended(self) -> None:
        if self._is_due:
            self._delay.start()
