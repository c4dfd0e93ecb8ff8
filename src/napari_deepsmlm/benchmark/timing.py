"""Timing: what is compared runs in turn, and the medians count."""

from __future__ import annotations

import math
import statistics
import time
from typing import TYPE_CHECKING

import torch

from napari_deepsmlm._devices import kept_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def in_turn(
    plain: Mapping[str, Callable[[], object]],
    ours: Mapping[str, Callable[[], object]],
    rounds: int,
    device: torch.device,
    *,
    seconds: float = math.inf,
) -> dict[str, float]:
    """Return the median seconds of each, run in turn, ours with the memory kept as pipelines do.

    The first round, which warms up, counts only if the time is over after it.
    """
    times: list[dict[str, float]] = []
    begun = time.perf_counter()
    while len(times) <= rounds:
        taken = {name: _seconds(run, device) for name, run in plain.items()}
        with kept_memory():
            if ours:  # pages are cleared once in a run of the pipeline
                _seconds(list(ours.values())[-1], device)
            taken |= {name: _seconds(run, device) for name, run in ours.items()}
        times.append(taken)
        if time.perf_counter() - begun > seconds:
            break
    counted = times[1:] or times
    return {name: statistics.median(taken[name] for taken in counted) for name in counted[0]}


@torch.inference_mode()
def _seconds(run: Callable[[], object], device: torch.device) -> float:
    started = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started
