"""Plot of a drift curve in the panel: lines, errors as bands, the other way of measuring dashed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import Qt

from napari_deepsmlm._palette import IN_WINDOW
from napari_deepsmlm.plugin.widgets.plots import Plot

if TYPE_CHECKING:
    from napari_deepsmlm.drift import DriftCurve

MAX_POINTS = 2000
CURVE_PX = 150


def drift_plot(curve: DriftCurve, other: DriftCurve | None) -> Plot:
    """Return the plot of a curve, and of that by the other way of measuring."""
    plot = Plot(
        "drift (nm)",
        "How far the sample moved since the first frame, with its standard error as a band. "
        "Dashed: by the other way of measuring.",
    )
    plot.use_room(CURVE_PX)
    plot.setLabel("bottom", "frame")
    step = max(1, curve.n_frames // MAX_POINTS)
    frame = np.arange(1, curve.n_frames + 1)[::step]
    for axis, (along, color) in enumerate(zip(curve.xyz_nm.T, IN_WINDOW, strict=False)):
        error = curve.error_nm
        if axis == 2 and curve.error_z_nm is not None:
            error = curve.error_z_nm
        _band(plot, frame, along[::step], error[::step], color)
        plot.add_line("xyz"[axis], color).setData(frame, along[::step])
        if other is not None:
            apart = other.xyz_nm[:, axis]
            apart = apart + (along - apart).mean()
            pen = pg.mkPen(width=1, style=Qt.PenStyle.DashLine)
            plot.paint(plot.plot(frame, apart[::step], pen=pen), color)
    return plot


def _band(plot: Plot, frame: Any, along: Any, error: Any, color: str) -> None:
    dots = pg.mkPen(width=1, style=Qt.PenStyle.DotLine)
    edges = [plot.plot(frame, along + sign * error, pen=dots) for sign in (-1, 1)]
    between = pg.FillBetweenItem(*edges)
    plot.addItem(between)
    for each in (*edges, between):
        plot.paint(each, color)
