"""Training networks on simulated and experimental frames.

Its events and records are read without torch, by windows that must open at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_deepsmlm.training.settings import Training
    from napari_deepsmlm.training.trainer import Trainer

_HOMES = {"Trainer": "trainer", "Training": "settings"}

__all__ = ["Trainer", "Training"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
