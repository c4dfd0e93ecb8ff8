"""The first five minutes with the plugin, by clicks: open the sample, preview, run, measure a line.

Everything goes through menus, buttons and the mouse, as a person would do it, in a real viewer;
each step leaves a picture, and the times are printed. Without a display:
`xvfb-run -a -s "-screen 0 1600x1200x24" python scripts/first_five_minutes.py --out pictures`.
With `--stack`, its frames take the place of the sample, and every model given is run on them.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import napari
import numpy as np
from _window import PLUGIN, SIZE, click, take, wait_until
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QComboBox, QMainWindow, QMenu, QWidget

from napari_deepsmlm.plugin.forms.camera_box import BY_NUMBERS

if TYPE_CHECKING:
    from qtpy.QtGui import QAction

    from napari_deepsmlm.plugin.reconstruct.widget import ReconstructWidget

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


def choose_in_list(box: QComboBox, text: str) -> None:
    """Choose an entry of a list as a click on it does."""
    index = box.findText(text)
    assert index >= 0, f"No '{text}' in the list"
    box.setCurrentIndex(index)
    box.activated.emit(index)


def open_stack(viewer: napari.Viewer, choices: argparse.Namespace) -> None:
    """Open the sample from its menu, or the stack."""
    if choices.stack is None:
        choose_in_menu("File", "Open Sample", "Deep SMLM", "Microtubules, 2-D")
    else:
        viewer.open(choices.stack, plugin=PLUGIN)
    wait_until(lambda: len(viewer.layers) > 0)


def run(panel: ReconstructWidget) -> str:
    """Click Run and return what the panel says at the end."""
    click(panel.run_button)
    wait_until(lambda: panel.is_busy)
    wait_until(lambda: not panel.is_busy)
    assert not panel.message_note.is_error, panel.message_note.text()
    return f"{panel.status_note.text()} {panel.message_note.text()}"


def measure_line(viewer: napari.Viewer) -> None:
    """Draw a line with the mouse; print the widths in the frames' mean and in the result."""
    profile = panel_of("ProfileWidget")
    click(profile.form.new_button)
    drag(viewer, ACROSS_NM)
    wait_until(lambda: profile.measured is not None and len(profile.measured.measurements) == 2)
    QTest.qWait(500)
    for one in profile.measured.measurements:
        low, high = one.fit.fwhm_ci_nm
        print(f"         {one.image}: FWHM {one.fit.fwhm_nm:.0f} nm ({low:.0f} to {high:.0f})")


def main() -> None:
    """Do it all and print the times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the pictures")
    parser.add_argument("--stack", help="frames instead of the sample")
    parser.add_argument("--pixel-size", type=float, default=100.0, help="of the stack, nm")
    parser.add_argument("--baseline", type=float, default=100.0, help="of its camera, ADU")
    parser.add_argument("--photons-per-adu", type=float, default=0.5, help="of its camera")
    parser.add_argument("--sum-frames", type=int, default=1, help="for each input of the network")
    parser.add_argument("--models", nargs="*", default=[], help="instead of the one that is chosen")
    choices = parser.parse_args()
    choices.out.mkdir(parents=True, exist_ok=True)
    os.environ["XDG_DATA_HOME"] = tempfile.mkdtemp()  # where choices are kept
    viewer = napari.Viewer(show=True)
    viewer.window.resize(*SIZE)
    QTest.qWait(1000)
    steps = Steps(choices.out)
    open_stack(viewer, choices)
    steps.done("the stack is open")
    choose_in_menu("Plugins", "Deep SMLM", "Reconstruct")
    panel = panel_of("ReconstructWidget")
    if choices.stack is not None:
        panel.form.fill_in(pixel_size_nm=choices.pixel_size)
    steps.done(f"Reconstruct is ready: {panel.form.model_box.currentText()}")
    click(panel.preview.button)
    wait_until(lambda: panel.status_note.text().startswith("Preview of frame"))
    move_slider(3)
    shown = f"Preview of frame {viewer.dims.current_step[0]}:"
    wait_until(lambda: panel.status_note.text().startswith(shown))
    steps.done("the preview follows the slider")
    if choices.stack is None:
        steps.done(run(panel))
        choose_in_menu("Plugins", "Deep SMLM", "Line profile")
        measure_line(viewer)
        steps.done("the line is measured")
    panel.form.fill_in(sum_frames=choices.sum_frames)
    for model in choices.models:
        choose_in_list(panel.form.model_box, model)
        if panel.form.camera_box.native.isVisible():
            choose_in_list(panel.form.camera_box.native, BY_NUMBERS)
            panel.form.camera_box.baseline.value = choices.baseline
            panel.form.camera_box.photons_per_adu.value = choices.photons_per_adu
        steps.done(f"{model}: {run(panel)}")
    viewer.close()


if __name__ == "__main__":
    main()
