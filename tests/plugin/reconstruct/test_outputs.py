"""What a run leaves behind: time-lapse, points, depth, the table, the report."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_deepsmlm import reconstruction
from napari_deepsmlm.batch import Recipe
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.plugin.layers.tables import origin_of, table_of
from napari_deepsmlm.plugin.reconstruct import work
from napari_deepsmlm.plugin.reconstruct.depth import depth_image
from napari_deepsmlm.plugin.reconstruct.form import DRAWINGS
from napari_deepsmlm.plugin.reconstruct.report_box import in_words

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_deepsmlm.plugin.reconstruct.widget import ReconstructWidget

NM = {"scale": (1, 100, 100), "units": ("pixel", "nm", "nm")}
KEY = "napari_deepsmlm"


def test_a_time_lapse_shows_at_each_frame_the_image_of_its_window(
    panel: ReconstructWidget,
    viewer: Any,
    run: Callable[[], None],
    stack: np.ndarray,
    model_file: Path,
) -> None:
    viewer.add_image(stack, name="cells", **NM)
    panel.form.fill_in(window=4)
    panel.form.first_frame.value = 1
    run()
    lapse = viewer.layers[panel._overlay.name]
    expected = reconstruction.reconstruct(
        stack, str(model_file), pixel_size_nm=100.0, window=4, frame_range=(1, None)
    )
    np.testing.assert_array_equal(lapse.data, expected.image)
    assert lapse.data.shape == (3, 64, 96)
    assert lapse.axis_labels == ("t", "y", "x")
    assert [str(unit) for unit in lapse.units] == ["pixel", "nanometer", "nanometer"]
    for frame in range(1, 12):
        viewer.dims.set_point(0, frame)
        shown = round(float(lapse.world_to_data(viewer.dims.point)[0]))
        assert shown == (frame - 1) // 4
    np.testing.assert_allclose(lapse.translate[1:], -37.5)


def test_windows_that_slide_show_the_image_in_whose_middle_the_slider_is(
    panel: ReconstructWidget, viewer: Any, run: Callable[[], None], stack: np.ndarray
) -> None:
    viewer.add_image(stack, name="cells", **NM)
    viewer.dims.set_point(0, 0)
    step = panel.form._editors["window_step"]
    assert step.native.isHidden()
    panel.form.fill_in(window=5, window_step=2)
    assert not step.native.isHidden()
    run()
    lapse = viewer.layers[panel._overlay.name]
    assert "5 frames each, every 2" in panel._overlay.name
    assert lapse.data.shape == (5, 64, 96)
    assert viewer.dims.point[0] == 2.0  # on an image: the first is of frames 0 to 4
    for frame in range(2, 10):
        viewer.dims.set_point(0, frame)
        shown = round(float(lapse.world_to_data(viewer.dims.point)[0]) - 1e-9)
        assert abs(frame - (2 * shown + 2)) <= 1
    assert "5 images of 5 frames, one every 2" in panel.report_box.page.toPlainText()


def test_a_time_lapse_of_several_planes_has_their_axis_too(
    panel: ReconstructWidget,
    viewer: Any,
    run: Callable[[], None],
    stack: np.ndarray,
    spotter: Callable[..., Path],
) -> None:
    planes = np.repeat(stack[:, None], 4, axis=1)
    viewer.add_image(
        planes, name="cells", scale=(1, 1, 100, 100), units=("pixel", "pixel", "nm", "nm")
    )
    panel.form.model_box.load_file(spotter(planes=4))
    panel.form.fill_in(window=5)
    run()
    lapse = viewer.layers[panel._overlay.name]
    assert lapse.data.shape == (3, 1, 128, 192)
    assert lapse.axis_labels == ("t", "c", "y", "x")
    for plane in range(4):
        viewer.dims.set_point(1, plane)
        at = (viewer.dims.point[0], plane, *lapse.translate[-2:])
        assert lapse.get_value(at, world=True) is not None


@pytest.mark.parametrize("most", ["points, up to", "points, however many", "in the image"])
def test_localizations_are_points_as_far_as_wanted(
    panel: ReconstructWidget,
    viewer: Any,
    run: Callable[[], None],
    stack: np.ndarray,
    most: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    viewer.add_image(stack, name="cells", **NM)
    panel.form.fill_in(threshold=0.0)
    box = panel.form.points_box
    box.value = next(title for title in DRAWINGS if title.startswith(most))
    # A limit that twelve small frames are above.
    monkeypatch.setitem(DRAWINGS, next(iter(DRAWINGS)), 100)
    run()
    n = viewer.layers[panel._overlay.name].metadata[KEY]["localizations"]
    assert n > 100
    assert (f"{panel._overlay.name} molecules" in viewer.layers) == most.endswith("many")
    if most.endswith("to"):
        assert "more than 100 and so only in the image" in panel.status_note.text()
    table = table_of(viewer.layers[panel._overlay.name])
    assert table is not None
    assert len(table) == n


def test_other_panels_find_the_table_from_every_result(
    panel: ReconstructWidget,
    viewer: Any,
    run: Callable[[], None],
    stack: np.ndarray,
    spotter: Callable[..., Path],
) -> None:
    viewer.add_image(stack, name="cells", translate=(0, 500, -700), **NM)
    panel.form.model_box.load_file(spotter())
    run()
    image = panel._overlay.name
    results = (image, f"{image} molecules")
    tables = [table_of(viewer.layers[name]) for name in results]
    assert table_of(viewer.layers["cells"]) is None
    first, second = (table for table in tables if table is not None)
    for name in first.names:
        np.testing.assert_array_equal(first[name], second[name])
    for name in (*results, "cells"):
        assert origin_of(viewer.layers[name]) == (450, -750)
    assert viewer.layers[panel._overlay.name].metadata[KEY]["frames"] == 12, (
        "the report is there too"
    )


def test_depths_are_means_where_there_are_molecules() -> None:
    z = np.array([-400.0, -200.0, 0.0, 400.0])
    table = Localizations(
        frame=np.zeros(4), x_nm=[5.0, 5.0, 15.0, 25.0], y_nm=[105.0, 105.0, 105.0, 105.0], z_nm=z
    )
    made = depth_image(table, (1, 4), sr_pixel_nm=10, origin_nm=(100.0, 0.0))
    np.testing.assert_allclose(made.hues.values, [[-300, 0, 400, np.nan]], atol=1e-3)
    assert made.hues.limits == pytest.approx((-400, 400), abs=20)


def test_three_dimensions_are_drawn_in_colour_where_they_belong(
    panel: ReconstructWidget,
    viewer: Any,
    run: Callable[[], None],
    stack: np.ndarray,
    spotter: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    qtbot: Any,
) -> None:
    """A table with depths, as the 3-D networks give it."""
    found = reconstruction.Reconstruction.localizations.func
    with_z = lambda result: found(result).with_columns(z_nm=found(result).x_nm - 1000)  # noqa: E731
    monkeypatch.setattr(reconstruction.Reconstruction, "localizations", property(with_z))
    monkeypatch.setattr(work, "MAX_DEPTH_PIXELS", 8000)
    viewer.add_image(stack, name="cells", **NM)
    panel.form.model_box.load_file(spotter())
    run()
    (depth,) = [layer for layer in viewer.layers if layer.name == "Depth (nm)"]
    assert depth.data.shape == (64, 96), "half as fine, as there is only room for so many"
    image = viewer.layers[panel._overlay.name]
    assert viewer.layers.index(depth) == viewer.layers.index(image) + 1
    assert (image.colormap.name, depth.blending) == ("gray", "multiplicative")
    qtbot.waitUntil(lambda: depth.colorbar.visible and depth.name_overlay.visible)
    np.testing.assert_allclose(depth.scale, 25)
    np.testing.assert_allclose(depth.translate, -37.5)
    points = viewer.layers[f"{panel._overlay.name} molecules"]
    order = np.argsort(points.features["z_nm"].to_numpy())
    first, last = points.border_color[order[0]], points.border_color[order[-1]]
    assert not np.allclose(first, last)


def test_the_report_is_told_in_lines(
    panel: ReconstructWidget,
    viewer: Any,
    run: Callable[[], None],
    stack: np.ndarray,
    spotter: Callable[..., Path],
) -> None:
    assert panel.report_box.isHidden()
    stack = stack.copy()
    stack[3] = 0  # something to beware of
    viewer.add_image(stack, name="cells", **NM)
    panel.form.model_box.load_file(spotter())
    run()
    assert not panel.report_box.isHidden()
    text = panel.report_box.page.toPlainText()
    report = panel._result.report
    assert text == in_words(report, "cells")
    assert viewer.layers[panel._overlay.name].metadata[KEY].items() >= report.to_json().items()
    for words in (
        "12 of cells",
        "spotter",
        "100 nm, in the image 12.5 nm",
        "frames/s",
        "Camera: estimated: offset",
    ):
        assert words in text
    assert f"Beware: {report.warnings[0]}" in text


def test_a_run_is_judged_on_a_page_and_in_a_coloured_sentence(
    panel: ReconstructWidget,
    viewer: Any,
    run: Callable[[], None],
    stack: np.ndarray,
    spotter: Callable[..., Path],
    qtbot: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[Path] = []
    monkeypatch.setattr(
        "napari_deepsmlm.plugin.reconstruct.widget.open_page", opened.append
    )  # no browser is started
    viewer.add_image(stack, name="cells", **NM)
    assert not panel.trust_button.isEnabled()
    panel.form.model_box.load_file(spotter())
    run()
    qtbot.waitUntil(panel.trust_button.isEnabled, timeout=20_000)
    panel.save_recipe(tmp_path / "recipe.yaml")
    assert Recipe.from_file(tmp_path / "recipe.yaml").steps == ()
    panel.trust_button.click()
    qtbot.waitUntil(lambda: bool(opened), timeout=30_000)
    panel.save_recipe(tmp_path / "recipe.yaml")  # each stack is judged too
    assert [step.kind for step in Recipe.from_file(tmp_path / "recipe.yaml").steps] == ["trust"]
    page = opened[0].read_text()
    assert "<script" not in page
    assert "Image against frames" in page
    values = json.loads(opened[0].with_name("trust.json").read_text())
    assert panel.trust_note.text().startswith(values["sentence"])
    tone = "warning" if values["doubts"] else "praise"
    assert panel.trust_note.property("tone") == tone
