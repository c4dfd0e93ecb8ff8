"""Pictures of the Localizations panel, with the molecules of simulated microtubules."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import napari
import numpy as np
from _window import PLUGIN, SIZE, click, show_below, take, wait_until
from qtpy.QtTest import QTest

from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.io import write_localizations

if TYPE_CHECKING:
    import argparse

    from napari_deepsmlm.localizations import Localizations
    from napari_deepsmlm.plugin.localizations.widget import LocalizationsWidget

DRIFT_NM = (260.0, -180.0)  # of the sample, from the first frame to the last
ELLIPSE_NM = [(500, 1600), (500, 4200), (2700, 4200), (2700, 1600)]  # y, x of its box
POLYGON_NM = [(3000, 3300), (2500, 5200), (5600, 6000), (5300, 4000)]


def localizations(choices: argparse.Namespace) -> None:
    """Filter the molecules of simulated microtubules, and colour them by depth."""
    viewer, panel = opened(blurred_truth())
    rows = {row.column.name: row for row in panel.ranges.rows}
    rows["photons"].set_range(600.0, rows["photons"].column.high)
    panel.where_line.value = "uncertainty_xy < 12"
    panel.drawing.color_box.value = "z_nm"
    panel.drawing.fields.fill({"kind": "gaussian", "sr_pixel_nm": 10.0})
    click(panel.render_button)
    wait_until(lambda: len(viewer.layers) == 3 and viewer.layers[2].name_overlay.visible)
    viewer.layers[0].visible = False
    QTest.qWait(500)
    take(choices.out / "localizations.png")
    print(panel.status_note.text())
    viewer.close()


def drift(choices: argparse.Namespace) -> None:
    """Take the drift off the molecules of simulated microtubules."""
    viewer, panel = opened(drifted())
    click(panel.after.drift_button)
    wait_until(lambda: len(viewer.layers) == 2)
    wait_until_settled(panel)
    panel.drawing.fields.fill({"kind": "gaussian", "sr_pixel_nm": 10.0})
    click(panel.render_button)
    wait_until(lambda: len(viewer.layers) == 3)
    wait_until_settled(panel)
    viewer.layers[1].visible = False
    show_below(panel.after._shown[-1])
    take(choices.out / "drift.png")
    print(panel.after.note.text())
    viewer.close()


def regions(choices: argparse.Namespace) -> None:
    """Keep the molecules inside two shapes, and look at them in depth."""
    viewer, panel = opened(blurred_truth())
    panel.shapes.draw()
    shapes = viewer.layers.selection.active
    shapes.add([np.array(ELLIPSE_NM)], shape_type="ellipse", face_color="transparent")
    shapes.add([np.array(POLYGON_NM)], shape_type="polygon", face_color="transparent")
    shapes.selected_data = set()
    shapes.mode = "pan_zoom"
    viewer.canvas.overlays.scale_bar.visible = True
    wait_until_settled(panel)
    take(choices.out / "regions.png")
    click(panel.after.depth_button)
    wait_until(lambda: len(viewer.layers) == 4)
    wait_until_settled(panel)
    viewer.scene.camera.angles = (-10.0, 35.0, -40.0)
    take(choices.out / "molecules_3d.png")
    print(panel.after.note.text())
    viewer.close()


def wait_until_settled(panel: LocalizationsWidget) -> None:
    """Wait until the panel has done what it was asked."""
    QTest.qWait(500)
    wait_until(lambda: not panel.is_busy and not panel._delay.isActive())
    QTest.qWait(300)


def opened(table: Localizations) -> tuple[napari.Viewer, LocalizationsWidget]:
    """Return a viewer with the panel, and in it a table."""
    viewer = napari.Viewer(show=True)
    viewer.window.resize(*SIZE)
    _, panel = viewer.window.add_plugin_dock_widget(PLUGIN, "Localizations")
    wait_until(lambda: panel.is_ready)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "microtubules.csv"
        write_localizations(table, path)
        panel.open(path)
        wait_until(lambda: panel._kept is not None)
    return viewer, panel


def blurred_truth() -> Localizations:
    """Return molecules of simulated microtubules as a good fit would find them."""
    experiment = Experiment.from_preset("challenge-microtubules").replace(image_px=(64, 64))
    truth = experiment.simulate(n_frames=400, seed=1).truth
    chance = np.random.default_rng(0)
    sigma = 300 / np.sqrt(np.maximum(truth["photons"], 50)) * chance.uniform(1, 1.6, len(truth))
    found = {
        name: truth[name] + sigma * chance.normal(size=len(truth)) for name in ("x_nm", "y_nm")
    }
    return truth.with_columns(**found, uncertainty_x_nm=sigma, uncertainty_y_nm=sigma)


def drifted() -> Localizations:
    """Return the same molecules while the sample moves steadily."""
    table = blurred_truth()
    share = table.frame / table.frame.max()
    moved = {
        name: table[name] + share * all_nm
        for name, all_nm in zip(("x_nm", "y_nm"), DRIFT_NM, strict=True)
    }
    return table.with_columns(**moved)
