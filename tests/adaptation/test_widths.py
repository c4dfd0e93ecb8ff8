"""Widths: the mean image of molecules tells the PSF's width where single frames do not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_deepsmlm.adaptation import AdaptOptions
from napari_deepsmlm.adaptation.findings import Findings, told_by
from napari_deepsmlm.adaptation.twin import make_twin
from napari_deepsmlm.adaptation.widths import FoundWidth, width_of
from napari_deepsmlm.estimation import estimate
from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.io import open_frames
from napari_deepsmlm.localizations import Localizations

if TYPE_CHECKING:
    from napari_deepsmlm.simulation import Movie

PLACE_ERROR_NM = 40.0


def near_the_noise(sigma_nm: float, photons: float = 400.0, **more: Any) -> Experiment:
    values: dict[str, Any] = {
        "psf": {"kind": "gaussian", "pixel_size_nm": 100.0, "sigma_nm": [sigma_nm, sigma_nm]},
        "camera": {"kind": "scmos", "e_per_adu": 0.5, "baseline": 100.0},
        "image_px": [64, 64],
        "simulation": {
            "density_per_um2": [0.1, 0.1],
            "photons": [0.8 * photons, 1.2 * photons],
            "brightness": [1.0, 1.0],
            "background": [300.0, 300.0],
        },
    }
    return Experiment.from_dict({**values, **more})


def as_found(simulated: Movie) -> Localizations:
    """Return the molecules with errors as a model has them, and states them."""
    truth, chance = simulated.truth, np.random.default_rng(1)
    columns = {"frame": truth.frame}
    for axis in "xy":
        there = truth[f"{axis}_nm"]
        columns[f"{axis}_nm"] = there + chance.normal(0, PLACE_ERROR_NM, len(there))
        columns[f"uncertainty_{axis}_nm"] = np.full(len(there), PLACE_ERROR_NM)
    return Localizations.from_columns(columns)


def told(simulated: Movie, table: Localizations, **more: Any) -> FoundWidth | None:
    return width_of(simulated.stack[:, 0].astype(np.float32), table, 100.0, **more)


@pytest.mark.parametrize("sigma_nm", [75.0, 110.0, 190.0])
def test_the_width_is_told_within_its_error(sigma_nm: float) -> None:
    simulated = near_the_noise(sigma_nm, photons=4 * sigma_nm).simulate(100, seed=2)
    found = told(simulated, as_found(simulated))
    assert found is not None
    assert found.n > 50
    assert found.error_px < 0.1 * found.sigma_px
    assert abs(100 * found.sigma_px - sigma_nm) < 200 * found.error_px


def test_what_never_goes_dark_widens_nothing() -> None:
    simulated = near_the_noise(110.0).simulate(60, seed=3)
    table = as_found(simulated)
    alone = told(simulated, table)
    simulated.stack[:, 0, 20:23, 30:33] += 5000
    simulated.stack[:, 0, 40, 40] = 60_000
    assert told(simulated, table) == pytest.approx(alone, rel=0.03)


def test_positions_count_from_the_corner_of_the_whole_frame() -> None:
    simulated = near_the_noise(110.0).simulate(60, seed=3)
    table = as_found(simulated)
    far = table.with_columns(x_nm=table.x_nm + 700, y_nm=table.y_nm + 300)
    assert told(simulated, far, origin_px=(3, 7)) == pytest.approx(told(simulated, table))


def test_few_or_crowded_molecules_tell_no_width() -> None:
    simulated = near_the_noise(110.0).simulate(60, seed=3)
    table = as_found(simulated)
    assert told(simulated, table[:12]) is None
    crowd = Localizations.concatenate([table, table])
    assert told(simulated, crowd) is None


def test_places_of_nothing_tell_no_width() -> None:
    simulated = near_the_noise(110.0, photons=1.0).simulate(60, seed=3)
    assert told(simulated, as_found(simulated)) is None


def test_frames_near_the_noise_can_be_adapted_to() -> None:
    experiment = near_the_noise(110.0, photons=330.0)
    movie = open_frames(experiment.simulate(40, seed=6).stack, pixel_size_nm=100.0)
    assert estimate(movie, camera=experiment.camera).psf_sigma_nm is None
    options = {"model": "dilated-loc:2d", "camera": experiment.camera, "steps": 1}
    result = make_twin(movie, AdaptOptions.from_dict(options)).estimate
    assert result.psf_sigma_nm is not None
    assert "do not tell the PSF's width" in " ".join(result.sentences)
    error = result.errors["psf_sigma_nm"]
    assert error < 0.15 * result.psf_sigma_nm
    assert abs(result.psf_sigma_nm - 110) < 2 * error
    assert "lone molecules that dilated-loc:2d finds: σ" in " ".join(result.sentences)
    assert result.photons == pytest.approx(330, rel=0.6), "the brightest are found"
    low, high = result.to_experiment("dilated-loc").psf.sigma_nm
    assert low == pytest.approx(result.psf_sigma_nm - error, rel=0.02)
    assert high == pytest.approx(result.psf_sigma_nm + error, rel=0.02)


def test_a_width_that_frames_tell_stays_and_a_poor_one_does_not() -> None:
    experiment = near_the_noise(110.0, photons=5000.0)
    movie = open_frames(experiment.simulate(40, seed=4).stack, pixel_size_nm=100.0)
    measured = estimate(movie, camera=experiment.camera)
    found = Findings(
        np.full(50, 5000.0), np.full(40, 5), np.zeros((50, 2)), 40.0, FoundWidth(1.3, 0.05, 50)
    )
    assert told_by(found, measured).psf_sigma_px == measured.psf_sigma_px
    poor = measured.replace(errors={**measured.errors, "psf_sigma_px": 0.2})
    assert told_by(found, poor).psf_sigma_px == 1.3
    without = found._replace(width=None)
    assert told_by(without, poor).psf_sigma_px == measured.psf_sigma_px
