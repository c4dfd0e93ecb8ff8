"""Film: pictures of the window with a caption below, as an animated GIF that stays small."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
from _window import click
from PIL import Image, ImageColor, ImageDraw, ImageFont
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QScrollArea, QWidget

from napari_deepsmlm._palette import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION, YELLOW
from napari_deepsmlm.plugin.widgets.contrast import TONES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from qtpy.QtCore import QPoint

WIDTH_PX, CAPTION_PX = 800, 46
COLORS = 48
PAPER, INK = (24, 24, 28), (240, 241, 242)
# Of curves and marks, which are few pixels and would get a colour of the images; in half too, as
# the edges of letters have them.
RARE = [
    channel // share
    for color in (SKY, ORANGE, GREEN, PURPLE, VERMILION, BLUE, YELLOW, *TONES.values())
    for share in (1, 2)
    for channel in ImageColor.getrgb(color)
]
FONT_PX = 19
READING_S, GLANCE_S, BETWEEN_S = 3.5, 1.2, 0.3
MAX_OF_A_JOB = 9
"""Pictures that are kept of a job, however long it took."""


class Film:
    """Takes pictures of the only window, and writes them as a GIF."""

    def __init__(self) -> None:
        self._pictures: list[Image.Image] = []
        self._seconds: list[float] = []
        self._caption = ""
        self._font = ImageFont.load_default(FONT_PX)

    def say(self, caption: str, seconds: float = READING_S) -> None:
        """Show the window as it is, with a new caption."""
        self._caption = caption
        self.show(seconds)

    def show(self, seconds: float = GLANCE_S) -> None:
        """Show the window as it is."""
        QTest.qWait(300)
        self._add(self._picture(), seconds)

    def click(self, button: QWidget, caption: str = "") -> None:
        """Show where the mouse is, and click."""
        self._caption = caption or self._caption
        _bring_into_view(button)
        QTest.qWait(300)
        self._add(self._picture(at=_middle(button)), READING_S if caption else GLANCE_S)
        click(button)

    def follow(self, is_done: Callable[[], bool], caption: str = "", seconds: float = 600) -> None:
        """Show what a job does until it is done, in a few pictures."""
        self._caption = caption or self._caption
        taken: list[Image.Image] = []
        end = time.monotonic() + seconds
        pause_ms, last = 300, time.monotonic()
        while not is_done():
            if time.monotonic() > end:
                raise TimeoutError("The panel did not get there.")
            QTest.qWait(20)
            if time.monotonic() - last > pause_ms / 1000:
                taken.append(self._picture())
                last = time.monotonic()
                if len(taken) > 8 * MAX_OF_A_JOB:
                    taken, pause_ms = taken[::2], 2 * pause_ms
        few = np.linspace(0, len(taken) - 1, min(len(taken), MAX_OF_A_JOB)).round().astype(int)
        for i in few:
            self._add(taken[i], GLANCE_S if i else READING_S)

    def save(self, path: Path) -> None:
        """Write all pictures with one palette, and say how long and how large the film is."""
        few = self._pictures[:: max(1, len(self._pictures) // 6)]
        every = Image.fromarray(np.concatenate([np.asarray(one) for one in few]))
        most = every.quantize(COLORS, method=Image.Quantize.MEDIANCUT).getpalette() or []
        palette = Image.new("P", (1, 1))
        palette.putpalette(most[: 3 * COLORS] + RARE)
        drawn = [one.quantize(palette=palette, dither=Image.Dither.NONE) for one in self._pictures]
        drawn[0].save(
            path,
            save_all=True,
            append_images=drawn[1:],
            duration=[round(1000 * one) for one in self._seconds],
            loop=0,
            optimize=False,
        )
        size_kb = path.stat().st_size / 1000
        print(f"{path}: {len(drawn)} pictures, {sum(self._seconds):.0f} s, {size_kb:.0f} kB")

    def _add(self, picture: Image.Image, seconds: float) -> None:
        if self._pictures and picture == self._pictures[-1]:
            self._seconds[-1] += seconds
            return
        self._pictures.append(picture)
        self._seconds.append(seconds)

    def _picture(self, at: QPoint | None = None) -> Image.Image:
        window = the_window()
        shown = window.grab().toImage()
        height, width = shown.height(), shown.width()
        data = np.frombuffer(shown.constBits().asstring(shown.sizeInBytes()), np.uint8)
        rows = data.reshape(height, shown.bytesPerLine() // 4, 4)[:, :width, 2::-1]  # BGRA
        image = Image.fromarray(np.ascontiguousarray(rows))
        scale = WIDTH_PX / width
        image = image.resize((WIDTH_PX, round(height * scale)), Image.Resampling.LANCZOS)
        made = Image.new("RGB", (WIDTH_PX, image.height + CAPTION_PX), PAPER)
        made.paste(image)
        draw = ImageDraw.Draw(made)
        if at is not None:
            _draw_pointer(draw, at.x() * scale, at.y() * scale)
        middle = (WIDTH_PX / 2, image.height + CAPTION_PX / 2)
        assert draw.textlength(self._caption, self._font) < WIDTH_PX - 16, self._caption
        draw.text(middle, self._caption, INK, self._font, anchor="mm")
        return made


def the_window() -> QWidget:
    """Return the window of the viewer."""
    (window,) = [w for w in QApplication.topLevelWidgets() if w.isVisible() and w.windowTitle()]
    return window


def _middle(button: QWidget) -> QPoint:
    return button.mapTo(the_window(), button.rect().center())


def _bring_into_view(button: QWidget) -> None:
    parent = button.parentWidget()
    while parent is not None and not isinstance(parent, QScrollArea):
        parent = parent.parentWidget()
    if parent is not None:
        parent.ensureWidgetVisible(button)


def _draw_pointer(draw: ImageDraw.ImageDraw, x: float, y: float) -> None:
    draw.ellipse((x - 15, y - 15, x + 15, y + 15), outline=YELLOW, width=3)
    arrow = ((0, 0), (0, 17), (4, 13), (7, 20), (10, 19), (7, 12), (12, 12))
    draw.polygon([(x + dx, y + dy) for dx, dy in arrow], fill=INK, outline=PAPER)
