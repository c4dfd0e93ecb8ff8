"""Benchmark: how fast the networks are here, beside the same networks as they were published."""

from napari_deepsmlm.benchmark.measuring import (
    BenchmarkOptions,
    Measured,
    NetworkSpeed,
    run_benchmark,
)

__all__ = ["BenchmarkOptions", "Measured", "NetworkSpeed", "run_benchmark"]
