"""Speed of Deep-STORM here: our inference beside a plain forward pass of the published network.

    python benchmarks/speed.py [--frames 40] [--repeats 5]

Everything runs in one process, in turn, several times; medians and their ratios are printed with
the largest difference of the images. "plain" is the architecture as published (nearest
upsampling, 3x3 convolutions, batch norm) run eagerly in fp32, one frame at a time; "ours" is the
whole pipeline: reading, summing, network, calibration, image and localizations.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from napari_deepsmlm._devices import choose_compute
from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.inference import Pipeline
from napari_deepsmlm.io import open_frames
from napari_deepsmlm.models import find_model

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_deepsmlm.models.deep_storm import DeepStorm


def published(model: DeepStorm) -> nn.Sequential:
    """The network of the paper with the model's weights."""

    def block(i: int, o: int) -> list[nn.Module]:
        return [nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU()]

    network = nn.Sequential(
        nn.Upsample(scale_factor=model.upsampling),
        *block(1, 32), nn.MaxPool2d(2), *block(32, 64), nn.MaxPool2d(2),
        *block(64, 128), nn.MaxPool2d(2), *block(128, 512),
        nn.Upsample(scale_factor=2), *block(512, 128),
        nn.Upsample(scale_factor=2), *block(128, 64),
        nn.Upsample(scale_factor=2), *block(64, 32), nn.Conv2d(32, 1, 1, bias=False),
    ).eval()  # fmt: skip
    weights = [v for k, v in model.state_dict().items() if k.startswith(("encoder", "decoder"))]
    for mine, value in zip(network.state_dict().values(), weights, strict=True):
        mine.copy_(value)
    return network


def seconds(work: Callable[[], object], repeats: int) -> float:
    """Return the median time of some runs after one that is not counted."""
    work()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--model", default="deep-storm")
    chosen = parser.parse_args()
    model: DeepStorm = find_model(chosen.model).load()  # type: ignore[assignment]
    stack, _ = Experiment.from_preset("microtubules").simulate(chosen.frames, seed=7)
    source = open_frames(stack)
    network = published(model)

    @torch.inference_mode()
    def plain() -> np.ndarray:
        image = torch.zeros(64 * model.upsampling, 64 * model.upsampling)
        for frame in stack:
            x = model.prepare(torch.from_numpy(frame.astype(np.float32))[None])
            image += model.to_image(network(x)[:, 0])[0]
        return image.numpy()

    def ours(precision: str) -> Callable[[], np.ndarray]:
        pipeline = Pipeline(model, choose_compute("cpu", precision))
        return lambda: sum(part.image for part in pipeline.run(source))

    print(f"{torch.get_num_threads()} threads, {chosen.frames} frames 64 x 64, ", end="")
    print(f"median of {chosen.repeats}\n\n| | ms per frame | plain / this | largest difference |")
    print("| --- | ---: | ---: | ---: |")
    reference = plain()
    base = seconds(plain, chosen.repeats)
    works = {"plain, fp32": plain, "ours, fp32": ours("fp32"), "ours, bf16": ours("bf16")}
    for name, work in works.items():
        # The plain pass is timed again beside each of ours, as machines drift.
        took, again = seconds(work, chosen.repeats), seconds(plain, max(1, chosen.repeats // 2))
        difference = np.abs(work() - reference).max() / reference.max()
        ratio = statistics.mean([base, again]) / took
        print(f"| {name} | {1e3 * took / chosen.frames:.1f} | {ratio:.2f} | {difference:.1e} |")


if __name__ == "__main__":
    main()
