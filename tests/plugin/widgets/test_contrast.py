"""What the plugin colours itself can be read on both themes of napari."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from napari.utils.theme import get_theme
from qtpy.QtGui import QPalette

from napari_deepsmlm._palette import GREY, IN_WINDOW
from napari_deepsmlm.plugin.job_panel import JobPanel
from napari_deepsmlm.plugin.quality.mismatch_view import VERDICTS
from napari_deepsmlm.plugin.reconstruct.folder_table import FolderTable
from napari_deepsmlm.plugin.widgets.contrast import LEAST, TONES, contrast, readable_on
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
