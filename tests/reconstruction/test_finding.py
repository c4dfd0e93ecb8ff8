"""Which model of a network is taken: the one made for such data, or the one for any."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from napari_deepsmlm.camera import SCMOS
from napari_deepsmlm.estimation import KnownCamera, know_camera
from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.io import open_frames
from napari_deepsmlm.mismatch import check
from napari_deepsmlm.reconstruction import (
    Prepared,
    ReconstructJob,
    ReconstructOptions,
    find_for,
)

if TYPE_CHECKING:
    import numpy as np

    from napari_deepsmlm.models import FoundModel

CAMERA = SCMOS(quantum_efficiency=0.95, read_noise_e=1.5, e_per_adu=0.5, baseline=100)
GENERAL, NARROW = "dilated-loc:2d", "dilated-loc:2d-100nm"


def simulated(
    sigma_nm: float = 110.0,
    background: float = 30.0,
    photons: float = 1200.0,
    density: float = 0.6,
) -> np.ndarray[Any, Any]:
    """Frames of what the narrow model was trained on, unless stated otherwise."""
    experiment = Experiment.from_dict(
        {
            "image_px": [64, 64],
            "psf": {"kind": "gaussian", "pixel_size_nm": 100, "sigma_nm": [sigma_nm, sigma_nm]},
            "camera": CAMERA.model_dump(mode="json"),
            "simulation": {
                "density_per_um2": [density, density],
                "photons": [photons, photons],
                "background": [background, background],
            },
        }
    )
    stack: np.ndarray[Any, Any] = experiment.simulate(60, seed=1).stack
    return stack


def found_in(stack: Any, model: str = "dilated-loc", **options: Any) -> FoundModel:
    values = {"model": model, "pixel_size_nm": 100.0, "camera": CAMERA, **options}
    chosen = ReconstructOptions.from_dict(values, source="options")
    source = open_frames(stack)
    return find_for(source, chosen, know_camera(source, chosen.camera))


@pytest.fixture(scope="module")
def inside() -> np.ndarray[Any, Any]:
    return simulated()


def test_data_as_a_narrow_model_was_trained_on_get_it(inside: np.ndarray[Any, Any]) -> None:
    found = found_in(inside)
    assert found.name == NARROW
    assert found.reason == (
        "pixel size, width, background and brightness lie within what it was trained on, where it "
        "is better than dilated-loc:2d"
    )


@pytest.mark.parametrize(
    ("density", "name"), [(0.3, "deep-storm:2d"), (4.0, "deep-storm:2d-100nm")]
)
def test_a_narrow_model_is_taken_where_it_is_better_only(density: float, name: str) -> None:
    found = found_in(simulated(photons=2250.0, density=density), "deep-storm")
    assert found.name == name
    assert ("better one above 2 molecules per um²" in found.reason) == (density < 2)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"sigma_nm": 150.0}, r"PSF σ \(px\) 1 to 1.2, these have 1.[45]"),
        ({"background": 900.0}, r"Background \(photons/px\) 5 to 60, these have (8|9)"),
    ],
)
def test_other_data_get_the_model_for_any(changes: dict[str, float], why: str) -> None:
    found = found_in(simulated(**changes))
    assert found.name == GENERAL
    assert found.reason.startswith("made for any pixel size and width of the PSF; ")
    assert re.search(why, found.reason)


def test_other_pixels_and_unknown_ones_get_the_model_for_any(inside: np.ndarray[Any, Any]) -> None:
    assert found_in(inside, pixel_size_nm=130.0).name == GENERAL
    assert found_in(inside, pixel_size_nm=108.0).name == NARROW
    unknown = found_in(inside, pixel_size_nm=None)
    assert unknown.name == GENERAL
    assert unknown.reason.endswith("the pixel size of these is not known")


def test_frames_that_tell_nothing_get_the_model_for_any(inside: np.ndarray[Any, Any]) -> None:
    found = found_in(inside[:5])
    assert found.name == GENERAL
    assert found.reason.endswith("cannot be told of these frames")


def test_a_model_that_is_named_is_taken_whatever_the_data(inside: np.ndarray[Any, Any]) -> None:
    assert found_in(inside, GENERAL).name == GENERAL
    assert found_in(simulated(sigma_nm=150.0)[:20], NARROW).name == NARROW
    assert found_in(inside, "drsn-storm").name == "drsn-storm:2d-100nm-x4"
    assert found_in(inside, "fit").name == "fit"


@pytest.mark.parametrize("model", ["dilated-loc", "fit"])
def test_a_reconstruction_looks_once(
    inside: np.ndarray[Any, Any], model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []
    look = check.look

    def counted(*arguments: Any) -> Any:
        looks.append(arguments)
        return look(*arguments)

    monkeypatch.setattr(check, "look", counted)
    options = ReconstructOptions(model=model, pixel_size_nm=100.0, camera=CAMERA)
    known = KnownCamera(CAMERA, "given", CAMERA.baseline, 0, 1 / CAMERA.adu_per_photon, 0)
    prepared = next(iter(ReconstructJob(inside, options, camera=known).run()))
    assert isinstance(prepared, Prepared)
    assert prepared.model == {"dilated-loc": NARROW, "fit": "fit"}[model]
    assert len(looks) == 1
