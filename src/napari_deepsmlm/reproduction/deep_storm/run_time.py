"""Run time of the 361 frames: 123 s on six cores, 4 s on a GPU of 2017."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.reproduction.drawing import beside_paper
from napari_deepsmlm.reproduction.figure import Outcome, PaperFigure, Row
from napari_deepsmlm.reproduction.movies import HELD_OUT_SEED, seen

if TYPE_CHECKING:
    from napari_deepsmlm.reproduction.scale import Bench

MODEL = "deep-storm:2d-100nm"
N_FRAMES = 361
PAPER_CPU_S, PAPER_GPU_S = 123.0, 4.0


def make(bench: Bench) -> Outcome:
    """Time frames of 64 x 64 pixels to images of 512 x 512."""
    model = bench.built_in(MODEL)
    n_frames = bench.pick(tiny=3, small=60, full=N_FRAMES)
    has_gpu = torch.cuda.is_available() and bench.device != "cpu"
    device = "cuda" if has_gpu else "cpu"
    bench.says(f"{n_frames} frames on {device}")
    experiment = Experiment.from_preset("microtubules")
    seen(experiment, model.path, 2, device=device)  # what is loaded once is not counted
    movie = seen(experiment, model.path, n_frames, device=device)
    seconds = movie.seconds if has_gpu else movie.cpu_seconds
    where = f"on a GPU ({torch.cuda.get_device_name()})" if has_gpu else "on a CPU, processor time"
    why = (
        "the paper: a Titan Xp"
        if has_gpu
        else f"of {torch.get_num_threads()} thread(s) together, bf16 where that is quick; the "
        "paper: by the clock, on 6 cores"
    )
    rows = (
        Row(f"361 frames, 64² to 512², {where}", PAPER_GPU_S if has_gpu else PAPER_CPU_S,
            seconds * N_FRAMES / n_frames, "s", f"reading, decoding and images included; {why}"),
    )  # fmt: skip
    setup = (
        f"{n_frames} frames of bundled microtubules, scaled up to 361; seed {HELD_OUT_SEED}; "
        f"{model.words}. `deepsmlm benchmark` compares with the published network on the same "
        "machine."
    )
    return Outcome(rows, setup, beside_paper(rows))


FIGURE = PaperFigure(
    "deep-storm", "run-time", "Deep-STORM: run time",
    "Table 1: 361 frames of 64 x 64 pixels to a grid of 512 x 512 in 123 s (CPU) and 4 s (GPU).",
    make,
)  # fmt: skip
