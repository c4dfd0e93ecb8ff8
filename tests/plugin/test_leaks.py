"""A panel that was closed is gone: no object, no thread, no connection stays."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from tests.sweeps import thinned

from napari_deepsmlm.plugin.reconstruct.widget import ReconstructWidget

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np

WAIT_MS = 60_000
NM = {"scale": (1, 100, 100), "units": ("pixel", "nm", "nm")}


def n_connections(viewer: Any) -> int:
    """Count the callbacks of everything that panels follow."""
    events, dims = viewer.layers.events, viewer.dims.events
    followed = [events.inserted, events.removed, events.renamed, dims.current_step]
    shapes = [layer.events for layer in viewer.layers if layer.name == "region"]
    followed += [each for e in shapes for each in (e.set_data, e.highlight)]
    return sum(len(emitter.callbacks) for emitter in [*followed, viewer.events.theme])


@pytest.mark.parametrize("n_openings", [2, pytest.param(10, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "what", thinned(["run", "loading", "opened", "preview", "region"], keep=(0, 1))
)
def test_nothing_stays_of_a_closed_panel(
    viewer: Any,
    qtbot: Any,
    no_threads_left: None,
    stack: np.ndarray,
    model_file: Path,
    what: str,
    n_openings: int,
) -> None:
    viewer.add_image(stack, name="cells", **NM)
    known: list[weakref.ref[ReconstructWidget]] = []

    def open_and_close() -> None:
        panel = ReconstructWidget(viewer)
        known.append(weakref.ref(panel))
        viewer.window.add_dock_widget(panel, name="Reconstruct")
        if what != "loading":
            qtbot.waitUntil(lambda: panel.is_ready, timeout=WAIT_MS)
            panel.form.model_box.load_file(model_file)
            use(panel)
        viewer.window.remove_dock_widget(panel)
        panel.deleteLater()
        assert [layer.name for layer in viewer.layers] == ["cells"]

    def use(panel: ReconstructWidget) -> None:
        if what == "region":
            panel.form.region_box.draw()
            viewer.layers.remove("region")
        if what == "run":
            panel.run_button.click()
            qtbot.waitUntil(lambda: not panel.is_busy, timeout=WAIT_MS)
            for layer in list(viewer.layers)[1:]:
                viewer.layers.remove(layer)
        if what == "preview":
            panel.preview.button.click()
            qtbot.waitUntil(lambda: "cells preview" in viewer.layers, timeout=WAIT_MS)

    counts = []
    for _ in range(n_openings):
        open_and_close()
        qtbot.wait(200)
        settle(qtbot, lambda: all(ref() is None for ref in known))
        counts.append((n_connections(viewer), n_own_threads()))
    assert [ref() for ref in known] == [None] * n_openings
    assert counts[1:] == counts[:1] * (n_openings - 1)


def settle(qtbot: Any, is_settled: Callable[[], bool]) -> None:
    """Let deletions happen, which Qt and Python put off."""

    def look() -> bool:
        gc.collect()
        return is_settled()

    qtbot.waitUntil(look, timeout=20_000)


def n_own_threads() -> int:
    return sum("deepsmlm" in thread.name for thread in threading.enumerate())
