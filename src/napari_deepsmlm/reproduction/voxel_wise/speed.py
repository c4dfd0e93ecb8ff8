"""Fig. 9: frames per second over the size of the frames."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_deepsmlm._devices import choose_compute
from napari_deepsmlm.inference import Pipeline
from napari_deepsmlm.io import open_frames
from napari_deepsmlm.reproduction.drawing import curves
from napari_deepsmlm.reproduction.figure import Outcome, PaperFigure, Row
from napari_deepsmlm.reproduction.voxel_wise._frames import BUILT_IN

if TYPE_CHECKING:
    from napari_deepsmlm.reproduction.scale import Bench

PAPER_FRAMES_PER_SECOND, PAPER_SIDE = 200.0, 256


def make(bench: Bench) -> Outcome:
    """Time the whole pipeline, from the frames in memory to molecules."""
    sides = bench.pick(tiny=(16,), small=(16, 64, 256), full=(16, 32, 64, 128, 256))
    n_pixels = bench.pick(tiny=4 * 16**2, small=4 * 256**2, full=200 * 256**2)
    used = bench.built_in(BUILT_IN)
    compute = choose_compute(bench.device, "auto")
    is_cpu = compute.device.type == "cpu"
    clock = time.process_time if is_cpu else time.perf_counter
    where = "core" if is_cpu else compute.device
    rows, speeds = [], []
    for side in sides:
        n_frames = min(1000, max(4, n_pixels // side**2))
        bench.says(f"{n_frames} frames of {side} x {side} x 4")
        stack = np.random.default_rng(0).poisson(12, (n_frames, 4, side, side)).astype(np.uint16)
        source, pipeline = open_frames(stack), Pipeline(used.model, compute)
        began = clock()
        for _ in pipeline.run(source):
            pass
        speeds.append(n_frames / (clock() - began))
        rows.append(
            Row(f"frames of {side} x {side} x 4 per second and {where}",
                PAPER_FRAMES_PER_SECOND if side == PAPER_SIDE else None, speeds[-1],
                "1/s", "the paper: a V100, loading and transfer included")
        )  # fmt: skip
    setup = (
        f"Frames of background in memory through the whole pipeline with {used.words} on "
        f"{compute.device}, {compute.precision}; on a CPU by processor time of "
        f"{torch.get_num_threads()} thread(s) together, whatever else the machine did."
    )
    draw = curves(
        {f"per {where}": (sides, speeds)}, "side of the frames (pixels)", "frames per second"
    )
    return Outcome(tuple(rows), setup, draw)


FIGURE = PaperFigure(
    "voxel-wise", "speed", "Voxel-wise regression: speed over size",
    "Fig. 9: 200 frames of 256 x 256 x 4 per second on a V100.", make,
)  # fmt: skip
