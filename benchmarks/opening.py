"""Opening of a 31 GB stack in napari: time to the layer, to each frame, and the memory it takes.

    xvfb-run -a -s "-screen 0 1600x1200x24" python benchmarks/opening.py [--frames 60000]

The files are holes: they have the size of a real movie, but take no room on the disk. So this is
the time that our own code and napari take; a disk adds that of reading a few frames. "Work" is what
the main thread computed until then, which other programs on the same cores do not lengthen.
"""

from __future__ import annotations

import argparse
import gc
import os
import tempfile
import time
from pathlib import Path

import napari
import numpy as np
import psutil
import tifffile
from qtpy.QtTest import QTest

PLUGIN = "napari-deepsmlm"
SIDE_PX = 512


def write_bigtiff(path: Path, shape: tuple[int, ...]) -> Path:
    tifffile.memmap(path / "pages.tif", shape=shape, dtype=np.uint16, bigtiff=True)
    return path / "pages.tif"


def write_ome(path: Path, shape: tuple[int, ...]) -> Path:
    metadata = {"axes": "TYX", "PhysicalSizeX": 0.1, "PhysicalSizeXUnit": "µm"}
    tifffile.memmap(
        path / "m.ome.tif", shape=shape, dtype=np.uint16, bigtiff=True, ome=True, metadata=metadata
    )
    return path / "m.ome.tif"


def write_npy(path: Path, shape: tuple[int, ...]) -> Path:
    np.lib.format.open_memmap(path / "m.npy", "w+", np.uint16, shape)
    return path / "m.npy"


def write_dax(path: Path, shape: tuple[int, ...]) -> Path:
    text = f"frame dimensions = {shape[2]} x {shape[1]}\nnumber of frames = {shape[0]}\n"
    (path / "m.inf").write_text(text)
    with (path / "m.dax").open("wb") as file:
        file.truncate(int(np.prod(shape)) * 2)
    return path / "m.dax"


WRITERS = {
    "BigTIFF, a page for each frame": write_bigtiff,
    "OME-TIFF": write_ome,
    ".npy": write_npy,
    ".dax": write_dax,
}


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=60_000)
    shape = (parser.parse_args().frames, SIDE_PX, SIDE_PX)
    process = psutil.Process()
    viewer = napari.Viewer(show=True)
    with tempfile.TemporaryDirectory() as folder:
        small = write_npy(Path(folder), (20, SIDE_PX, SIDE_PX))
        viewer.open(str(small), plugin=PLUGIN)  # imports what reading needs
        QTest.qWait(1000)
    print(f"{np.prod(shape) * 2 / 1e9:.1f} GB, {len(os.sched_getaffinity(0))} cores\n")
    print("| | layer s | work s | shown s | a frame ms | memory MB |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, write in WRITERS.items():
        viewer.layers.clear()
        gc.collect()
        with tempfile.TemporaryDirectory() as folder:
            path = write(Path(folder), shape)
            before = process.memory_info().rss
            started, worked = time.perf_counter(), time.thread_time()
            viewer.open(str(path), plugin=PLUGIN)
            layer_s, work_s = time.perf_counter() - started, time.thread_time() - worked
            QTest.qWait(1)
            shown_s = time.perf_counter() - started
            each = []
            for frame in np.linspace(0, shape[0] - 1, 50).astype(int):
                begun = time.perf_counter()
                viewer.dims.set_current_step(0, int(frame))
                QTest.qWait(1)
                each.append(time.perf_counter() - begun)
            grown = (process.memory_info().rss - before) / 1e6
            times = f"{layer_s:.2f} | {work_s:.2f} | {shown_s:.2f} | {1e3 * np.median(each):.0f}"
            print(f"| {name} | {times} | {grown:.0f} |", flush=True)
    viewer.close()


if __name__ == "__main__":
    main()
