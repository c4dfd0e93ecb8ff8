"""Drift and linking against a planted truth, and beside Picasso on the same tables.

python benchmarks/after_the_network.py
python benchmarks/after_the_network.py --picasso /path/to/venv/bin/python   # with picassosr
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from napari_deepsmlm.drift import measure_drift
from napari_deepsmlm.io import write_localizations
from napari_deepsmlm.linking import link
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.simulation.blinking import FourState, shares
from napari_deepsmlm.simulation.motion import Drift

PIXEL_NM = 100.0
N_FRAMES = 20_000
SIGMA_NM = 12.0

PICASSO_DRIFT = """
import sys, time
import numpy as np
from picasso import io, postprocess
locs, info = io.load_locs(sys.argv[1])
begin = time.perf_counter()
drift, _ = postprocess.undrift(locs, info, 500, display=False)
np.save(sys.argv[2], np.stack([drift["x"], drift["y"]], 1))
print(time.perf_counter() - begin)
"""
PICASSO_LINK = """
import sys, time
import numpy as np
from picasso import io, postprocess
locs, info = io.load_locs(sys.argv[1])
begin = time.perf_counter()
linked = postprocess.link(locs, info, float(sys.argv[3]), int(sys.argv[4]))
np.save(sys.argv[2], np.stack([linked["x"], linked["y"]], 1))
print(time.perf_counter() - begin)
"""


def drifting(n_rows: int, walk_nm: float, seed: int = 0) -> tuple[Localizations, Any]:
    """Return blinks on filaments whose sample moved by 500 nm, and the path."""
    rng = np.random.default_rng(seed)
    stage = Drift(
        per_frame_nm=(400 / N_FRAMES, -300 / N_FRAMES, 0.0), walk_nm=(walk_nm, walk_nm, 0.0)
    )
    path = stage.path_nm(N_FRAMES, None, torch.Generator().manual_seed(seed)).double().numpy()
    side = 20_000.0
    which, along = rng.integers(40, size=n_rows // 4), rng.random(n_rows // 4) - 0.5
    angle = rng.uniform(0, 2 * np.pi, 40)[which]
    middle = rng.uniform(0.4 * side, 0.6 * side, (40, 2))[which]
    xy = middle + (along * side * 0.6)[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    molecule, frame = rng.integers(len(xy), size=n_rows), rng.integers(N_FRAMES, size=n_rows)
    x, y = (xy[molecule] + path[frame, :2] + rng.normal(0, SIGMA_NM, (n_rows, 2))).T
    own = np.full(n_rows, SIGMA_NM)
    table = Localizations(
        frame=frame, x_nm=x, y_nm=y, photons=own * 100, uncertainty_x_nm=own, uncertainty_y_nm=own
    )
    return table.sort(), path[:, :2]


def blinking(n_frames: int = 1000, per_frame: float = 10.0, seed: int = 0) -> Localizations:
    """Return molecules that blink a few times, with the true molecule of each row."""
    generator, rng = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
    law = FourState(on_frames=3.0, dark_frames=2.5, visits=1.5)
    times = law.born(torch.full((1, n_frames), per_frame), generator)
    light = shares(times.start, times.stop, n_frames)[0].numpy()
    frame, molecule = np.nonzero(light > 0.2)
    x, y = rng.uniform(1000, 31_000, (2, light.shape[1]))
    own = np.full(len(frame), SIGMA_NM)
    return Localizations(
        frame=frame,
        x_nm=x[molecule] + rng.normal(0, SIGMA_NM, len(frame)),
        y_nm=y[molecule] + rng.normal(0, SIGMA_NM, len(frame)),
        photons=light[frame, molecule] * 1000,
        uncertainty_x_nm=own,
        uncertainty_y_nm=own,
        molecule=molecule,
        true_x_nm=x[molecule],
    )


def picasso(python: str, code: str, table: Localizations, *more: object) -> tuple[Any, float]:
    """Return what Picasso makes of a table, nm, and its seconds."""
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "locs.hdf5", Path(folder) / "out.npy"
        write_localizations(table, source, pixel_size_nm=PIXEL_NM)
        command = [python, "-c", code, str(source), str(out), *map(str, more)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
        return np.load(out) * PIXEL_NM, float(done.stdout.split()[-1])


def rms(found: Any, path: Any) -> str:
    """Return the RMS error along x and y, wherever paths begin."""
    apart = found - path[: len(found)]
    values = np.sqrt(np.mean((apart - apart.mean(0)) ** 2, axis=0))
    return " / ".join(f"{value:.1f}" for value in values)


def compare_drift(n_rows: int, walk_nm: float, python: str | None) -> None:
    table, path = drifting(n_rows, walk_nm)
    begin = time.perf_counter()
    found = measure_drift(table, with_frc=False)
    took = time.perf_counter() - begin
    print(f"drift, {n_rows:,} molecules, walk {walk_nm:g} nm per frame: RMS error x / y in nm")
    print(f"  ours: {rms(found.curve.xyz_nm, path)} by {found.method}, {took:.1f} s")
    for name, curve in found.curves.items():
        print(f"    {name}: {rms(curve.xyz_nm, path)}")
    if python is not None:
        theirs, took = picasso(python, PICASSO_DRIFT, table)
        print(f"  Picasso (RCC, 500 frames): {rms(theirs, path)}, {took:.1f} s")


def compare_links(python: str | None) -> None:
    table = blinking()
    begin = time.perf_counter()
    found = link(table)
    took = time.perf_counter() - begin
    n = len(np.unique(table["molecule"]))
    error = (found.table.x_nm - found.table["true_x_nm"]).std()
    bound = np.sqrt(
        np.mean(SIGMA_NM**2 / np.bincount(table["molecule"])[np.unique(table["molecule"])])
    )
    print(f"linking {len(table):,} rows of {n:,} molecules (best possible error {bound:.1f} nm)")
    print(
        f"  ours: {len(found.table):,} molecules, error {error:.1f} nm, {found.distance_nm:.0f} "
        f"nm, {found.dark_frames} dark, NeNA {found.nena_nm:.1f} nm (true {SIGMA_NM:g}), "
        f"{took:.1f} s"
    )
    if python is not None:
        more = (found.distance_nm / PIXEL_NM, found.dark_frames + 1)
        theirs, took = picasso(python, PICASSO_LINK, table.without("molecule", "true_x_nm"), *more)
        print(f"  Picasso, same distance and dark frames: {len(theirs):,} molecules, {took:.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--picasso", help="interpreter that has picassosr")
    parser.add_argument("--molecules", type=int, default=100_000, help="rows of the drift tables")
    options = parser.parse_args()
    for walk_nm in (0.2, 1.0):
        compare_drift(options.molecules, walk_nm, options.picasso)
    compare_links(options.picasso)


if __name__ == "__main__":
    main()
