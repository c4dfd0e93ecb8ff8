"""One colour of several in the panel: what is read is what is shown, and what lies on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

from napari_deepsmlm.plugin.reconstruct.channel_box import ALL

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_deepsmlm.plugin.reconstruct.widget import ReconstructWidget

N = 12


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """Frames of two colours: one molecule each, at the left and at the right."""
    frames = np.random.default_rng(0).poisson(1, (N, 2, 16, 20)).astype(np.uint16)
    spot = np.outer([1, 2, 1], [1, 2, 1]) * 200
    frames[::2, 0, 7:10, 3:6] += spot.astype(np.uint16)
    frames[::2, 1, 7:10, 13:16] += spot.astype(np.uint16)
    path = tmp_path / "two.ome.tif"
    sizes = {f"PhysicalSize{axis}": 0.1 for axis in "XY"}
    sizes |= {f"PhysicalSize{axis}Unit": "µm" for axis in "XY"}
    names = {"Channel": {"Name": ["AF647", "CF568"]}}
    tifffile.imwrite(path, frames, metadata={"axes": "TCYX", **names, **sizes})
    return path


def test_colours_are_offered_by_name_and_one_is_chosen(
    panel: ReconstructWidget, viewer: Any, two: Path
) -> None:
    box = panel.form.channel_box
    viewer.add_image(np.zeros((5, 16, 20), np.uint16), name="one colour")
    assert not box.is_needed
    assert panel.form.options().channel is None
    viewer.open(two, plugin="napari-deepsmlm")
    assert [box.native.itemText(k) for k in range(len(box))] == [ALL, "AF647", "CF568"]
    assert panel.form.options().channel == 1
    assert not box.native.isHidden()
    viewer.add_image(np.zeros((5, 2, 16, 20), np.uint16), name="planes without names")
    assert [box.native.itemText(k) for k in range(len(box))] == [ALL, "plane 1", "plane 2"]
    assert panel.form.options().channel is None


def test_the_colour_that_is_read_is_shown_with_its_molecules_on_it(
    panel: ReconstructWidget,
    viewer: Any,
    run: Callable[[], None],
    two: Path,
    spotter: Callable[..., Path],
) -> None:
    viewer.open(two, plugin="napari-deepsmlm")
    panel.form.model_box.load_file(spotter())
    panel.form.camera_box.value = "none: ADU = photons"
    panel.form.channel_box.value = 2
    assert viewer.dims.current_step[1] == 1
    run()
    assert panel._result is not None, panel.brake_box.note.text() or panel.message_note.text()
    table = panel._result.localizations
    assert len(table) > 0
    assert (np.asarray(table.x_nm) > 1000).all(), "those of the other colour lie at the left"
    points = viewer.layers[-1]
    assert {points.data_to_world(place)[1] for place in points.data} == {1}
