"""What finding the camera of a stack costs, and how near it comes, on movies of all sizes.

    python benchmarks/camera.py [--accuracy | --conditions NAME... | --units MODEL...]

Frames are made as they are read, of one pattern that is shifted, so that movies of any size need
no disk; what making them takes is taken off. A row states seconds of one core (asked: 2), what was
found and what is true. Instead, `--accuracy` goes over a grid of cameras, backgrounds and
densities, `--conditions` over stacks of benchmarks/conditions.py, and `--units` says what share of
a network's time it takes to bring frames into units of their noise (asked: 3 %).
"""

from __future__ import annotations

import argparse
import itertools
import time
from typing import Any

import numpy as np
import torch

import napari_deepsmlm as ds
from napari_deepsmlm.camera import EMCCD, SCMOS
from napari_deepsmlm.estimation import know_camera
from napari_deepsmlm.io import open_frames
from napari_deepsmlm.models import find_model

SIZES = ((361, 64), (2_000, 512), (500, 2_048), (60_000, 512))
PATTERN_PX, PATTERN_FRAMES = 256, 16


class Tiled:
    """A movie (T, Y, X) of any size, made of a small one when it is read."""

    dtype, ndim = np.dtype(np.uint16), 3

    def __init__(self, pattern: np.ndarray, n_frames: int, side: int) -> None:
        self.pattern, self.shape, self.seconds = pattern, (n_frames, side, side), 0.0

    def __getitem__(self, key: Any) -> np.ndarray:
        started = time.process_time()
        frames, *rest = key if isinstance(key, tuple) else (key,)
        numbers = np.arange(self.shape[0])[frames] % len(self.pattern)
        times = -(-self.shape[1] // self.pattern.shape[1])
        movie = np.tile(self.pattern[numbers], (1, times, times))
        movie = movie[:, : self.shape[1], : self.shape[2]]
        part = movie[(slice(None), *rest)] if rest else movie
        self.seconds += time.process_time() - started
        return part


def simulated(camera: Any, background: float, density: float, n_frames: int, side: int) -> Any:
    """Return (T, Y, X) ADU of molecules of 800 to 2000 photons."""
    experiment = ds.Experiment.from_dict(
        {
            "image_px": (side, side),
            "camera": camera.model_dump(),
            "simulation": {
                "density_per_um2": (density, density),
                "photons": (800, 2000),
                "background": (background, background),
            },
        }
    )
    return experiment.simulate(n_frames, seed=1).stack[:, 0]


def costs() -> None:
    """Print the seconds of movies of all sizes."""
    pattern = simulated(SCMOS(), 30, 0.2, PATTERN_FRAMES, PATTERN_PX)
    for n_frames, side in SIZES:
        movie = Tiled(pattern, n_frames, side)
        source = open_frames(movie)
        started, wall = time.process_time(), time.perf_counter()
        known = know_camera(source)
        seconds = time.process_time() - started - movie.seconds
        wall = time.perf_counter() - wall
        print(f"{side:5d}² x {n_frames:6,d}: {seconds:.2f} s of one core, {wall:.1f} s in all; "
              f"{known.in_words()}", flush=True)  # fmt: skip


def accuracy() -> None:
    """Print what is found of known cameras: detected photons, so without quantum efficiency."""
    cameras = (
        SCMOS(baseline=100), SCMOS(baseline=400, e_per_adu=0.46), EMCCD(baseline=100),
        EMCCD(baseline=1000, e_per_adu=16),
    )  # fmt: skip
    for camera, background, density in itertools.product(cameras, (2, 30, 300, 900), (0.05, 1.0)):
        stack = simulated(camera, background, density, 120, 64)
        found(f"{camera.kind} background {background:3d} density {density:4g}", stack, camera)


def conditions(names: list[str]) -> None:
    """Print what is found of the cameras of conditions, which nobody stated."""
    from judging import grid, reference, stacks

    for condition in grid.find(names):
        stack = stacks.make(condition, seed=1).frames
        found(condition.name, stack, reference.known_camera(condition))


def found(name: str, stack: Any, camera: Any) -> None:
    """Print offset and gain that are found in a stack, beside those of its camera."""
    known = know_camera(open_frames(stack))
    truth = camera.quantum_efficiency / camera.adu_per_photon
    print(f"{name}: photons per ADU {known.photons_per_adu:.4f} "
          f"± {known.photons_per_adu_error:.4f} (true {truth:.4f}), "
          f"offset {known.baseline:.0f} ± {known.baseline_error:.0f} "
          f"(true {camera.baseline:g}){', ' + known.warnings[0] if known.warnings else ''}",
          flush=True)  # fmt: skip


@torch.inference_mode()
def cost_of_units(names: list[str]) -> None:
    """Print the share of the time that noise units take, of one core, frames of 64 x 64."""
    experiment = ds.Experiment(image_px=(64, 64))
    stack = torch.from_numpy(experiment.simulate(32, seed=1).stack.astype(np.float32))
    photons = experiment.camera.to_photons(stack)
    for name in names:
        model = find_model(name).load().for_inference()

        def bring(model: Any = model) -> torch.Tensor:
            return torch.as_tensor(model.prepare(model.frames_in(experiment.camera, photons)))

        prepared = bring()
        runs = (bring, lambda model=model, prepared=prepared: model.predict(prepared))
        units, network = (min(_seconds(run) for _ in range(3)) for run in runs)
        print(f"{name}: {1e3 * units / 32:.3f} ms of {1e3 * (units + network) / 32:.1f} ms a "
              f"frame, {100 * units / (units + network):.2f} %", flush=True)  # fmt: skip


def _seconds(run: Any) -> float:
    started = time.process_time()
    run()
    return time.process_time() - started


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--accuracy", action="store_true")
    parser.add_argument("--conditions", nargs="+", metavar="NAME")
    parser.add_argument("--units", nargs="+", metavar="MODEL")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.accuracy:
        accuracy()
    elif asked.conditions:
        conditions(asked.conditions)
    elif asked.units:
        cost_of_units(asked.units)
    else:
        costs()
