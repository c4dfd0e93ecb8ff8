"""Single molecules without a network in the panel, and the model that the frames suggest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from napari_deepsmlm.camera import SCMOS
from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.plugin.layers.tables import table_of
from napari_deepsmlm.plugin.library.choices import nearest
from napari_deepsmlm.plugin.reconstruct.widget import ReconstructWidget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy as np

WAIT_MS = 60_000
TITLE = "Single molecules (no network)"
NM = {"scale": (1, 100, 100), "units": ("pixel", "nm", "nm")}


@pytest.fixture
def sparse() -> np.ndarray:
    """What dilated-loc:2d-100nm was trained on."""
    camera = SCMOS(quantum_efficiency=0.95, read_noise_e=1.5, e_per_adu=0.5, baseline=100)
    values = {
        "image_px": [64, 64],
        "psf": {"kind": "gaussian", "pixel_size_nm": 100, "sigma_nm": [110, 110]},
        "camera": camera.model_dump(mode="json"),
        "simulation": {
            "density_per_um2": [0.6, 0.6],
            "photons": [1200, 1200],
            "background": [30, 30],
        },
    }
    frames: np.ndarray = Experiment.from_dict(values).simulate(60, seed=1).stack[:, 0]
    return frames


def test_it_is_in_the_list_and_runs_but_cannot_be_adapted(
    panel: ReconstructWidget, viewer: Any, stack: np.ndarray, run: Callable[[], None]
) -> None:
    viewer.add_image(stack, name="cells", **NM)
    box = panel.form.model_box
    assert box.findText(TITLE) >= 0
    assert panel.adapting.button.isEnabled()
    box.activated.emit(box.findText(TITLE))
    assert box.note.text().startswith("No network: fits each spot by itself")
    assert not panel.adapting.button.isEnabled()
    panel.form.fill_in(upsampling=5)
    run()
    layer = viewer.layers[f"cells · {TITLE}, ×5"]
    assert layer.data.shape == (80, 120)
    assert panel.report_box.isVisibleTo(panel)
    table = table_of(layer)
    assert table is not None
    assert "p_value" in table


def test_it_is_never_suggested(panel: ReconstructWidget) -> None:
    choices = panel.form.model_box.choices
    for pixel_nm in (40.0, 100.0, 400.0):
        for n_planes in (1, 2, 4):
            assert nearest(choices, pixel_nm, n_planes).is_trained


@pytest.fixture
def fresh(
    own_models: Path, viewer: Any, qtbot: Any, no_threads_left: None
) -> Iterator[ReconstructWidget]:
    """The panel without a model that a person chose."""
    panel = ReconstructWidget(viewer)
    qtbot.addWidget(panel)
    qtbot.waitUntil(lambda: panel.is_ready, timeout=WAIT_MS)
    yield panel
    panel.abandon()


def test_the_model_made_for_such_frames_is_suggested_as_on_the_command_line(
    fresh: ReconstructWidget, viewer: Any, qtbot: Any, sparse: np.ndarray
) -> None:
    viewer.add_image(sparse, name="cells", **NM)
    assert fresh.form.options().model == "dilated-loc:2d", "until the frames were looked at"
    qtbot.waitUntil(lambda: fresh.form.options().model == "dilated-loc:2d-100nm", timeout=WAIT_MS)
    assert "lie within what it was trained on" in fresh.form.model_box.note.text()
    fresh.form.fill_in(pixel_size_nm=160.0)
    assert fresh.form.options().model == "dilated-loc:2d", "these pixels are others"
