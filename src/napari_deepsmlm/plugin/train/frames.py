"""Frames beside each other: simulated and real, and what a network makes of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import Qt
from qtpy.QtGui import QFontMetricsF, QImage, QPixmap
from qtpy.QtWidgets import QGridLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_deepsmlm._palette import ORANGE, SKY
from napari_deepsmlm.plugin.layers.contrast import contrast_limits
from napari_deepsmlm.plugin.train.look import says
from napari_deepsmlm.plugin.widgets.contrast import visible_on
from napari_deepsmlm.plugin.widgets.notes import Note
from napari_deepsmlm.plugin.widgets.plots import Plot, colored

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QResizeEvent

    from napari_deepsmlm.plugin.train.look import FramePair

    Array = np.ndarray[Any, Any]

SIDE_PX = 84
LEAST_SHARE = 0.01
"""Of the pixels, percent: the foot of the histograms' logarithmic axis."""


class FrameView(QWidget):
    """One small image under its title, as large as the panel is wide."""

    def __init__(self, title: str, tooltip: str) -> None:
        super().__init__()
        self.title, self.image = QLabel(title), QLabel()
        self.title.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.image.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.image.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)
        self.image.setMinimumWidth(SIDE_PX - 8)
        self.image.setFixedHeight(SIDE_PX)
        self.setToolTip(f"<qt>{tooltip}</qt>")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(self.title)
        column.addWidget(self.image, 1)
        self._pixmap: QPixmap | None = None

    def show_frame(self, frame: Array, limits: tuple[float, float]) -> None:
        """Show a (H, W) image in grey."""
        low, high = limits
        scaled = (frame.astype(np.float32) - low) * (255 / max(high - low, 1e-9))
        grey = np.ascontiguousarray(scaled.clip(0, 255).astype(np.uint8))
        height, width = grey.shape
        image = QImage(grey.tobytes(), width, height, width, QImage.Format.Format_Grayscale8)
        self._pixmap = QPixmap.fromImage(image.copy())  # a copy: the array goes
        self._fit()

    def say(self, text: str) -> None:
        """Show a text instead of an image."""
        self._pixmap = None
        self.image.setText(text)

    @property
    def has_image(self) -> bool:
        """Whether there is something to see."""
        return self._pixmap is not None

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Fit the image anew."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        if self._pixmap is not None:
            self.image.setPixmap(
                self._pixmap.scaled(
                    self.image.size(),
                    Qt.AspectRatioMode.KeepAspectRatio,
                    Qt.TransformationMode.SmoothTransformation
                    if self._pixmap.width() > self.image.width()
                    else Qt.TransformationMode.FastTransformation,
                )
            )


class LookStrip(QWidget):
    """A simulated frame beside the real one, and their histograms."""

    def __init__(self) -> None:
        super().__init__()
        self.simulated = FrameView("simulated", "A frame as these settings make it.")
        self.real = FrameView("real", "The frame under the slider, with the same contrast.")
        self.histograms = Plot(
            "% of pixels", "ADU of both frames, which should agree: simulated blue, real orange."
        )
        self.histograms.setFixedHeight(SIDE_PX + 20)
        self.histograms.set_log(True)
        self.histograms.setAxisItems({"bottom": _SparseAxis("bottom")})
        self._curves = {
            "simulated": self.histograms.add_line("simulated", SKY),
            "real": self.histograms.add_line("real", ORANGE),
        }
        self.note = Note()
        grid = QGridLayout(self)
        grid.setContentsMargins(9, 4, 9, 0)
        grid.setVerticalSpacing(2)
        grid.addWidget(self.simulated, 0, 0)
        grid.addWidget(self.real, 0, 1)
        grid.addWidget(self.histograms, 0, 2)
        grid.addWidget(self.note, 1, 0, 1, 3)
        for column, share in enumerate((5, 5, 8)):
            grid.setColumnStretch(column, share)
        self.say_no_stack()

    def say_no_stack(self) -> None:
        """Ask for a real frame."""
        self.real.say("open\na stack")

    def set_colors(self, background: str, text: str) -> None:
        """Follow the theme of the window: the titles have the colours of their histograms."""
        self.histograms.set_colors(background, text)
        for view, (name, color) in zip(
            (self.simulated, self.real), self.histograms.keys, strict=True
        ):
            view.title.setText(colored(name, visible_on(color, background)))

    def show_look(self, look: FramePair) -> None:
        """Show both frames and their histograms."""
        self.simulated.show_frame(look.simulated, look.limits)
        frames = {"simulated": look.simulated, "real": look.real}
        if look.real is None:
            self.say_no_stack()
        else:
            self.real.show_frame(look.real, look.limits)
        middles = (look.edges[1:] + look.edges[:-1]) / 2
        for name, frame in frames.items():
            shares: Any = [] if frame is None else (100 * look.histogram(frame)).clip(LEAST_SHARE)
            self._curves[name].setData([] if frame is None else middles, shares)
        difference = says(look)
        if difference:
            self.note.warn(difference)
        else:
            self.note.clear()


class PreviewGrid(QWidget):
    """What the network makes of the frames that are watched: input above, prediction below."""

    def __init__(self) -> None:
        super().__init__()
        self._views: list[tuple[FrameView, FrameView]] = []
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        for column, kind in enumerate(("simulated", "real")):
            frame = FrameView(kind, f"The {kind} frame that is predicted at each validation.")
            made = FrameView("predicted", f"What the network makes of the {kind} frame so far.")
            grid.addWidget(frame, 0, 2 * column)
            grid.addWidget(made, 0, 2 * column + 1)
            self._views.append((frame, made))

    def show_frames(self, frames: Array) -> None:
        """Show the (B, C, H, W) frames themselves; the middle channel of each."""
        for index, (frame, made) in enumerate(self._views):
            is_there = index < len(frames)
            frame.setVisible(is_there)
            made.setVisible(is_there)
            if is_there:
                image = frames[index, frames.shape[1] // 2]
                low, high = np.percentile(image, (0.5, 99.8))
                frame.show_frame(image, (float(low), float(high)))
                made.say("soon")

    def show_predictions(self, images: Sequence[Array]) -> None:
        """Show (r H, r W) images."""
        for (_, made), image in zip(self._views, images, strict=False):
            small = shrunk(image)
            made.show_frame(small, contrast_limits(small))


class _SparseAxis(pg.AxisItem):  # type: ignore[misc]
    """An axis with two to four numbers, which may have five digits each and stay apart."""

    def tickSpacing(self, low: float, high: float, size: float) -> list[tuple[float, float]]:
        font = QFontMetricsF(self.style.get("tickFont") or self.font())
        room = font.horizontalAdvance(f"{high:.0f}  ") / max(size, 1.0)
        least = max(high - low, 1e-9) * min(max(1 / 4, room), 1.0)
        decade = 10.0 ** math.floor(math.log10(least))
        return [(next(n * decade for n in (1, 2, 4, 5, 10) if n * decade >= least), 0.0)]


def shrunk(image: Array) -> Array:
    """Return an image that is hardly larger than its place, no molecule lost: maxima of blocks.

    Examples
    --------
    >>> image = np.zeros((512, 256))
    >>> image[100, 200] = 3.0
    >>> shrunk(image).shape, float(shrunk(image).max())
    ((73, 36), 3.0)
    """
    step = math.ceil(max(image.shape) / SIDE_PX)
    height, width = (side // step for side in image.shape)
    blocks = image[: height * step, : width * step].reshape(height, step, width, step)
    maxima: Array = blocks.max(axis=(1, 3))
    return maxima
