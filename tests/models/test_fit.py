"""Single molecules without a network: found, placed as well as can be, and none invented."""

from __future__ import annotations

from math import erf, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from tests.sweeps import thinned

import napari_deepsmlm as ds
from napari_deepsmlm.adaptation import AdaptJob, AdaptOptions
from napari_deepsmlm.camera import EMCCD, SCMOS, SensorMaps
from napari_deepsmlm.fitting import find_spots
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.metrics import crlb, match
from napari_deepsmlm.mismatch import compare_with_training
from napari_deepsmlm.models import (
    SingleMolecules,
    available_models,
    build_model,
    find_model,
    load_model,
    model_class,
    save_model,
)
from napari_deepsmlm.psf import GaussianPSF

if TYPE_CHECKING:
    from pathlib import Path

    from napari_deepsmlm.camera import Camera

CAMERAS = {
    "scmos": SCMOS(quantum_efficiency=0.9, read_noise_e=1.6, e_per_adu=0.5, baseline=100),
    "emccd": EMCCD(quantum_efficiency=0.9, read_noise_e=50, e_per_adu=5, em_gain=100, baseline=100),
}
PHOTONS, BACKGROUND, SIDE = 1000.0, 20.0, 64


def lone(n_frames: int, pixel_nm: float, seed: int = 0) -> Localizations:
    """One molecule in each of 3 x 3 fields 21 pixels wide, anywhere in its middle."""
    generator = np.random.default_rng(seed)
    corner = 10.5 + 21 * np.stack(np.meshgrid(range(3), range(3)), -1).reshape(-1, 2)
    xy_px = corner + generator.uniform(-4, 4, (n_frames, 9, 2))
    x_nm, y_nm = (xy_px * pixel_nm).reshape(-1, 2).T
    return Localizations(frame=np.repeat(np.arange(n_frames), 9), x_nm=x_nm, y_nm=y_nm)


def filmed(
    truth: Localizations,
    camera: Camera,
    psf: GaussianPSF,
    *,
    photons: float = PHOTONS,
    background: float = BACKGROUND,
) -> np.ndarray[Any, Any]:
    """(T, 64, 64) ADU."""
    n_frames = int(truth.frame.max()) + 1
    xyz = np.stack([truth.x_nm, truth.y_nm, 0 * truth.x_nm], -1).reshape(n_frames, -1, 3)
    light = torch.full(xyz.shape[:2], photons, dtype=torch.float64)
    expected = psf.render(torch.as_tensor(xyz), light, (SIDE, SIDE)) + background
    adu = camera.expose(expected, torch.Generator().manual_seed(0))
    return adu[:, 0].numpy().astype(np.uint16)


def empty(camera: Camera, background: float, n_frames: int) -> np.ndarray[Any, Any]:
    light = torch.full((n_frames, 1, 96, 96), background)
    adu = camera.expose(light, torch.Generator().manual_seed(1))
    return adu[:, 0].numpy().astype(np.uint16)


@pytest.mark.parametrize(
    ("kind", "pixel_nm", "sigma_nm"),
    thinned(
        [(kind, *widths) for widths in ((100.0, 110.0), (65.0, 130.0)) for kind in CAMERAS],
        keep=(0, 3),
    ),
)
def test_sparse_molecules_are_found_and_placed_as_well_as_can_be(
    kind: str, pixel_nm: float, sigma_nm: float
) -> None:
    camera, truth = CAMERAS[kind], lone(60, pixel_nm)
    psf = GaussianPSF(pixel_size_nm=pixel_nm, sigma_nm=(sigma_nm, sigma_nm))
    result = ds.reconstruct(
        filmed(truth, camera, psf), model="fit", pixel_size_nm=pixel_nm, camera=camera
    )
    table = result.localizations
    scores = match(table, truth).scores()
    assert scores["jaccard"] > 0.95
    place = torch.as_tensor(np.stack([truth.x_nm, truth.y_nm, 0 * truth.x_nm], 1))
    bound = crlb(
        psf, place, photons=PHOTONS, background=BACKGROUND, shape=(SIDE, SIDE), camera=camera
    )
    best_nm = float((bound.x_nm.square() + bound.y_nm.square()).mean().sqrt())
    assert scores["rmse_lateral_nm"] <= 1.2 * best_nm
    for axis in "xy":
        assert scores[f"z_score_sd_{axis}"] == pytest.approx(1, abs=0.12)
    assert np.median(table["photons"]) == pytest.approx(PHOTONS, rel=0.03)
    assert np.median(table["background"]) == pytest.approx(BACKGROUND, rel=0.03)
    assert np.median(table["sigma_nm"]) == pytest.approx(sigma_nm, rel=0.02)
    assert 0.4 < np.median(table["p_value"]) < 0.6
    report = result.report.to_json()
    assert report["model"] | {"reason": ""} == {
        "name": "fit",
        "reason": "",
        "network": "fit",
        "parameters": 0,
        "sha256": None,
        "adaptation": None,
    }
    assert not [warning for warning in report["warnings"] if "trained on" in warning]


@pytest.mark.parametrize("kind", CAMERAS)
@pytest.mark.parametrize("background", [2.0, 20.0, 300.0])
def test_empty_frames_give_hardly_any_molecule(kind: str, background: float) -> None:
    camera = CAMERAS[kind]
    result = ds.reconstruct(
        empty(camera, background, 15), model="fit", pixel_size_nm=100.0, camera=camera
    )
    assert len(result.localizations) / (15 * 9.6**2) < 0.01


def test_the_light_under_a_molecule_is_that_of_its_own_pixels(tmp_path: Path) -> None:
    variance = np.full((SIDE, SIDE), 2.0)
    variance[:, :31] = 60.0
    maps = SensorMaps.from_arrays(tmp_path, variance=variance)
    camera = CAMERAS["scmos"].replace(maps=maps)
    truth = lone(40, 100.0)
    psf = GaussianPSF(pixel_size_nm=100, sigma_nm=(110, 110))
    table = ds.reconstruct(
        filmed(truth, camera, psf), model="fit", pixel_size_nm=100.0, camera=camera
    ).localizations
    for rows in (table.x_nm < 2500, table.x_nm > 3800):
        assert np.median(table["background"][rows]) == pytest.approx(BACKGROUND, rel=0.05)


def test_probability_is_how_often_a_spot_passes_five_deviations_again() -> None:
    psf = GaussianPSF(pixel_size_nm=100, sigma_nm=(110, 110))
    place = torch.full((1, 1, 3), 3250.0)
    model = build_model("fit")
    model.expect_width(1.1)

    def mean_frame(photons: float) -> torch.Tensor:
        return psf.render(place, torch.full((1, 1), photons), (SIDE, SIDE)) + 100

    found = find_spots(mean_frame(400.0), psf, threshold=1.0)
    photons = 400.0 * 6 / float(found.contrast.max())  # 6 deviations, nearly
    again = torch.poisson(
        mean_frame(photons).expand(800, 1, SIDE, SIDE), torch.Generator().manual_seed(3)
    )
    middle = find_spots(mean_frame(photons), psf, threshold=1.0).contrast.max()
    expected = 0.5 * (1 + erf(float(middle - 5) / sqrt(2)))
    table = model.to_localizations(again)
    near = (table.x_nm - 3250).abs().maximum((table.y_nm - 3250).abs()) < 150
    assert len(table.frame[near].unique()) / 800 == pytest.approx(expected, abs=0.06)
    assert (table["probability"] >= 0.5).all()


def test_a_lower_threshold_finds_the_same_and_more() -> None:
    truth = lone(20, 100.0)
    psf = GaussianPSF(pixel_size_nm=100, sigma_nm=(110, 110))
    frames = filmed(truth, CAMERAS["scmos"], psf, photons=250.0)
    counts = [
        len(
            ds.reconstruct(
                frames, model="fit", camera=CAMERAS["scmos"], pixel_size_nm=100.0, threshold=p
            ).localizations
        )
        for p in (0.0, 0.5, 1.0)
    ]
    assert counts[0] > counts[1] > counts[2]


def test_a_region_gives_what_the_whole_frames_give_there() -> None:
    psf = GaussianPSF(pixel_size_nm=100, sigma_nm=(110, 110))
    frames = filmed(lone(30, 100.0), CAMERAS["scmos"], psf)
    options = {"model": "fit", "pixel_size_nm": 100.0, "camera": CAMERAS["scmos"]}
    whole = ds.reconstruct(frames, **options).localizations
    part = ds.reconstruct(frames, region=(10, 20, 50, 64), **options).localizations
    is_in = (whole.y_nm >= 1000) & (whole.y_nm < 5000) & (whole.x_nm >= 2000)
    assert len(part) > 60
    for name in ("frame", "x_nm", "y_nm", "photons", "background"):
        np.testing.assert_allclose(part[name], whole[is_in.nonzero()[0]][name], rtol=1e-4)


@pytest.mark.parametrize("shape", [(8, 8), (9, 40)])
def test_frames_smaller_than_a_window_are_fitted_in_what_there_is(shape: tuple[int, int]) -> None:
    psf = GaussianPSF(pixel_size_nm=100, sigma_nm=(110, 110))
    light = psf.render(torch.tensor([[[430.0, 420.0, 0.0]]]), torch.full((1, 1), 2000.0), shape)
    frames = torch.poisson((light + 5).expand(10, 1, *shape), torch.Generator().manual_seed(0))
    found = build_model("fit").to_localizations(frames)
    assert len(found) >= 10
    assert abs(float(found.x_nm.median()) - 430) < 15


def test_a_width_that_is_known_finds_dimmer_molecules() -> None:
    psf = GaussianPSF(pixel_size_nm=100, sigma_nm=(220, 220))
    truth = lone(40, 100.0)
    xyz = np.stack([truth.x_nm, truth.y_nm, 0 * truth.x_nm], -1).reshape(40, 9, 3)
    light = psf.render(torch.as_tensor(xyz), torch.full((40, 9), 330.0), (SIDE, SIDE)) + 50
    frames = torch.poisson(light.float(), torch.Generator().manual_seed(0))
    plain, told = build_model("fit"), build_model("fit")
    told.expect_width(2.2)
    assert len(told.to_localizations(frames)) > 1.02 * len(plain.to_localizations(frames))


def test_it_is_a_model_by_name_but_no_network() -> None:
    found = find_model("fit", pixel_size_nm=160, upsampling=5)
    assert (found.name, found.path, found.reason) == ("fit", None, "as asked")
    assert found.card.is_for_any_pixel
    assert not found.card.is_trained
    assert found.card.title == "Single molecules (no network)"
    assert isinstance(found.load(), SingleMolecules)
    assert model_class("fit") is SingleMolecules
    assert "fit" not in available_models()
    with pytest.raises(ValueError, match="nothing to train"):
        ds.Experiment(network="fit")
    with pytest.raises(ValueError, match="nothing to train"):
        build_model("fit").loss(torch.zeros(1, 1, 8, 8), Localizations.empty())


def test_its_choices_are_kept_in_a_file(tmp_path: Path) -> None:
    save_model(tmp_path / "mine.safetensors", build_model("fit", {"sigma_px": [1.0, 1.5]}))
    model, card = load_model(tmp_path / "mine.safetensors")
    assert model.config.sigma_px == (1.0, 1.5)
    assert not card.is_trained
    with pytest.raises(ValueError, match="smaller first"):
        build_model("fit", {"sigma_px": [2.0, 1.0]})


def test_it_cannot_be_adapted(small_movie: Any) -> None:
    options = AdaptOptions(model="fit", pixel_size_nm=100.0, minutes=1)
    with pytest.raises(ValueError, match="fit is no network and has nothing to adapt"):
        next(iter(AdaptJob(small_movie[0], options).run()))


@pytest.mark.parametrize(
    ("density", "sigma_nm", "name", "sentence"),
    [
        (0.2, 120.0, None, ""),
        (6.0, 120.0, "density_per_um2", "takes each spot for one molecule"),
        (0.3, 450.0, "psf_sigma_px", "fit looks for 0.7 to 2.3"),
    ],
)
def test_what_does_not_suit_is_said_without_a_word_of_training(
    density: float, sigma_nm: float, name: str | None, sentence: str
) -> None:
    experiment = ds.Experiment.from_dict(
        {
            "image_px": [64, 64],
            "psf": {"kind": "gaussian", "pixel_size_nm": 100, "sigma_nm": [sigma_nm, sigma_nm]},
            "simulation": {
                "density_per_um2": [density, density],
                "photons": [3000, 3000],
                "background": [10, 10],
            },
        }
    )
    stack, _ = experiment.simulate(60, seed=1)
    table = compare_with_training(stack, "fit", pixel_size_nm=100.0, camera=experiment.camera)
    said = [row.name for row in table.rows if row.is_said]
    assert name in said if name else not said
    assert sentence in " ".join(table.sentences)
    assert "trained" not in " ".join(table.sentences)


def test_molecules_at_the_border_are_found_too() -> None:
    generator = torch.Generator().manual_seed(0)
    xyz = torch.cat([torch.rand(60, 1, 2, generator=generator) * 2400, torch.zeros(60, 1, 1)], 2)
    psf = GaussianPSF(pixel_size_nm=100, sigma_nm=(110, 110))
    light = psf.render(xyz, torch.full((60, 1), 1500.0), (24, 24)) + 20
    found = build_model("fit").to_localizations(torch.poisson(light, generator)).to_numpy()
    truth = Localizations(frame=np.arange(60), x_nm=xyz[:, 0, 0].numpy(), y_nm=xyz[:, 0, 1].numpy())
    assert match(found, truth).scores()["jaccard"] > 0.95
