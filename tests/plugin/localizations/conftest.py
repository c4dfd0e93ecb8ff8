"""Molecules are chosen at once, not after the pause in which a person would go on typing."""

from __future__ import annotations

import pytest

from napari_deepsmlm.plugin.localizations import widget

DELAY_MS = 20


@pytest.fixture(autouse=True)
def short_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(widget, "DELAY_MS", DELAY_MS)
