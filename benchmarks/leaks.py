"""Leaks: every panel opened and closed again and again, and what is left of it each time.

    xvfb-run -a -s "-screen 0 1600x1200x24" python -m benchmarks.leaks [--cycles 100] [PANEL ...]

A row tells the growth from the fifth cycle (imports and caches are done) to the last. Threads,
widgets, Qt objects and listeners must not grow at all; memory grows by what the allocator keeps.
`--kinds` lists which objects of ours there are more of.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time

import napari
import numpy as np
from npe2 import PluginManifest
from qtpy.QtTest import QTest
from tests.plugin.census import census, kinds, settle

PLUGIN = "napari-deepsmlm"
WARM_UP = 5


def main() -> None:
    """Measure and print the table."""
    panels = [w.display_name for w in _manifest().contributions.widgets]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("panels", nargs="*", choices=[*panels, []])
    parser.add_argument("--cycles", type=int, default=100)
    parser.add_argument("--kinds", action="store_true")
    chosen = parser.parse_args()
    os.environ["XDG_DATA_HOME"] = tempfile.mkdtemp()  # where runs are kept
    viewer = napari.Viewer(show=True)
    frames = np.random.default_rng(0).poisson(100, (20, 64, 64)).astype(np.uint16)
    viewer.add_image(frames, scale=(1, 100, 100), units=("pixel", "nm", "nm"))
    print(f"Growth over {chosen.cycles} cycles\n")
    print("| panel | threads | widgets | Qt objects | listeners | MB | s per cycle |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for panel in chosen.panels or panels:
        for _ in range(WARM_UP):
            cycle(viewer, panel)
        before, before_kinds = census(viewer), kinds()
        started = time.perf_counter()
        for _ in range(chosen.cycles):
            cycle(viewer, panel)
        seconds = (time.perf_counter() - started) / chosen.cycles
        after = census(viewer)
        growth = " | ".join(f"{after[name] - before[name]:+d}" for name in before)
        print(f"| {panel} | {growth} | {seconds:.2f} |", flush=True)
        if chosen.kinds:
            print(dict(sorted((kinds() - before_kinds).items())))
    viewer.close()


def cycle(viewer: napari.Viewer, panel: str) -> None:
    """Open a panel, wait until it is ready, and close its dock as the user does."""
    dock, widget = viewer.window.add_plugin_dock_widget(PLUGIN, panel)
    deadline = time.monotonic() + 60
    while not is_ready(widget) and time.monotonic() < deadline:
        QTest.qWait(5)
    dock.destroyOnClose()
    del dock, widget
    settle()


def is_ready(widget: object) -> bool:
    """Whether a panel has loaded what it needs."""
    form = getattr(widget, "form", None)
    return bool(getattr(widget, "is_ready", getattr(form, "is_filled", True)))


def _manifest() -> PluginManifest:
    return PluginManifest.from_distribution(PLUGIN)


if __name__ == "__main__":
    main()
