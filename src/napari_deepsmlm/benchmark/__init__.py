"""Benchmark: how fast the networks are here, beside the same networks as they were published."""

from napari_deepsmlm.benchmark.measuring import (
    BenchmarkOptions,
    Measured,
    NetworkSpeed,
    counted_gflop,
    run_benchmark,
)
from napari_deepsmlm.benchmark.published import as_published

__all__ = [
    "BenchmarkOptions",
    "Measured",
    "NetworkSpeed",
    "as_published",
    "counted_gflop",
    "run_benchmark",
]
