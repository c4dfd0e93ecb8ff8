"""What the plugin colours itself can be read on both themes of napari."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.utils.theme import get_theme
from qtpy.QtCore import Qt
from qtpy.QtGui import QPalette

from napari_deepsmlm._palette import GREY, IN_WINDOW
from napari_deepsmlm.plugin.job_panel import JobPanel
from napari_deepsmlm.plugin.localizations.column_ranges import HistogramBars
from napari_deepsmlm.plugin.quality.mismatch_view import VERDICTS
from napari_deepsmlm.plugin.reconstruct.folder_table import FolderTable
from napari_deepsmlm.plugin.widgets.contrast import (
    LEAST,
    LEAST_OF_GRAPHICS,
    TONES,
    contrast,
    readable_on,
    visible_on,
)
from napari_deepsmlm.plugin.widgets.plots import Plot

if TYPE_CHECKING:
    from collections.abc import Iterator

THEMES = ("dark", "light")
COLORS = sorted({*TONES.values(), *IN_WINDOW, GREY, *(color for _, color in VERDICTS.values())})


@pytest.fixture
def panel(viewer: Any, no_threads_left: None) -> Iterator[JobPanel]:
    from qtpy.QtWidgets import QWidget

    made = JobPanel(viewer)
    made.lay_out(QWidget(), [])
    viewer.window.add_dock_widget(made, name="notes")
    yield made
    made.abandon()


@pytest.mark.parametrize(
    ("first", "second", "ratio"),
    [("#000000", "#ffffff", 21.0), ("#777777", "#ffffff", 4.48), ("#767676", "#fff", 4.54)],
)
def test_contrast_is_that_of_the_published_examples(first: str, second: str, ratio: float) -> None:
    assert contrast(first, second) == contrast(second, first) == pytest.approx(ratio, abs=0.005)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("color", COLORS)
def test_every_colour_of_text_is_readable_on_every_theme(color: str, theme: str) -> None:
    values = get_theme(theme)
    grounds = [values.background.as_hex(), values.foreground.as_hex()]
    made = readable_on(color, *grounds)
    assert min(contrast(made, ground) for ground in grounds) >= LEAST


def test_a_colour_that_is_readable_is_left_as_it_is() -> None:
    assert readable_on("#56b4e9", "#23242b") == "#56b4e9"


@pytest.mark.parametrize("theme", THEMES)
def test_notes_and_axes_are_readable_in_a_panel(
    panel: JobPanel, viewer: Any, qtbot: Any, theme: str
) -> None:
    viewer.theme = theme
    ground = get_theme(theme).background.as_hex()
    note = panel.message_note
    seen = set()
    for say in (note.tell, note.praise, note.warn, note.fail):
        say("the width of the PSF is outside of the training")
        note.ensurePolished()
        color = note.palette().color(QPalette.ColorRole.WindowText).name()
        assert contrast(color, ground) >= LEAST, say.__name__
        seen.add(color)
    assert len(seen) == 4
    assert note.is_error
    plot = Plot("brightness", "A plot of this test.")
    qtbot.addWidget(plot)
    plot.set_colors(ground, get_theme(theme).text.as_hex())
    assert contrast(plot.getAxis("left").textPen().color().name(), ground) >= LEAST


def test_what_failed_follows_the_theme(qtbot: Any) -> None:
    table = FolderTable()
    qtbot.addWidget(table)
    table._show("a.tif", ("a.tif", "failed", "", ""), "cut short", is_failed=True)
    for theme in THEMES:
        ground = get_theme(theme).background.as_hex()
        table.set_colors(ground)
        item = table.item(0, 0)
        assert item is not None
        assert contrast(item.foreground().color().name(), ground) >= LEAST


@pytest.fixture
def drawings(qtbot: Any) -> list[Any]:
    """Every drawing of the panels, with curves in it."""
    from napari_deepsmlm.drift import DriftCurve
    from napari_deepsmlm.plugin.calibrate.plots import WidthPlot
    from napari_deepsmlm.plugin.localizations.drift_plot import drift_plot
    from napari_deepsmlm.plugin.profile.plot import COLORS as PROFILE_COLORS
    from napari_deepsmlm.plugin.profile.plot import ProfilePlot
    from napari_deepsmlm.plugin.quality.plot import RingPlot
    from napari_deepsmlm.plugin.train.curves import TrainCurves
    from napari_deepsmlm.plugin.train.frames import LookStrip

    xyz = np.cumsum(np.ones((20, 3)), 0)
    curve = DriftCurve(xyz_nm=xyz, error_nm=np.ones(20))
    profiles = ProfilePlot()
    profiles._make_pairs(len(PROFILE_COLORS))
    for i, color in enumerate(PROFILE_COLORS):
        profiles._set_look(i, color, i)
    made = [TrainCurves(), RingPlot(), LookStrip(), WidthPlot(), drift_plot(curve, curve), profiles]
    for drawing in made:
        qtbot.addWidget(drawing)
    return made


@pytest.mark.parametrize("theme", THEMES)
def test_every_curve_and_every_key_is_seen_on_every_theme(drawings: list[Any], theme: str) -> None:
    ground, text = (getattr(get_theme(theme), name).as_hex() for name in ("background", "text"))
    n_curves = 0
    for drawing in drawings:
        drawing.set_colors(ground, text)
        plots = [drawing] if isinstance(drawing, Plot) else drawing.findChildren(Plot)
        for plot in plots:
            assert plot.backgroundBrush().color().name() == ground
            for curve in plot.getPlotItem().listDataItems():
                if curve.opacity() < 1:  # as measured, behind the same one smoothed
                    assert type(drawing).__name__ == "RingPlot"
                    continue
                for color in _colors_of(curve):
                    assert contrast(color, ground) >= LEAST_OF_GRAPHICS, (drawing, color)
                    n_curves += 1
            for color in re.findall(r"color: (#\w+)", plot.key.text()):
                assert contrast(color, ground) >= LEAST_OF_GRAPHICS, plot.key.text()
    assert n_curves > 30


def _colors_of(curve: Any) -> list[str]:
    """Return the colours in which a curve and its points are drawn."""
    import pyqtgraph as pg

    pen = pg.mkPen(curve.opts["pen"])
    colors = [] if pen.style() == Qt.PenStyle.NoPen else [pen.color().name()]
    if curve.opts["symbol"] is not None:
        colors.append(pg.mkBrush(curve.opts["symbolBrush"]).color().name())
    return colors


@pytest.mark.parametrize("theme", THEMES)
def test_histograms_are_seen_on_every_theme(qtbot: Any, theme: str) -> None:
    ground = get_theme(theme).background.as_hex()
    bars = HistogramBars(np.array([1, 9, 9, 9]))
    qtbot.addWidget(bars)
    bars.setStyleSheet(f"background: {ground}")
    bars.set_colors(ground)
    bars.show_kept(np.array([0, 0, 9, 9]))
    bars.resize(120, bars.height())
    picture = bars.grab().toImage()
    kept = picture.pixelColor(90, bars.height() - 8).name()
    edge = picture.pixelColor(30, bars.height() // 2).name()  # where the outline of all goes up
    for color in (kept, edge):
        assert contrast(color, ground) >= LEAST_OF_GRAPHICS


def test_curves_keep_apart_when_the_background_turns_light() -> None:
    for ground in ("#23242b", "#ebe7e6"):
        assert len({visible_on(color, ground) for color in IN_WINDOW}) == len(IN_WINDOW)
