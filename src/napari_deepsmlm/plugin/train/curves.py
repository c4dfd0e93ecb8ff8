"""Curves of a run: loss on a log axis, precision in nm and Jaccard index against steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_deepsmlm._palette import GREEN, GREY, ORANGE, SKY
from napari_deepsmlm.plugin.widgets.plots import HEIGHT_PX, Plot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_deepsmlm.plugin.train.run import TrainingSession


class TrainCurves(QWidget):
    """Three plots over one axis of steps, filled anew without being drawn anew."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.loss_plot = Plot("loss", "Loss of the training steps, and of the validation frames.")
        self.rmse_plot = Plot("RMSE (nm)", "Lateral error of the molecules found, and its bound.")
        self.jaccard_plot = Plot("Jaccard", "Share of molecules found and right: 1 is all.")
        self.loss = self.loss_plot.add_line("training", SKY)
        self.validation = self.loss_plot.add_points("validation", ORANGE)
        self.rmse = self.rmse_plot.add_points("error", ORANGE)
        self.bound = self.rmse_plot.add_line("no method is better", GREY, dashed=True)
        self.jaccard = self.jaccard_plot.add_points("Jaccard", GREEN)
        self._shown: tuple[TrainingSession | None, int] = (None, 0)
        self._last_x = 0.0
        self.plots = (self.loss_plot, self.rmse_plot, self.jaccard_plot)
        self.loss_plot.use_room(HEIGHT_PX + 30)
        self.jaccard_plot.use_room(HEIGHT_PX + 15)
        self.jaccard_plot.setYRange(0, 1)
        self.jaccard_plot.setLabel("bottom", "step")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        for plot in self.plots:
            if len(plot.keys) > 1:
                column.addWidget(plot.key)
            column.addWidget(plot)
            if plot is not self.loss_plot:
                plot.setXLink(self.loss_plot)

    def show_run(self, session: TrainingSession) -> None:
        """Draw the curves so far, and of them only those that have changed."""
        steps, losses = session.loss.points()
        scores = session.scores
        n = min(map(len, scores.values()))  # the other thread may be at it
        at = scores["step"][:n]
        judged = scores["validation_loss"][:n]
        self._make_room(max([0.0, *steps[-1:], *at[-1:]]))
        self.loss_plot.set_log(_are_positive(losses) and _are_positive(judged))
        self.loss.setData(steps, losses)
        if (session, n) == self._shown:
            return
        self._shown = (session, n)
        self.validation.setData(at, judged)
        self.rmse.setData(at, scores["rmse_lateral_nm"][:n])
        self.bound.setData(at, scores["bound_lateral_nm"][:n])
        self.jaccard.setData(at, scores["jaccard"][:n])

    def _make_room(self, last_step: float) -> None:
        """Let the axis of steps grow by a quarter now and then: it redraws all three plots."""
        if not 0.3 * self._last_x < last_step <= self._last_x:
            self._last_x = max(1.25 * last_step, 20.0)
            self.loss_plot.setXRange(0, self._last_x, padding=0.02)

    def set_colors(self, background: str, text: str) -> None:
        """Follow the theme of the window."""
        for plot in self.plots:
            plot.set_colors(background, text)


def _are_positive(values: Sequence[float]) -> bool:
    finite = np.asarray(values)[np.isfinite(values)]
    return bool((finite > 0).all())
