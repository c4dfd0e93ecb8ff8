"""Camera finder: what is known of the chosen stack's camera, found in another thread and kept."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from qtpy.QtCore import QObject, QTimer, Signal

from napari_deepsmlm.plugin.jobs import Job
from napari_deepsmlm.plugin.layers.world import frames_of
from napari_deepsmlm.plugin.widgets.notes import Note

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator

    from napari.layers import Layer

    from napari_deepsmlm.estimation import KnownCamera

DELAY_MS = 100
LOOKING = "Camera: looking at the frames…"


class CameraFinder(QObject):
    """Finds the camera of a layer once for each choice, and says what was found in a `note`."""

    found = Signal()
    """What :attr:`known` tells is new."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.note = Note()
        self._kept: WeakKeyDictionary[Layer, dict[str, KnownCamera]] = WeakKeyDictionary()
        self._layer: Layer | None = None
        self._choice: Any = None
        self._job: Job | None = None
        self._delay = QTimer(self)
        self._delay.setSingleShot(True)
        self._delay.setInterval(DELAY_MS)
        self._delay.timeout.connect(self._begin)

    @property
    def known(self) -> KnownCamera | None:
        """The camera of the layer and the choice at hand, None until it is found."""
        if self._layer is None:
            return None
        return self._kept.get(self._layer, {}).get(self._key)

    def ask(self, layer: Layer | None, choice: Any) -> None:
        """Find the camera of a layer if it is not known yet: `choice` is the option `camera`."""
        if layer is self._layer and choice == self._choice:
            return
        self._let_go()
        self._layer, self._choice = layer, choice
        if layer is None:
            self.note.clear()
        elif self.known is None:
            self.note.tell(LOOKING)
            self._delay.start()
        else:
            self._tell(self.known)

    def abandon(self) -> None:
        """Stop without waiting."""
        self._let_go()
        self._layer = None

    @property
    def _key(self) -> str:
        shape = () if self._layer is None else tuple(self._layer.data.shape)
        return f"{self._choice} {shape}"

    def _let_go(self) -> None:
        self._delay.stop()
        if self._job is not None:
            self._job.abandon()
            self._job.deleteLater()
        self._job = None

    def _begin(self) -> None:
        layer = self._layer
        if layer is None:
            return
        work = partial(find, frames_of(layer), self._choice)
        self._job = Job(work, title="looking at the camera", parent=self, is_listed=False)
        self._job.arrived.connect(self._keep)
        self._job.failed.connect(self.note.warn)
        self._job.start()

    def _keep(self, known: object) -> None:
        if self._layer is None:
            return
        self._kept.setdefault(self._layer, {})[self._key] = known  # type: ignore[assignment]
        self._tell(known)  # type: ignore[arg-type]
        self.found.emit()

    def _tell(self, known: KnownCamera) -> None:
        if known.warnings:
            self.note.warn(" ".join([known.in_words(), *known.warnings]))
        else:
            self.note.tell(known.in_words())


def find(frames: Any, choice: Any, stopping: threading.Event) -> Generator[KnownCamera, None, None]:
    """Yield what is known of the camera of frames.

    Parameters
    ----------
    frames : what `open_frames` takes.
    choice : a value of the option `camera`.
    """
    from napari_deepsmlm.estimation import know_camera
    from napari_deepsmlm.io import open_frames
    from napari_deepsmlm.reconstruction import ReconstructOptions

    if not stopping.is_set():
        options = ReconstructOptions.from_dict({"camera": choice}, source="Camera")
        yield know_camera(open_frames(frames), options.camera)
