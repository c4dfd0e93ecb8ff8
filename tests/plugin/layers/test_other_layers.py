"""Layers of other readers: used rightly, or listed with a sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from napari.utils.transforms import Affine

from napari_deepsmlm.io import open_frames
from napari_deepsmlm.plugin.forms.stack_box import StackBox
from napari_deepsmlm.plugin.layers.world import (
    can_hold_frames,
    frames_of,
    n_frames_of,
    why_no_frames,
)
from napari_deepsmlm.plugin.opening.movie import as_movie

NM = ("nm", "nm")
MOVIE = np.random.default_rng(0).integers(0, 999, (30, 24, 32)).astype(np.uint16)


def add(viewer: Any, data: Any, **keywords: Any) -> Any:
    ndim = (data[0] if isinstance(data, list) else data).ndim
    keywords = {"scale": (1.0,) * (ndim - 2) + (100, 100), **keywords}
    return viewer.add_image(data, units=("pixel",) * (ndim - 2) + NM, **keywords)


@pytest.mark.parametrize(
    ("data", "keywords", "sentence"),
    [
        (MOVIE[None], {}, "has 1 frame of 30 planes; choose Layers > Data > As a movie"),
        (
            MOVIE[:, None, None],
            {},
            "has 5 axes; choose Layers > Data > As a movie of frames to drop",
        ),
        ([MOVIE, MOVIE[:, ::2, ::2]], {"multiscale": True}, "is a pyramid of several resolutions"),
        ([MOVIE], {"multiscale": True}, "is a pyramid"),
        (MOVIE, {"rotate": (0, 0, 30)}, "is rotated or sheared, and a result would not lie on it"),
        (MOVIE, {"shear": (0, 0, 0.2)}, "is rotated or sheared"),
        (MOVIE, {"scale": (1, 100, 130)}, "has pixels of 100 x 130 nm, and frames need square"),
        (MOVIE, {"scale": (1, -100, 100)}, "is flipped"),
    ],
)
def test_a_layer_that_cannot_be_used_is_listed_with_the_reason(
    viewer: Any, qtbot: Any, data: Any, keywords: dict[str, Any], sentence: str
) -> None:
    layer = add(viewer, data, name="theirs", **keywords)
    box = StackBox(viewer)
    qtbot.addWidget(box.native)
    assert why_no_frames(layer).startswith(sentence)
    assert not can_hold_frames(layer)
    assert box.stack is None
    assert box.note.text().startswith(f"theirs {sentence}"[:40])
    assert [box.native.itemText(i) for i in range(box.native.count())] == [
        "theirs (cannot be used)"
    ]
    own = add(viewer, MOVIE, name="mine")
    assert box.stack is not None
    assert box.stack.name == own.name
    assert box.native.count() == 2
    box.abandon()
    scale = keywords.get("scale", (1.0,) * (layer.ndim - 2) + (100, 100))
    np.testing.assert_allclose(layer.scale, scale)  # a layer of the person's is not rescaled


@pytest.mark.parametrize(
    ("data", "keywords"),
    [
        (MOVIE[:, None], {}),
        (MOVIE.astype(">f4"), {}),
        (MOVIE, {"scale": (1, 0.1, 0.1)}),
        (MOVIE, {"affine": Affine(translate=(0, 5, 5))}),
    ],
)
def test_other_layers_of_frames_are_used(viewer: Any, data: Any, keywords: dict[str, Any]) -> None:
    layer = add(viewer, data, **keywords)
    assert can_hold_frames(layer)
    assert n_frames_of(layer) == 30


@pytest.mark.parametrize(
    ("data", "keywords"),
    [
        (MOVIE[None], {}),
        (MOVIE[:, None, None], {}),
        ([MOVIE, MOVIE[:, ::2, ::2]], {"multiscale": True}),
    ],
)
def test_a_movie_is_made_of_it_and_the_layer_stays(
    viewer: Any, data: Any, keywords: dict[str, Any]
) -> None:
    layer = add(viewer, data, name="theirs", **keywords)
    viewer.layers.selection = {layer}
    as_movie(viewer)
    movie = viewer.layers[-1]
    assert (movie.name, can_hold_frames(movie), layer.visible) == ("theirs (movie)", True, False)
    np.testing.assert_allclose(movie.scale[-2:], 100)
    source = open_frames(frames_of(movie))
    np.testing.assert_array_equal(source.read(0, 30)[:, 0], MOVIE)
    assert layer in viewer.layers


@pytest.fixture(autouse=True)
def quiet_notifications(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    shown: list[str] = []
    monkeypatch.setattr("napari_deepsmlm.plugin.opening.movie.show_error", shown.append)
    return shown


def test_what_is_no_movie_is_one_sentence(viewer: Any, quiet_notifications: list[str]) -> None:
    viewer.layers.selection = {add(viewer, np.zeros((3, 4, 5, 16, 16), np.uint16), name="five")}
    as_movie(viewer)
    viewer.layers.selection = set()
    as_movie(viewer)
    assert quiet_notifications[0].startswith("five has 3 axes longer than 1 besides rows and col")
    assert quiet_notifications[1].startswith("Select one image layer of frames")
