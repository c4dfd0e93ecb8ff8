"""Cameras obey their laws of mean and variance, read three vocabularies, and refuse nonsense."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from napari_deepsmlm._base import FrozenModel
from napari_deepsmlm.camera import (
    EMCCD,
    SCMOS,
    AdditiveNoise,
    Camera,
    IdealCamera,
    SensorMaps,
    camera_from_decode,
    camera_from_picasso,
    camera_from_thunderstorm,
    camera_preset,
    camera_presets,
    find_camera,
)
from napari_deepsmlm.experiment import Experiment

if TYPE_CHECKING:
    from pathlib import Path

LEVELS = torch.tensor([5.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0])
N_EXPOSURES = 40_000


class Holder(FrozenModel):
    """A configuration with a camera in it."""

    camera: Camera


def exposures(camera: Camera, seed: int = 0) -> np.ndarray:
    """Return (levels, exposures) ADU of pixels that get `LEVELS` photons."""
    photons = LEVELS[:, None].expand(-1, N_EXPOSURES)
    generator = torch.Generator().manual_seed(seed)
    return camera.expose(photons, generator).double().numpy()


def chi_square_p(residuals: np.ndarray) -> float:
    return float(stats.chi2.sf((residuals**2).sum(), len(residuals)))


@pytest.mark.parametrize("name", camera_presets())
def test_the_mean_variance_curve_is_the_formula(name: str) -> None:
    camera = camera_preset(name)
    adu = exposures(camera)
    in_photons2 = camera.variance(LEVELS).double().numpy()
    expected = in_photons2 * camera.adu_per_photon**2
    if name == "ideal":
        assert expected == pytest.approx(LEVELS.numpy())  # whole counts: nothing is rounded
    fourth = ((adu - adu.mean(1, keepdims=True)) ** 4).mean(1)
    error = np.sqrt((fourth - expected**2) / N_EXPOSURES)
    assert chi_square_p((adu.var(1, ddof=1) - expected) / error) > 1e-3


@pytest.mark.parametrize("name", camera_presets())
def test_the_mean_signal_is_the_photons(name: str) -> None:
    camera = camera_preset(name)
    adu = exposures(camera, seed=1)
    # Rounding down takes half an ADU on average; whole Poisson counts are not rounded.
    half = 0.0 if name == "ideal" else 0.5
    photons = camera.to_photons(torch.from_numpy(adu + half)).numpy()
    error = photons.std(1) / math.sqrt(N_EXPOSURES)
    assert chi_square_p((photons.mean(1) - LEVELS.numpy()) / error) > 1e-3


def test_rounding_down_adds_a_twelfth_of_an_adu_squared() -> None:
    camera = SCMOS(quantum_efficiency=1, read_noise_e=1, e_per_adu=2)
    photons = torch.full((400_000,), 4.0)
    seen = camera.to_photons(camera.expose(photons, torch.Generator())).double().var().item()
    assert camera.variance(photons[:1]).item() == pytest.approx(4 + 1 + 4 / 12)
    assert seen == pytest.approx(4 + 1 + 4 / 12, abs=4 * 5.33 * math.sqrt(2.3 / 400_000))


def test_the_register_doubles_the_variance() -> None:
    plain = SCMOS(quantum_efficiency=0.9, read_noise_e=0, e_per_adu=0.05, bits=16)
    register = EMCCD(read_noise_e=0, spurious_e=0, e_per_adu=15.0)
    ratio = register.variance(LEVELS) / plain.variance(LEVELS)
    assert ratio.numpy() == pytest.approx(2.0, rel=1e-3)


def test_one_electron_leaves_the_register_exponentially() -> None:
    camera = EMCCD(read_noise_e=0, spurious_e=0, quantum_efficiency=1, e_per_adu=1, baseline=0)
    dim = torch.full((400_000,), 0.01)  # two electrons at once are rare
    adu = camera.expose(dim, torch.Generator().manual_seed(0)).numpy()
    seen = adu[adu > 0]
    assert len(seen) == pytest.approx(4000, abs=4 * math.sqrt(4000))
    assert stats.kstest(seen[:1500], stats.expon(scale=300).cdf).pvalue > 1e-3


@pytest.mark.parametrize("name", camera_presets())
def test_signals_saturate_at_full_scale_and_never_go_below_zero(name: str) -> None:
    camera = camera_preset(name).replace(bits=12, baseline=0)
    generator = torch.Generator().manual_seed(0)
    bright = camera.expose(torch.full((50,), 1e6), generator)
    dark = camera.expose(torch.zeros(5000), generator)
    assert (bright == camera.full_scale_adu).all()
    assert camera.full_scale_adu == 4095
    assert dark.min() >= 0
    assert (dark == dark.floor()).all()


def test_adu_below_the_baseline_are_negative_photons() -> None:
    assert camera_preset("scmos-qe95").to_photons(torch.tensor([90.0])).item() < 0


def test_lobes_below_zero_count_as_no_light() -> None:
    for name in camera_presets():
        adu = camera_preset(name).expose(torch.tensor([-3.0, -0.1]), torch.Generator())
        assert torch.isfinite(adu).all()


@given(
    qe=st.floats(0.05, 1),
    gain=st.floats(1, 1000),
    e_per_adu=st.floats(0.1, 100),
    spurious=st.floats(0, 1),
    photons=st.floats(0, 1e4),
)
@settings(deadline=None, max_examples=50)
def test_to_photons_inverts_the_mean(
    qe: float, gain: float, e_per_adu: float, spurious: float, photons: float
) -> None:
    camera = EMCCD(quantum_efficiency=qe, em_gain=gain, e_per_adu=e_per_adu, spurious_e=spurious)
    mean_adu = (photons * qe + spurious) * gain / e_per_adu + camera.baseline
    back = camera.to_photons(torch.tensor([mean_adu], dtype=torch.float64)).item()
    assert back == pytest.approx(photons, rel=1e-9, abs=1e-6)


# -- maps ----------------------------------------------------------------------------------


@pytest.fixture
def maps(tmp_path: Path) -> SensorMaps:
    """Return maps of 40 × 50 pixels that differ everywhere."""
    rng = np.random.default_rng(0)
    return SensorMaps.from_arrays(
        tmp_path,
        gain=rng.uniform(1.0, 3.0, (40, 50)),
        offset=rng.uniform(90, 110, (40, 50)),
        variance=rng.uniform(1.0, 60.0, (40, 50)),
    )


@pytest.mark.parametrize("camera", [SCMOS(), EMCCD(e_per_adu=45)])
def test_every_pixel_obeys_its_own_law(camera: SCMOS | EMCCD, maps: SensorMaps) -> None:
    mapped = camera.replace(maps=maps)
    photons = torch.full((2000, 1, 40, 50), 30.0)
    adu = mapped.expose(photons, torch.Generator().manual_seed(3)).double()
    back = mapped.to_photons(adu + 0.5).numpy()[:, 0]
    expected = mapped.variance(photons[:1]).double().numpy()[0, 0]
    z = (back.mean(0) - 30) / np.sqrt(expected / 2000)
    assert chi_square_p(z.ravel()) > 1e-3
    fourth = ((back - back.mean(0)) ** 4).mean(0)
    z = (back.var(0, ddof=1) - expected) / np.sqrt((fourth - expected**2) / 2000)
    assert abs(z.mean()) < 5 / math.sqrt(z.size)


def test_maps_of_one_value_are_the_camera_of_that_value(tmp_path: Path) -> None:
    camera = SCMOS()
    flat = SensorMaps.from_arrays(
        tmp_path,
        gain=np.full((20, 20), 1 / camera.e_per_adu),
        offset=np.full((20, 20), camera.baseline),
        variance=np.full((20, 20), (camera.read_noise_e / camera.e_per_adu) ** 2),
    )
    photons = 100 * torch.rand(3, 1, 16, 16, generator=torch.Generator())
    plain = camera.expose(photons, torch.Generator().manual_seed(0))
    mapped = camera.replace(maps=flat).expose(photons, torch.Generator().manual_seed(0))
    assert (plain - mapped).abs().max() <= 1  # float32 at the edge of rounding down
    assert (plain == mapped).float().mean() > 0.999


def test_patches_carry_their_place_on_the_sensor(maps: SensorMaps) -> None:
    camera = SCMOS(maps=maps.replace(top_left_px=(5, 8)))
    origin = camera.draw_origin_px(200, (8, 10), torch.Generator().manual_seed(0))
    assert origin is not None
    assert origin.amin(0).tolist() == [0, 0]
    assert origin.amax(0).tolist() == [40 - 5 - 8, 50 - 8 - 10]
    dark = torch.zeros(200, 2, 8, 10)
    offset = torch.from_numpy(np.load(maps.offset))
    crop = camera.maps.crop((8, 10), dark.device, origin)["offset"]
    for patch, (row, column) in zip(crop[:5, 0], origin[:5].tolist(), strict=True):
        assert torch.equal(patch, offset[5 + row : 13 + row, 8 + column : 18 + column])
    adu = camera.expose(dark, torch.Generator().manual_seed(1), origin_px=origin)
    photons = camera.to_photons(adu + 0.5, origin_px=origin)
    assert abs(photons.mean().item()) < 0.05
    assert SCMOS().draw_origin_px(3, (8, 10), torch.Generator()) is None


def test_maps_come_from_tif_files_and_follow_them(tmp_path: Path) -> None:
    path = tmp_path / "dark µ.tif"
    tifffile.imwrite(path, np.full((8, 8), 120, np.uint16))
    camera = SCMOS(maps={"offset": str(path)})
    assert camera.to_photons(torch.full((8, 8), 120.0)).abs().max() == 0
    same = SCMOS.from_dict(camera.model_dump(mode="json"))
    assert same == camera


BAD_MAPS = {
    "not there": "is not there",
    "text": "cannot be read",
    "3-D": r"expected \(H, W\)",
    "NaN": "must be",
    "zero gain": "must be above 0",
    "negative variance": "must be >= 0",
    "two sizes": "different sizes",
    "too small": "do not fit",
}


@pytest.mark.parametrize(("case", "message"), BAD_MAPS.items())
def test_a_bad_map_is_one_sentence(case: str, message: str, tmp_path: Path) -> None:
    good = np.ones((8, 8))
    path, other = tmp_path / "map.npy", tmp_path / "other.npy"
    np.save(other, good)
    values = {
        "3-D": np.ones((2, 8, 8)),
        "NaN": np.full((8, 8), np.nan),
        "zero gain": np.zeros((8, 8)),
        "negative variance": -good,
        "two sizes": np.ones((9, 8)),
    }.get(case, good)
    np.save(path, values)
    if case == "text":
        path.write_text("no array")
    if case == "not there":
        path.unlink()
    name = {"negative variance": "variance"}.get(case, "gain")
    maps = SensorMaps.from_dict({"offset": other, name: path})
    side = 9 if case == "too small" else 8
    with pytest.raises((ValueError, FileNotFoundError), match=message) as caught:
        SCMOS(maps=maps).expose(torch.ones(1, 1, side, side))
    assert "\n" not in str(caught.value)


def test_maps_need_a_file_of_a_known_kind() -> None:
    with pytest.raises(ValueError, match="at least one"):
        SensorMaps.from_dict({})
    with pytest.raises(ValueError, match=r"no .npy or .tif"):
        SensorMaps.from_dict({"gain": "map.pkl"})


# -- presets and vocabularies ----------------------------------------------------------------


def test_presets_are_those_of_the_papers() -> None:
    emccd = camera_preset("challenge-emccd")
    assert (emccd.em_gain, emccd.read_noise_e, emccd.e_per_adu) == (300, 74.4, 45)
    assert camera_preset("scmos-qe95").adu_per_photon == pytest.approx(0.95 / 0.7471)
    assert camera_preset("scmos-qe81").adu_per_photon == pytest.approx(0.81 / 0.47)
    assert Holder(camera="challenge-emccd").camera == emccd
    with pytest.raises(ValueError, match="Available: ideal, challenge-emccd"):
        camera_preset("ixon")
    with pytest.raises(ValueError, match="Unknown camera 'ixon'"):
        Holder.from_dict({"camera": "ixon"})


def test_thunderstorm_settings_are_its_analysis() -> None:
    protocol = {
        "readoutNoise": 0.0,
        "offset": 414.0,
        "quantumEfficiency": 1.0,
        "isEmGain": False,
        "photons2ADU": 3.6,
        "pixelSize": 80.0,
        "gain": 100.0,
    }
    camera, pixel_size_nm = camera_from_thunderstorm(protocol)
    assert (camera.kind, pixel_size_nm) == ("scmos", 80)
    assert camera.to_photons(torch.tensor(424.0)).item() == pytest.approx(10 * 3.6)
    form = {"photons2ADU": 45, "QE": 0.9, "gainEM": 300, "offset": 100, "readoutNoise": 74.4}
    camera, pixel_size_nm = camera_from_thunderstorm(form)
    assert camera == EMCCD(spurious_e=0)
    assert pixel_size_nm is None


def test_decode_settings_are_the_challenge_camera() -> None:
    settings = {
        "baseline": 100.0,
        "convert2photons": True,
        "e_per_adu": 45.0,
        "em_gain": 300.0,
        "px_size": [100.0, 100.0],
        "qe": 0.9,
        "read_sigma": 74.4,
        "spur_noise": 0.002,
    }
    assert camera_from_decode(settings) == (EMCCD(), 100.0)
    assert camera_from_decode({**settings, "em_gain": None}).camera.kind == "scmos"


def test_picasso_settings_are_its_photons() -> None:
    camera, _ = camera_from_picasso({"Baseline": 100, "Sensitivity": 4.5, "EM Gain": 30})
    assert camera.to_photons(torch.tensor(160.0)).item() == pytest.approx(60 * 4.5 / 30)
    assert camera_from_picasso({"Baseline": 0, "Sensitivity": 1, "Gain": 1}).camera.kind == "scmos"


WRONG = [
    (camera_from_thunderstorm, {"offest": 1}, "unknown key 'offest'. Known: pixelSize"),
    (camera_from_thunderstorm, {"offset": 100}, "'photons2ADU' is missing"),
    (camera_from_thunderstorm, {"offset": 1, "photons2ADU": 0}, "'photons2ADU': .* found 0"),
    (camera_from_thunderstorm, {"offset": 1, "photons2ADU": 1, "QE": 0}, "'QE': .* found 0"),
    (camera_from_thunderstorm, {"offset": "a", "photons2ADU": 1}, "'offset' must be a number"),
    (camera_from_thunderstorm, {"gain": 2, "gainEM": 3}, "says again"),
    (camera_from_thunderstorm, {"isEmGain": "yes"}, "true or false"),
    (camera_from_decode, {"baseline": 1, "e_per_adu": 1, "em_gain": -5}, "'em_gain': .* found -5"),
    (camera_from_decode, {"baseline": math.nan, "e_per_adu": 1}, "must be a number, found nan"),
    (camera_from_picasso, {"Baseline": 1, "Sensitivity": 1, "Pixelsize": 0}, "above 0"),
    (camera_from_picasso, {"Baseline": -1, "Sensitivity": 1}, "'Baseline': .* found -1"),
]


@pytest.mark.parametrize(("convert", "settings", "message"), WRONG)
def test_wrong_settings_are_named_in_their_own_words(convert, settings, message) -> None:
    with pytest.raises(ValueError, match=message):
        convert(settings)


@pytest.mark.parametrize("field", ["quantum_efficiency", "e_per_adu", "em_gain"])
@pytest.mark.parametrize("value", [0.0, -1.0])
def test_gain_and_efficiency_of_nothing_are_refused(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"'{field}': must be greater than .*{value}"):
        EMCCD.from_dict({field: value}, source="camera")
    with pytest.raises(ValueError, match="greater than 0"):
        IdealCamera.from_dict({"gain": value})


def test_a_camera_is_found_by_name_or_in_a_file(tmp_path: Path) -> None:
    camera = EMCCD(em_gain=250)
    camera.to_file(tmp_path / "camera.yaml")
    Experiment(camera=camera).to_file(tmp_path / "experiment.yaml")
    assert find_camera(tmp_path / "camera.yaml") == camera
    assert find_camera(tmp_path / "experiment.yaml") == camera
    assert find_camera("scmos-qe81") == camera_preset("scmos-qe81")
    (tmp_path / "none.yaml").write_text("pixel_size_nm: 100")
    with pytest.raises(ValueError, match=r"none.yaml: 'camera': needs a 'kind'"):
        find_camera(tmp_path / "none.yaml")
    with pytest.raises(ValueError, match="neither a file nor a camera preset"):
        find_camera("none")


def test_maps_beside_their_file_are_found_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names that are not absolute begin at the file that has them; a part of a chip is cut out."""
    folder, elsewhere = tmp_path / "cam", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    offset = np.arange(80.0, 80.0 + 16 * 20).reshape(16, 20)
    np.save(folder / "offset.npy", offset)
    (folder / "camera.yaml").write_text(
        "kind: scmos\nmaps: {offset: offset.npy, top_left_px: [3, 5]}\n"
    )
    monkeypatch.chdir(elsewhere)
    for place in (folder / "camera.yaml", "../cam/camera.yaml"):
        camera = find_camera(place)
        part = torch.as_tensor(offset[3:11, 5:17], dtype=torch.float32)
        assert camera.to_photons(part[None, None]).abs().max() == 0


def test_maps_smaller_than_the_frames_or_turned_are_refused_with_both_sizes(
    tmp_path: Path,
) -> None:
    np.save(tmp_path / "turned.npy", np.ones((20, 16)))
    (tmp_path / "camera.yaml").write_text("kind: scmos\nmaps: {gain: turned.npy}\n")
    camera = find_camera(tmp_path / "camera.yaml")
    words = r"16 x 20 pixels at \(0, 0\) do not fit .* of 20 x 16.*: transpose the maps"
    with pytest.raises(ValueError, match=words):
        camera.to_photons(torch.ones(1, 1, 16, 20))
    with pytest.raises(ValueError, match=r"of 20 x 16\.$"):
        camera.to_photons(torch.ones(1, 1, 18, 20))


def test_a_dead_pixel_of_a_map_is_named(tmp_path: Path) -> None:
    gain = np.ones((16, 20))
    gain[5, 7] = 0
    np.save(tmp_path / "gain.npy", gain)
    (tmp_path / "camera.yaml").write_text("kind: scmos\nmaps: {gain: gain.npy}\n")
    camera = find_camera(tmp_path / "camera.yaml")
    with pytest.raises(ValueError, match=r"'gain.npy' has 0 in row 5, column 7"):
        camera.to_photons(torch.ones(1, 1, 16, 20))


def test_added_noise_has_the_same_variance_for_any_light_and_no_mean() -> None:
    camera = AdditiveNoise(gain=1.0)
    photons = LEVELS.expand(N_EXPOSURES, -1)
    seen = camera.to_photons(camera.expose(photons, torch.Generator().manual_seed(0))).double()
    error_of_mean = math.sqrt(19.1 / N_EXPOSURES)
    # Rounding down takes half an ADU.
    assert (seen.mean(0) + 0.5 - LEVELS).abs().max() < 5 * error_of_mean
    assert seen.var(0).numpy() == pytest.approx(camera.variance(LEVELS).numpy(), rel=0.04)


def test_sums_of_frames_with_added_noise_have_so_many_times_the_variance() -> None:
    camera, n = AdditiveNoise(), torch.full((N_EXPOSURES,), 50.0)
    photons = torch.full((N_EXPOSURES, 1, 1, 1), 300.0)
    adu = camera.expose(photons, torch.Generator().manual_seed(1), n_frames=n)
    seen = camera.to_photons(adu, n_frames=n).double()
    assert float(seen.var()) == pytest.approx(50 * 19, rel=0.04)
