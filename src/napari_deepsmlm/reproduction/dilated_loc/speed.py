"""Table 3: parameters, multiply-adds and milliseconds per frame."""

from __future__ import annotations

import math
import statistics
import time
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from napari_deepsmlm._devices import choose_compute
from napari_deepsmlm.models import build_model
from napari_deepsmlm.reproduction.drawing import beside_paper
from napari_deepsmlm.reproduction.figure import Outcome, PaperFigure, Row

if TYPE_CHECKING:
    from napari_deepsmlm.reproduction.scale import Bench

PAPER_PARAMETERS, PAPER_MULTIPLY_ADDS = 453_835, 2.024e10
PAPER_MS = {64: 1.14, 128: 3.205}
PAPER_RATIO = {64: 1.38, 128: 1.855}
BATCH = 10


def make(bench: Bench) -> Outcome:
    """Count, and time batches of ten frames."""
    model: Any = build_model("dilated-loc", {"z_max_nm": 700.0}).eval()
    device = choose_compute(bench.device, "fp32").device
    network = model.for_inference().to(device)
    sides = bench.pick(tiny=(32,), small=(64, 128), full=(64, 128))
    repeats = bench.pick(tiny=1, small=3, full=20)
    rows = [
        Row("parameters", PAPER_PARAMETERS, model.n_parameters),
        Row("multiply-adds of a 128 x 128 frame", PAPER_MULTIPLY_ADDS, _multiply_adds(model), "",
            "convolutions only; the paper's count has four operations per value of a batch norm"),
    ]  # fmt: skip
    for side in sides:
        bench.says(f"timing {side} x {side}")
        took = _ms_per_frame(network, side, device, repeats)
        rows += [
            Row(f"network and decoding, {side} x {side}", PAPER_MS.get(side), took, "ms per frame",
                f"the paper: RTX 3080, batches of 10; ours: {device}, fp32, batches of {BATCH}"),
            Row(f"FD-DeepLoc / DilatedLoc, {side} x {side}", PAPER_RATIO.get(side), math.nan, "",
                "`deepsmlm benchmark` times both networks in one run"),
        ]  # fmt: skip
    setup = (
        f"Random weights: time does not depend on them. Median of {repeats} batches on {device}."
    )
    return Outcome(tuple(rows), setup, beside_paper(rows))


def _multiply_adds(model: Any) -> float:
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        model(torch.rand(1, 1, 128, 128))
    return float(counter.get_total_flops()) / 2


@torch.inference_mode()
def _ms_per_frame(network: Any, side: int, device: torch.device, repeats: int) -> float:
    frames = 20 + 100 * torch.rand(BATCH, 1, side, side, device=device)
    network.to_localizations(network(frames))
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        network.to_localizations(network(frames)).to_numpy()  # waits for the device
        times.append(time.perf_counter() - began)
    return 1e3 * statistics.median(times) / BATCH


FIGURE = PaperFigure(
    "dilated-loc", "table-3", "DilatedLoc: size and speed",
    "Table 3: 453,835 parameters, 1.14 ms (64²) and 3.205 ms (128²), 1.38 and 1.855 times as fast "
    "as FD-DeepLoc.",
    make,
)  # fmt: skip
