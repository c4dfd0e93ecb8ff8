"""Smoothness of the window: gaps of its event loop while a network is trained beside it.

    xvfb-run -a -s "-screen 0 1600x1200x24" python benchmarks/window.py [--seconds 30]

A timer asks for a turn every 5 ms in a napari viewer that is shown; a gap is the time between two
turns. Each phase says how long the longest was and what 99 % stay below: the idle viewer, opening
the Train panel (which imports PyTorch), starting a run in a child process, and the run itself,
with curves, previews and a slider that moves. The idle viewer tells what the machine does by
itself: other programs on the same cores show there too. "Most work" is the longest that the main
thread computed in a gap, which is what the code can be blamed for; without a graphics card it
includes the drawing.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from typing import TYPE_CHECKING

import napari
import numpy as np
from qtpy.QtCore import Qt, QTimer
from qtpy.QtTest import QTest

if TYPE_CHECKING:
    from collections.abc import Callable

TICK_MS = 5
LIMIT_MS = 50


class Gaps:
    """Times between the turns that a timer gets."""

    def __init__(self) -> None:
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)
        self._timer.start(TICK_MS)
        self._times: list[tuple[float, float]] = []

    def measure(self, name: str, until: Callable[[], bool]) -> None:
        """Print a row for the time until something is true."""
        self._times = []
        self._tick()
        while not until():
            QTest.qWait(2)
        gaps, work = 1e3 * np.diff(self._times, axis=0).T
        n_long = int((gaps > LIMIT_MS).sum())
        print(
            f"| {name} | {len(gaps)} | {np.percentile(gaps, 50):.1f} | "
            f"{np.percentile(gaps, 99):.1f} | {gaps.max():.0f} | {n_long} | {work.max():.0f} |",
            flush=True,
        )

    def _tick(self) -> None:
        self._times.append((time.perf_counter(), time.thread_time()))


def after(seconds: float, each: Callable[[], object] = lambda: None) -> Callable[[], bool]:
    """Return a condition that comes true so much later."""
    end = time.perf_counter() + seconds

    def is_over() -> bool:
        each()
        return time.perf_counter() > end

    return is_over


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    chosen = parser.parse_args()
    os.environ["XDG_DATA_HOME"] = tempfile.mkdtemp()  # where runs are kept
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1366, 720)
    rng = np.random.default_rng(0)
    stack = rng.poisson(200, (200, 64, 64)).astype(np.uint16)
    viewer.add_image(stack, scale=(1, 100, 100), units=("pixel", "nm", "nm"))
    QTest.qWait(2000)

    def move_slider() -> None:
        viewer.dims.set_current_step(0, int(4 * time.perf_counter()) % len(stack))

    print(f"{len(os.sched_getaffinity(0))} cores\n")
    print(f"| | gaps | median ms | 99 % ms | longest ms | over {LIMIT_MS} ms | most work ms |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    gaps = Gaps()
    gaps.measure("idle", after(chosen.seconds / 3))
    gaps.measure("idle, slider moves", after(chosen.seconds / 3, move_slider))
    _, panel = viewer.window.add_plugin_dock_widget("napari-deepsmlm", "Train")
    gaps.measure("opening the panel", lambda: panel.is_ready)
    gaps.measure("the panel, idle", after(chosen.seconds / 3))
    panel.form.training_fields.fill({"minutes": chosen.seconds, "batch_size": 2, "patch_px": 16})
    panel.form.more_fields.fill({"validate_every": 20, "validation_frames": 4})
    QTest.mouseClick(panel.start_button, Qt.MouseButton.LeftButton)
    gaps.measure(
        "starting a run", lambda: panel.status_note.text().startswith("Step") or not panel.is_busy
    )
    gaps.measure("training", after(chosen.seconds))
    gaps.measure("training, slider moves", after(chosen.seconds, move_slider))
    panel.stop_button.click()
    gaps.measure("stopping", lambda: not panel.is_busy)
    assert "Stopped and saved" in panel.status_note.text(), panel.message_note.text()
    viewer.close()


if __name__ == "__main__":
    main()
