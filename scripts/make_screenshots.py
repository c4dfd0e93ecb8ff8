"""Pictures of the panels for the documentation, made with real clicks.

Without a display: `xvfb-run -a -s "-screen 0 1600x1200x24" python scripts/make_screenshots.py`.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import napari
import numpy as np
import torch
from _adapt_pictures import adapt
from _table_pictures import drift, localizations, regions
from _window import (
    PLUGIN,
    SIZE,
    click,
    has_looked,
    new_viewer,
    show_lines_below,
    take,
    use_a_folder_of_its_own,
    wait_until,
)
from qtpy.QtTest import QTest

from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.io import write_stack
from napari_deepsmlm.plugin.forms.camera_box import BY_NUMBERS
from napari_deepsmlm.psf import AstigmaticPSF

if TYPE_CHECKING:
    from napari_deepsmlm.plugin.reconstruct.widget import ReconstructWidget
    from napari_deepsmlm.plugin.train.widget import TrainWidget

PANELS = (
    "reconstruct",
    "folder",
    "adapt",
    "train",
    "simulate",
    "profile",
    "localizations",
    "drift",
    "regions",
    "quality",
    "calibrate",
    "opening",
)
FIBRES_NM = (((2600, 4150), (2500, 4800)), ((4400, 4280), (4400, 5100)))  # lines across one
IMAGES = Path(__file__).parents[1] / "docs" / "images"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stack", help="TIFF stack instead of the microtubule sample")
    parser.add_argument("--model", help="model file instead of the built-in one")
    parser.add_argument("--last-frame", type=int, help="last frame to reconstruct")
    parser.add_argument("--out", type=Path, default=IMAGES)
    parser.add_argument("--panels", nargs="+", choices=PANELS, default=PANELS)
    parser.add_argument("--minutes", type=float, default=4.0, help="length of the training")
    choices = parser.parse_args()
    use_a_folder_of_its_own(choices)
    for panel in choices.panels:
        {
            "reconstruct": reconstruct,
            "folder": folder,
            "adapt": adapt,
            "train": train,
            "simulate": simulate,
            "profile": profile,
            "localizations": localizations,
            "drift": drift,
            "regions": regions,
            "opening": opening,
            "quality": quality,
            "calibrate": calibrate,
        }[panel](choices)


def reconstruct(choices: argparse.Namespace) -> None:
    viewer = new_viewer(choices.stack)
    _, panel = viewer.window.add_plugin_dock_widget(PLUGIN, "Reconstruct")
    wait_until(lambda: panel.is_ready)
    if choices.model:
        panel.form.model_box.load_file(choices.model)
    if choices.last_frame is not None:
        panel.form.last_frame.value = choices.last_frame
    has_looked(panel)
    take(choices.out / "reconstruct_before.png")
    click(panel.preview.button)
    wait_until(lambda: "Preview of" in panel.status_note.text())
    for frame in (100, 101):  # the model is loaded now
        viewer.dims.set_current_step(0, frame)
        wait_until(lambda f=frame: f"frame {f}:" in panel.status_note.text())
    take(choices.out / "reconstruct_preview.png")
    click(panel.run_button)
    wait_until(lambda: not panel.is_busy)
    assert panel.save_button.isEnabled(), panel.message_note.text()
    panel.report_box.expand()
    take(choices.out / "reconstruct_done.png")
    print(panel.status_note.text())
    viewer.layers.clear()
    part_of_3d(viewer, panel, choices.out / "reconstruct_region.png")
    viewer.close()


def folder(choices: argparse.Namespace) -> None:
    """Eight cells and a file that was cut short, in the middle of their reconstruction."""
    day = Path("2026-11-28")
    day.mkdir()
    experiment = Experiment(image_px=(32, 32))
    for number in range(1, 9):
        stack = experiment.simulate(20, seed=number).stack
        write_stack(day / f"cell_{number}.tif", stack, pixel_size_nm=100)
    cut = (day / "cell_8.tif").read_bytes()[:20_000]
    (day / "cell_4.tif").write_bytes(cut)
    viewer = new_viewer(str(day / "cell_1.tif"))
    _, panel = viewer.window.add_plugin_dock_widget(PLUGIN, "Reconstruct")
    wait_until(lambda: panel.is_ready)
    panel.open_folder(day)
    wait_until(lambda: not panel.is_busy)
    panel.folder_box.out_edit.line_edit.value = "2026-11-28_results"
    click(panel.folder_box.run_button)
    wait_until(lambda: "Stack 6" in panel.status_note.text() or not panel.is_busy)
    take(choices.out / "reconstruct_folder.png")
    wait_until(lambda: not panel.is_busy)
    print(panel.status_note.text())
    viewer.close()


def part_of_3d(viewer: napari.Viewer, panel: ReconstructWidget, path: Path) -> None:
    """Reconstruct a region of an astigmatic movie, whose molecules are coloured by depth."""
    from napari_deepsmlm.camera import IdealCamera
    from napari_deepsmlm.experiment import Experiment
    from napari_deepsmlm.models import built_in_models, read_card
    from napari_deepsmlm.simulation.structures import Microtubules

    model = "dilated-loc:astigmatic-100nm"
    card = read_card(built_in_models()[model])
    like = Experiment.from_dict(card.experiment, source=model)
    simulation = like.simulation.replace(structure=Microtubules(filaments=(7, 8)))
    camera = IdealCamera(baseline=100, gain=2)
    experiment = like.replace(simulation=simulation, camera=camera, image_px=(64, 64))
    stack, _ = experiment.simulate(200, seed=3)
    viewer.add_image(
        stack[:, 0], name="astigmatic", scale=(1, 100, 100), units=("pixel", "nm", "nm")
    )
    viewer.reset_view()
    form = panel.form
    form.model_box.choose(next(c for c in form.model_box.choices if c.key == model))
    form.camera_box.value = BY_NUMBERS
    form.camera_box.photons_per_adu.value = 0.5
    form.region_box.draw()
    viewer.layers["region"].add_rectangles(
        np.array([(9.5, 11.5), (9.5, 51.5), (49.5, 51.5), (49.5, 11.5)])
    )
    click(panel.run_button)
    wait_until(lambda: not panel.is_busy)
    assert panel.save_button.isEnabled(), panel.message_note.text()
    panel.report_box.collapse()
    take(path)
    print(panel.status_note.text(), panel.message_note.text())


def train(choices: argparse.Namespace) -> None:
    """Train a built-in model further for the sample, and take the picture at two thirds."""
    viewer = new_viewer(choices.stack)
    _, panel = viewer.window.add_plugin_dock_widget(PLUGIN, "Train")
    wait_until(lambda: panel.is_ready)
    choose_a_training(panel, choices.minutes)
    wait_until(lambda: panel.look_box.strip.real.has_image)
    QTest.qWait(1500)
    take(choices.out / "train_setup.png")
    click(panel.start_button)
    wait_until(lambda: panel.bar.value() > 667 or not panel.is_busy)
    take(choices.out / "train_running.png")
    wait_until(lambda: not panel.is_busy)
    assert panel.use_button.isVisible(), panel.message_note.text()
    print(panel.status_note.text())
    viewer.close()


def choose_a_training(panel: TrainWidget, minutes: float) -> None:
    """Train a built-in model further on the preset of the sample."""
    form = panel.form
    form.out_line.line_edit.value = "runs/mine"
    form.experiment_form.source_box.value = "microtubules"
    form.experiment_form.source_box.native.activated.emit(0)
    form.start_box.choose("deep-storm:2d-100nm")
    form.training_fields.fill({"minutes": minutes, "batch_size": 2})
    form.training_fields.fill({"patch_px": 16, "learning_rate": 0.0005})
    form.more_fields.fill({"validate_every": 20, "validation_frames": 8})


def simulate(choices: argparse.Namespace) -> None:
    """Simulate nuclear pores with their true positions."""
    viewer = napari.Viewer(show=True)
    viewer.window.resize(*SIZE)
    _, panel = viewer.window.add_plugin_dock_widget(PLUGIN, "Simulate")
    wait_until(lambda: panel.is_ready)
    panel.form.source_box.value = "nuclear-pores"
    panel.form.source_box.native.activated.emit(0)
    panel.movie.fill({"n_frames": 200, "height_px": 64, "width_px": 64})
    click(panel.run_button)
    wait_until(lambda: not panel.is_busy)
    take(choices.out / "simulate.png")
    print(panel.status_note.text())
    viewer.close()


def opening(choices: argparse.Namespace) -> None:
    """Four files of one plane each, stacked as focal planes."""
    from napari_deepsmlm.io import write_stack
    from napari_deepsmlm.plugin.opening.planes import stack_as_planes
    from napari_deepsmlm.plugin.opening.sample_data import quad_plane

    frames = quad_plane()[0][0]  # (T, C, Y, X)
    viewer = napari.Viewer(show=True)
    viewer.window.resize(*SIZE)
    with tempfile.TemporaryDirectory() as folder:
        for plane in range(frames.shape[1]):
            path = Path(folder) / f"cell_plane{plane + 1}.ome.tif"
            write_stack(path, frames[:, plane], pixel_size_nm=192.0)
            viewer.open(str(path), plugin=PLUGIN)
        viewer.layers.selection = set(viewer.layers)
        stack_as_planes(viewer)
        viewer.dims.set_current_step((0, 1), (3, 1))
        viewer.canvas.overlays.scale_bar.visible = True
        take(choices.out / "open_planes.png")
        viewer.close()


def profile(choices: argparse.Namespace) -> None:
    """Reconstruct the sample, and measure fibres in the mean of its frames and in the result."""
    viewer = new_viewer(choices.stack)
    dock, panel = viewer.window.add_plugin_dock_widget(PLUGIN, "Reconstruct")
    wait_until(lambda: panel.is_ready)
    has_looked(panel)
    click(panel.run_button)
    wait_until(lambda: not panel.is_busy)
    viewer.window.remove_dock_widget(dock)
    viewer.layers[-1].blending = "additive"
    _, panel = viewer.window.add_plugin_dock_widget(PLUGIN, "Line profile")
    wait_until(lambda: panel.is_ready)
    click(panel.form.new_button)
    lines = viewer.layers["profile lines"]
    lines.add([np.array(line) for line in FIBRES_NM], shape_type="line")
    viewer.scene.camera.center, viewer.scene.camera.zoom = (3450, 4300), 0.26
    panel.form.width_box.value = 200
    panel.form.unit_box.value = "nm"
    wait_until(lambda: panel.table.rowCount() == 2 * len(FIBRES_NM))
    QTest.qWait(1000)
    panel.table.cellClicked.emit(0, 0)
    take(choices.out / "line_profile.png")
    for one in panel.measured.measurements:
        print(one.image, one.line, one.fit)
    viewer.close()


def quality(choices: argparse.Namespace) -> None:
    """Measure a reconstruction of the sample against its frames."""
    viewer = new_viewer(choices.stack)
    _, panel = viewer.window.add_plugin_dock_widget(PLUGIN, "Reconstruct")
    wait_until(lambda: panel.is_ready)
    has_looked(panel)
    click(panel.run_button)
    wait_until(lambda: not panel.is_busy)
    viewer.window.remove_dock_widget(panel)
    _, panel = viewer.window.add_plugin_dock_widget(PLUGIN, "Quality")
    wait_until(lambda: panel.is_ready)
    click(panel.run_button)
    wait_until(lambda: not panel.is_busy)
    take(choices.out / "quality.png")
    show_lines_below(panel.results.mismatch)
    take(choices.out / "quality_training.png")
    for row in panel.results.rows:
        print(f"{row.label}: {row.text}")
    print("\n".join(panel.results.mismatch.lines()))
    viewer.close()


def calibrate(choices: argparse.Namespace) -> None:
    """Calibrate the PSF of simulated astigmatic beads, two of which touch."""
    viewer = napari.Viewer(show=True)
    viewer.window.resize(*SIZE)
    viewer.add_image(bead_stack(), name="astigmatic", scale=(50, 100, 100), units=("nm",) * 3)
    _, panel = viewer.window.add_plugin_dock_widget(PLUGIN, "Calibrate PSF")
    wait_until(lambda: panel.is_ready)
    panel.fields.fill({"window_px": 21})
    click(panel.find_button)
    wait_until(lambda: not panel.is_busy)
    viewer.reset_view()
    take(choices.out / "calibrate_beads.png")
    click(panel.run_button)
    wait_until(lambda: not panel.is_busy)
    take(choices.out / "calibrate.png")
    print(panel.result_note.text())
    viewer.close()


def bead_stack() -> np.ndarray:
    """Return (Z, H, W) ADU of beads seen while the focus moves through them in steps of 50 nm."""
    psf = AstigmaticPSF(z_range_nm=(-900, 900))
    places = [(1530, 1570), (6510, 1430), (2990, 5340), (4300, 3400), (6100, 5900), (6700, 6000)]
    z_nm = torch.arange(-750.0, 751.0, 50.0)
    xyz = torch.tensor([(x, y, 0.0) for x, y in places]).repeat(len(z_nm), 1, 1)
    xyz[..., 2] += z_nm[:, None]
    light = psf.render(xyz, torch.full(xyz.shape[:2], 9000.0), (81, 81))[:, 0].numpy()
    return np.random.default_rng(0).poisson(light + 10).astype(np.uint16) + 100


if __name__ == "__main__":
    main()
