"""Speed of other engines beside ours: torch.compile and ONNX Runtime, on one thread.

    python benchmarks/engines.py [MODEL ...] [--rounds 3] [--batch 4]

Only the network runs, on prepared frames of 64 x 64, rearranged as for every reconstruction. All
engines take turns in one process; the least processor time of the thread counts, which other work
on the machine changes little. Memory between layers is kept, as in a reconstruction.
"""

from __future__ import annotations

import argparse
import io
import time
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from napari_deepsmlm._devices import choose_compute, kept_memory
from napari_deepsmlm.inference import Pipeline
from napari_deepsmlm.models import find_model

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

MODELS = ("deep-storm:2d", "dilated-loc:2d", "drsn-storm", "voxel-regression")
SIDE_PX = 64


class Predict(nn.Module):
    """The network from prepared frames to its prediction."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, prepared: Tensor) -> Tensor:
        """(B, P, H, W) -> what the network predicts."""
        prediction: Tensor = self.model.predict(prepared)
        return prediction


def onnx_runtime(network: nn.Module, prepared: Tensor) -> Callable[[], Any]:
    """Return a run of the network by ONNX Runtime, on one thread."""
    import onnxruntime

    buffer = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (prepared,),
            buffer,  # type: ignore[arg-type]
            dynamo=False,
            opset_version=17,
            input_names=["prepared"],
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    session = onnxruntime.InferenceSession(
        buffer.getvalue(), options, providers=["CPUExecutionProvider"]
    )
    frames = {"prepared": prepared.contiguous().numpy()}
    return lambda: torch.from_numpy(session.run(None, frames)[0])


def engines(name: str, n_frames: int) -> dict[str, Callable[[], Tensor]]:
    """Return what runs a model's network, by engine and precision."""
    runs: dict[str, Callable[[], Tensor]] = {}
    for precision in ("fp32", "bf16"):
        model = find_model(name).load()
        fast = Pipeline(model, choose_compute("cpu", precision)).model
        shape = (n_frames, fast.n_planes, SIDE_PX, SIDE_PX)
        photons = torch.poisson(torch.full(shape, 30.0), torch.Generator().manual_seed(0))
        prepared = fast.prepare(photons)
        network = Predict(fast).eval().requires_grad_(False)
        runs[f"ours, {precision}"] = partial(network, prepared)
        runs[f"torch.compile, {precision}"] = partial(torch.compile(network), prepared)
        if precision == "fp32":
            try:
                runs["ONNX Runtime, fp32"] = onnx_runtime(network, prepared)
            except (RuntimeError, ImportError) as error:
                print(f"{name} is not run by ONNX Runtime: {str(error).splitlines()[0]}")
    return runs


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=MODELS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=4)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    print("| model | engine | ms per frame | ours / this | largest difference |")
    print("| --- | --- | ---: | ---: | ---: |")
    with kept_memory(), torch.inference_mode():
        for name in chosen.models:
            runs = engines(name, chosen.batch)
            times: dict[str, list[float]] = {engine: [] for engine in runs}
            reference = runs["ours, fp32"]().float()
            for _ in range(chosen.rounds + 1):  # the first compiles and is not counted
                for engine, run in runs.items():
                    began = time.thread_time()
                    run()
                    times[engine].append(time.thread_time() - began)
            for engine, run in runs.items():
                least = min(times[engine][1:])
                ours = min(times[f"ours, {engine[-4:]}"][1:])
                off = float(np.abs((run().float() - reference).numpy()).max())
                off /= float(reference.abs().max())
                milliseconds = 1e3 * least / chosen.batch
                print(
                    f"| {name} | {engine} | {milliseconds:.1f} | {ours / least:.2f} | {off:.1e} |"
                )


if __name__ == "__main__":
    main()
