"""Agreement: a model that takes for molecules what its twin has not is not used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from napari_deepsmlm import reconstruct
from napari_deepsmlm._devices import choose_compute
from napari_deepsmlm.adaptation import Adapted, AdaptJob, AdaptOptions, agreement
from napari_deepsmlm.adaptation.agreement import Count, count, finds_too_many
from napari_deepsmlm.adaptation.findings import look
from napari_deepsmlm.adaptation.twin import make_twin
from napari_deepsmlm.camera import SCMOS
from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.io import open_frames
from napari_deepsmlm.models import adapted_models, find_model

if TYPE_CHECKING:
    import numpy as np

CAMERA = {"kind": "scmos", "e_per_adu": 0.5, "baseline": 100.0}


def movie(unevenness: float = 0.0, n_frames: int = 60, seed: int = 3) -> np.ndarray[Any, Any]:
    values: dict[str, Any] = {
        "psf": {"kind": "gaussian", "pixel_size_nm": 100.0, "sigma_nm": [125.0, 130.0]},
        "camera": CAMERA,
        "image_px": [48, 48],
        "simulation": {
            "density_per_um2": [0.4, 0.6],
            "photons": [4000.0, 6000.0],
            "background": [300.0, 300.0],
            "unevenness": unevenness,
            "unevenness_px": 12.0,
        },
    }
    return Experiment.from_dict(values).simulate(n_frames, seed=seed).stack


def options(**more: Any) -> AdaptOptions:
    few = {"patch_px": 16, "held_out_frames": 2, "held_out_px": 32, "steps": 3}
    return AdaptOptions.from_dict(
        {"model": "dilated-loc:2d", "pixel_size_nm": 100.0, **few, **more}
    )


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (Count(400, 0.8, 0.8), Count(480, 0.96, 0.96), False),  # as in the twin
        (Count(400, 0.8, 0.8), Count(400, 0.8, 0.96), False),
        (Count(400, 0.8, 0.8), Count(700, 1.4, 0.96), True),
        (Count(10, 0.02, 0.8), Count(400, 0.8, 0.96), False),  # lost in the stack at first
        (Count(10, 0.02, 0.02), Count(16, 0.032, 0.022), False),  # chance
        (Count(10, 0.02, 0.02), Count(30, 0.06, 0.022), True),
        (Count(0, 0.0, 0.8), Count(400, 0.8, 0.9), False),  # nothing to compare with
    ],
)
def test_too_many_are_more_than_the_twin_makes_expect(
    before: Count, after: Count, expected: bool
) -> None:
    assert finds_too_many(before, after) is expected


def test_molecules_of_the_stack_are_counted_as_a_reconstruction_finds_them() -> None:
    frames = movie()
    twin = make_twin(open_frames(frames), options())
    compute = choose_compute("cpu", "fp32")
    how = {"sum_frames": 1, "source": open_frames(frames), "twin": twin, "compute": compute}
    counted = count(find_model("dilated-loc:2d").load(), {"found_per_um2": 0.4}, **how)
    found = reconstruct(
        frames, "dilated-loc:2d", pixel_size_nm=100.0, frame_range=(10, 50), precision="fp32"
    )
    assert counted.in_stack == pytest.approx(len(found.localizations), rel=0.02)
    assert counted.per_um2 == pytest.approx(counted.in_stack / 40 / 4.8**2)
    assert counted.per_um2_of_twin == 0.4


def test_a_model_that_finds_too_many_is_not_used_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(agreement, "MAX_MORE", 0.0)
    monkeypatch.setattr(agreement, "CHANCE", 0.0)
    monkeypatch.setattr("napari_deepsmlm.adaptation.job.is_better", lambda *_: True)
    *_, done = AdaptJob(movie(), options()).run()
    assert isinstance(done, Adapted)
    assert not done.is_better
    assert done.model == "dilated-loc:2d"
    assert "is used as it was" in done.sentence
    assert "What is more would be false" in done.sentence
    assert adapted_models() == {}


@pytest.mark.parametrize(("unevenness", "low", "high"), [(0.0, 0.0, 0.0), (0.6, 0.2, 0.6)])
def test_the_twin_of_an_uneven_background_is_uneven(
    unevenness: float, low: float, high: float
) -> None:
    source = open_frames(movie(unevenness))
    found = look(source, 100.0, SCMOS.from_dict(CAMERA, source="camera"))
    assert found is not None
    assert low <= found.unevenness <= high
    twin = make_twin(source, options())
    assert twin.experiment.simulation.unevenness == pytest.approx(found.unevenness, abs=0.1)
    assert twin.like_data.simulation.unevenness == twin.experiment.simulation.unevenness
