"""The Reconstruct panel at work: opening, previews, cancelling, gaps, memory, in a napari viewer.

    xvfb-run -a -s "-screen 0 1600x1200x24" python benchmarks/reconstructing.py [PART ...]

- opening: from the menu to a panel that can be used, for the first time in a process and again.
- preview: from a step of the slider to the new layer, frames of 64 x 64, for each built-in model.
- cancel: from the click to a panel that is free, frames of 1024 x 1024, for each built-in model.
- gaps: of the event loop while each built-in model previews and runs on frames of 128 x 128.
- memory: growth of the process while frames of 128 x 128 are reconstructed, 2,000 and 20,000 of
  them, and while a stack of 60,000 x 512 x 512 that exists nowhere is read for a minute.
- speed: frames/s of the panel over frames/s of the bare network.

Run the parts one at a time for numbers that can be compared: memory that one has taken is not
given back to the system for the next.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from typing import TYPE_CHECKING, Any

import dask.array
import napari
import numpy as np
import psutil
from qtpy.QtTest import QTest

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_deepsmlm.plugin.reconstruct.widget import ReconstructWidget

PLUGIN = "napari-deepsmlm"
NM = {"scale": (1, 100, 100), "units": ("pixel", "nm", "nm")}


def main() -> None:
    """Measure and print."""
    parts = {
        "opening": opening,
        "preview": preview,
        "cancel": cancel,
        "gaps": gaps,
        "memory": memory,
        "speed": speed,
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*parts, []])
    parser.add_argument(
        "--models", nargs="*", help="names or files; all built-in ones if not given"
    )
    chosen = parser.parse_args()
    os.environ["XDG_DATA_HOME"] = tempfile.mkdtemp()  # where choices are kept
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1366, 720)
    QTest.qWait(1000)
    for name in chosen.parts or parts:
        print(f"\n{name}", flush=True)
        parts[name](viewer, chosen.models)
    viewer.close()


def opening(viewer: napari.Viewer, models: list[str] | None) -> None:
    print("| time | until it is there, ms | until it can be used, ms |\n| --- | ---: | ---: |")
    for which in ("first", "second", "third"):
        started = time.perf_counter()
        dock, panel = viewer.window.add_plugin_dock_widget(PLUGIN, "Reconstruct")
        there = time.perf_counter() - started
        wait(lambda panel=panel: panel.is_ready)
        usable = time.perf_counter() - started
        print(f"| {which} | {1e3 * there:.0f} | {1e3 * usable:.0f} |", flush=True)
        viewer.window.remove_dock_widget(dock)


def preview(viewer: napari.Viewer, models: list[str] | None) -> None:
    print("| model | the first time, ms | median, ms | longest, ms | to a first look, ms |")
    print("| --- | ---: | ---: | ---: | ---: |")
    panel = open_panel(viewer)
    for name in models or built_in():
        stack = add_stack(viewer, panel, name, (64, 64), 40)
        took, looks = [], []
        panel.preview.button.click()
        for frame in range(12):
            started = time.perf_counter()
            viewer.dims.set_current_step(0, 10 + frame)
            wait(lambda f=frame: f" frame {10 + f}" in panel.status_note.text())
            looks.append(1e3 * (time.perf_counter() - started))
            wait(lambda f=frame: f"Preview of frame {10 + f}:" in panel.status_note.text())
            took.append(1e3 * (time.perf_counter() - started))
            QTest.qWait(200)
        panel.preview.button.click()
        first, *others = took
        median, look = statistics.median(others), statistics.median(looks[1:])
        print(f"| {name} | {first:.0f} | {median:.0f} | {max(others):.0f} | {look:.0f} |")
        viewer.layers.remove(stack)
    close_panel(viewer, panel)


def cancel(viewer: napari.Viewer, models: list[str] | None) -> None:
    print("| model | s, three times |\n| --- | ---: |")
    panel = open_panel(viewer)
    for name in models or built_in():
        stack = add_stack(viewer, panel, name, (1024, 1024), 3)
        took = []
        for seconds in (2.0, 4.0, 6.5):
            panel.run_button.click()
            wait(lambda: panel.bar.maximum() > 0)
            QTest.qWait(int(1e3 * seconds))
            started = time.perf_counter()
            panel.cancel()
            wait(lambda: not panel.is_busy)
            took.append(time.perf_counter() - started)
        print(f"| {name} | {', '.join(f'{t:.2f}' for t in took)} |", flush=True)
        viewer.layers.remove(stack)
    close_panel(viewer, panel)


def gaps(viewer: napari.Viewer, models: list[str] | None) -> None:
    from window import LIMIT_MS, Gaps, after

    print(f"| | gaps | median ms | 99 % ms | longest ms | over {LIMIT_MS} ms | most work ms |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    watch = Gaps()
    watch.measure("idle", after(5))
    panel = open_panel(viewer)
    for name in models or built_in():
        add_stack(viewer, panel, name, (128, 128), 2000)

        def move_slider() -> None:
            viewer.dims.set_current_step(0, int(4 * time.perf_counter()) % 2000)

        panel.preview.button.click()
        watch.measure(f"{name}, preview", after(10, move_slider))
        panel.preview.button.click()
        panel.run_button.click()
        watch.measure(f"{name}, run", after(15))
        watch.measure(f"{name}, run, slider moves", after(10, move_slider))
        panel.cancel()
        watch.measure(f"{name}, end", lambda: not panel.is_busy)
        viewer.layers.clear()
    close_panel(viewer, panel)


def memory(viewer: napari.Viewer, models: list[str] | None) -> None:
    """Sum 500 frames for an input: reading is what is long here, not the network."""
    panel = open_panel(viewer)
    rng = np.random.default_rng(0)
    block = rng.poisson(200, (100, 128, 128)).astype(np.uint16)
    print("| frames | MB before | most MB | s |\n| --- | ---: | ---: | ---: |")
    for n_frames in (2_000, 2_000, 20_000):
        stack = endless(block, n_frames)
        add_stack(viewer, panel, (models or ["dilated-loc:2d-100nm"])[0], stack=stack)
        panel.form.fill_in(sum_frames=500)
        before, most, seconds = watched(panel, lambda: not panel.is_busy)
        print(f"| {n_frames:,} x 128 x 128 | {before} | {most} | {seconds:.0f} |", flush=True)
        viewer.layers.clear()
    large = rng.poisson(200, (20, 512, 512)).astype(np.uint16)
    add_stack(viewer, panel, (models or ["dilated-loc:2d-100nm"])[0], stack=endless(large, 60_000))
    panel.form.fill_in(sum_frames=1000)
    for minute in (1, 2):
        end = time.monotonic() + 60
        before, most, _ = watched(panel, lambda end=end: time.monotonic() > end)
        done = panel.bar.value()
        print(f"| 60,000 x 512 x 512, minute {minute}, {done:,} done | {before} | {most} | 60 |")
    panel.cancel()
    wait(lambda: not panel.is_busy)
    close_panel(viewer, panel)


def speed(viewer: napari.Viewer, models: list[str] | None) -> None:
    """Compare on photons like those of the training: noise would be full of false molecules."""
    import torch

    from napari_deepsmlm._devices import choose_compute
    from napari_deepsmlm.experiment import Experiment
    from napari_deepsmlm.models import find_model

    print("| model | bare, frames/s | panel, frames/s | share |\n| --- | ---: | ---: | ---: |")
    panel = open_panel(viewer)
    compute = choose_compute()
    for name in models or built_in():
        found = find_model(name)
        known = Experiment.from_dict(found.card.experiment, source=name)
        n_frames = 6 if "drsn" in name else 60 if "deep" in name else 300
        simulated, _ = known.simulate(n_frames, seed=0)
        frames = known.camera.to_photons(torch.from_numpy(np.asarray(simulated, np.float32)))
        stack = frames.numpy() if frames.shape[1] > 1 else frames[:, 0].numpy()
        add_stack(viewer, panel, name, stack=stack, pixel_nm=known.psf.pixel_size_nm)
        model = found.load().for_inference().to(compute.device, compute.dtype)

        @torch.inference_mode()
        def bare(model: Any = model, frames: Any = frames) -> None:
            for frame in frames:
                model.predict(model.prepare(frame[None]))

        rates: list[tuple[float, float]] = []
        for _ in range(3):
            started = time.perf_counter()
            bare()
            bare_rate = len(frames) / (time.perf_counter() - started)
            panel.run_button.click()
            wait(lambda: not panel.is_busy)
            rates.append((bare_rate, panel._result.report["frames_per_second"]))
        plain, ours = (statistics.median(values) for values in zip(*rates, strict=True))
        print(f"| {name} | {plain:.2f} | {ours:.2f} | {ours / plain:.2f} |", flush=True)
        viewer.layers.clear()
    close_panel(viewer, panel)


def watched(panel: ReconstructWidget, until: Callable[[], bool]) -> tuple[int, int, float]:
    """Return MB of the process before, the most it had, and the seconds it took."""
    process = psutil.Process()
    before = most = process.memory_info().rss >> 20
    started = time.perf_counter()
    if not panel.is_busy:
        panel.run_button.click()
    while not until():
        QTest.qWait(50)
        most = max(most, process.memory_info().rss >> 20)
    return before, most, time.perf_counter() - started


def endless(block: np.ndarray, n_frames: int) -> dask.array.Array:
    """Return a stack that is made as it is read, of frames in turn."""
    n = len(block)

    def make(block_info: Any = None) -> np.ndarray:
        start, stop = block_info[None]["array-location"][0]
        return block[np.arange(start, stop) % n]

    chunks = ((n,) * (n_frames // n), *((side,) for side in block.shape[1:]))
    return dask.array.map_blocks(make, chunks=chunks, dtype=block.dtype)


def open_panel(viewer: napari.Viewer) -> ReconstructWidget:
    _, panel = viewer.window.add_plugin_dock_widget(PLUGIN, "Reconstruct")
    wait(lambda: panel.is_ready)
    panel.kept.restore_defaults()  # an earlier part may have left others
    return panel


def close_panel(viewer: napari.Viewer, panel: ReconstructWidget) -> None:
    viewer.window.remove_dock_widget(panel)


def add_stack(
    viewer: napari.Viewer,
    panel: ReconstructWidget,
    model: str,
    shape: tuple[int, int] = (64, 64),
    n_frames: int = 1,
    *,
    stack: Any = None,
    pixel_nm: float = 100.0,
) -> Any:
    """Add frames that the model reads, and choose it."""
    from napari_deepsmlm.plugin.library.choices import ModelChoice

    planes = shape_of(model)[0]
    if stack is None:
        size = (n_frames, *([planes] if planes > 1 else []), *shape)
        stack = np.random.default_rng(0).poisson(200, size).astype(np.uint16)
    n_more = stack.ndim - 3
    layer = viewer.add_image(
        stack,
        name="stack",
        scale=(1, *(1,) * n_more, pixel_nm, pixel_nm),
        units=("pixel", *("pixel",) * n_more, "nm", "nm"),
        contrast_limits=(0, 500),
    )
    box = panel.form.model_box
    known = {choice.key: choice for choice in box.choices}
    box.choose(known[model]) if model in known else box.load_file(ModelChoice.from_file(model).key)
    return layer


def shape_of(model: str) -> tuple[int, int, int]:
    return (4 if "quad" in model else 1, 64, 64)


def built_in() -> list[str]:
    from napari_deepsmlm.models import built_in_models

    return list(built_in_models())


def wait(is_true: Callable[[], bool], seconds: float = 600) -> None:
    end = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > end:
            raise TimeoutError("The panel did not get there.")
        QTest.qWait(5)


if __name__ == "__main__":
    main()
