"""Run time of a whole stack: sums against frame by frame, at least 40 % less."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.reproduction.drawing import bars
from napari_deepsmlm.reproduction.drsn_storm.sums import NETWORKS
from napari_deepsmlm.reproduction.figure import Outcome, PaperFigure, Row
from napari_deepsmlm.reproduction.movies import HELD_OUT_SEED, seen

if TYPE_CHECKING:
    from napari_deepsmlm.reproduction.movies import Seen
    from napari_deepsmlm.reproduction.scale import Bench

PAPER_LESS = 0.4
ELSEWHERE = "the paper times other stacks: 1,000 frames of 128² and the tubulin movie"


def make(bench: Bench) -> Outcome:
    """Time both on the same frames."""
    n_frames = bench.pick(tiny=10, small=100, full=1000)
    sums = bench.pick(tiny=(10,), small=(10, 50), full=(10, 50, 500, 1000))
    experiment = Experiment.from_preset("microtubules")
    bench.says("Deep-STORM, frame by frame")
    used = {name: bench.built_in(model) for name, model in NETWORKS.items()}
    deep_storm, drsn = used["Deep-STORM"].path, used["DRSN-STORM"].path
    seen(experiment, deep_storm, 2)  # what is loaded once is not counted
    whole = _busy(seen(experiment, deep_storm, n_frames))
    rows = [Row(f"Deep-STORM, {n_frames} single frames", None, whole, "s",
                ELSEWHERE)]  # fmt: skip
    times = {"Deep-STORM\nsingle frames": whole}
    seen(experiment, drsn, 10, sum_frames=10)
    for n_summed in sums:
        bench.says(f"DRSN-STORM, sums of {n_summed}")
        seconds = _busy(seen(experiment, drsn, n_frames, sum_frames=n_summed))
        rows += [
            Row(f"DRSN-STORM, sums of {n_summed}", None, seconds, "s",
                ELSEWHERE),
            Row(f"sums of {n_summed}: less time than Deep-STORM", PAPER_LESS,
                1 - seconds / whole, "", "the paper: at least; x4 here against x8 frame by frame"),
        ]  # fmt: skip
        times[f"DRSN-STORM\nsums of {n_summed}"] = seconds
    setup = (
        f"{n_frames} frames of bundled microtubules, 64 x 64 pixels, seed {HELD_OUT_SEED}, on the "
        "same device in turn, reading and images included, processor time of all threads "
        f"({torch.get_num_threads()}) where it is a CPU; "
        f"{' and '.join(one.words for one in used.values())}."
    )
    return Outcome(tuple(rows), setup, bars(times, "seconds for the stack"))


def _busy(movie: Seen) -> float:
    """Return what it cost: processor time does not count what else the machine did."""
    return movie.seconds if torch.cuda.is_available() else movie.cpu_seconds


FIGURE = PaperFigure(
    "drsn-storm", "run-time", "DRSN-STORM: run time",
    "Table 1: less time for a whole stack than Deep-STORM, by 40 % and more.", make,
)  # fmt: skip
