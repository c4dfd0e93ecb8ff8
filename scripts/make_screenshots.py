"""Pictures of the Reconstruct panel for the documentation, made with real clicks.

Without a display: `xvfb-run -a -s "-screen 0 1600x1200x24" python scripts/make_screenshots.py`.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

import napari
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_deepsmlm.plugin.reconstruct_widget import ReconstructWidget

PLUGIN = "napari-deepsmlm"
IMAGES = Path(__file__).parents[1] / "docs" / "images"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stack", help="TIFF stack instead of the microtubule sample")
    parser.add_argument("--model", help="model file instead of the built-in one")
    parser.add_argument("--last-frame", type=int, help="last frame to reconstruct")
    parser.add_argument("--out", type=Path, default=IMAGES)
    choices = parser.parse_args()
    choices.out.mkdir(parents=True, exist_ok=True)

    viewer = napari.Viewer(show=True)
    viewer.window.resize(1366, 720)  # a small laptop
    if choices.stack:
        viewer.open(choices.stack, plugin=PLUGIN)
    else:
        viewer.open_sample(PLUGIN, "microtubules")
    _, panel = viewer.window.add_plugin_dock_widget(PLUGIN, "Reconstruct")
    wait_until(lambda: panel.form.is_filled)
    if choices.model:
        panel.form.model_box.load_file(choices.model)
    if choices.last_frame is not None:
        panel.form.last_frame.setValue(choices.last_frame)
    take(choices.out / "reconstruct_before.png")
    click(panel.run_button)
    wait_until(lambda: is_past(panel, 0.3) or not panel.is_busy)
    take(choices.out / "reconstruct_running.png")
    wait_until(lambda: not panel.is_busy)
    assert panel.save_button.isEnabled(), panel.message_note.text()
    take(choices.out / "reconstruct_done.png")
    print(panel.status_note.text())
    viewer.close()


def is_past(panel: ReconstructWidget, share: float) -> bool:
    return bool(panel.progress.value() > share * panel.progress.maximum() > 0)


def click(button: object) -> None:
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def take(path: Path) -> None:
    """Save the whole window as it stands once everything is painted."""
    QTest.qWait(400)
    (window,) = [w for w in QApplication.topLevelWidgets() if w.isVisible() and w.windowTitle()]
    window.grab().save(str(path))
    print(path)


def wait_until(is_true: Callable[[], bool], seconds: float = 600) -> None:
    end = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > end:
            raise TimeoutError("The panel did not get there.")
        QTest.qWait(20)


if __name__ == "__main__":
    main()
