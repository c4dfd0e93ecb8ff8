"""Pictures of a calibration: widths through z with their fit, images beside the fitted ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from qtpy.QtCore import Qt
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import QGridLayout, QLabel, QVBoxLayout, QWidget

from napari_deepsmlm._palette import ORANGE, SKY
from napari_deepsmlm.plugin.widgets.editors import choice
from napari_deepsmlm.plugin.widgets.plots import Plot

if TYPE_CHECKING:
    from napari_deepsmlm.calibration.calibrate import Calibration
    from napari_deepsmlm.plugin.calibrate.work import Calibrated

    Array = np.ndarray[Any, Any]

HEIGHT_PX = 150
N_DEPTHS = 5
SIDE_PX = 54
RESIDUAL_SHARE = 5
"""Residuals are shown with as many times the contrast of the data."""


class CalibrationView(QWidget):
    """Sigma(z) of a plane, and data, fit and residual of the first one."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._result: Calibration | None = None
        self.plane_box = choice(self._planes, tooltip="The focal plane whose widths are drawn.")
        self.plane_box.native.setAccessibleName("Focal plane")
        self.plane_box.changed.connect(self._draw_widths)
        self.plot = WidthPlot()
        self.images = ImageTable()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for widget in (self.plane_box.native, self.plot.key, self.plot, self.images):
            column.addWidget(widget)

    def show_result(self, made: Calibrated) -> None:
        """Draw a calibration."""
        self._result = made.result
        self.plane_box.reset_choices()
        self.plane_box.native.setVisible(len(self.plane_box) > 1)
        self._draw_widths()
        self.images.show_images(made.result.z_nm, made.result.measured[0], made.fitted)

    def set_colors(self, background: str, text: str) -> None:
        """Follow the theme of the window."""
        self.plot.set_colors(background, text)

    def _planes(self, _: object) -> list[tuple[str, int]]:
        n_planes = 0 if self._result is None else len(self._result.curves)
        return [(f"Focal plane {i + 1} of {n_planes}", i) for i in range(n_planes)]

    def _draw_widths(self, *_: object) -> None:
        if self._result is not None and len(self.plane_box):
            self.plot.show_curve(self._result, self.plane_box.value)


class WidthPlot(Plot):
    """Widths of the bead along x and y in each image, and the curves through them."""

    def __init__(self) -> None:
        super().__init__(
            "σ (nm)", "Width of the bead in each image (points) and the fitted curve (line)."
        )
        self.use_room(HEIGHT_PX)
        self.setLabel("bottom", "z (nm)")
        self.getPlotItem().setContentsMargins(0, 7, 4, 6)
        self.measured = {"x": self.add_points("σ x", SKY), "y": self.add_points("σ y", ORANGE)}
        for line in self.measured.values():
            line.setPen(None)
        self.fitted = {"x": self.add_line("σ x", SKY), "y": self.add_line("σ y", ORANGE)}

    def show_curve(self, result: Calibration, plane: int) -> None:
        """Draw one plane."""
        curve, z = result.curves[plane], result.z_nm
        fine = np.linspace(z[0], z[-1], 200)
        widths = {"x": curve.sigma_x_nm, "y": curve.sigma_y_nm}
        for axis, measured in widths.items():
            self.measured[axis].setData(z, measured)
            fitted = getattr(curve, axis).sigma_at(torch.as_tensor(fine)).numpy()
            self.fitted[axis].setData(fine, fitted)
        highest = 1.1 * max(widths["x"].max(), widths["y"].max())
        self.setYRange(0, float(highest))


class ImageTable(QWidget):
    """Data, fit and residual at some depths, each depth with one contrast."""

    def __init__(self) -> None:
        super().__init__()
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(2)
        self.depths = [QLabel() for _ in range(N_DEPTHS)]
        self.rows: dict[str, list[QLabel]] = {}
        for column, label in enumerate(self.depths, 1):
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
            grid.addWidget(label, 0, column)
        for row, name in enumerate(("data", "fit", "rest"), 1):
            grid.addWidget(QLabel(name), row, 0)
            self.rows[name] = [QLabel() for _ in range(N_DEPTHS)]
            for column, label in enumerate(self.rows[name], 1):
                grid.addWidget(label, row, column)
        grid.setColumnStretch(N_DEPTHS + 1, 1)
        self.setToolTip(
            "<qt>The averaged bead, what the fit makes of it, and the rest with "
            f"{RESIDUAL_SHARE} times the contrast: structure in it is what the fit misses.</qt>"
        )

    def show_images(self, z_nm: Array, data: Array, fitted: Array) -> None:
        """Fill the table.

        Parameters
        ----------
        z_nm : (Z,)
        data, fitted : (Z, P, P)
        """
        chosen = np.linspace(0, len(z_nm) - 1, N_DEPTHS).round().astype(int)
        for column, k in enumerate(chosen):
            top = float(data[k].max()) or 1.0
            self.depths[column].setText(f"{z_nm[k]:.0f} nm")
            rest = (data[k] - fitted[k]) * RESIDUAL_SHARE / 2 + top / 2
            for name, image in (("data", data[k]), ("fit", fitted[k]), ("rest", rest)):
                self.rows[name][column].setPixmap(_grey(image / top))


def _grey(image: Array) -> QPixmap:
    """Return an image of 0 to 1 as a pixmap."""
    grey = np.ascontiguousarray((255 * image).clip(0, 255).astype(np.uint8))
    height, width = grey.shape
    shown = QImage(grey.tobytes(), width, height, width, QImage.Format.Format_Grayscale8)
    return QPixmap.fromImage(shown.copy()).scaled(SIDE_PX, SIDE_PX)
