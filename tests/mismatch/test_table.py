"""The table of data against training: known truth inside and outside each range, and no answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import napari_deepsmlm as ds
from napari_deepsmlm.camera import EMCCD, SCMOS, Camera, IdealCamera
from napari_deepsmlm.io import open_frames
from napari_deepsmlm.mismatch import (
    MismatchRow,
    MismatchTable,
    compare_with_training,
    mismatch_table,
    settings_of,
    trained_on,
)
from napari_deepsmlm.mismatch.advice import margin_sentence
from napari_deepsmlm.mismatch.measured import GAIN_ONLY
from napari_deepsmlm.mismatch.snr import excess_of
from napari_deepsmlm.mismatch.table import Measurement
from napari_deepsmlm.models import ModelCard, built_in_models, read_card
from napari_deepsmlm.simulation import Simulation

MODEL = "dilated-loc:2d-100nm"
UNIVERSAL = [name for name, path in built_in_models().items() if read_card(path).is_for_any_pixel]
CARD = read_card(built_in_models()[MODEL])
TRUTH = {
    "pixel_size_nm": 100.0,
    "psf_sigma_px": 1.1,
    "psf_sigma_nm": 110.0,
    "background": 20.0,
    "photons": 1500.0,
    "density_per_um2": 2.0,
    "n_planes": 1,
}
SAID = {
    "psf_sigma_px": "Molecules are about",
    "background": "Background is about",
    "photons": "Molecules give about",
    "density_per_um2": "molecules shine in 10 x 10 pixels",
}


def experiment(**simulation: Any) -> ds.Experiment:
    values = {
        "structure": {"kind": "uniform"},
        "density_per_um2": (2, 2),
        "photons": (1500, 1500),
        "background": (20, 20),
    }
    return ds.Experiment.from_dict(
        {
            "psf": {"kind": "gaussian", "pixel_size_nm": 100, "sigma_nm": [110, 110]},
            "simulation": {**values, **simulation},
        }
    )


def table_of(made: ds.Experiment, n_frames: int = 60, **more: Any) -> MismatchTable:
    stack = made.simulate(n_frames, seed=1).stack
    more = {"camera": made.camera, "pixel_size_nm": made.psf.pixel_size_nm, **more}
    return compare_with_training(stack, MODEL, **more)


def rows_of(table: MismatchTable) -> dict[str, MismatchRow]:
    return {row.name: row for row in table.rows}


def test_data_inside_every_range_are_measured_and_found_inside() -> None:
    table = table_of(experiment())
    rows = rows_of(table)
    assert {row.verdict for row in table.rows} == {"inside"}
    assert not any(row.remark for row in table.rows)
    for name, true in TRUTH.items():
        value, error, *_ = rows[name].measured
        assert value is not None
        # Of 60 frames: three standard errors, besides rounding of what is stated.
        assert abs(value - true) <= 3 * error + 1e-9 * true, name
    assert rows["density_per_um2"].measured.error < 0.3
    assert rows["background"].trained == (5, 60)
    assert rows["density_per_um2"].trained == pytest.approx((0, 9))
    assert table.sentences == []
    assert table.problems == ()


def test_signal_to_noise_is_that_of_the_brightest_pixel() -> None:
    made = experiment()
    row = rows_of(table_of(made))["snr"]
    # The middle of the middle pixel of a Gaussian of 1.1 px holds 12.2 % of the light.
    signal, camera = 0.1222 * 1500, made.camera
    read = (camera.read_noise_e**2 + camera.e_per_adu**2 / 12) / camera.quantum_efficiency**2
    expected = signal / np.sqrt((signal + 20) / camera.quantum_efficiency + read)
    assert row.measured.value == pytest.approx(expected, abs=3 * row.measured.error)
    assert row.measured.error < 0.1 * expected
    # Ends: 240 photons on a background of 60 at 120 nm, and 4,420 on 5 at 100 nm.
    assert row.trained == pytest.approx((2.6, 24.7), rel=0.01)


@pytest.mark.parametrize(
    ("name", "changes", "side"),
    [
        ("background", {"background": (150, 150)}, 1),
        ("background", {"background": (1, 1)}, -1),
        ("density_per_um2", {"density_per_um2": (20, 20)}, 1),
        ("photons", {"photons": (80, 80), "background": (5, 5)}, -1),
        ("photons", {"photons": (15_000, 15_000)}, 1),
    ],
)
def test_each_quantity_of_the_sample_that_is_outside_is_found(name, changes, side: int) -> None:
    table = table_of(experiment(**changes))
    rows = rows_of(table)
    row = rows[name]
    assert row.verdict == "outside", row
    assert row.measured.value is not None
    assert row.trained is not None
    assert (row.measured.value - row.trained[side > 0]) * side > 0
    assert row.remark
    is_said = name in SAID and not (side < 0 and name != "photons")
    assert row.is_said == is_said
    assert [SAID[name] in sentence for sentence in table.sentences] == [True] * is_said


@pytest.mark.parametrize("factor", [1 / 1.6, 1.6])
def test_a_width_outside_is_found_in_both_units(factor: float) -> None:
    made = experiment()
    sigma_nm = tuple(factor * sigma for sigma in made.psf.sigma_nm)
    rows = rows_of(table_of(made.replace(psf=made.psf.replace(sigma_nm=sigma_nm))))
    for name in ("psf_sigma_px", "psf_sigma_nm"):
        assert rows[name].verdict == "outside"
        value, error, *_ = rows[name].measured
        assert value == pytest.approx(factor * TRUTH[name], abs=3 * error)
    assert rows["pixel_size_nm"].verdict == "inside"


def test_other_pixels_of_the_same_optics_are_told_from_another_width() -> None:
    made = experiment()
    rows = rows_of(table_of(made.replace(psf=made.psf.replace(pixel_size_nm=60.0))))
    assert rows["pixel_size_nm"].verdict == "outside"
    assert "train a model for this pixel size" in rows["pixel_size_nm"].remark
    assert rows["psf_sigma_px"].verdict == "outside"
    assert rows["psf_sigma_nm"].verdict == "inside"
    # The network counts per pixel: 9 per um2 at 100 nm are 0.09 per pixel.
    assert rows["density_per_um2"].trained == pytest.approx((0, 0.09 / 0.06**2))


@pytest.mark.parametrize(
    ("name", "psf", "simulation", "remark"),
    [
        ("photons", {}, {"photons": (6000, 6000)}, "tolerated up to a factor of 2, as single"),
        ("psf_sigma_px", {"sigma_nm": (138, 138)}, {}, "tolerated up to a factor of 1.25, as mol"),
        (
            "background",
            {},
            {"background": (75, 75)},
            "tolerated up to a factor of 1.5, as it moves",
        ),
    ],
)
def test_what_is_beyond_the_range_but_tolerated_is_near_and_says_by_how_much(
    name: str, psf: dict[str, Any], simulation: dict[str, Any], remark: str
) -> None:
    made = experiment(**simulation)
    table = table_of(made.replace(psf=made.psf.replace(**psf)))
    row = rows_of(table)[name]
    assert row.verdict == "near", row
    assert row.measured.value is not None
    assert row.trained is not None
    percent = 100 * (row.measured.value / row.trained[1] - 1)
    assert float(row.remark.split(" %")[0]) == pytest.approx(percent, rel=0.06)
    assert f"% above the range: {remark}" in row.remark
    assert not row.is_said
    assert table.report()["quantities"][name]["verdict"] == "near"


def test_beyond_the_tolerance_but_not_by_its_error_is_near_too() -> None:
    doubtful = Measurement(10.0, 4.0)
    assert doubtful.beyond((1.0, 2.0), 2.0) == 0
    sentence = margin_sentence("photons", doubtful, (1.0, 2.0), 2.0)
    assert sentence == "400 % above the range, but known to ± 80 % only."
    low = margin_sentence("background", Measurement(4.0), (5.0, 60.0), 1.5)
    assert low.startswith("20 % below the range: tolerated up to a factor of 1.5")


@pytest.mark.parametrize(
    ("camera", "verdict", "value"),
    [
        (SCMOS(), "inside", 1.0),
        (EMCCD(), "outside", 2.0),
        (EMCCD(em_gain=1), "inside", 1.0),
        (None, "cannot be told", None),
    ],
)
def test_electron_multiplication_is_held_against_the_cameras_of_the_training(
    camera: Camera | None, verdict: str, value: float | None
) -> None:
    made = experiment()
    made = made if camera is None else made.replace(camera=camera)
    table = table_of(made, camera=camera)
    row = rows_of(table)["em_noise"]
    assert (row.verdict, row.measured.value, row.trained) == (verdict, value, (1, 1))
    assert row.is_said == (verdict == "outside")
    assert ("doubles the variance" in " ".join(table.sentences)) == (verdict == "outside")
    if verdict == "cannot be told":
        assert "camera is not known" in row.remark


def test_multiplied_electrons_have_twice_the_variance_of_their_light() -> None:
    camera, photons = EMCCD(), 200.0
    light = torch.full((1, 1, 300, 300), photons)
    seen = camera.to_photons(camera.expose(light, torch.Generator().manual_seed(0)))
    arrivals = photons / camera.quantum_efficiency  # variance of shot noise, in photons
    assert float(seen.var()) / arrivals == pytest.approx(excess_of(camera), rel=0.03)


def test_offset_and_gain_tell_of_multiplication_only_where_the_noise_does() -> None:
    made = experiment(background=(60, 60)).replace(camera=SCMOS())
    gain = made.camera.adu_per_photon
    plain = IdealCamera(baseline=made.camera.baseline, gain=gain)
    row = rows_of(table_of(made, camera=plain))["em_noise"]
    assert (row.verdict, row.remark) == ("cannot be told", GAIN_ONLY)


@pytest.mark.parametrize("name", UNIVERSAL)
def test_a_model_for_any_microscope_knows_both_kinds_of_camera(name: str) -> None:
    trained = trained_on(read_card(built_in_models()[name]))
    assert trained is not None
    assert trained.excess == (1, 2)


def test_pixels_are_judged_by_the_width_in_them() -> None:
    made = experiment()
    psf = made.psf.replace(pixel_size_nm=130, sigma_nm=(143, 143))
    rows = rows_of(table_of(made.replace(psf=psf)))
    assert rows["psf_sigma_px"].verdict == "inside"
    for name in ("pixel_size_nm", "psf_sigma_nm"):
        assert rows[name].verdict == "near"
        assert "the network sees pixels only" in rows[name].remark


@pytest.mark.parametrize(
    ("pixel_nm", "verdict"), [(100, "inside"), (110, "near"), (130, "outside")]
)
def test_where_no_width_can_be_told_pixels_are_near_within_15_percent(
    pixel_nm: float, verdict: str
) -> None:
    table = table_of(experiment(), n_frames=19, pixel_size_nm=pixel_nm)
    assert rows_of(table)["pixel_size_nm"].verdict == verdict


def test_molecules_at_several_depths_are_said_to_a_model_without_depth() -> None:
    made = ds.Experiment.from_preset("dilated-loc-astigmatic-100nm")
    values = {"structure": {"kind": "microtubules", "z_nm": (-600.0, 600.0)}}
    values |= {"photons": (5000, 5000), "background": (20, 20), "density_per_um2": (0.5, 0.5)}
    simulation = Simulation.from_dict(values, source="sample")
    data = made.replace(simulation=simulation, image_px=(64, 64)).simulate(60, seed=1).stack
    own = "dilated-loc:astigmatic-100nm"
    table = compare_with_training(data, MODEL, pixel_size_nm=100)
    assert table.sentences[0] == table.depths
    assert "different depths" in table.depths
    assert f"{MODEL} is a 2-D model and gives no z" in table.depths
    assert table.report()["depths"] == table.depths
    assert compare_with_training(data, own, pixel_size_nm=100).depths == ""
    flat = experiment().simulate(60, seed=1).stack
    assert compare_with_training(flat, MODEL, pixel_size_nm=100).depths == ""


def test_low_signal_to_noise_is_found() -> None:
    made = experiment(photons=(300, 300), background=(60, 60), density_per_um2=(1, 1))
    row = rows_of(table_of(made, sum_frames=30))["snr"]
    assert row.verdict == "outside"
    assert not row.is_said


def test_planes_are_compared() -> None:
    frames = np.zeros((30, 4, 32, 32), np.uint16)
    row = rows_of(compare_with_training(frames, MODEL, pixel_size_nm=100))["n_planes"]
    assert (row.verdict, row.measured.value, row.trained) == ("outside", 4, (1, 1))
    assert "reads 1 focal plane per frame, the data has 4" in row.remark


def test_summed_frames_count_as_background_and_density() -> None:
    rows = rows_of(table_of(experiment(), sum_frames=4))
    for name in ("background", "density_per_um2"):
        value, error, *_ = rows[name].measured
        assert value == pytest.approx(4 * TRUTH[name], abs=3 * error)


def test_without_a_pixel_size_lengths_are_not_told_but_the_rest_is() -> None:
    table = table_of(experiment(), pixel_size_nm=None)
    rows = rows_of(table)
    for name in ("pixel_size_nm", "psf_sigma_nm"):
        assert rows[name].verdict == "cannot be told"
        assert "states no pixel size" in rows[name].remark
    assert rows["psf_sigma_px"].verdict == rows["density_per_um2"].verdict == "inside"
    assert "Densities are for the model's pixels of 100 nm." in table.scope


def test_few_frames_are_said_plainly() -> None:
    table = table_of(experiment(), n_frames=19)
    assert table.problems == ("19 frames cannot tell what blinks: at least 20 are needed.",)
    verdicts = {row.name: row.verdict for row in table.rows}
    for stated in ("pixel_size_nm", "n_planes", "em_noise"):
        assert verdicts.pop(stated) == "inside"
    assert set(verdicts.values()) == {"cannot be told"}
    assert table.sentences == []
    assert {r.remark for r in table.rows if r.verdict == "cannot be told"} == set(table.problems)


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        ({}, "The file of mine has no record of its training."),
        ({"experiment": {"psf": "nonsense"}}, "cannot be read by this version"),
    ],
)
def test_a_model_without_a_record_is_said_plainly(record: dict[str, Any], sentence: str) -> None:
    stack = experiment().simulate(40, seed=0).stack
    card = ModelCard(network=CARD.network, config=CARD.config, **record)
    source = open_frames(stack, pixel_size_nm=100)
    table = mismatch_table(card, "mine", source, camera=experiment().camera)
    assert sentence in " ".join(table.problems)
    rows = rows_of(table)
    assert rows["pixel_size_nm"].verdict == "inside"
    assert rows["background"].verdict == "cannot be told"
    assert sentence in rows["background"].remark
    assert rows["background"].measured.value == pytest.approx(20, rel=0.2)
    assert rows["background"].trained is None


def test_frames_that_show_nothing_are_one_problem() -> None:
    for frames, sentence in (
        (np.full((30, 32, 32), 7, np.uint16), "no contrast"),
        (np.full((30, 32, 32), np.nan, np.float32), "NaN or infinite"),
        (np.zeros((30, 9, 9), np.uint16), "too small to measure"),
    ):
        table = compare_with_training(frames, MODEL, pixel_size_nm=100)
        (problem,) = table.problems
        assert sentence in problem
    noise = np.random.default_rng(0).poisson(100, (40, 32, 32)).astype(np.uint16)
    camera = IdealCamera(baseline=0, gain=1)
    rows = rows_of(compare_with_training(noise, MODEL, pixel_size_nm=100, camera=camera))
    assert rows["background"].verdict == "outside"
    assert rows["photons"].verdict == rows["psf_sigma_px"].verdict == "cannot be told"
    assert "Nothing is seen to blink" in rows["photons"].remark


def test_a_psf_of_several_widths_tells_less_and_says_so() -> None:
    name = "dilated-loc:astigmatic-100nm"
    made = ds.Experiment.from_dict(read_card(built_in_models()[name]).experiment)
    simulation = made.simulation.replace(density_per_um2=(1.5, 1.5), background=(40, 40))
    made = made.replace(simulation=simulation)
    stack = made.simulate(60, seed=2).stack
    table = compare_with_training(stack, name, pixel_size_nm=100, camera=made.camera)
    rows = rows_of(table)
    assert rows["photons"].verdict == "cannot be told"
    assert "several widths" in rows["photons"].remark
    density = rows["density_per_um2"]
    assert density.verdict == "cannot be told"
    assert density.measured.is_least
    assert density.measured.value is not None
    assert 0 < density.measured.value <= 1.5
    assert density.text.startswith("at least")
    value, error, *_ = rows["background"].measured
    assert value == pytest.approx(40, abs=3 * error)


def test_the_report_is_plain_and_complete() -> None:
    import json

    table = table_of(experiment())
    report = json.loads(json.dumps(table.report(), allow_nan=False))
    assert report["model"] == MODEL
    assert set(report["quantities"]) == {row.name for row in table.rows}
    assert report["quantities"]["background"]["trained"] == [5, 60]
    assert report["scope"][0] == "Measured on 60 of 60 frames."


def test_the_report_of_a_reconstruction_says_how_it_was_made() -> None:
    made = experiment()
    stack = made.simulate(4, seed=0).stack
    result = ds.reconstruct(
        stack, model="deep-storm:2d-100nm", pixel_size_nm=90.0, camera=made.camera, sum_frames=2
    )
    settings = settings_of(result.report)
    assert settings is not None
    assert settings.model == "deep-storm:2d-100nm"
    assert (settings.pixel_size_nm, settings.sum_frames) == (90, 2)
    assert settings.camera == made.camera
    assert settings_of({}) is None
    assert settings_of({"kind": "reconstruction", "of": "frames"}) is None
