"""Fig. 5: megabytes of frames per second, and how busy the pipeline keeps its device."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from napari_deepsmlm.benchmark import BenchmarkOptions, run_benchmark
from napari_deepsmlm.reproduction.drawing import beside_paper
from napari_deepsmlm.reproduction.figure import Outcome, PaperFigure, Row

if TYPE_CHECKING:
    from napari_deepsmlm.reproduction.scale import Bench

MODEL = "dilated-loc:astigmatic-100nm"
SIDE = 128
MB_PER_FRAME = SIDE**2 * 4e-6
PAPER_BUSY = 0.95
PAPER_MB_PER_SECOND = {2: 600.0, 8: 2000.0}


def make(bench: Bench) -> Outcome:
    """Take the speed of the whole pipeline from `deepsmlm benchmark`."""
    used = bench.built_in(MODEL)
    bench.says("timing the pipeline and the bare network")
    options = BenchmarkOptions(
        networks=(MODEL,),
        device=bench.device,
        rounds=bench.pick(tiny=1, small=3, full=20),
        frames=bench.pick(tiny=2, small=32, full=1000),
        seconds_each=bench.pick(tiny=0.1, small=60.0, full=600.0),
        sides=(SIDE,),
    )
    speed = next(iter(run_benchmark(options))).speed
    has_gpu = speed.device.startswith("cuda")
    where = "one GPU" if has_gpu else f"a CPU, {torch.get_num_threads()} core(s)"
    rows = [
        Row(
            f"frames of {SIDE} x {SIDE} through the pipeline, {where}", None,
            speed.frames_per_second_by_side[SIDE] * MB_PER_FRAME, "MB/s",
            "as float32, like the paper's; frames in memory, decoding included",
        ),
        Row(
            f"speed of the pipeline / of the bare network, {where}", PAPER_BUSY,
            speed.pipeline_efficiency, "",
            "the paper: a GPU's utilisation, 'over 95 %', in batches of 128; here frames of 64 x "
            "64, in turn with the network alone, so above 1 is noise",
        ),
        *(
            Row(
                f"frames of {SIDE} x {SIDE} through the pipeline, {n} GPUs", stated, math.nan,
                "MB/s",
                "the paper: RTX 4090, 200,000 frames on an NVMe disk; `--device cuda:0,cuda:1` "
                "shares frames out in the same way, and nobody has timed it",
                "not measured: no such machine",
            )
            for n, stated in PAPER_MB_PER_SECOND.items()
        ),
    ]  # fmt: skip
    setup = (
        f"As `deepsmlm benchmark dilated-loc --side {SIDE}` measures: medians of rounds in turn, "
        f"{speed.precision}, 200 molecules in 64 x 64 pixels; {used.words}."
    )
    return Outcome(tuple(rows), setup, beside_paper(rows))


FIGURE = PaperFigure(
    "dilated-loc", "throughput", "DilatedLoc: throughput",
    "Fig. 5: a GPU more than 95 % busy; about 600 MB/s with two RTX 4090, 2 GB/s with eight.",
    make,
)  # fmt: skip
