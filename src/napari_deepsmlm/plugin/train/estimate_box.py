"""Estimate from layer: microscope and sample measured from the frames, and what these hide."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from magicgui.widgets import CheckBox
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from napari_deepsmlm.plugin.forms.rows import FoldedForm
from napari_deepsmlm.plugin.jobs import Job
from napari_deepsmlm.plugin.layers.world import frames_of
from napari_deepsmlm.plugin.widgets.notes import Note
from napari_deepsmlm.plugin.widgets.parts import button

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator

    from napari_deepsmlm.camera import Camera
    from napari_deepsmlm.experiment import Experiment
    from napari_deepsmlm.plugin.forms.stack_box import StackBox
    from napari_deepsmlm.plugin.train.form import TrainForm


@dataclass(frozen=True, slots=True)
class Estimated:
    """What the frames tell."""

    sentences: tuple[str, ...]
    experiment: Experiment | None
    problem: str
    """Why there is no experiment, in one sentence."""


def estimate_live(
    frames: Any,
    pixel_size_nm: float,
    camera: Camera | None,
    network: str,
    stopping: threading.Event,
) -> Generator[Estimated, None, None]:
    """Yield what `estimate` finds in the frames, and a training for such frames."""
    from napari_deepsmlm.estimation import estimate

    found = estimate(frames, pixel_size_nm=pixel_size_nm, camera=camera)
    sentences = tuple(found.sentences)
    try:
        yield Estimated(sentences, found.to_experiment(network), "")
    except ValueError as error:
        yield Estimated(sentences, None, str(error).removesuffix(" ".join(sentences)).strip())


class EstimateBox(QWidget):
    """The button, whether the camera is known, and what the frames told.

    Parameters
    ----------
    stack_box : chooses the layer.
    form : is filled in.
    """

    failed = Signal(str)
    """One sentence."""

    def __init__(self, stack_box: StackBox, form: TrainForm) -> None:
        super().__init__()
        self._stack_box, self._form = stack_box, form
        self._job: Job | None = None
        self.button = button(
            "Estimate from layer",
            "Measure PSF width, camera, photons, background and density from the frames of the "
            "layer, and fill in everything below.",
        )
        self.button.clicked.connect(self.estimate)
        self.camera_box = CheckBox(
            label="camera known",
            tooltip="<qt>Take the camera that is chosen below. Otherwise its gain and offset are "
            "read from the noise of the frames, as far as that goes.</qt>",
        )
        self.told = FoldedForm("What the frames tell", "All that was measured, and how surely.")
        self.told_note = Note()
        self.told.rows.addRow(self.told_note)
        self.told.hide()
        row = QHBoxLayout()
        row.addWidget(self.button)
        row.addWidget(self.camera_box.native)
        column = QVBoxLayout(self)
        column.setContentsMargins(9, 0, 9, 0)
        column.addLayout(row)
        form.add_on_top(self.told)
        stack_box.changed.connect(self.update_button)
        self.update_button()

    @property
    def is_busy(self) -> bool:
        """Whether the frames are being measured."""
        return self._job is not None and self._job.is_running

    def update_button(self) -> None:
        """Enable the button if there is something to measure and nothing under way."""
        has_stack = self._stack_box.stack is not None and self._form.is_filled
        self.button.setEnabled(has_stack and not self.is_busy)
        self.button.setText("Measuring…" if self.is_busy else "Estimate from layer")

    def estimate(self) -> None:
        """Measure the frames of the chosen layer in another thread."""
        stack = self._stack_box.stack
        if stack is None:
            return
        try:
            now = self._form.experiment()
        except ValueError as error:
            self.failed.emit(str(error))
            return
        work = partial(
            estimate_live,
            frames_of(stack),
            self._stack_box.known_size.nm or now.psf.pixel_size_nm,
            now.camera if self.camera_box.value else None,
            now.network,
        )
        self._job = Job(work, title=f"measuring {stack.name}", parent=self)
        self._job.arrived.connect(partial(self._take, stack.name))
        self._job.failed.connect(self.failed)
        self._job.ended.connect(self.update_button)
        self._job.start()
        self.update_button()

    def abandon(self) -> None:
        """Stop without waiting."""
        if self._job is not None:
            self._job.abandon()

    def _take(self, name: str, found: Estimated) -> None:
        """Fill in the form, and say what was measured."""
        self.told_note.tell("\n".join(found.sentences))
        self.told.show()
        if found.experiment is None:
            self.told.expand()
            self.failed.emit(found.problem)
        else:
            self._form.suit_estimate(found.experiment, f"estimated: {name}")
