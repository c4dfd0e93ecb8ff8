"""Figures of a run can be read, however far its loss falls."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from napari_deepsmlm.training.figures import training_figure


@pytest.mark.parametrize("last", [2000.0, 300.0, 3e-4])
def test_labels_lie_inside_and_none_on_another(last: float) -> None:
    steps = np.linspace(1, 1e6, 30)
    errors = {
        f"{kind}_{axis}_nm": steps for kind in ("rmse", "bound") for axis in ("lateral", "axial")
    }
    losses = np.geomspace(3000, last, 30)
    figure = training_figure({"step": steps, "training_loss": losses, "recall": steps, **errors})
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    height = figure.bbox.height
    for axes in figure.axes:
        inside = axes.get_tightbbox()
        assert inside.x0 >= 0
        assert inside.y0 >= 0
        assert inside.x1 <= figure.bbox.width
        assert inside.y1 <= height
    shown = [
        each.get_window_extent()
        for each in figure.axes[0].get_yticklabels(which="both")
        if each.get_text()
    ]
    seen = sorted((box for box in shown if 0 < box.y0 < height), key=lambda box: box.y0)
    assert len(seen) >= 1
    assert all(low.y1 < high.y0 for low, high in pairwise(seen))
