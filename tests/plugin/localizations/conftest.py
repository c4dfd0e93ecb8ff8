"""Molecules are chosen and drawn at once, not after the pause in which a person would go on."""

from __future__ import annotations

import pytest

from napari_deepsmlm.plugin.localizations import followed_view, widget

DELAY_MS = 5
REST_MS = 10


@pytest.fixture(autouse=True)
def short_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(widget, "DELAY_MS", DELAY_MS)
    monkeypatch.setattr(followed_view, "REST_MS", REST_MS)
    monkeypatch.setattr(followed_view, "DELIVERY_MS", 5)
