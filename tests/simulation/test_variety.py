"""Variety: each frame from a microscope of its own, within the ranges that are asked for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import j1

from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.models import build_model
from napari_deepsmlm.simulation.structures import Uniform
from napari_deepsmlm.simulation.variety import (
    AIRY_SHARES,
    AIRY_WIDTHS,
    PIXEL_NM,
    VariedFrames,
    VariedSimulator,
    Variety,
)
from napari_deepsmlm.training.varied import VariedBatches

FIXED = {
    "sigma_px": (1.1, 1.1),
    "sigma_spread": 0.0,
    "rings": 0.0,
    "haze": 0.0,
    "photons": (3000.0, 3000.0),
    "photon_spread": (0.0, 0.0),
    "exponential": 0.0,
    "background": (20.0, 20.0),
    "unevenness": (0.0, 0.0),
    "crowding": (0.02, 0.02),
    "empty": 0.0,
    "em_gain": 0.0,
    "ccd": 0.0,
    "gain_error": 0.0,
    "offset_error_adu": 0.0,
}


def drawn(
    n: int = 40, seed: int = 0, shape: tuple[int, int] = (48, 48), **changes: object
) -> VariedFrames:
    variety = Variety.from_dict({**FIXED, **changes})
    return VariedSimulator(variety, Uniform()).batch(n, shape, torch.Generator().manual_seed(seed))


def test_the_sum_of_gaussians_is_an_airy_pattern_with_its_first_ring() -> None:
    r = np.linspace(1e-3, 8, 800)  # in widths of the nearest Gaussian, 0.21 wavelengths / NA
    k = 2 * np.pi * 0.21
    airy = (2 * j1(k * r) / (k * r)) ** 2 * k**2 / (4 * np.pi)
    ours = sum(
        share * np.exp(-(r**2) / (2 * width**2)) / (2 * np.pi * width**2)
        for width, share in zip(AIRY_WIDTHS, AIRY_SHARES, strict=True)
    )
    assert np.abs(ours - airy).max() < 0.008 * airy[0]
    ring = (k * r > 4.4) & (k * r < 6)
    assert 0.012 < ours[ring].max() / airy[0] < 0.02
    assert sum(AIRY_SHARES) == pytest.approx(0.92, abs=0.01)  # the rest is in farther rings


def test_light_is_background_plus_the_molecules_photons() -> None:
    frames = drawn(n=200, sigma_px=(0.8, 0.8), crowding=(0.01, 0.01))
    inside = frames.truth.in_frames(0, 200)
    per_px = len(inside) / (200 * 48 * 48)
    mean = frames.photons.mean().item()
    assert mean == pytest.approx(20 + 3000 * per_px, rel=0.02)


def test_density_is_counted_in_squares_of_the_width() -> None:
    for sigma_px in (0.8, 2.0):
        frames = drawn(n=60, sigma_px=(sigma_px, sigma_px))
        assert len(frames.truth) / (60 * 48 * 48) * sigma_px**2 == pytest.approx(0.02, rel=0.06)


def test_samples_of_one_batch_differ_in_everything() -> None:
    frames = drawn(n=64, **Variety().model_dump())
    truth, cameras = frames.truth, frames.cameras
    width = [truth["sigma_nm"][truth.frame == i].median().item() for i in truth.frame.unique()]
    assert max(width) > 2 * min(width)
    assert {camera.kind for camera in cameras} == {"scmos", "emccd"}
    assert len({camera.baseline for camera in cameras}) == 64
    levels = frames.photons.flatten(1).quantile(0.2, 1)
    assert levels.max() > 50 * levels.clamp(min=1).min()


def test_a_stated_gain_that_is_wrong_scales_light_and_truth_alike() -> None:
    right, wrong = drawn(seed=3), drawn(seed=3, gain_error=0.15)
    assert torch.equal(right.truth.x_nm, wrong.truth.x_nm)
    factor = (wrong.truth["photons"] / right.truth["photons"]).numpy()
    assert factor.min() < 0.95
    assert factor.max() > 1.05
    assert np.abs(factor - 1).max() <= 0.15 + 1e-6
    light = wrong.photons.mean((1, 2, 3)) / right.photons.mean((1, 2, 3))
    per_frame = [factor[(right.truth.frame == i).numpy()][0] for i in range(40)]
    assert light.tolist() == pytest.approx(per_frame, rel=0.01)


def test_molecules_too_dim_to_be_seen_shine_but_are_no_targets() -> None:
    dim = drawn(n=100, photons=(100.0, 100.0), exponential=1.0, photon_spread=(0.0, 0.0))
    all_of_them = drawn(n=100, photons=(100.0, 100.0), exponential=1.0, least_snr=0.0)
    assert 0 < len(dim.truth) < len(all_of_them.truth)
    noise = (4 * np.pi * 1.1**2 * 22) ** 0.5
    assert dim.truth["photons"].min() > 2.5 * noise


def test_haze_adds_light_and_no_truth() -> None:
    clear, hazy = drawn(n=100), drawn(n=100, haze=1.0)
    assert hazy.photons.mean() > 1.1 * clear.photons.mean()
    assert len(hazy.truth) == pytest.approx(len(clear.truth), rel=0.1)


def test_bright_molecules_of_a_saturated_sample_have_flat_tops_and_stay_targets() -> None:
    whole = drawn(n=40, photons=(8000.0, 8000.0), saturated=0.0)
    cut = drawn(n=40, photons=(8000.0, 8000.0), saturated=1.0)
    n_at_top = [int((frame == frame.max()).sum()) for frame in cut.photons]
    assert np.median(n_at_top) > 20
    assert max(int((frame == frame.max()).sum()) for frame in whole.photons) < 5
    assert len(cut.truth) == pytest.approx(len(whole.truth), rel=0.1)
    assert cut.truth["photons"].median().item() == pytest.approx(8000, rel=0.01)
    # Cut off far above the noise of a background of 20 photons, which is their root or more.
    assert cut.photons.amax((1, 2, 3)).min() > 20 + 8 * 20**0.5


def test_pixels_of_some_cameras_differ_and_nobody_is_told() -> None:
    how = {"empty": 1.0, "shape": (64, 64), "n": 60, "background": (400.0, 400.0)}
    even, mapped, some = (drawn(**how, mapped=share) for share in (0.0, 1.0, 0.5))
    spread = [frames.photons.var((1, 2, 3)) for frames in (even, mapped, some)]
    expected = torch.cat([c.variance(torch.tensor([400.0])) for c in even.cameras])
    ratios = [variance / expected for variance in spread]
    assert (ratios[0] - 1).abs().max() < 0.15, "noise is that of the stated camera"
    assert ratios[1].median() > 1.05
    assert 10 < int((ratios[2] > 1.05).sum()) < int((ratios[1] > 1.05).sum())
    assert mapped.photons.mean().item() == pytest.approx(even.photons.mean().item(), rel=0.01)
    assert all(camera.maps is None for camera in mapped.cameras)


@pytest.mark.parametrize("em_gain", [0.0, 1.0])
def test_only_pixels_of_an_scmos_differ(em_gain: float) -> None:
    how = {"empty": 1.0, "em_gain": em_gain, "n": 8}
    is_alike = torch.equal(drawn(**how, mapped=1.0).photons, drawn(**how, mapped=0.0).photons)
    assert is_alike == (em_gain == 1.0)


def test_empty_samples_hold_noise_alone() -> None:
    frames = drawn(empty=1.0)
    assert len(frames.truth) == 0
    assert frames.photons.mean().item() == pytest.approx(20, rel=0.03)


def test_a_molecule_lies_where_the_truth_says() -> None:
    frames = drawn(n=300, crowding=(1e-3, 1e-3), photons=(1e5, 1e5), background=(1.0, 1.0))
    counts = torch.bincount(frames.truth.frame, minlength=300)
    for index in (counts == 1).nonzero()[:10, 0]:
        row = frames.truth[frames.truth.frame == index]
        x, y = row.x_nm.item() / PIXEL_NM, row.y_nm.item() / PIXEL_NM
        if not (6 < x < 42 and 6 < y < 42):
            continue
        left, top = int(x) - 5, int(y) - 5
        window = frames.photons[index, 0, top : top + 11, left : left + 11] - 1
        at = torch.arange(11) + 0.5
        assert left + (window.sum(0) * at).sum() / window.sum() == pytest.approx(x, abs=0.1)
        assert top + (window.sum(1) * at).sum() / window.sum() == pytest.approx(y, abs=0.1)


@pytest.mark.parametrize("network", ["dilated-loc", "deep-storm"])
def test_batches_come_as_the_network_reads_them(network: str) -> None:
    simulator = VariedSimulator(Variety.from_dict({**FIXED, "em_gain": 1.0}), Uniform())
    sizes = {"batch_size": 6, "shape": (32, 32), "seed": 2}
    photons = VariedBatches(simulator, build_model(network), **sizes).at(5)  # type: ignore[arg-type]
    model = build_model(network, {"input": "noise"})
    equal = VariedBatches(simulator, model, **sizes).at(5)  # type: ignore[arg-type]
    ratio = (photons.truth["photons"] / equal.truth["photons"]).numpy()
    assert ratio == pytest.approx(2 / 0.9)  # excess noise over quantum efficiency
    again = VariedBatches(simulator, model, **sizes).at(5)  # type: ignore[arg-type]
    assert torch.equal(again.frames, equal.frames)


def test_an_experiment_with_variety_trains_and_says_so(tmp_path: object) -> None:
    experiment = Experiment(
        network="dilated-loc",
        variety=Variety(),
        model={"input": "noise"},
        training={
            "steps": 2, "batch_size": 2, "patch_px": 16, "validation_frames": 2,
            "validation_px": 16, "validate_every": 2,
        },
    )  # fmt: skip
    model = experiment.train(tmp_path / "run")  # type: ignore[operator]
    assert model.reads_noise_units


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [("sigma_px", (0.0, 1.0), "positive"), ("unevenness", (0.0, 2.0), "0 to 1")],
)
def test_ranges_that_cannot_be_are_refused(field: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Variety.from_dict({field: value})


def test_windows_of_several_frames_are_refused() -> None:
    model = build_model("dilated-loc", {"frames": 3, "input": "noise"})
    with pytest.raises(ValueError, match="frames to 1"):
        VariedBatches(
            VariedSimulator(Variety(), Uniform()), model, batch_size=1, shape=(16, 16), seed=0
        )


def test_many_microscopes_have_no_movie() -> None:
    with pytest.raises(ValueError, match="take 'variety' out"):
        Experiment(variety=Variety()).simulate(2)


def test_sums_hold_the_light_and_the_molecules_of_all_their_frames() -> None:
    single = drawn(n=100)
    summed = drawn(n=100, sum_frames=(10, 10))
    assert summed.n_summed.tolist() == [10.0] * 100
    assert len(summed.truth) == pytest.approx(10 * len(single.truth), rel=0.05)
    assert summed.photons.mean().item() == pytest.approx(
        10 * single.photons.mean().item(), rel=0.05
    )
    varied = drawn(n=60, sum_frames=(1, 50)).n_summed
    assert varied.min() < 4
    assert varied.max() > 20
