"""Drift and Link in the panel: a layer each, a curve, and back again."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.drift.conftest import drifting
from tests.plugin.localizations.conftest import DELAY_MS

from napari_deepsmlm.io import read_history, read_localizations
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.plugin.layers.localizations import layer_of
from napari_deepsmlm.plugin.layers.tables import table_of
from napari_deepsmlm.plugin.localizations.after_work import Source, link_molecules
from napari_deepsmlm.plugin.localizations.widget import LocalizationsWidget

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WAIT_MS = 20_000


@pytest.fixture
def panel(viewer: Any, qtbot: Any, no_threads_left: None) -> Iterator[LocalizationsWidget]:
    made = LocalizationsWidget(viewer)
    viewer.window.add_dock_widget(made, name="Localizations")
    qtbot.waitUntil(lambda: made.is_ready, timeout=WAIT_MS)
    yield made
    with suppress(RuntimeError):
        made.abandon()


def test_drift_and_links_are_layers_that_can_be_undone(
    panel: LocalizationsWidget, viewer: Any, qtbot: Any, tmp_path: Path
) -> None:
    table, path = drifting(3000, 1000, steady_nm=(120.0, 80.0, 0.0), field_nm=5000.0)
    data, keywords, _ = layer_of(table, "mine", (-50.0, -50.0), {})
    source = viewer.add_points(data, **keywords)

    def settle() -> None:
        qtbot.wait(DELAY_MS + 20)
        qtbot.waitUntil(lambda: not panel.is_busy and not panel._delay.isActive(), timeout=WAIT_MS)

    def named(name: str) -> bool:
        return (
            panel.shown.layer is not None
            and panel.shown.layer.name == name
            and panel._kept is not None
        )

    qtbot.waitUntil(lambda: named("mine"), timeout=WAIT_MS)
    settle()
    assert not panel.after.undo_button.isEnabled()
    panel.after.drift_button.click()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=WAIT_MS)
    still = viewer.layers["mine, drift corrected"]
    qtbot.waitUntil(lambda: named(still.name), timeout=WAIT_MS)
    settle()
    found = table_of(still)
    assert found is not None
    moved = table.x_nm - found.x_nm
    assert np.std(moved - path[table.frame, 0]) < 15
    assert "Drift over" in panel.after.note.text()
    assert len(panel.after._shown) == 2
    assert not source.visible
    panel.after.link_button.click()
    qtbot.waitUntil(lambda: len(viewer.layers) == 3, timeout=WAIT_MS)
    linked = viewer.layers["mine, drift corrected, linked"]
    qtbot.waitUntil(lambda: named(linked.name), timeout=WAIT_MS)
    settle()
    assert "Drift over" not in panel.after.note.text()
    assert panel.after._shown == []
    panel.table_box.choose(still)
    qtbot.waitUntil(lambda: named(still.name), timeout=WAIT_MS)
    settle()
    assert "Drift over" in panel.after.note.text(), "each table has its own words and curve"
    assert len(panel.after._shown) == 2
    panel.table_box.choose(source)
    qtbot.waitUntil(lambda: named("mine"), timeout=WAIT_MS)
    settle()
    assert panel.after.note.text() == ""
    panel.table_box.choose(linked)
    qtbot.waitUntil(lambda: named(linked.name), timeout=WAIT_MS)
    settle()
    panel.save(tmp_path / "out.csv")
    settle()
    assert read_localizations(tmp_path / "out.csv")["detections"].sum() == len(table)
    assert [step["kind"] for step in read_history(tmp_path / "out.csv").steps] == ["drift", "link"]
    for n_left in (2, 1):
        panel.after.undo_button.click()
        settle()
        assert len(viewer.layers) == n_left
    assert source.visible
    assert panel.shown.layer.name == "mine"
    assert not panel.after.undo_button.isEnabled()
    assert panel.after._shown == []


def test_nothing_can_be_linked_where_nothing_is_kept() -> None:
    source = Source(Localizations.empty(), (), "mine", (0.0, 0.0), {})
    with pytest.raises(ValueError, match="nothing to link"):
        list(link_molecules(source, threading.Event()))
