"""Every panel follows the theme of napari."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtWidgets import QGraphicsView
from tests.plugin.manners.panels import PANELS

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget
    from tests.plugin.manners.panels import Open


@pytest.mark.parametrize("name", PANELS)
def test_panels_follow_the_theme(viewer: Any, qtbot: Any, open_panel: Open, name: str) -> None:
    panel = open_panel(name)
    viewer.theme = "light"
    qtbot.wait(50)
    light = brightness(panel)
    viewer.theme = "dark"
    qtbot.wait(50)
    assert light > brightness(panel) + 60
    for plot in panel.findChildren(QGraphicsView):
        if hasattr(plot, "getPlotItem"):
            assert plot.backgroundBrush().color().lightness() < 100


def brightness(panel: QWidget) -> float:
    """Median grey level of a picture of the panel."""
    image = panel.grab().toImage()
    step = 7
    levels = [
        image.pixelColor(x, y).lightness()
        for y in range(0, image.height(), step)
        for x in range(0, image.width(), step)
    ]
    return float(np.median(levels))
