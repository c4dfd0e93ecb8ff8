"""Layer choosers: what is listed, in which order, and what stays chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.layers import Image

from napari_deepsmlm.plugin.layers.chooser import LayerBox, LayerList

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def is_image(layer: Any) -> bool:
    return isinstance(layer, Image)


def texts(box: Any) -> list[str]:
    return [box.native.itemText(i) for i in range(box.native.count())]


@pytest.fixture
def box(viewer: Any, qtbot: Any) -> Iterator[LayerBox]:
    made = LayerBox(viewer, is_image, "An image.", none="no image")
    qtbot.addWidget(made.native)
    yield made
    made.abandon()


def test_the_top_layer_is_listed_first_whenever_it_was_added(viewer: Any, box: LayerBox) -> None:
    for name in ("a", "b", "c"):
        viewer.add_image(np.zeros((4, 4)), name=name)
    viewer.add_points(np.zeros((1, 2)))
    assert texts(box) == ["no image", "c", "b", "a"]


def test_the_choice_stays_while_layers_come_go_and_get_other_names(
    viewer: Any, box: LayerBox
) -> None:
    a = viewer.add_image(np.zeros((4, 4)), name="a")
    b = viewer.add_image(np.zeros((4, 4)), name="b")
    told: list[Any] = []
    box.changed.connect(told.append)
    box.choose(a)
    viewer.add_image(np.zeros((4, 4)), name="c")
    viewer.layers.remove(b)
    a.name = "z"
    assert (box.value, box.current_choice, told) == (a, "z", [a])
    viewer.layers.remove(a)
    assert (box.value, told) == (None, [a, None])


def test_entries_of_the_same_text_are_told_apart(
    viewer: Any, box: LayerBox, tmp_path: Path
) -> None:
    layer = viewer.add_image(np.zeros((4, 4)), name="no image")
    first, second = tmp_path / "1" / "t.csv", tmp_path / "2" / "t.csv"
    box.add_file(first)
    box.add_file(second)
    assert texts(box) == ["no image", "no image (layer)", f"file: {first}", f"file: {second}"]
    assert (box.value, box.layer) == (second, None)
    box.choose(layer)
    assert (box.value, box.layer) == (layer, layer)
    box.choose(None)
    assert box.value is None


def test_a_layer_that_cannot_serve_is_listed_and_cannot_be_chosen(viewer: Any, qtbot: Any) -> None:
    viewer.add_points(np.zeros((1, 2)), name="dots")
    box = LayerList(
        viewer, is_image, "An image.", why_not=lambda x: "" if is_image(x) else "is none."
    )
    qtbot.addWidget(box.native)
    assert (texts(box), box.choices, box.value) == (["dots (cannot be used)"], (), None)
    assert not box.native.model().item(0).isEnabled()
    image = viewer.add_image(np.zeros((4, 4)), name="good")
    assert (texts(box), box.value) == (["good", "dots (cannot be used)"], image)
    box.abandon()
    viewer.layers.clear()
    assert texts(box) == ["good", "dots (cannot be used)"]
