"""Watching: a frame of the stack, whose prediction shows how the model improves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from napari_deepsmlm.experiment import Experiment
    from napari_deepsmlm.io import FrameSource
    from napari_deepsmlm.models import SMLMModel

    Array = np.ndarray[Any, Any]

# Of larger frames the middle is shown; networks that pool need sides that are multiples.
MAX_SIDE_PX, STEP_PX = 96, 8


def frames_to_watch(
    source: FrameSource, frame: int, experiment: Experiment, sum_frames: int, model: SMLMModel
) -> tuple[Array, tuple[int, int]]:
    """Return (1, C, H, W) a frame as a model reads it, and the row and column where it begins.

    Parameters
    ----------
    frame : counted from 0.
    sum_frames : frames summed for an input, those around it.
    model : with context, inputs before and after become channels; at the ends the outermost.
    """
    height, width = (min(side, MAX_SIDE_PX) // STEP_PX * STEP_PX for side in source.shape[2:])
    y, x = (source.shape[2] - height) // 2, (source.shape[3] - width) // 2
    inputs, context = [], model.context
    for k in range(-context, context + 1):
        first = frame - sum_frames // 2 + k * sum_frames
        first = min(max(first, 0), max(0, source.n_frames - sum_frames))
        raw = source.read(first, min(source.n_frames, first + sum_frames))
        inputs.append(raw[:, :, y : y + height, x : x + width].astype(np.float32).sum(0))
    adu = torch.from_numpy(np.concatenate(inputs)[None])
    camera = experiment.camera
    if getattr(camera, "maps", None) is not None:  # they know nothing of a part
        camera = camera.replace(maps=None)
    n_summed = torch.full((1,), float(min(sum_frames, source.n_frames)))
    photons = camera.to_photons(adu, n_frames=n_summed)
    read: Array = model.frames_in(camera, photons, n_frames=n_summed).numpy()
    return read, (y, x)
