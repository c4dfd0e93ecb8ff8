"""Small movies in a folder, and a recipe that is quick."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

from napari_deepsmlm.batch import BatchFinished, BatchJob, Recipe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

N_FRAMES = 10
SIDE_PX = 16


def write_movie(path: Path, seed: int = 0, n_frames: int = N_FRAMES) -> Path:
    frames = np.random.default_rng(seed).integers(100, 900, (n_frames, SIDE_PX, SIDE_PX))
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(
        path,
        frames.astype(np.uint16),
        imagej=True,
        resolution=(10, 10),
        metadata={"unit": "um"},
    )
    return path


def finish(recipe: Recipe, out: Path) -> BatchFinished:
    *_, finished = BatchJob(recipe, out).run()
    assert isinstance(finished, BatchFinished)
    return finished


@pytest.fixture
def day(tmp_path: Path) -> Path:
    """A folder with two movies."""
    for seed, name in enumerate(("cell_1.tif", "cell_2.tif")):
        write_movie(tmp_path / "day" / name, seed)
    return tmp_path / "day"


@pytest.fixture
def recipe(day: Path, spotter: Callable[..., Path]) -> Callable[..., Recipe]:
    """A function that makes a recipe for the folder."""
    model = spotter()

    def make(**values: Any) -> Recipe:
        options = {"model": str(model), "force": True, **values.pop("reconstruct", {})}
        return Recipe.from_dict({"inputs": str(day), "reconstruct": options, **values})

    return make
