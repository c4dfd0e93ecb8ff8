"""Reconstructions by the workers of a dask scheduler; `tests/batch` has a batch by real ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import napari_deepsmlm as ds

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("distributed")


def test_an_address_without_a_scheduler_is_told_in_a_sentence(
    model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_deepsmlm.inference.workers import cluster

    monkeypatch.setattr(cluster, "CONNECT_S", 0.5)
    stack = np.zeros((4, 16, 16), np.uint16)
    with pytest.raises(OSError, match="'nonsense' is no address of a dask scheduler"):
        ds.reconstruct(stack, model=str(model_file), scheduler="nonsense")
    with pytest.raises(OSError, match=r"No dask scheduler answers at tcp://127\.0\.0\.1:9"):
        ds.reconstruct(stack, model=str(model_file), scheduler="tcp://127.0.0.1:9")
