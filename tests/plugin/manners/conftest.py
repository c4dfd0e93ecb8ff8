"""A stack in the viewer, and panels that are opened on it as the menu does."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.plugin.manners.panels import PLUGIN, WAIT_MS, is_ready, unfold

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.plugin.manners.panels import Open


@pytest.fixture
def stack_layer(viewer: Any) -> Any:
    frames = np.random.default_rng(0).poisson(100, (20, 64, 64)).astype(np.uint16)
    return viewer.add_image(frames, scale=(1, 100, 100), units=("pixel", "nm", "nm"))


@pytest.fixture
def open_panel(viewer: Any, qtbot: Any, stack_layer: Any, no_threads_left: None) -> Iterator[Open]:
    """A function that opens a panel as the menu does, and waits until it is filled."""
    opened: list[Any] = []

    def open_one(name: str) -> Any:
        _, panel = viewer.window.add_plugin_dock_widget(PLUGIN, name)
        opened.append(panel)
        qtbot.waitUntil(lambda: is_ready(panel), timeout=WAIT_MS)
        unfold(panel)
        return panel

    yield open_one
    for panel in opened:
        with suppress(RuntimeError):  # a test may have closed the window
            panel.abandon()
