"""What is seen of a run while it goes on: curves, predictions, where it computes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_deepsmlm.plugin.train.curves import TrainCurves
from napari_deepsmlm.plugin.train.frames import PreviewGrid
from napari_deepsmlm.plugin.widgets.notes import Note
from napari_deepsmlm.plugin.widgets.parts import duration

if TYPE_CHECKING:
    from napari_deepsmlm.plugin.train.run import TrainingSession
    from napari_deepsmlm.runs import Resources
    from napari_deepsmlm.training.events import Finished, RolledBack, Started, Validated


class TrainProgress(QWidget):
    """Curves and predictions, in what scrolls."""

    def __init__(self) -> None:
        super().__init__()
        self.curves, self.preview = TrainCurves(), PreviewGrid()
        self.device_note, self.scores_note, self.trouble_note = Note(), Note(), Note()
        self._device = ""
        column = QVBoxLayout(self)
        for note in (self.device_note, self.trouble_note):
            column.addWidget(note)
        column.addWidget(self.curves, 1)
        for widget in (self.scores_note, self.preview):
            column.addWidget(widget)

    def begin(self, session: TrainingSession) -> None:
        """Forget the run before."""
        for note in (self.device_note, self.scores_note, self.trouble_note):
            note.clear()
        self.curves.show_run(session)
        self.preview.show_frames(np.empty((0, 1, 8, 8)))

    def tell_start(self, event: Started) -> None:
        """Say where it computes."""
        self._device = f"{event.n_parameters:,} parameters on {event.device} in {event.precision}"
        self.device_note.tell(f"{self._device}.")

    def tell_resources(self, event: Resources) -> None:
        """Say how much memory it holds."""
        on_gpu = "" if event.gpu_memory_mb is None else f", GPU {event.gpu_memory_mb / 1e3:.1f} GB"
        self.device_note.tell(f"{self._device}, memory {event.memory_mb / 1e3:.1f} GB{on_gpu}.")

    def tell_scores(self, event: Validated) -> None:
        """Say how good it is."""
        is_best = ", the best so far" if event.is_best else ""
        self.scores_note.tell(f"At step {event.step:,}{is_best}: {scores_in_words(event.scores)}.")

    def tell_roll_back(self, event: RolledBack) -> None:
        """Say that the run had to go back."""
        self.trouble_note.warn(
            f"At step {event.step:,} the loss was not a number: training went back to its last "
            f"good weights and goes on with a learning rate of {event.learning_rate:.2g}."
        )


def scores_in_words(scores: dict[str, float]) -> str:
    """Return what matters of a validation.

    Examples
    --------
    >>> scores_in_words({"jaccard": 0.5, "rmse_lateral_nm": 20.0, "bound_lateral_nm": 10.0})
    'Jaccard index 0.50, error 20 nm (no method is better than 10 nm)'
    """
    if scores["jaccard"] == 0 or not np.isfinite(scores["rmse_lateral_nm"]):
        return "no molecule is found yet"
    text = f"Jaccard index {scores['jaccard']:.2f}, error {scores['rmse_lateral_nm']:.3g} nm"
    bound = scores.get("bound_lateral_nm")
    if bound is not None and np.isfinite(bound):
        text += f" (no method is better than {bound:.3g} nm)"
    return text


def end_in_words(event: Finished, seconds: float) -> str:
    """Return how a run ended."""
    if event.was_over:
        return (
            f"This run was over already, at step {event.step:,}, so nothing was trained; "
            f"model in {event.model_path.parent}."
        )
    how = {
        "done": "Done",
        "stopped": "Stopped and saved: it can be resumed",
        "converged": "Ended early, as it got no better",
    }[event.reason]
    return f"{how}. {event.step:,} steps, {duration(seconds)}; model in {event.model_path.parent}."
