"""A rectangle on the frames is a region of whole pixels, and its result lies there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.layers import Image, Shapes

from napari_deepsmlm.plugin.reconstruct.region_box import WHOLE, corners_on

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_deepsmlm.plugin.reconstruct.widget import ReconstructWidget

NM = {"scale": (1, 100, 100), "units": ("pixel", "nm", "nm")}


def rectangle(y: float, x: float, y_end: float, x_end: float) -> np.ndarray:
    """Corners in napari's pixels, whose first one reaches from -0.5 to 0.5."""
    return np.array([(y, x), (y, x_end), (y_end, x_end), (y_end, x)])


@pytest.mark.parametrize(
    ("drawn", "expected"),
    [
        ((1.5, 2.5, 9.5, 12.5), (2, 3, 10, 13)),  # along the edges of pixels
        ((1.4, 2.4, 9.6, 12.6), (1, 2, 11, 14)),  # a little over them: those are touched too
        ((1.496, 2.504, 9.504, 12.496), (2, 3, 10, 13)),  # a shaky hand on the edges
        ((9.5, 12.5, 1.5, 2.5), (2, 3, 10, 13)),  # drawn from below
        ((-7.0, -7.0, 99.0, 4.5), (0, 0, 16, 5)),  # over the border of the frames
    ],
)
def test_a_rectangle_is_the_pixels_that_it_touches(
    drawn: tuple[float, ...], expected: tuple[int, ...]
) -> None:
    stack = Image(np.zeros((3, 16, 24)), **NM)
    on_pixels = Shapes([rectangle(*drawn)], scale=(100, 100), units=("nm", "nm"))
    assert corners_on(on_pixels, stack) == expected
    in_nm = Shapes([100 * rectangle(*drawn)], units=("nm", "nm"))
    assert corners_on(in_nm, stack) == expected
    moved = Image(np.zeros((3, 16, 24)), translate=(0, 1000, -300), **NM)
    there = Shapes([100 * rectangle(*drawn) + (1000, -300)], units=("nm", "nm"))
    assert corners_on(there, moved) == expected


def test_the_selected_shape_counts_else_the_last_with_an_area() -> None:
    stack = Image(np.zeros((3, 16, 24)))
    layer = Shapes([rectangle(0, 0, 4, 4), rectangle(4, 4, 12, 12)], shape_type="rectangle")
    layer.add_lines([[0, 0], [9, 9]])
    assert corners_on(layer, stack) == (4, 4, 13, 13)
    layer.selected_data = {0}
    assert corners_on(layer, stack) == (0, 0, 5, 5)


def test_shapes_without_an_area_or_outside_are_one_sentence() -> None:
    stack = Image(np.zeros((3, 16, 24)))
    with pytest.raises(ValueError, match="'mine' has no rectangle: draw one"):
        corners_on(Shapes(name="mine", ndim=2), stack)
    with pytest.raises(ValueError, match="lies outside the frames"):
        corners_on(Shapes([rectangle(30, 30, 40, 40)]), stack)


@pytest.mark.parametrize("translate_nm", [(0.0, 0.0), (1000.0, -300.0)])
def test_the_result_is_that_part_of_the_whole_and_lies_on_it(
    panel: ReconstructWidget,
    viewer: Any,
    run: Callable[[], None],
    stack: np.ndarray,
    translate_nm: tuple[float, float],
) -> None:
    viewer.add_image(stack, name="cells", translate=(0, *translate_nm), **NM)
    run()
    shapes = 100 * rectangle(1.5, 2.5, 11.5, 20.5) + np.array(translate_nm)
    viewer.add_shapes([shapes], name="mine", units=("nm", "nm"))
    box = panel.form.region_box
    assert [box.list.native.itemText(i) for i in range(2)] == [WHOLE, "mine"]
    box.list.native.setCurrentIndex(1)
    assert box.note.text() == "Rows 2 to 11, columns 3 to 20: 10 × 18 px."
    run()
    whole, part = (viewer.layers[f"cells · untrained{of}"] for of in ("", ", region"))
    rows, columns = slice(4 * 2, 4 * 12), slice(4 * 3, 4 * 21)
    np.testing.assert_allclose(part.data, whole.data[rows, columns], atol=1e-4 * whole.data.max())
    corner = whole.data_to_world((rows.start, columns.start))
    np.testing.assert_allclose(part.data_to_world((0, 0)), corner, atol=0.1 * part.scale[0])
    assert "rows 2 to 11, columns 3 to 20" in panel.report_box.page.toPlainText()


def test_drawing_makes_a_layer_that_keeps_its_place_when_the_stack_gets_nm(
    panel: ReconstructWidget, viewer: Any, run: Callable[[], None], stack: np.ndarray
) -> None:
    layer = viewer.add_image(stack, name="cells")
    box = panel.form.region_box
    box.draw_button.click()
    shapes = viewer.layers["region"]
    assert shapes.mode == "add_rectangle"
    assert box.layer == shapes
    panel.form.fill_in(pixel_size_nm=160)
    panel.run_button.click()
    assert "has no rectangle: draw one" in panel.message_note.text()
    shapes.add_rectangles(rectangle(1.5, 2.5, 11.5, 20.5))
    run()
    np.testing.assert_allclose(layer.scale, [1, 160, 160])
    np.testing.assert_allclose(shapes.scale, [160, 160])
    assert viewer.layers["cells · untrained, region"].data.shape == (40, 72)
    np.testing.assert_allclose(
        viewer.layers["cells · untrained, region"].translate,
        [(2 - 0.5) * 160 + 20, (3 - 0.5) * 160 + 20],
    )
    viewer.layers.remove(shapes)
    assert box.layer is None
    assert panel.form.options().region is None
