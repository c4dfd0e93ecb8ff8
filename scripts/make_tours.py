"""Tours: five films of a minute for the documentation, made with real clicks in a real window.

Without a display: `xvfb-run -a -s "-screen 0 1600x1200x24" python scripts/make_tours.py`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import napari
from _adapt_pictures import far_from_training, show_stack
from _film import Film
from _table_pictures import drifted, wait_until_settled
from _window import has_looked, new_viewer, show_below, use_a_folder_of_its_own, wait_until
from first_five_minutes import choose_in_menu, drag, move_slider, panel_of
from make_screenshots import choose_a_training
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QScrollArea

from napari_deepsmlm.io import write_localizations
from napari_deepsmlm.plugin.forms.camera_box import BY_NUMBERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtWidgets import QWidget

SIZE = (1080, 700)
OUT = Path(__file__).parents[1] / "docs" / "images" / "tours"
ACROSS_NM = ((4590.0, 4250.0), (4590.0, 4900.0))  # a fibre of the sample that has no other near it


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--tours", nargs="+", choices=TOURS, default=list(TOURS))
    parser.add_argument("--minutes", type=float, default=3.0, help="length of the training")
    choices = parser.parse_args()
    use_a_folder_of_its_own(choices)
    for name in choices.tours:
        film = Film()
        viewer = TOURS[name](film, choices.minutes)
        film.save(choices.out / f"{name}.gif")
        viewer.close()


def reconstruct(film: Film, _: float) -> napari.Viewer:
    viewer = napari.Viewer(show=True)
    viewer.window.resize(*SIZE)
    film.say("Your first reconstruction")
    choose_in_menu("File", "Open Sample", "Deep SMLM", "Microtubules, 2-D")
    wait_until(lambda: len(viewer.layers) > 0)
    film.say("File > Open Sample > Deep SMLM, or drop your stack on the window.")
    move_slider(3)
    film.show()
    choose_in_menu("Plugins", "Deep SMLM", "Reconstruct")
    panel = panel_of("ReconstructWidget")
    has_looked(panel)
    film.say("Plugins > Deep SMLM > Reconstruct: the model is chosen, a line says why.")
    film.click(panel.preview.button, "Preview shows what the model finds in a frame.")
    wait_until(lambda: "Preview of" in panel.status_note.text())
    film.show(2)
    for _ in range(3):
        move_slider(1)
        step = viewer.dims.current_step[0]
        wait_until(lambda n=step: f"frame {n}:" in panel.status_note.text())
        film.show()
    film.click(panel.run_button, "Run reconstructs all frames into a new layer.")
    wait_until(lambda: panel.is_busy)
    film.follow(lambda: not panel.is_busy, "The image fills while frames are processed.")
    film.say("Done: an image, and a table of molecules if the network gives one.")
    viewer.scene.camera.center, viewer.scene.camera.zoom = (3450, 4300), 0.2
    _, image, molecules = viewer.layers
    molecules.visible = image.visible = False
    film.say("A frame shows blinking molecules, each as wide as the light's blur.")
    image.visible = True
    film.say("All of them together show fibres that stand beside each other.")
    panel.report_box.expand()
    film.say("The report says what was done, and warns where data and model differ.")
    film.say("Save… writes image, table and report. Trust… says how far to trust it.")
    return viewer


def adapt(film: Film, minutes: float) -> napari.Viewer:
    viewer = napari.Viewer(show=True)
    viewer.window.resize(*SIZE)
    show_stack(viewer, *far_from_training())
    film.say("A model for your data")
    choose_in_menu("Plugins", "Deep SMLM", "Reconstruct")
    panel = panel_of("ReconstructWidget")
    has_looked(panel)
    film.say("The model is chosen by the frames, and the camera is found by itself.")
    form = panel.form
    taken = next(c for c in form.model_box.choices if c.key == "dilated-loc:2d-100nm")
    form.model_box.choose(taken)
    form.camera_box.value = BY_NUMBERS
    form.camera_box.photons_per_adu.value = 0.5
    film.say("Another can be chosen: here one for 100 nm pixels, on pixels of 160 nm.")
    film.click(panel.run_button)
    wait_until(lambda: panel.is_busy)
    film.follow(lambda: not panel.is_busy)
    film.say("The model sees molecules that cannot be: the run stops, and asks.")
    panel.adapting.minutes_box.value = minutes
    film.click(
        panel.brake_box.adapt_button, "Adapt trains it on frames that are simulated like yours."
    )
    wait_until(lambda: panel.is_busy)
    film.follow(
        lambda: panel.save_button.isEnabled() or not panel.is_busy,
        "The frame under the slider shows what it has learnt so far.",
        3000,
    )
    film.follow(lambda: not panel.is_busy, "Then the adapted model reconstructs.", 3000)
    film.say("Figures before and after. Next time, the model is in the list.", 5)
    return viewer


def train(film: Film, minutes: float) -> napari.Viewer:
    viewer = new_viewer(None)
    viewer.window.resize(*SIZE)
    film.say("Training a model for your microscope")
    choose_in_menu("Plugins", "Deep SMLM", "Train")
    panel = panel_of("TrainWidget")
    film.say("Plugins > Deep SMLM > Train. Your stack is open beside it.")
    choose_a_training(panel, minutes)
    wait_until(lambda: panel.look_box.strip.real.has_image)
    QTest.qWait(1500)
    film.say("A preset, or what is measured from your stack, says what is simulated.")
    film.say("A simulated frame beside a real one, with histograms: they should agree.")
    move_slider(5)
    QTest.qWait(1500)
    film.show(2)
    film.say("Begin from a model that is there: that is quicker than from nothing.")
    film.click(panel.start_button, "Start. The training goes on in the background.")
    wait_until(lambda: panel.is_busy)
    film.follow(
        lambda: not panel.is_busy, "Curves: loss, error beside its bound, molecules found.", 3000
    )
    assert panel.use_button.isVisible(), panel.message_note.text()
    film.say("Stop at any time: Resume goes on as if nothing had happened.")
    film.click(panel.use_button, "Use in Reconstruct opens the panel with your model.")
    panel_of("ReconstructWidget")
    QTest.qWait(1000)
    film.show(READING_AT_END_S)
    return viewer


def measure(film: Film, _: float) -> napari.Viewer:
    viewer = new_viewer(None)
    viewer.window.resize(*SIZE)
    choose_in_menu("Plugins", "Deep SMLM", "Reconstruct")
    panel = panel_of("ReconstructWidget")
    has_looked(panel)
    film.say("How good is it? First, a reconstruction.")
    film.click(panel.run_button)
    wait_until(lambda: panel.is_busy)
    wait_until(lambda: not panel.is_busy)
    film.show(2)
    close_docks(viewer)
    viewer.layers[-1].blending = "additive"
    choose_in_menu("Plugins", "Deep SMLM", "Line profile")
    profile = panel_of("ProfileWidget")
    viewer.scene.camera.center, viewer.scene.camera.zoom = (4590, 4600), 0.35
    film.say("Plugins > Deep SMLM > Line profile measures how wide a fibre is.")
    film.click(profile.form.new_button, "New line, then drag across a fibre.")
    drag(viewer, ACROSS_NM)
    wait_until(lambda: profile.measured is not None and len(profile.measured.measurements) == 2)
    QTest.qWait(800)
    film.say("The width in the frames' mean and in the result, with its error.", 5)
    close_docks(viewer)
    viewer.reset_view()
    choose_in_menu("Plugins", "Deep SMLM", "Quality")
    quality = panel_of("QualityWidget")
    film.say("Plugins > Deep SMLM > Quality: a judgement in numbers.")
    film.click(quality.run_button, "Measure compares the result with its frames.")
    wait_until(lambda: quality.is_busy)
    film.follow(lambda: not quality.is_busy)
    film.say("Resolution, errors against the frames, and one sentence with a colour.", 5)
    scroll_to_end(quality)
    film.say("Below: your frames against what the model was trained for.", 5)
    return viewer


def after(film: Film, _: float) -> napari.Viewer:
    viewer = napari.Viewer(show=True)
    viewer.window.resize(*SIZE)
    choose_in_menu("Plugins", "Deep SMLM", "Localizations")
    panel = panel_of("LocalizationsWidget")
    film.say("After the network: filter, drift, link, draw")
    path = Path("microtubules.csv")
    write_localizations(drifted(), path)
    panel.open(path)
    wait_until_settled(panel)
    film.say("Open… reads a table: ThunderSTORM, Picasso, SMLM Challenge and more.")
    panel.drawing.fields.fill({"kind": "gaussian", "sr_pixel_nm": 10.0})
    film.click(panel.render_button, "Render draws the molecules that are kept.")
    wait_until(lambda: len(viewer.layers) == 2)
    wait_until_settled(panel)
    viewer.layers[0].visible = False
    film.show(2)
    rows = {row.column.name: row for row in panel.ranges.rows}
    for least in (200.0, 400.0, 600.0):
        rows["photons"].set_range(least, rows["photons"].column.high)
        wait_until_settled(panel)
        film.say("Sliders and a filter keep the good ones; the image follows.", 1.5)
    panel.where_line.value = "uncertainty_xy < 12"
    wait_until_settled(panel)
    film.show(2)
    viewer.scene.camera.zoom *= 1.6
    film.say("The fibres are smeared: the sample has drifted.")
    film.click(panel.after.drift_button, "Drift measures that on the molecules, in two ways.")
    wait_until(lambda: "Drift over" in panel.after.note.text())
    wait_until_settled(panel)
    show_below(panel.after._shown[-1])
    film.say("The drift with its error, and a new table without it.", 5)
    film.click(panel.render_button, "Rendered again, the fibres are sharp.")
    wait_until(lambda: len(viewer.layers) == 4)
    wait_until_settled(panel)
    for layer in viewer.layers[:-1]:
        layer.visible = False
    film.show(3)
    film.click(panel.after.link_button, "Link makes one row of a molecule in several frames.")
    wait_until(lambda: any("linked" in layer.name for layer in viewer.layers))
    wait_until_settled(panel)
    show_below(panel.after.note)
    film.say("So many rows were so many molecules, and how precise each is.")
    film.say("Save… writes the table, with its history: every step can be done again.", 4)
    return viewer


READING_AT_END_S = 4.0
TOURS: dict[str, Callable[[Film, float], napari.Viewer]] = {
    "reconstruct": reconstruct,
    "adapt": adapt,
    "train": train,
    "measure": measure,
    "after": after,
}


def close_docks(viewer: napari.Viewer) -> None:
    """Close the panels, so that the next one has the room."""
    for dock in list(viewer.window.dock_widgets):
        viewer.window.remove_dock_widget(viewer.window.dock_widgets[dock])


def scroll_to_end(panel: QWidget) -> None:
    """Show the lower end of a panel."""
    for area in panel.findChildren(QScrollArea):
        bar = area.verticalScrollBar()
        bar.setValue(bar.maximum())


if __name__ == "__main__":
    main()
