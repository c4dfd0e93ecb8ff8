"""Table 3: parameters, multiply-adds and milliseconds per frame, beside a U-Net like FD-DeepLoc."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from napari_deepsmlm.benchmark import (
    BenchmarkOptions,
    NetworkSpeed,
    as_published,
    counted_gflop,
    run_benchmark,
)
from napari_deepsmlm.benchmark.fd_deeploc import FDDeepLocLike
from napari_deepsmlm.models import build_model
from napari_deepsmlm.reproduction.drawing import beside_paper
from napari_deepsmlm.reproduction.figure import Outcome, PaperFigure, Row, ratio

if TYPE_CHECKING:
    from napari_deepsmlm.reproduction.scale import Bench

PAPER_PARAMETERS, PAPER_MULTIPLY_ADDS = 453_835, 2.024e10
PAPER_UNET_MULTIPLY_ADDS = 1.622e10
PAPER_MS = {64: 1.14, 128: 3.205}
PAPER_RATIO = {64: 1.38, 128: 1.855}
MODEL = "dilated-loc:astigmatic-100nm"


def make(bench: Bench) -> Outcome:
    """Count, and take the times from `deepsmlm benchmark`."""
    rows = [Row("parameters", PAPER_PARAMETERS, build_model("dilated-loc").n_parameters, "",
                "the same network")]  # fmt: skip
    bench.built_in(MODEL)  # so that it is named
    speed = None
    if bench.scale != "tiny":
        bench.says("timing both networks")
        options = BenchmarkOptions(
            networks=(MODEL,),
            device=bench.device,
            precisions=("fp32",),
            rounds=bench.pick(tiny=1, small=3, full=20),
            frames=bench.pick(tiny=1, small=16, full=1000),
        )
        speed = next(iter(run_benchmark(options))).speed
    unet = unet_multiply_adds()
    rows += [
        Row(
            "multiply-adds of a 128 x 128 frame", PAPER_MULTIPLY_ADDS, published_multiply_adds(),
            "",
            "convolutions of the network as published; with four operations for each value of a "
            "batch norm 2.0242e10",
        ),
        Row(
            "multiply-adds, U-Net like FD-DeepLoc / ours as published",
            PAPER_UNET_MULTIPLY_ADDS / PAPER_MULTIPLY_ADDS, unet / published_multiply_adds(), "",
            "FD-DeepLoc's parameters and kind, not its very layers: lighter, so quicker than "
            "FD-DeepLoc itself",
        ),
        *_times(speed, unet / multiply_adds()),
    ]  # fmt: skip
    where = "not timed in a quick run" if speed is None else f"on {speed.device}, fp32"
    setup = (
        f"As `deepsmlm benchmark dilated-loc` measures: medians of rounds in turn, {where}, frames "
        "of 200 molecules in 64 x 64 pixels. The U-Net beside it has the size of FD-DeepLoc's, and "
        "random weights; time does not depend on them."
    )
    return Outcome(tuple(rows), setup, beside_paper(rows))


def published_multiply_adds(side_px: int = 128) -> float:
    """Return the multiply-adds of a frame in the convolutions of the network as published."""
    model = build_model("dilated-loc").eval()
    prepared = model.prepare(torch.ones(1, 1, side_px, side_px))
    return counted_gflop(lambda: as_published(model)(prepared)) * 1e9 / 2


def multiply_adds(side_px: int = 128) -> float:
    """Return those of the network as it runs here, with upsampling and convolutions in one."""
    model = build_model("dilated-loc").for_inference()
    prepared = model.prepare(torch.ones(1, 1, side_px, side_px))
    return counted_gflop(lambda: model.predict(prepared)) * 1e9 / 2


def unet_multiply_adds(side_px: int = 128) -> float:
    """Return those of the U-Net that stands beside it."""
    unet = FDDeepLocLike().eval()
    return counted_gflop(lambda: unet(torch.ones(1, 1, side_px, side_px))) * 1e9 / 2


def _times(speed: NetworkSpeed | None, lighter: float) -> list[Row]:
    """Return both sizes; `lighter` is the U-Net's share of our multiply-adds as they run."""
    why = (
        f"on a CPU, time goes with multiply-adds, and the U-Net has {lighter:.2f} of ours as they "
        "run; a GPU has them to spare, and the paper counts FD-DeepLoc's decoding too"
    )
    rows = []
    for side, ms in PAPER_MS.items():
        ours = unet = math.nan
        if speed is not None:
            ours = getattr(speed, f"ms_per_frame_{side}")
            unet = getattr(speed, f"fd_deeploc_like_ms_per_frame_{side}") or math.nan
        rows += [
            Row(f"network and decoding, {side} x {side}", ms, ours, "ms per frame",
                "the paper: RTX 3080, batches of 10; here "
                + ("not timed" if speed is None else f"{torch.get_num_threads()} core(s)")),
            Row(f"U-Net like FD-DeepLoc / ours, {side} x {side}", PAPER_RATIO[side],
                ratio(unet, ours), "", why),
        ]  # fmt: skip
    return rows


FIGURE = PaperFigure(
    "dilated-loc", "table-3", "DilatedLoc: size and speed",
    "Table 3: 453,835 parameters, 1.14 ms (64²) and 3.205 ms (128²), 1.38 and 1.855 times as fast "
    "as FD-DeepLoc.",
    make,
)  # fmt: skip
