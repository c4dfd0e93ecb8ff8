"""The Quality panel in a viewer, and a run of it to the end."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from napari_deepsmlm.plugin.quality.widget import QualityWidget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WAIT_MS = 120_000


@pytest.fixture
def quality(viewer: Any, qtbot: Any, no_threads_left: None) -> Iterator[QualityWidget]:
    panel = QualityWidget(viewer)
    viewer.window.add_dock_widget(panel, name="Quality")
    qtbot.waitUntil(lambda: panel.is_ready, timeout=WAIT_MS)
    panel.option_fields.fill({"n_blocks": 2})
    yield panel
    with suppress(RuntimeError):  # a test may have closed the window
        panel.abandon()


@pytest.fixture
def run(quality: QualityWidget, qtbot: Any) -> Callable[[], None]:
    def run_to_the_end() -> None:
        assert quality.run_button.isEnabled()
        quality.run_button.click()
        qtbot.waitUntil(lambda: not quality.is_busy, timeout=WAIT_MS)

    return run_to_the_end
