"""`deepsmlm calibrate`: bead files in, a PSF that simulates out, one sentence for each mistake."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from tests.calibration.conftest import simulate_beads
from typer.testing import CliRunner, Result

from napari_deepsmlm.cli import app
from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.psf import (
    AstigmaticPSF,
    CalibratedPSF,
    DefocusCurve,
    MultiplanePSF,
    PupilPSF,
)
from napari_deepsmlm.psf.files import load_psf

TRUTH = AstigmaticPSF(z_range_nm=(-900, 900))
PLACES = ((1534.0, 1571.0, -20.0), (4512.0, 1433.0, 12.0), (2987.0, 4343.0, 7.0))


def small_stack(psf=TRUTH, places=PLACES, n_depths: int = 21, photons: float = 9000) -> np.ndarray:
    beads = simulate_beads(
        psf, places_nm=places, side_px=61, z_step_nm=60, n_depths=n_depths, photons=photons
    )
    return beads.astype(np.uint16)


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["calibrate", *map(str, arguments)])


@pytest.fixture(scope="module")
def stack() -> np.ndarray:
    return small_stack()


@pytest.fixture
def beads(stack, tmp_path: Path) -> Path:
    tifffile.imwrite(tmp_path / "beads.tif", stack)
    return tmp_path / "beads.tif"


@pytest.fixture(scope="module")
def written(stack, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """What the command says about a stack that is as it should be; its files are there."""
    folder = tmp_path_factory.mktemp("calibrated")
    tifffile.imwrite(folder / "beads.tif", stack)
    out = folder / "results" / "psf.safetensors"
    result = call(folder / "beads.tif", "--z-step", 60, "--pixel-size", 100, "--out", out, "--json")
    assert result.exit_code == 0, result.output
    return result


def test_a_psf_its_fit_and_a_picture_are_written(written: Result) -> None:
    report = json.loads(written.stdout)
    assert report["n_beads"] == 3
    assert report["warnings"] == []
    plane = report["planes"][0]
    assert plane["sigma_x_nm"] == pytest.approx(130, rel=0.02)
    assert plane["focus_x_nm"] - plane["focus_y_nm"] == pytest.approx(500, abs=20)
    assert report["z_range_nm"][1] - report["z_range_nm"][0] == pytest.approx(1200)
    assert report["zernike_nm"] is None
    assert isinstance(load_psf(report["files"]["psf"]), CalibratedPSF)
    assert isinstance(load_psf(report["files"]["fit"]), AstigmaticPSF)
    picture = Path(report["files"]["psf"]).with_suffix(".png")
    assert picture.parent.name == "results"
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("kind", ["measured", "fitted"])
def test_what_it_writes_is_the_psf_of_an_experiment(
    kind: str, written: Result, tmp_path: Path
) -> None:
    out = Path(json.loads(written.stdout)["files"]["psf"])
    fit = "\n".join(f"  {line}" for line in out.with_suffix(".yaml").read_text().splitlines())
    psf = f" {{kind: calibrated, file: '{out.as_posix()}'}}" if kind == "measured" else f"\n{fit}"
    config = tmp_path / "experiment.yaml"
    config.write_text(
        f"psf:{psf}\nimage_px: [24, 24]\n"
        "simulation: {structure: {kind: uniform, z_nm: [-300, 300]}, density_per_um2: [1, 1]}\n"
    )
    stack, truth = Experiment.from_file(config).simulate(n_frames=3, seed=0)
    assert stack.shape == (3, 1, 24, 24)
    assert np.ptp(truth["z_nm"]) > 100


def test_several_files_are_stacks_whose_beads_are_averaged(stack, tmp_path: Path) -> None:
    halves = [tmp_path / "left.tif", tmp_path / "right.tif"]
    for path, half in zip(halves, (stack[:, :30, :30], stack[:, :30, 30:]), strict=True):
        tifffile.imwrite(path, half)
    out = tmp_path / "psf.safetensors"
    options = ("--z-step", 60, "--pixel-size", 100, "--window", 21, "--out", out)
    result = call(*halves, *options, "--json")
    assert json.loads(result.stdout)["n_beads"] == 2


def test_one_colour_of_several_is_calibrated(stack, written: Result, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).poisson(100, stack.shape).astype(np.uint16)
    both = np.stack([noise, stack], 1)  # (Z, colour, H, W)
    tifffile.imwrite(tmp_path / "both.tif", both)
    options = ("--z-step", 60, "--pixel-size", 100, "--out", tmp_path / "p.safetensors")
    chosen = call(tmp_path / "both.tif", "--axes", "ZCYX", "--channel", 2, *options, "--json")
    assert json.loads(chosen.stdout)["planes"] == json.loads(written.stdout)["planes"]


def test_colours_that_are_taken_for_planes_are_said(stack, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "both.tif", np.stack([stack, stack], 1))
    options = ("--z-step", 60, "--pixel-size", 100, "--out", tmp_path / "p.safetensors")
    both = call(tmp_path / "both.tif", "--axes", "ZCYX", *options, "--json")
    told = "both.tif: The 2 channels were taken for focal planes; --channel takes one of them."
    assert told in json.loads(both.stdout)["warnings"]


def test_planes_come_in_one_file_or_in_several(tmp_path: Path) -> None:
    curve = DefocusCurve()
    truth = MultiplanePSF(
        psf=AstigmaticPSF(x=curve, y=curve, z_range_nm=(-2500, 2500)),
        plane_z_nm=(-250, 250),
        shift_nm=((0, 0), (130, -90)),
    )
    both = small_stack(truth, photons=30000)  # (C, Z, H, W)
    tifffile.imwrite(
        tmp_path / "both.tif", both.swapaxes(0, 1), imagej=True, metadata={"axes": "ZCYX"}
    )
    singles = [tmp_path / "a.tif", tmp_path / "b.tif"]
    for path, plane in zip(singles, both, strict=True):
        tifffile.imwrite(path, plane)
    options = ("--z-step", 60, "--pixel-size", 100, "--window", 19)
    options += ("--json", "--out", tmp_path / "p.safetensors")
    one = json.loads(call(tmp_path / "both.tif", *options).stdout)
    two = json.loads(call(*singles, "--planes", 2, *options).stdout)
    assert one | {"warnings": []} == two  # that channels were taken for planes
    assert one["planes"][1]["shift_nm"] == pytest.approx([130, -90], abs=4)
    assert load_psf(one["files"]["psf"]).n_planes == 2
    wrong = call(*singles, singles[0], "--planes", 2, *options)
    assert wrong.exit_code == 2
    assert "3 files are no multiple of 2 planes" in wrong.stderr


def test_optics_add_zernike_coefficients(tmp_path: Path) -> None:
    optics = PupilPSF(pupil_px=24, oversampling=1, z_range_nm=(-900, 900), patch_px=25)
    optics.to_file(tmp_path / "optics.yaml")
    stack = small_stack(optics.replace(aberrations=((2, 2, 60.0),)), PLACES[:1], 11, 30000)
    tifffile.imwrite(tmp_path / "beads.tif", stack)
    out = tmp_path / "psf.safetensors"
    options = ("--z-step", 60, "--pixel-size", 100, "--window", 15, "--out", out, "--json")
    result = call(tmp_path / "beads.tif", *options, "--optics", tmp_path / "optics.yaml")
    report = json.loads(result.stdout)
    assert report["zernike_nm"]["2,2"] == pytest.approx(60, abs=5)
    assert isinstance(load_psf(report["files"]["fit"]), PupilPSF)


# -- bad inputs ----------------------------------------------------------------------------


def one_sentence(path: Path, *options: object) -> str:
    out = path.parent / "psf.safetensors"
    result = call(path, "--z-step", 60, "--pixel-size", 100, "--out", out, *options)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    assert not out.exists()
    return result.stderr


@pytest.mark.parametrize("step", ["0", "-20", "nan", "5000"])
def test_an_impossible_z_step_is_refused(step: str, beads: Path) -> None:
    message = one_sentence(beads, f"--z-step={step}")
    assert "The z-step must be above 0 and at most 1000 nm" in message


def test_bad_options_are_refused(beads: Path, tmp_path: Path) -> None:
    assert "window must be an odd number of 7 to 201" in one_sentence(beads, "--window", 24)
    assert "window of 71 px is larger than the images" in one_sentence(beads, "--window", 71)
    assert "pixel size must be 1 to 10000 nm" in one_sentence(beads, "--pixel-size=-5")
    assert "Available: astigmatic" in one_sentence(beads, "--optics", "none")
    assert "missing.tif: no such file" in one_sentence(tmp_path / "missing.tif")
    out = tmp_path / "psf.txt"
    assert "must end in .safetensors" in call(beads, "--z-step", 60, "--out", out).stderr
    unsaid = call(beads, "--z-step", 60, "--out", tmp_path / "psf.safetensors")
    assert unsaid.exit_code == 2
    assert "beads.tif: states no pixel size; give --pixel-size in nm." in unsaid.stderr


def test_bad_stacks_are_refused(stack, tmp_path: Path) -> None:
    def message(changed: np.ndarray) -> str:
        tifffile.imwrite(tmp_path / "bad.tif", changed, photometric="minisblack")
        return one_sentence(tmp_path / "bad.tif")

    empty = stack.copy()
    empty[7] = 3
    assert "Image 7 of the bead stack is empty" in message(empty)
    assert "at least 5" in message(stack[:3])
    top = np.sort(stack.ravel())[-9]
    twelve_bits = np.minimum(stack.astype(int) * 4095 // top, 4095).astype(np.uint16)
    assert "saturated pixels (4095 ADU); lower" in message(twelve_bits)
    touching = ((2534.0, 2871.0, 0.0), (3134.0, 2871.0, 0.0))
    assert "has a neighbour" in message(small_stack(places=touching))
    (tmp_path / "text.tif").write_text("no image")
    assert "text.tif" in one_sentence(tmp_path / "text.tif")


@pytest.mark.parametrize(("given", "is_said"), [(60, False), (50, True)])
def test_a_step_unlike_that_of_the_file_is_said(
    stack, tmp_path: Path, given: int, is_said: bool
) -> None:
    path = tmp_path / "beads.ome.tif"
    sizes = {"PhysicalSizeZ": 0.06, "PhysicalSizeZUnit": "µm"}
    tifffile.imwrite(path, stack, metadata={"axes": "ZYX", **sizes})
    words = ["--z-step", given, "--pixel-size", 100, "--out", tmp_path / "psf.safetensors"]
    result = call(path, *words, "--window", 15, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    said = [each for each in report["warnings"] if "the file says" in each]
    assert len(said) == is_said
    if is_said:
        assert "beads.ome.tif: the file says that its images are 60 nm apart, and 50 nm" in said[0]
    low, high = report["z_range_nm"]
    assert high - low <= 20 * given


def test_frames_at_each_depth_are_averaged_and_said(stack, tmp_path: Path) -> None:
    path = tmp_path / "repeats.ome.tif"
    tifffile.imwrite(path, np.stack([stack, stack, stack]), metadata={"axes": "TZYX"})
    words = ["--z-step", 60, "--pixel-size", 100, "--out", tmp_path / "psf.safetensors"]
    result = call(path, *words, "--window", 15, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["n_beads"] == 3
    assert any("the 3 frames at each of 21 depths" in each for each in report["warnings"])
