"""Molecules are chosen and drawn at once, not after the pause in which a person would go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from napari_deepsmlm.plugin.localizations import followed_view, widget

if TYPE_CHECKING:
    from napari_deepsmlm.plugin.localizations.widget import LocalizationsWidget

DELAY_MS = 5
REST_MS = 10
SETTLE_MS = 60_000


def settle(panel: LocalizationsWidget, qtbot: Any, name: str = "") -> None:
    """Wait until the panel has filtered the table of a layer, by default of any."""
    qtbot.wait(DELAY_MS + 20)

    def is_settled() -> bool:
        layer = panel.shown.layer
        is_named = layer is not None and layer.name.endswith(name)
        is_at_rest = not panel.is_busy and not panel._delay.isActive()
        return is_named and is_at_rest and panel.filtered is not None

    qtbot.waitUntil(is_settled, timeout=SETTLE_MS)


@pytest.fixture(autouse=True)
def short_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(widget, "DELAY_MS", DELAY_MS)
    monkeypatch.setattr(followed_view, "REST_MS", REST_MS)
    monkeypatch.setattr(followed_view, "DELIVERY_MS", 5)
