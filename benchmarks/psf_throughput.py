"""Simulator throughput for each PSF: frames/s and emitters/s, against a loop over emitters.

    python benchmarks/psf_throughput.py [--device cuda] [--seconds 3] [--json]

`render` is the PSF alone, `simulate` adds positions, background and the camera's noise, as
training sees it. `loop` renders one emitter at a time with the exact PSF into one frame: what a
straightforward script does.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import TYPE_CHECKING

import torch

from napari_deepsmlm.camera import SCMOS
from napari_deepsmlm.psf import (
    PSF,
    AstigmaticPSF,
    GaussianPSF,
    MultiplanePSF,
    PupilPSF,
    TabulatedPSF,
)
from napari_deepsmlm.psf.tabulated import worst_error
from napari_deepsmlm.simulation import Simulation, Simulator

if TYPE_CHECKING:
    from collections.abc import Callable

SIDE = 64
TETRAPOD = TabulatedPSF(psf=PupilPSF.preset("tetrapod-6um"), patch_px=51)
# name, PSF, and the exact PSF that a loop would use
PSFS: list[tuple[str, PSF, PSF]] = [
    ("Gaussian", GaussianPSF(), GaussianPSF()),
    ("astigmatic", AstigmaticPSF(), AstigmaticPSF()),
    ("4-plane", MultiplanePSF(), MultiplanePSF()),
    ("tetrapod 6 um, 51 px", TETRAPOD, TETRAPOD.psf),
]


def rate(step: Callable[[], object], frames: int, seconds: float, device: torch.device) -> float:
    """Frames per second of the median call, after one to warm up."""

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize()

    step()
    wait()
    times = []
    stop = time.perf_counter() + seconds
    while time.perf_counter() < stop or len(times) < 3:
        start = time.perf_counter()
        step()
        wait()
        times.append(time.perf_counter() - start)
    return frames / sorted(times)[len(times) // 2]


def emitters_of(psf: PSF, n_frames: int, n: int, device: torch.device) -> tuple[torch.Tensor, ...]:
    """Random positions in the frame and its depths, and photons."""
    generator = torch.Generator(device).manual_seed(0)
    xyz = torch.rand(n_frames, n, 3, generator=generator, device=device) * SIDE * psf.pixel_size_nm
    low, high = psf.depth_range_nm or (0.0, 0.0)
    xyz[..., 2] = low + (high - low) * torch.rand(n_frames, n, generator=generator, device=device)
    return xyz, torch.full((n_frames, n), 2000.0, device=device)


class Uniform3D(Simulator):
    """The simulator with a set number of molecules through the PSF's whole depth."""

    def frames(self, n_frames: int, n: int, generator: torch.Generator) -> torch.Tensor:
        """Positions, light, background and camera of one batch."""
        device = generator.device
        xyz, photons = emitters_of(self.psf, n_frames, n, device)
        sigma = self.psf.draw_sigma_nm((n_frames, n), generator)
        light = self.psf.render(xyz, photons, (SIDE, SIDE), sigma_nm=sigma) + 20.0
        return self.camera.expose(light, generator)


def measure(device: torch.device, seconds: float) -> list[dict[str, object]]:
    """One row per PSF and number of emitters."""
    rows = []
    generator = torch.Generator(device).manual_seed(0)
    for name, psf, exact in PSFS:
        for n in (50, 225):
            n_frames = 32 if device.type == "cpu" else 512
            xyz, photons = emitters_of(psf, n_frames, n, device)
            simulator = Uniform3D(psf, SCMOS(), Simulation())

            def loop(exact: PSF = exact, xyz: torch.Tensor = xyz, photons=photons) -> None:
                frame = torch.zeros(1, exact.n_planes, SIDE, SIDE, device=xyz.device)
                for k in range(xyz.shape[1]):
                    place = (slice(0, 1), slice(k, k + 1))
                    frame += exact.render(xyz[place], photons[place], (SIDE, SIDE))

            def render(psf: PSF = psf, xyz: torch.Tensor = xyz, photons=photons) -> None:
                psf.render(xyz, photons, (SIDE, SIDE))

            def simulate(s=simulator, n_frames: int = n_frames, n: int = n) -> None:
                s.frames(n_frames, n, generator)

            rendered = rate(render, n_frames, seconds, device)
            whole = rate(simulate, n_frames, seconds, device)
            looped = rate(loop, 1, seconds, device)
            rows.append(
                {"psf": name, "emitters": n, "render_frames_per_second": rendered,
                 "simulate_frames_per_second": whole, "emitters_per_second": whole * n,
                 "loop_frames_per_second": looped, "ratio_to_loop": rendered / looped}
            )  # fmt: skip
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seconds", type=float, default=2.0, help="per measurement")
    parser.add_argument("--threads", type=int, default=0, help="0: as many as there are cores")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    rows = measure(device, options.seconds)
    error = worst_error(TETRAPOD, n=500)
    if options.json:
        print(json.dumps({"rows": rows, "tabulated_worst_error": error}))
        return
    print(f"{SIDE} x {SIDE} frames, {device}, {torch.get_num_threads()} threads, sCMOS noise\n")
    print("| PSF | emitters | render, frames/s | simulate, frames/s | emitters/s | loop | ratio |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for row in rows:
        print(
            f"| {row['psf']} | {row['emitters']} | {row['render_frames_per_second']:.0f} "
            f"| {row['simulate_frames_per_second']:.0f} | {row['emitters_per_second']:.0f} "
            f"| {row['loop_frames_per_second']:.2f} | {row['ratio_to_loop']:.0f} |"
        )
    print(f"\nTabulated tetrapod: worst error {100 * error:.2f} % of the exact peak (500 places).")


if __name__ == "__main__":
    main()
