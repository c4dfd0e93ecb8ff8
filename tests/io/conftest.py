"""A small movie that every format can hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest


@pytest.fixture
def movie() -> npt.NDArray[Any]:
    """(T, Y, X) = (12, 16, 24) ADU."""
    return np.random.default_rng(0).integers(0, 60_000, (12, 16, 24), dtype=np.uint16)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real data; tests that need it are skipped elsewhere."""
    folder = (Path(__file__).parents[2] / ".." / "shared" / "data").resolve()
    if not folder.is_dir():
        pytest.skip("the shared data are not here")
    return folder
