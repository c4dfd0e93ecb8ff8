"""What cannot be is not shown as a result, and the panel's way out: adapting, then running."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from napari_deepsmlm.adaptation import AdaptJob, AdaptOptions, sample_of
from napari_deepsmlm.adaptation.store import Adaptation, keep
from napari_deepsmlm.estimation import know_camera
from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.io import open_frames
from napari_deepsmlm.models import adapted_models, built_in_models
from napari_deepsmlm.plugin.forms.model_box import LOOKING
from napari_deepsmlm.plugin.library.choices import nearest
from napari_deepsmlm.plugin.library.loading import known_models
from napari_deepsmlm.plugin.reconstruct import adapted_finder, adapting
from napari_deepsmlm.plugin.reconstruct.widget import ReconstructWidget

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np

WAIT_MS = 280_000
MODEL = "dilated-loc:2d-100nm"
NM = {"scale": (1, 160, 160), "units": ("pixel", "nm", "nm")}


@pytest.fixture(scope="module")
def bright() -> np.ndarray:
    """A background for which the built-in model was not made."""
    values: dict[str, Any] = {
        "psf": {"kind": "gaussian", "pixel_size_nm": 160.0, "sigma_nm": [126.0, 130.0]},
        "camera": {"kind": "scmos", "e_per_adu": 0.5, "baseline": 100.0},
        "image_px": [32, 32],
        "simulation": {
            "density_per_um2": [0.5, 0.7],
            "photons": [4000.0, 6000.0],
            "background": [600.0, 600.0],
        },
    }
    frames: np.ndarray = Experiment.from_dict(values).simulate(60, seed=3).stack[:, 0]
    return frames


@pytest.fixture
def ready(panel: ReconstructWidget, viewer: Any, bright: np.ndarray) -> ReconstructWidget:
    viewer.add_image(bright, name="cells", **NM)
    names = [choice.key for choice in panel.form.model_box.choices]
    panel.form.model_box.choose(panel.form.model_box.choices[names.index(MODEL)])
    return panel


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three steps on small frames, in the job's own thread."""

    def live(frames: Any, options: Any, watch_frame: int, stopping: Any) -> Any:
        small = options.replace(steps=3, patch_px=16, held_out_frames=2, held_out_px=32)
        job = AdaptJob(frames, small, watch_frame=watch_frame, stopping=stopping)
        yield from job.run()

    monkeypatch.setattr(adapting, "adapt_live", live)


def wait(panel: ReconstructWidget, qtbot: Any) -> None:
    qtbot.waitUntil(lambda: not panel.is_busy, timeout=WAIT_MS)


def test_what_cannot_be_is_no_layer_but_a_question(
    ready: ReconstructWidget, viewer: Any, qtbot: Any
) -> None:
    ready.run_button.click()
    wait(ready, qtbot)
    assert [layer.name for layer in viewer.layers] == ["cells"]
    assert not ready.brake_box.isHidden()
    assert "molecules per frame were found" in ready.brake_box.note.text()
    assert not ready.save_button.isEnabled()
    ready.brake_box.force_button.click()
    wait(ready, qtbot)
    assert f"cells · {MODEL}" in viewer.layers
    assert "cannot be right" in ready.message_note.text()
    assert ready.brake_box.isHidden()


def test_adapt_trains_shows_the_frame_chooses_the_model_and_runs(
    ready: ReconstructWidget, viewer: Any, qtbot: Any, short: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str] = []
    viewer.layers.events.inserted.connect(lambda event: names.append(event.value.name))
    runs = []
    monkeypatch.setattr(ready, "run", lambda **_: runs.append(ready.form.options()))
    ready.adapting.button.click()
    wait(ready, qtbot)
    assert names[0] == "cells adapting"
    assert "cells adapting" not in viewer.layers, "it goes away"
    assert "before" in ready.adapting.note.text()
    kept = list(adapted_models())
    assert len(kept) == 1
    (options,) = runs
    assert options.model == kept[0]


def test_a_cancelled_adaptation_can_go_on(
    ready: ReconstructWidget, viewer: Any, qtbot: Any, short: None
) -> None:
    ready.adapting.button.click()
    qtbot.waitUntil(lambda: "step" in ready.status_note.text(), timeout=WAIT_MS)
    ready.cancel_button.click()
    wait(ready, qtbot)
    assert ready.adapting.done is not None
    if ready.adapting.done.is_stopped:  # else it was over before
        assert "goes on where it was" in ready.status_note.text()
        assert adapted_models() == {}
        assert f"cells · {MODEL}" not in viewer.layers


@pytest.mark.slow  # of the library, another is tested always
def test_a_model_that_was_adapted_before_is_offered(bright: np.ndarray, own_models: Path) -> None:
    options = AdaptOptions(
        model=MODEL, pixel_size_nm=160.0, steps=3, patch_px=16, held_out_frames=2, held_out_px=32
    )
    *_, done = AdaptJob(bright, options).run()
    assert done.is_better
    assert done.model in [choice.key for choice in known_models()]


@pytest.fixture
def kept(bright: np.ndarray, own_models: Path) -> str:
    """A model that is kept as adapted to such frames, of the network that is suggested for them."""
    plain = nearest([each for each in known_models() if not each.is_adapted], 160.0, 1)
    source = open_frames(bright)
    sample = sample_of(source, 160.0, know_camera(source, "auto").camera)
    assert sample is not None
    scores = {"efficiency_lateral": 40.0}, {"efficiency_lateral": 60.0}
    adaptation = Adaptation(
        started_from=plain.key,
        made=date(2026, 11, 29),
        minutes=5,
        sample=sample,
        before=scores[0],
        after=scores[1],
    )
    return keep(built_in_models()[plain.key], plain.network, adaptation)


@pytest.fixture
def fresh(kept: str, viewer: Any, qtbot: Any, no_threads_left: None) -> Iterator[ReconstructWidget]:
    """The panel without a model that a person chose."""
    panel = ReconstructWidget(viewer)
    qtbot.addWidget(panel)
    qtbot.waitUntil(lambda: panel.is_ready, timeout=WAIT_MS)
    yield panel
    panel.abandon()


def test_a_model_adapted_to_such_frames_is_chosen_and_no_other_time(
    fresh: ReconstructWidget, viewer: Any, qtbot: Any, kept: str, bright: np.ndarray
) -> None:
    box = fresh.form.model_box
    viewer.add_image(bright, name="cells", **NM)
    assert box.note.text() == LOOKING, "nothing is suggested before the frames were looked at"
    qtbot.waitUntil(lambda: fresh.form.options().model == kept, timeout=WAIT_MS)
    assert box.note.text().startswith("Suggested: adapted to this camera and such a sample on 29 ")
    fresh.form.fill_in(pixel_size_nm=130.0)
    assert fresh.form.options().model != kept, "at once: these pixels are others"
    fresh.form.fill_in(pixel_size_nm=160.0)
    qtbot.waitUntil(lambda: fresh.form.options().model == kept, timeout=WAIT_MS)
    own = next(choice for choice in box.choices if not choice.is_adapted)
    box.choose(own)
    assert fresh.form.options().model == own.key
    assert fresh.form.adapted_finder.suiting is None, "nothing is looked for any more"


def test_frames_that_cannot_be_looked_at_are_not_looked_at_for_ever(
    fresh: ReconstructWidget, viewer: Any, qtbot: Any, bright: np.ndarray, monkeypatch: Any
) -> None:
    def fail(*_: object) -> Any:
        raise OSError("The disk is gone.")
        yield

    monkeypatch.setattr(adapted_finder, "find", fail)
    box = fresh.form.model_box
    viewer.add_image(bright, name="cells", **NM)
    assert box.note.text() == LOOKING
    qtbot.waitUntil(lambda: box.note.text() != LOOKING, timeout=WAIT_MS)
    assert box.note.text().startswith("Suggested: made for any pixel size")
