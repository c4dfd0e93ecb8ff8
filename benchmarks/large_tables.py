"""A large table: the panel's event loop while it is browsed, and the library with ten times more.

    xvfb-run -a -s "-screen 0 1600x1200x24" python benchmarks/large_tables.py [--rows 1000000]
    xvfb-run -a -s "-screen 0 1600x1200x24" python benchmarks/large_tables.py --depth
    xvfb-run -a -s "-screen 0 1600x1200x24" python benchmarks/large_tables.py --view
    python benchmarks/large_tables.py --library [--rows 10000000]

The first prints gaps of the event loop as `window.py` does: opening the table, moving sliders,
typing a filter, rendering; and, to compare with, what napari takes for the smallest layer. Without
a graphics card most of the rest is napari's drawing too. The second looks at the molecules in 3-D.
The third zooms and moves while they are drawn as the screen shows them; `--shots` keeps pictures.
The last writes, reads, filters, draws, takes off the drift and links without a window, and prints
seconds and the largest memory of each step (of Linux).
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from napari_deepsmlm.io import read_localizations, write_localizations
from napari_deepsmlm.localizations import Localizations

FIELD_NM = 25_600.0
N_FRAMES, N_FILAMENTS = 20_000, 200
WHERE = "uncertainty_xy < 30 & (intensity > 500 | frame <= 100)"


def main() -> None:
    """Measure one or the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--library", action="store_true", help="without a window")
    parser.add_argument("--depth", action="store_true", help="the window in 3-D")
    parser.add_argument("--view", action="store_true", help="zooming, as sharp as the screen")
    parser.add_argument("--shots", type=Path, help="folder for pictures of the zoom")
    chosen = parser.parse_args()
    os.environ["XDG_DATA_HOME"] = tempfile.mkdtemp()  # where choices are kept
    if chosen.library:
        measure_library(chosen.rows or 10_000_000)
    elif chosen.depth:
        measure_depth(chosen.rows or 1_000_000)
    elif chosen.view:
        measure_view(chosen.rows or 10_000_000, chosen.shots)
    else:
        measure_panel(chosen.rows or 1_000_000)


def random_table(n: int) -> Localizations:
    """Return molecules on filaments all over the field, whose stage moved by 500 nm."""
    chance = np.random.default_rng(0)
    frame = np.sort(chance.integers(0, N_FRAMES, n))
    filament = chance.integers(0, N_FILAMENTS, n)
    length = FIELD_NM / 4
    angle = chance.uniform(0, 2 * np.pi, N_FILAMENTS)[filament]
    middle = chance.uniform(length / 2, FIELD_NM - length / 2, (2, N_FILAMENTS))[:, filament]
    along = (chance.integers(0, 2000, n) / 2000 - 0.5) * length  # each of its molecules often
    own = chance.gamma(4, 3, n)
    moved = np.outer((400.0, -300.0, 100.0), frame / N_FRAMES)
    return Localizations(
        frame=frame,
        x_nm=middle[0] + along * np.cos(angle) + moved[0] + chance.normal(0, own),
        y_nm=middle[1] + along * np.sin(angle) + moved[1] + chance.normal(0, own),
        z_nm=chance.uniform(-400, 400, N_FILAMENTS)[filament]
        + moved[2]
        + chance.normal(0, 2.5 * own),
        photons=chance.gamma(3, 400, n),
        background=chance.gamma(9, 2, n),
        sigma_nm=chance.normal(130, 10, n),
        uncertainty_x_nm=own,
        uncertainty_y_nm=own,
        probability=chance.beta(5, 1, n),
    )


def measure_library(n: int) -> None:
    """Print seconds and memory of each step."""
    from napari_deepsmlm.drift import measure_drift
    from napari_deepsmlm.filtering import filter_table
    from napari_deepsmlm.linking import link
    from napari_deepsmlm.render import RenderOptions, draw, draw_colored, draw_volume

    print(f"| {n:,} rows | seconds | of the processor | largest memory, GB |")
    print("| --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        csv, hdf5 = Path(folder) / "table.csv", Path(folder) / "table.hdf5"
        steps = {
            "made": lambda: random_table(n),
            "CSV written": lambda: write_localizations(table, csv),
            "HDF5 written": lambda: write_localizations(table, hdf5, pixel_size_nm=100),
            "CSV read": lambda: read_localizations(csv),
            "HDF5 read": lambda: read_localizations(hdf5),
            "filtered": lambda: filter_table(table, WHERE),
            "histogram, 10 nm": lambda: draw(table, options=RenderOptions()),
            "average shifted histogram": lambda: draw(table, options=RenderOptions(kind="ash")),
            "coloured by z": lambda: draw_colored(table, "z_nm", options=RenderOptions()),
            "Gaussians": lambda: draw(table, options=RenderOptions(kind="gaussian")),
            "volume, 24 x 24 x 50 nm": lambda: draw_volume(table),
            "drift measured": lambda: measure_drift(table, with_frc=False),
            "drift measured, with FRC before and after": lambda: measure_drift(table),
            "drift taken off": lambda: drift.curve.apply(table),
            "linked": lambda: link(still),
        }
        table = still = Localizations.empty()
        drift: Any = None
        for name, step in steps.items():
            reset_memory()
            begin, began = time.perf_counter(), time.process_time()
            result: Any = step()
            seconds, worked = time.perf_counter() - begin, time.process_time() - began
            print(f"| {name} | {seconds:.1f} | {worked:.1f} | {memory_gb():.1f} |", flush=True)
            table = result if name == "made" else table
            drift = result if name.startswith("drift measured") else drift
            still = result if name == "drift taken off" else still
            del result
    print(drift.sentence())


def reset_memory() -> None:
    """Begin to look for the largest memory anew."""
    Path("/proc/self/clear_refs").write_text("5", "ascii")  # of Linux


def memory_gb() -> float:
    """Return the largest resident memory of this process since then."""
    status = Path("/proc/self/status").read_text("ascii")
    return float(status.split("VmHWM:")[1].split()[0]) / 1e6  # kB


def measure_depth(n: int) -> None:
    """Print gaps of the event loop while the molecules are looked at in 3-D."""
    from window import after

    viewer, panel, gaps = _opened(n)
    layers = len(viewer.layers)
    panel.after.depth_button.click()
    gaps.measure("3-D", lambda: len(viewer.layers) > layers)
    gaps.measure("the first pictures", after(3))
    start = time.perf_counter()

    def turn() -> None:
        viewer.camera.angles = (0, 40 * (time.perf_counter() - start), 60)

    gaps.measure("turning", after(10, turn))
    for layer in list(viewer.layers)[layers:]:
        layer.visible = not layer.name.endswith("volume")
    gaps.measure("points alone", after(2))
    gaps.measure("turning the points", after(10, turn))
    print([f"{layer.name}: {layer.visible}" for layer in viewer.layers])
    print(panel.status_note.text(), panel.message_note.text())
    viewer.close()


def measure_view(n: int, shots: Path | None) -> None:
    """Print gaps of the event loop, and seconds, while the view of the molecules changes."""
    from window import after

    viewer, panel, gaps = _opened(n)
    view, camera = panel.shown.view, viewer.scene.camera
    panel.render_button.setChecked(False)
    start, whole, middle = time.perf_counter(), camera.zoom, np.asarray(camera.center[-2:])

    def move() -> None:
        share = time.perf_counter() - start
        camera.center = (0, *(middle + 3000 * np.array([np.sin(share), np.cos(share)])))
        camera.zoom = whole * 2 ** (3 + 3 * np.sin(2 * share))

    gaps.measure("moving, nothing drawn", after(8, move))
    viewer.reset_view()
    panel.drawing.sharpness_box.value = "of the screen"
    panel.drawing.fields.fill({"kind": "gaussian"})
    panel.render_button.setChecked(True)

    def is_drawn() -> bool:
        rendered = panel.shown.rendered
        is_still = not (panel.is_busy or panel._delay.isActive() or view.is_busy)
        return bool(is_still and rendered and rendered.is_shown and rendered.is_complete)

    def measure(name: str) -> None:
        start = time.perf_counter()
        gaps.measure(name, is_drawn)
        print(f"  {time.perf_counter() - start:.2f} s; {panel.status_note.text()}", flush=True)
        gaps.measure("painted", after(1))
        if shots is not None:
            shots.mkdir(parents=True, exist_ok=True)
            viewer.window.screenshot(str(shots / f"{name}.png"), flash=False)

    measure("the first picture")
    table = panel.filtered.table
    row = len(table) // 3
    place = np.asarray([table.y_nm[row], table.x_nm[row]]) + panel.shown.origin
    reset_memory()
    for zoom in (1.5, 4, 16, 64):
        camera.center = (0, *place)
        camera.zoom = whole * zoom
        measure(f"zoom {zoom:g}")
    camera.center = (0, *(place + 600))
    measure("moved")
    camera.center, camera.zoom = (0, *place), whole * 4
    measure("back to 4")
    print(f"largest memory while zooming: {memory_gb():.1f} GB")
    start = time.perf_counter()
    gaps.measure("moving all the time", after(8, move))
    panel.where_line.value = "z > 0"
    measure("a filter")
    viewer.close()


def _opened(n: int) -> tuple[Any, Any, Any]:
    """Return a viewer, the panel with a table in it, and what measures gaps."""
    import napari
    from window import Gaps, after

    path = Path(tempfile.mkdtemp()) / "table.hdf5"
    write_localizations(random_table(n), path, pixel_size_nm=100)
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1366, 720)
    print("| phase | turns | median, ms | 99 %, ms | longest, ms | over 50 ms | most work, ms |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    gaps = Gaps()
    gaps.measure("idle", after(2))
    _, panel = viewer.window.add_plugin_dock_widget("napari-deepsmlm", "Localizations")
    gaps.measure("loading", lambda: panel.is_ready)
    panel.open(path)
    gaps.measure("opening the table", lambda: panel._kept is not None)
    return viewer, panel, gaps


def measure_panel(n: int) -> None:
    """Print gaps of the event loop while the panel is used."""
    from napari.layers import Image
    from qtpy.QtCore import QTimer
    from window import after

    viewer, panel, gaps = _opened(n)
    rows = {row.column.name: row for row in panel.ranges.rows}
    start = time.perf_counter()

    def slide() -> None:
        low = 100 + 500 * (np.sin(3 * (time.perf_counter() - start)) + 1)
        rows["photons"].set_range(float(low), rows["photons"].column.high)

    gaps.measure("moving a slider", after(6, slide))
    panel.where_line.value = WHERE
    gaps.measure("a filter", after(3))
    panel.render_button.click()
    gaps.measure("the first image", after(4))
    gaps.measure("moving a slider with the image", after(8, slide))
    panel.drawing.fields.fill({"kind": "gaussian"})
    gaps.measure("Gaussians", after(12))
    panel.drawing.fields.fill({"kind": "histogram"})
    panel.drawing.color_box.native.setCurrentIndex(1)
    gaps.measure("colours", after(6))
    panel.where_line.value = "z > 0"
    gaps.measure("a filter with colours", after(4))
    panel.drawing.color_box.native.setCurrentIndex(0)
    gaps.measure("no colours", after(4))
    small = Image(np.zeros((64, 64), np.float32), contrast_limits=(0, 1), rgb=False)
    QTimer.singleShot(0, lambda: viewer.add_layer(small))
    gaps.measure("napari adds 64 x 64 pixels", after(2))
    QTimer.singleShot(0, lambda: viewer.layers.remove(small))
    gaps.measure("napari removes them", after(2))
    print(panel.status_note.text(), panel.message_note.text())
    viewer.close()


if __name__ == "__main__":
    main()
