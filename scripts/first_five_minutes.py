"""The first five minutes with the plugin, by clicks: open the sample, preview, run, measure a line.

Everything goes through menus, buttons and the mouse, as a person would do it, in a real viewer;
each step leaves a picture, and the times are printed. Without a display:
`xvfb-run -a -s "-screen 0 1600x1200x24" python scripts/first_five_minutes.py --out pictures`.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

import napari
import numpy as np
from make_screenshots import SIZE, click, take, wait_until
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QMainWindow, QMenu, QWidget

if TYPE_CHECKING:
    from qtpy.QtGui import QAction

# A line across a fibre of the sample that has no other near it, nm in the viewer's world.
ACROSS_NM = ((4590.0, 4250.0), (4590.0, 4900.0))


class Steps:
    """Takes a picture after each step and says how long it took."""

    def __init__(self, out: Path) -> None:
        self._out, self._n = out, 0
        self._started = self._last = time.perf_counter()

    def done(self, what: str) -> None:
        """Tell the time of the step that just ended, then take its picture."""
        now = time.perf_counter()
        self._n += 1
        print(f"{now - self._started:6.1f} s  (+{now - self._last:4.1f})  {what}", flush=True)
        take(self._out / f"first_{self._n}.png")
        self._last = time.perf_counter()


def choose_in_menu(*path: str) -> None:
    """Open the menus of the window one in another, and choose the last."""
    (window,) = (w for w in QApplication.topLevelWidgets() if isinstance(w, QMainWindow))
    menu: QWidget | None = window.menuBar()
    for text in path:
        assert menu is not None
        if isinstance(menu, QMenu):
            menu.aboutToShow.emit()
        action = _action(menu, text)
        menu = action.menu()
    action.trigger()


def _action(menu: QWidget, text: str) -> QAction:
    names = {action.text().replace("&", ""): action for action in menu.actions()}
    matching = [name for name in names if name.startswith(text)]
    assert matching, f"No '{text}' among {list(names)}"
    return names[matching[0]]


def panel_of(name: str) -> QWidget:
    """Return the panel of a class, once it is there."""
    found: list[QWidget] = []

    def is_there() -> bool:
        found[:] = [w for w in QApplication.allWidgets() if type(w).__name__ == name]
        return bool(found) and found[0].is_ready

    wait_until(is_there)
    return found[0]


def drag(viewer: napari.Viewer, line_nm: tuple[tuple[float, float], ...]) -> None:
    """Press, drag and let go the mouse from one place of the world to another."""
    (canvas,) = (w for w in QApplication.allWidgets() if type(w).__name__ == "CanvasBackendDesktop")
    start, end = (_on_canvas(viewer, canvas, place) for place in line_nm)
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    QTest.mousePress(canvas, left, none, start)
    for share in np.linspace(0, 1, 15)[1:]:
        QTest.mouseMove(canvas, start + (end - start) * float(share))
        QTest.qWait(30)
    QTest.mouseRelease(canvas, left, none, end)


def _on_canvas(viewer: napari.Viewer, canvas: QWidget, place: tuple[float, float]) -> QPoint:
    camera = viewer.scene.camera
    y, x = np.subtract(place, camera.center[-2:]) * camera.zoom
    return QPoint(round(canvas.width() / 2 + x), round(canvas.height() / 2 + y))


def move_slider(n_frames: int) -> None:
    """Press an arrow key on the slider of frames."""
    sliders = [w for w in QApplication.allWidgets() if type(w).__name__ == "_ModifiedScrollBar"]
    (slider,) = (w for w in sliders if w.isVisible())
    for _ in range(n_frames):
        QTest.keyClick(slider, Qt.Key.Key_Right)


def main() -> None:
    """Do it all and print the times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the pictures")
    choices = parser.parse_args()
    choices.out.mkdir(parents=True, exist_ok=True)
    viewer = napari.Viewer(show=True)
    viewer.window.resize(*SIZE)
    QTest.qWait(1000)
    steps = Steps(choices.out)
    choose_in_menu("File", "Open Sample", "Deep SMLM", "Microtubules, 2-D")
    wait_until(lambda: len(viewer.layers) > 0)
    steps.done("the sample is open")
    choose_in_menu("Plugins", "Deep SMLM", "Reconstruct")
    panel = panel_of("ReconstructWidget")
    steps.done(f"Reconstruct is ready: {panel.form.model_box.currentText()}")
    click(panel.preview.button)
    wait_until(lambda: any("preview" in layer.name for layer in viewer.layers))
    wait_until(lambda: panel.status_note.text().startswith("Preview of frame"))
    move_slider(3)
    shown = f"Preview of frame {viewer.dims.current_step[0]}:"
    wait_until(lambda: panel.status_note.text().startswith(shown))
    steps.done("the preview follows the slider")
    click(panel.run_button)
    wait_until(lambda: panel.is_busy)
    wait_until(lambda: not panel.is_busy)
    assert not panel.message_note.is_error, panel.message_note.text()
    steps.done(panel.status_note.text())
    choose_in_menu("Plugins", "Deep SMLM", "Line profile")
    profile = panel_of("ProfileWidget")
    click(profile.form.new_button)
    drag(viewer, ACROSS_NM)
    wait_until(lambda: profile.measured is not None and bool(profile.measured.measurements))
    QTest.qWait(500)
    for one in profile.measured.measurements:
        low, high = one.fit.fwhm_ci_nm
        print(f"         {one.image}: FWHM {one.fit.fwhm_nm:.0f} nm ({low:.0f} to {high:.0f})")
    steps.done("the line is measured")
    viewer.close()


if __name__ == "__main__":
    main()
