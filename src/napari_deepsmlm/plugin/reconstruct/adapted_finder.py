"""Adapted finder: which model of a network suits the chosen stack, looked up in a thread."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from qtpy.QtCore import QObject, QTimer, Signal

from napari_deepsmlm.plugin.jobs import Job
from napari_deepsmlm.plugin.layers.world import frames_of

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator

    from napari.layers import Layer

DELAY_MS = 100


class WantedModel(NamedTuple):
    """What a model is wanted for."""

    network: str
    pixel_size_nm: float
    camera: Any
    """The option `camera`."""
    sum_frames: int
    channel: int | None


class Suiting(NamedTuple):
    """The model of a network that suits the frames, and why."""

    name: str
    reason: str


class AdaptedFinder(QObject):
    """Looks up the model for a layer, as the command line does for a network's name."""

    found = Signal()
    """What :attr:`suiting` or :attr:`is_looking` tells is new."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.suiting: Suiting | None = None
        self._layer: Layer | None = None
        self._wanted: WantedModel | None = None
        self._job: Job | None = None
        self._delay = QTimer(self)
        self._delay.setSingleShot(True)
        self._delay.setInterval(DELAY_MS)
        self._delay.timeout.connect(self._begin)

    @property
    def is_looking(self) -> bool:
        """Whether the frames are still looked at."""
        return self._delay.isActive() or (self._job is not None and self._job.is_running)

    def ask(self, layer: Layer | None, wanted: WantedModel | None) -> None:
        """Look a model up unless the same was asked before; None: there is nothing to find."""
        if layer is self._layer and wanted == self._wanted:
            return
        was_known = self.is_looking or self.suiting is not None
        self._let_go()
        self._layer, self._wanted, self.suiting = layer, wanted, None
        if layer is not None and wanted is not None:
            self._delay.start()
        if was_known or self.is_looking:
            self.found.emit()

    def abandon(self) -> None:
        """Stop without waiting."""
        self._let_go()
        self._layer = None

    def _let_go(self) -> None:
        self._delay.stop()
        if self._job is not None:
            self._job.abandon()
            self._job.deleteLater()
        self._job = None

    def _begin(self) -> None:
        if self._layer is None or self._wanted is None:
            return
        work = partial(find, frames_of(self._layer), self._wanted)
        self._job = Job(
            work, title="looking for the model that suits", parent=self, is_listed=False
        )
        self._job.arrived.connect(self._keep)
        self._job.ended.connect(self.found)
        self._job.start()

    def _keep(self, suiting: Any) -> None:
        self.suiting = suiting


def find(
    frames: Any, wanted: WantedModel, stopping: threading.Event
) -> Generator[Suiting, None, None]:
    """Yield the model of a network that suits frames, as the command line chooses it.

    Parameters
    ----------
    frames : what `open_frames` takes.
    wanted : what for.
    """
    from napari_deepsmlm.estimation import know_camera
    from napari_deepsmlm.io import open_frames
    from napari_deepsmlm.reconstruction import ReconstructOptions, find_for

    if stopping.is_set():
        return
    values = {
        "model": wanted.network,
        "pixel_size_nm": wanted.pixel_size_nm,
        "camera": wanted.camera,
        "sum_frames": wanted.sum_frames,
    }
    options = ReconstructOptions.from_dict(values, source="Camera")
    source = open_frames(frames, channel=wanted.channel)
    found = find_for(source, options, know_camera(source, options.camera))
    yield Suiting(found.name, found.reason)
