"""The microscope of the matrix: held against closed forms and against the package's own optics."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from judging.cameras import SENSORS, Sensor
from judging.grid import CONDITIONS
from judging.optics import REACH_NM, Gaussian, Lens, add_light, equivalent_sigma_nm
from judging.sample import background, blink, molecules, place
from judging.stacks import DRIFT_NM, default_cache, load, make
from scipy.special import j1

from napari_deepsmlm.psf import PupilPSF

LENS = Lens(1.4, 660)
SIDE, PIXEL_NM = 41, 100.0


def image_of(optics: Gaussian | Lens, x_nm: float, y_nm: float, photons: float = 1.0) -> np.ndarray:
    frames = np.zeros((1, SIDE, SIDE))
    one = np.array([0]), np.array([x_nm]), np.array([y_nm]), np.array([photons])
    add_light(frames, optics, one, PIXEL_NM)
    return frames[0]


def test_a_lens_of_low_aperture_gives_the_airy_pattern() -> None:
    lens = Lens(0.1, 600)
    r = np.linspace(0, 8000, 801)
    v = np.maximum(2 * np.pi * 0.1 * r / 600, 1e-9)
    airy = (2 * j1(v) / v) ** 2 * np.pi * (0.1 / 600) ** 2
    np.testing.assert_allclose(lens.intensity(r), airy, atol=2e-3 * airy[0])


def test_its_first_dark_ring_is_at_0_61_wavelengths_over_the_aperture() -> None:
    lens = Lens(0.1, 600)
    r = np.linspace(3000, 4500, 3001)
    assert r[lens.intensity(r).argmin()] == pytest.approx(0.61 * 600 / 0.1, rel=2e-3)


@pytest.mark.parametrize("depth_nm", [0.0, 600.0])
def test_the_plane_holds_all_photons_at_every_depth(depth_nm: float) -> None:
    r = np.arange(0, 8000.0, 2.0)
    total = np.trapezoid(2 * np.pi * r * LENS.intensity(r, depth_nm), r)
    assert total == pytest.approx(1, abs=0.012)  # the rest lies further out: it falls as 1 / r


def test_a_gaussian_keeps_its_photons_and_its_width() -> None:
    image = image_of(Gaussian(130), 2050, 2050, 1000)
    assert image.sum() == pytest.approx(1000, rel=1e-4)
    centres = (np.arange(SIDE) + 0.5) * PIXEL_NM - 2050
    variance = (image.sum(0) * centres**2).sum() / image.sum()
    assert variance == pytest.approx(130**2 + PIXEL_NM**2 / 12, rel=0.01)


def test_a_lens_loses_only_what_falls_beyond_its_reach() -> None:
    r = np.arange(0, REACH_NM, 1.0)
    within = np.trapezoid(2 * np.pi * r * LENS.intensity(r), r)
    drawn = image_of(LENS, 2050, 2050, 1000).sum() / 1000
    assert within < drawn < 1
    assert drawn > 0.95


@pytest.mark.parametrize("optics", [LENS, Gaussian(110)])
@pytest.mark.parametrize("xy_nm", [(2050.0, 2050.0), (2000.0, 2080.0), (1733.0, 2211.0)])
def test_the_centroid_of_a_molecule_is_its_place(
    optics: Gaussian | Lens, xy_nm: tuple[float, float]
) -> None:
    image = image_of(optics, *xy_nm)
    centres = (np.arange(SIDE) + 0.5) * PIXEL_NM
    near = np.abs(centres[:, None] - np.array(xy_nm)) < 1000  # the square that is drawn has edges
    x = (image.sum(0) * centres)[near[:, 0]].sum() / image.sum(0)[near[:, 0]].sum()
    y = (image.sum(1) * centres)[near[:, 1]].sum() / image.sum(1)[near[:, 1]].sum()
    assert (x, y) == pytest.approx(xy_nm, abs=3)


def test_a_molecule_in_the_middle_of_the_first_pixel_lights_it_most_and_both_sides_alike() -> None:
    image = image_of(LENS, 0.5 * PIXEL_NM, 0.5 * PIXEL_NM)
    assert np.unravel_index(image.argmax(), image.shape) == (0, 0)
    np.testing.assert_allclose(image, image.T, atol=1e-12)


def test_a_lens_agrees_with_the_pupil_of_the_package() -> None:
    index = dict.fromkeys(("index_medium", "index_cover", "index_immersion"), 1.518)
    psf = PupilPSF(
        pixel_size_nm=PIXEL_NM,
        numerical_aperture=1.4,
        wavelength_nm=660,
        patch_px=51,
        oversampling=5,
        **index,
    )
    place_nm = torch.tensor([[[2033.0, 2071.0, 0.0]]], dtype=torch.float64)
    theirs = psf.render(place_nm, place_nm.new_ones(1, 1), (SIDE, SIDE))[0, 0].numpy()
    ours = image_of(LENS, 2033, 2071)
    assert np.abs(ours - theirs).max() < 0.02 * theirs.max()


def test_the_equivalent_gaussian_of_a_gaussian_is_itself_and_of_a_lens_near_0_22() -> None:
    assert equivalent_sigma_nm(Gaussian(117.0)) == 117.0
    assert equivalent_sigma_nm(Lens(0.3, 600)) == pytest.approx(0.21 * 600 / 0.3, rel=0.05)


@pytest.mark.parametrize("name", sorted(SENSORS))
def test_a_camera_has_the_mean_and_the_variance_that_it_states(name: str) -> None:
    sensor = SENSORS[name]
    rng = np.random.default_rng(5)
    photons = np.full((400, 40, 40), 40.0)
    photons_back = (sensor.expose(photons, rng) + 0.5 - sensor.offset_adu) / sensor.adu_per_photon
    assert photons_back.mean() == pytest.approx(40, rel=0.02)
    variance = np.median(photons_back.var(0)) * sensor.quantum_efficiency**2
    rounding = (sensor.e_per_adu / sensor.em_gain) ** 2 / 12
    assert variance == pytest.approx(sensor.variance_e2(40) + rounding, rel=0.05)


def test_without_read_noise_counts_are_poisson() -> None:
    sensor = Sensor("ideal", 0, 1.0, 0.0, 1.0)
    counts = sensor.expose(np.full((1, 300, 300), 7.0), np.random.default_rng(0))
    assert counts.mean() == pytest.approx(7, rel=0.01)
    assert counts.var() == pytest.approx(7, rel=0.02)
    third = ((counts - 7.0) ** 3).mean()
    assert third == pytest.approx(7, rel=0.1)  # all cumulants of a Poisson variable are its mean


def test_a_gain_register_doubles_the_variance() -> None:
    sensor = Sensor("register", 0, 1.0, 0.0, 1.0, em_gain=300.0)
    electrons = sensor.expose(np.full((1, 300, 300), 20.0), np.random.default_rng(1)) / 300.0
    assert electrons.mean() == pytest.approx(20, rel=0.01)
    assert electrons.var() / electrons.mean() == pytest.approx(2, rel=0.03)


def test_a_blink_gives_each_frame_its_share_of_the_light() -> None:
    place_nm = np.array([10.0]), np.array([20.0])
    rows = blink(place_nm, np.array([1000.0]), np.array([2.25]), np.array([2.5]), 10)
    np.testing.assert_array_equal(rows.frame, [2, 3, 4])
    np.testing.assert_allclose(rows.photons, [750, 1000, 750])


def test_blinks_before_the_first_and_after_the_last_frame_are_cut() -> None:
    place_nm = np.zeros(2), np.zeros(2)
    rows = blink(place_nm, np.full(2, 100.0), np.array([-1.5, 3.5]), np.full(2, 2.0), 4)
    np.testing.assert_array_equal(rows.frame, [0, 3])
    np.testing.assert_allclose(rows.photons, [50, 50])


@pytest.mark.parametrize("on_frames", [0.0, 1.5])
def test_as_many_molecules_shine_as_the_density_says(on_frames: float) -> None:
    size = (8000.0, 8000.0)
    rows = molecules(
        "uniform", size, 200, np.random.default_rng(2),
        density_per_um2=2.0, photons=500.0, spread=0.3, on_frames=on_frames,
    )  # fmt: skip
    per_um2 = len(rows.frame) / 200 / 100  # frame and margin are 10 x 10 µm
    assert per_um2 == pytest.approx(2.0, rel=0.04)
    if not on_frames:
        assert np.median(rows.photons) == pytest.approx(500, rel=0.03)
        assert np.log(rows.photons).std() == pytest.approx(0.3, rel=0.03)


def test_filaments_are_thin_and_an_unknown_structure_is_named() -> None:
    rng = np.random.default_rng(3)
    x, y = place("filaments", 4000, (5000, 5000), rng)
    drawn = np.histogram2d(x, y, bins=70, range=[[-1000, 6000]] * 2)[0]
    assert (drawn > 0).mean() < 0.35
    with pytest.raises(ValueError, match="Available: uniform"):
        place("cubes", 1, (1, 1), rng)


@pytest.mark.parametrize("kind", ["even", "slope", "cells"])
def test_a_background_has_its_mean_and_varies_by_half_at_most(kind: str) -> None:
    level = background(kind, 200, (48, 48), np.random.default_rng(4))
    assert level.mean() == pytest.approx(200, rel=1e-6)
    change = np.abs(level / 200 - 1).max()
    assert change == pytest.approx(0 if kind == "even" else 0.5, abs=1e-6)


def test_the_same_seed_makes_the_same_stack_and_the_folder_keeps_it(tmp_path: object) -> None:
    small = CONDITIONS["medium"].replace(n_frames=3, side_px=24)
    made, again = make(small, 5), load(small, 5, tmp_path)
    kept = load(small, 5, tmp_path)
    np.testing.assert_array_equal(made.frames, again.frames)
    np.testing.assert_array_equal(made.frames, kept.frames)
    np.testing.assert_array_equal(made.truth.x_nm, kept.truth.x_nm)
    assert not np.array_equal(make(small, 6).frames, made.frames)


def test_traps_change_what_they_say_and_nothing_else() -> None:
    small = CONDITIONS["medium"].replace(n_frames=4, side_px=24)
    clean = make(small, 1)
    hot = make(small.replace(trap="hot pixel"), 1)
    row, column = (0.6 * 24 // 1, 0.3 * 24 // 1)
    differs = np.argwhere(hot.frames[0] != clean.frames[0])
    np.testing.assert_array_equal(differs, [[row, column]])
    assert hot.frames[0, int(row), int(column)] == 65_535
    drifted = make(small.replace(trap="drift"), 1)
    np.testing.assert_allclose(
        (drifted.truth.x_nm - clean.truth.x_nm)[drifted.truth.frame == 3], DRIFT_NM[0]
    )
    assert len(make(small.replace(trap="empty"), 1).truth.frame) == 0
    assert len(make(small.replace(trap="haze"), 1).haze.frame) > 0
    saturated = make(small.replace(trap="saturated"), 1)
    assert saturated.frames.max() == SENSORS["scmos12bit"].full_scale_adu


def test_the_folder_lies_where_caches_do(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache().parent == tmp_path
