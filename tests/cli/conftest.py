"""The command line as a person types it, with an experiment and a stack to work on."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner, Result

from napari_deepsmlm.cli import app

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """
image_px: [16, 20]
simulation: {density_per_um2: [2, 2]}
training:
  {steps: 6, batch_size: 2, patch_px: 12, validate_every: 3,
   validation_frames: 2, validation_px: 12}
"""


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def call_and_ctrl_c(*arguments: object, once: Path) -> Result:
    """Type Ctrl-C as soon as a file is there."""
    over = threading.Event()

    def press() -> None:
        while not once.exists():
            if over.wait(0.001):
                return
        os.kill(os.getpid(), signal.SIGINT)

    presser = threading.Thread(target=press)
    presser.start()
    try:
        return call(*arguments)
    finally:
        over.set()
        presser.join()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "experiment.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    path = tmp_path / "frames with spaces µ.tif"
    frames = np.random.default_rng(0).integers(100, 900, (7, 16, 20)).astype(np.uint16)
    tifffile.imwrite(path, frames, imagej=True, resolution=(10, 10), metadata={"unit": "um"})
    return path
