"""A long movie: does memory stay flat to its last frame, and how many frames are done in a second.

    python benchmarks/long_movie.py [MODEL[/SUM] ...] [--frames 20000] [--side 128]

A hundred frames of the microscope that a model was trained for come again and again, made as they
are read, through `ReconstructJob` into image and table on the disk. MODEL/10 sums ten frames for
each input. A row has the most memory of the process in each quarter of the frames, and the time;
with one thread its processor time tells what the movie takes where nobody else works.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from typing import Any

import dask.array
import numpy as np
import psutil
import torch

from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.models import find_model
from napari_deepsmlm.reconstruction import Finished, Progress, ReconstructJob, ReconstructOptions

IN_TURN = 100
"""Frames that are different."""
MODELS = ("voxel-regression:quad-plane-192nm", "dilated-loc:2d/10")
LOOK_S = 0.2


def main() -> None:
    """Measure and print a row for each model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=MODELS)
    parser.add_argument("--frames", type=int, default=20_000)
    parser.add_argument("--side", type=int, default=128, help="pixels")
    parser.add_argument("--molecules", type=float, default=40, help="in an input, about")
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    print(
        "| model | frames | most MB in each quarter | localizations | s | processor s | frames/s |"
    )
    print("| --- | ---: | --- | ---: | ---: | ---: | ---: |")
    for name in chosen.models:
        model, _, sum_frames = name.partition("/")
        print(row(model, int(sum_frames or 1), chosen), flush=True)


def row(name: str, sum_frames: int, chosen: argparse.Namespace) -> str:
    """Reconstruct a movie, and return what it took."""
    known = microscope(name, chosen.side, chosen.molecules / sum_frames)
    movie = endless(np.asarray(known.simulate(IN_TURN, seed=0).stack), chosen.frames)
    options = ReconstructOptions(
        model=name,
        sum_frames=sum_frames,
        pixel_size_nm=known.psf.pixel_size_nm,
        camera=known.camera,
    )
    with tempfile.TemporaryDirectory() as folder:
        job = ReconstructJob(movie, options, out=folder)
        begun, busy = time.perf_counter(), sum(psutil.Process().cpu_times()[:2])
        with Watch() as watch:
            for event in job.run():
                if isinstance(event, Progress):
                    watch.share = event.frames_done / event.n_frames
                elif isinstance(event, Finished):
                    report = event.result.report
        seconds = time.perf_counter() - begun
        busy = sum(psutil.Process().cpu_times()[:2]) - busy
    called = f"{name}, sums of {sum_frames}" if sum_frames > 1 else name
    quarters = ", ".join(str(round(mb)) for mb in watch.most_mb)
    return (
        f"| {called} | {report.frames:,} x {chosen.side} x {chosen.side} | {quarters} | "
        f"{report.localizations:,} | {seconds:.0f} | {busy:.0f} | {report.frames / busy:.1f} |"
    )


class Watch:
    """Looks at the memory of this process, in a thread.

    Attributes
    ----------
    share : of the work that is done, told by whoever does it.
    most_mb : in each quarter of the work.
    """

    def __init__(self) -> None:
        self.share = 0.0
        self.most_mb = [0.0] * 4
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        process = psutil.Process()
        while not self._is_over.wait(LOOK_S):
            quarter = min(3, int(4 * self.share))
            resident = process.memory_info().rss / 2**20
            self.most_mb[quarter] = max(self.most_mb[quarter], resident)


def microscope(name: str, side: int, molecules: float) -> Experiment:
    """Return the one that a model was trained for, one of them if there were many."""
    known = Experiment.from_dict(find_model(name).card.experiment, source=name)
    density = molecules / (side * known.psf.pixel_size_nm * 1e-3) ** 2
    simulation = known.simulation.replace(density_per_um2=(density, density))
    return known.replace(variety=None, image_px=(side, side), simulation=simulation)


def endless(block: np.ndarray, n_frames: int) -> dask.array.Array:
    """Return a stack that is made as it is read, of frames in turn."""
    n = len(block)

    def make(block_info: Any = None) -> np.ndarray:
        start, stop = block_info[None]["array-location"][0]
        return block[np.arange(start, stop) % n]

    rest = (n_frames % n,) if n_frames % n else ()
    chunks = ((n,) * (n_frames // n) + rest, *((side,) for side in block.shape[1:]))
    return dask.array.map_blocks(make, chunks=chunks, dtype=block.dtype)


if __name__ == "__main__":
    main()
