"""Measuring: networks in turn in one process, medians, so that a busy machine is fair to all."""

from __future__ import annotations

import platform
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch.nn import functional

from napari_deepsmlm._base import FrozenModel
from napari_deepsmlm._devices import choose_compute
from napari_deepsmlm.benchmark import scaling
from napari_deepsmlm.benchmark.fd_deeploc import FDDeepLocLike
from napari_deepsmlm.benchmark.published import as_published
from napari_deepsmlm.benchmark.timing import in_turn
from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.inference import Pipeline
from napari_deepsmlm.io import open_frames
from napari_deepsmlm.models import ImageModel, available_models, find_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

    from napari_deepsmlm._devices import Compute
    from napari_deepsmlm.models import SMLMModel

SIDES = (64, 128)
MOLECULES = 200  # in a frame of 64 x 64
BESIDE = "dilated-loc"
"""The network that the U-Net like FD-DeepLoc stands beside."""
PEAK_SIDE, PEAK_CHANNELS = 2048, 128


class BenchmarkOptions(FrozenModel):
    """What is measured."""

    networks: tuple[str, ...] = Field((), description="Networks or built-in models; all if none.")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, mps.")
    precisions: tuple[str, ...] = Field(("auto",), description="auto, fp32, bf16; in turn.")
    rounds: int = Field(3, ge=1, le=1000, description="Times that everything is run in turn.")
    seconds_each: float = Field(
        30.0, gt=0, description="No further round of a network after so many seconds."
    )
    frames: int = Field(
        32, ge=1, le=100_000, description="Frames of 64 x 64 of the pipeline; slow ones get fewer."
    )
    threads: tuple[int, ...] = Field((), description="Also measure with so many threads.")
    workers: tuple[int, ...] = Field((), description="Also measure with so many processes.")
    sides: tuple[int, ...] = Field((), description="Also frames of so many pixels squared.")
    molecules: tuple[int, ...] = Field((), description="Also so many in 64 x 64 pixels.")
    lengths: tuple[int, ...] = Field((), description="Also movies of so many frames.")


class NetworkSpeed(FrozenModel):
    """The speed of one network; `ms` are medians for a frame, network and decoding together."""

    network: str
    model: str
    parameters: int
    device: str
    precision: str
    batch_64: int
    batch_128: int
    ms_per_frame_64: float
    ms_per_frame_128: float
    network_ms_per_frame_64: float
    network_ms_per_frame_128: float
    published_ms_per_frame_64: float
    published_ms_per_frame_128: float
    times_published_64: float
    times_published_128: float
    decoding_share_64: float
    gflop_per_frame_64: float
    published_gflop_per_frame_64: float
    share_of_peak_64: float
    pipeline_frames_per_second: float
    pipeline_efficiency: float
    frames_per_second_by_side: dict[int, float]
    frames_per_second_by_molecules: dict[int, float]
    frames_per_second_by_frames: dict[int, float]
    frames_per_second_by_threads: dict[int, float]
    frames_per_second_by_workers: dict[int, float]
    fd_deeploc_like_ms_per_frame_64: float | None = None
    fd_deeploc_like_ms_per_frame_128: float | None = None


class Measured(NamedTuple):
    """A network is done, in one precision."""

    speed: NetworkSpeed
    n_done: int
    n_runs: int
    machine: dict[str, Any]


def run_benchmark(options: BenchmarkOptions) -> Iterator[Measured]:
    """Yield the speed of one network after the other.

    Raises
    ------
    ValueError
        If there is no such network or device.
    """
    computes = [choose_compute(options.device, precision) for precision in options.precisions]
    names = options.networks or tuple(available_models())
    found = [find_model(name) for name in names]
    machines = [_machine(compute) for compute in computes]
    runs = [(one, *run) for run in zip(computes, machines, strict=True) for one in found]
    for n, (one, compute, machine) in enumerate(runs, 1):
        bench = _Bench(one.name, one.load(), _experiment(one.card.experiment, one.name), compute)
        yield Measured(bench.measured(options, machine["peak_gflops"]), n, len(runs), machine)


class _Bench:
    """One network, its frames of both sizes, and what is run with them."""

    def __init__(self, name: str, model: SMLMModel, known: Experiment, compute: Compute) -> None:
        self.name, self.model, self.known, self.compute = name, model, known, compute
        self.published = as_published(model)
        self.pipeline = Pipeline(model, compute, camera=known.camera)
        self.fast = self.pipeline.model
        self.stacks = {side: self._stack(side) for side in SIDES}
        self._photons = {side: self._read(side) for side in SIDES}
        self.batches = {
            side: min(len(stack), self._per_batch(side)) for side, stack in self.stacks.items()
        }

    def measured(self, options: BenchmarkOptions, peak_gflops: float) -> NetworkSpeed:
        """Run everything in turn, and return medians."""
        with torch.inference_mode():
            prepared = {side: self.fast.prepare(self._photons[side]) for side in SIDES}
        source = self._movie(options.frames)
        plain: dict[str, Callable[[], object]] = {}
        ours: dict[str, Callable[[], object]] = {}
        for side, frames in prepared.items():
            plain[f"published_{side}"] = partial(self.published, frames.float())
            ours[f"network_{side}"] = partial(self.fast.predict, frames)
            ours[f"all_{side}"] = partial(self._found, frames)
            if self.fast.name == BESIDE:
                unet = FDDeepLocLike().eval().to(self.compute.device)
                plain[f"unet_{side}"] = partial(unet, frames[:, :1].float())
        ours["pipeline"] = lambda: list(self.pipeline.run(source))
        ours["bare"] = lambda: self._bare(source)
        seconds = in_turn(
            plain, ours, options.rounds, self.compute.device, seconds=options.seconds_each
        )
        ms = {
            name: 1e3 * taken / self.batches[int(name.rpartition("_")[2])]
            for name, taken in seconds.items()
            if "_" in name
        }
        published_gflop = counted_gflop(lambda: self.published(prepared[64][:1].float()))
        gflop = counted_gflop(lambda: self.fast.predict(prepared[64][:1]))
        values: dict[str, Any] = {}
        for side in SIDES:
            values[f"batch_{side}"] = self.batches[side]
            values[f"ms_per_frame_{side}"] = ms[f"all_{side}"]
            values[f"network_ms_per_frame_{side}"] = ms[f"network_{side}"]
            values[f"published_ms_per_frame_{side}"] = ms[f"published_{side}"]
            values[f"times_published_{side}"] = ms[f"published_{side}"] / ms[f"network_{side}"]
            values[f"fd_deeploc_like_ms_per_frame_{side}"] = ms.get(f"unet_{side}")
        return NetworkSpeed(
            network=self.model.name,
            model=self.name,
            parameters=self.model.n_parameters,
            device=str(self.compute.device),
            precision=self.compute.precision,
            decoding_share_64=max(0.0, 1 - ms["network_64"] / ms["all_64"]),
            gflop_per_frame_64=gflop,
            published_gflop_per_frame_64=published_gflop,
            share_of_peak_64=gflop / (1e-3 * ms["network_64"]) / peak_gflops,
            pipeline_frames_per_second=source.n_frames / seconds["pipeline"],
            pipeline_efficiency=seconds["bare"] / seconds["pipeline"],
            **self._scaling(options, source),
            **values,
        )

    def _scaling(self, options: BenchmarkOptions, source: Any) -> dict[str, Any]:
        """Return frames per second of the pipeline against all that was asked for."""
        rounds, seconds = options.rounds, options.seconds_each
        movies = {
            "side": {n: self._movie(options.frames, side=n) for n in options.sides},
            "molecules": {n: self._movie(options.frames, molecules=n) for n in options.molecules},
            "frames": {m.n_frames: m for m in map(self._movie, options.lengths)},
        }
        found = {
            f"frames_per_second_by_{name}": scaling.by_movie(
                self.pipeline, of, rounds=rounds, seconds=seconds
            )
            for name, of in movies.items()
        }
        found["frames_per_second_by_threads"] = scaling.by_threads(
            self.pipeline, options.threads, source
        )
        found["frames_per_second_by_workers"] = scaling.by_workers(
            self.pipeline, options.workers, source, rounds=rounds, seconds=seconds
        )
        return found

    def _stack(self, side: int, molecules: float = MOLECULES) -> np.ndarray[Any, Any]:
        """Return frames of so many molecules in 64 x 64 pixels, or as dense larger ones."""
        um2 = (64 * self.known.psf.pixel_size_nm * 1e-3) ** 2
        density = molecules / um2
        simulation = self.known.simulation.replace(density_per_um2=(density, density))
        known = self.known.replace(image_px=(side, side), simulation=simulation)
        n_frames = min(self._per_batch(side), 32)
        return np.asarray(known.simulate(n_frames, seed=1).stack)

    def _per_batch(self, side: int) -> int:
        return max(1, self.pipeline._pixels_per_batch // (side * side * self.fast.work_per_px))

    def _movie(self, n_frames: int, *, side: int = 64, molecules: float = MOLECULES) -> Any:
        """Return a source of the frames in turn; a slow network, and large ones, get fewer."""
        work = max(1, self.fast.work_per_px // 16) * (side / 64) ** 2
        n_frames = max(2, round(n_frames / max(1, work)))
        known = (side, molecules) == (64, MOLECULES)
        stack = self.stacks[64] if known else self._stack(side, molecules)
        return open_frames(stack[np.arange(n_frames) % len(stack)])

    @torch.inference_mode()
    def _read(self, side: int) -> Tensor:
        """Return frames as the network's own layers get them: photons, or their equivalent."""
        frames = torch.from_numpy(self.stacks[side].astype(np.float32)).to(self.compute.device)
        photons = self.known.camera.to_photons(frames)
        read = self.fast.frames_in(self.known.camera, photons)
        return read.repeat(1, 2 * self.fast.context + 1, 1, 1)

    def _found(self, prepared: Tensor) -> object:
        """Predict frames and decode them."""
        prediction = self.fast.predict(prepared)
        if isinstance(self.fast, ImageModel):
            return self.fast.find_in_image(self.fast.to_image(prediction))
        return self.fast.to_localizations(prediction)

    def _bare(self, source: Any) -> None:
        """Run the network over frames in the pipeline's batches, nothing else."""
        batch, left = self._photons[64], source.n_frames
        while left > 0:
            self.fast.predict(self.fast.prepare(batch[: min(left, len(batch))]))
            left -= len(batch)


def _experiment(values: Any, name: str) -> Experiment:
    """Return the microscope that a model was trained for, one of them if there were many."""
    if not values:
        return Experiment()
    return Experiment.from_dict(values, source=name).replace(variety=None)


def counted_gflop(run: Callable[[], object]) -> float:
    """Return the operations, in 1e9, of products and convolutions; a multiply-add is two."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        run()
    return float(counter.get_total_flops()) / 1e9


def _machine(compute: Compute) -> dict[str, Any]:
    """Return what was measured on."""
    name = platform.processor() or platform.machine()
    if compute.device.type == "cuda":
        name = torch.cuda.get_device_name(compute.device)
    return {
        "device": str(compute.device),
        "name": name,
        "precision": compute.precision,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "peak_gflops": _peak_gflops(compute),
    }


@torch.inference_mode()
def _peak_gflops(compute: Compute) -> float:
    """Return the speed of a large matrix product, or of a wide convolution where that is faster.

    Products and convolutions come from different libraries, of which one may not know a processor:
    on some of AMD's convolutions in fp32 are twice as fast.
    """
    n = PEAK_CHANNELS
    matrix, image, kernel = (
        torch.rand(shape).to(compute.device, compute.dtype)
        for shape in ((PEAK_SIDE, PEAK_SIDE), (1, n, n, n), (n, n, 3, 3))
    )
    image, kernel = (each.contiguous(memory_format=torch.channels_last) for each in (image, kernel))
    runs = {
        "product": lambda: matrix @ matrix,
        "convolution": lambda: functional.conv2d(image, kernel, padding=1),
    }
    seconds = in_turn({}, runs, 3, compute.device)
    return max(counted_gflop(run) / seconds[name] for name, run in runs.items())
