"""Opening of every panel: until it is shown, and until it is filled, cold and warm.

    xvfb-run -a -s "-screen 0 1600x1200x24" python benchmarks/panels.py

Cold is the first panel of a fresh napari, in a process of its own: Python imports what the panel
is made of. Warm is the median of five more openings. A panel is shown at once and filled when
PyTorch and the models are loaded, in another thread.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time

PLUGIN = "napari-deepsmlm"
N_WARM = 5


def main() -> None:
    """Measure each panel in its own process and print the table."""
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1])))
        return
    from npe2 import PluginManifest

    widgets = PluginManifest.from_distribution(PLUGIN).contributions.widgets or ()
    print(f"{len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}\n")
    print("| panel | cold: shown s | work s | filled s | warm: shown ms | work ms | filled s |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for widget in widgets:
        command = [sys.executable, __file__, widget.display_name]
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
        cold, *warm = json.loads(done.stdout.splitlines()[-1])
        shown, worked, filled = (sorted(row[i] for row in warm)[len(warm) // 2] for i in range(3))
        print(
            f"| {widget.display_name} | {cold[0]:.2f} | {cold[1]:.2f} | {cold[2]:.1f} | "
            f"{1e3 * shown:.0f} | {1e3 * worked:.0f} | {filled:.1f} |",
            flush=True,
        )


def measure(name: str) -> list[tuple[float, float, float]]:
    """Return seconds until shown, work of the main thread until then, and until filled."""
    os.environ["XDG_DATA_HOME"] = tempfile.mkdtemp()  # where runs are kept
    import napari
    import numpy as np
    from qtpy.QtCore import QCoreApplication, QEvent
    from qtpy.QtTest import QTest

    viewer = napari.Viewer(show=True)
    viewer.window.resize(1366, 720)
    frames = np.random.default_rng(0).poisson(100, (20, 64, 64)).astype(np.uint16)
    viewer.add_image(frames, scale=(1, 100, 100), units=("pixel", "nm", "nm"))
    QTest.qWait(1000)
    rows = []
    for _ in range(1 + N_WARM):
        started, worked = time.perf_counter(), time.thread_time()
        dock, panel = viewer.window.add_plugin_dock_widget(PLUGIN, name)
        while not panel.isVisible():
            QTest.qWait(1)
        panel.repaint()
        shown, worked = time.perf_counter() - started, time.thread_time() - worked
        while not is_filled(panel):
            QTest.qWait(1)
        rows.append((shown, worked, time.perf_counter() - started))
        dock.destroyOnClose()
        del dock, panel
        QTest.qWait(50)
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    viewer.close()
    return rows


def is_filled(panel: object) -> bool:
    """Whether a panel has loaded what it needs."""
    form = getattr(panel, "form", None)
    return bool(getattr(panel, "is_ready", getattr(form, "is_filled", True)))


if __name__ == "__main__":
    main()
