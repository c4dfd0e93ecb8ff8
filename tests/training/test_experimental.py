"""Training frames made of recorded spots: known positions, honest noise, nothing seen twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_deepsmlm.camera import EMCCD, SCMOS, IdealCamera, SensorMaps
from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.fitting import localize
from napari_deepsmlm.io import StackWriter
from napari_deepsmlm.metrics import match
from napari_deepsmlm.models import load_model, read_card
from napari_deepsmlm.psf import AstigmaticPSF, GaussianPSF
from napari_deepsmlm.training.data import SimulatedBatches
from napari_deepsmlm.training.experimental import ExperimentalBatches, ExperimentalData
from napari_deepsmlm.training.spot_library import SpotLibrary

if TYPE_CHECKING:
    from pathlib import Path

    from napari_deepsmlm.camera import Camera
    from napari_deepsmlm.simulation.batch import Batch

PSF = {"kind": "gaussian", "pixel_size_nm": 100.0, "sigma_nm": [110.0, 110.0]}
SPARSE = {"density_per_um2": [0.1, 0.1], "photons": [1000.0, 4000.0], "background": [10.0, 10.0]}
DENSE = {"density_per_um2": [5.0, 5.0], "photons": [500.0, 500.0], "background": [10.0, 10.0]}


def recorded(folder: Path, n_frames: int = 12, camera: Camera | None = None, **simulation) -> Path:
    """Write sparse frames of 96 x 96 pixels."""
    sparse = Experiment.from_dict(
        {"psf": PSF, "camera": camera or SCMOS(), "simulation": {**SPARSE, **simulation}}
    )
    sparse.replace(image_px=(96, 96)).write_movie(folder, n_frames)
    return folder / "stack.tif"


def simulated(camera: Camera | None = None, **simulation: Any) -> SimulatedBatches:
    """Dense frames, the source that experimental batches go beside."""
    dense = Experiment.from_dict(
        {"psf": PSF, "camera": camera or SCMOS(), "simulation": {**DENSE, **simulation}}
    )
    return SimulatedBatches(dense.simulator(), batch_size=4, shape=(32, 32), seed=3)


def batches(stack: Path, source: SimulatedBatches, **values: Any) -> ExperimentalBatches:
    return ExperimentalBatches.from_stack(ExperimentalData(stack=stack, **values), source)


def standardised(batch: Batch, camera: Camera) -> torch.Tensor:
    """Differences from what the true molecules explain, in the camera's standard deviations."""
    psf = GaussianPSF.model_validate(PSF)
    truth, frames = batch.truth, batch.frames
    parts = []
    for number in range(len(frames)):
        here = truth.in_frames(number, number + 1)
        xyz = torch.stack([here.x_nm, here.y_nm, here["z_nm"]], 1)[None]
        light = psf.render(xyz, here["photons"][None], (32, 32))
        expected = light + here["background"][0]
        parts.append((frames[number : number + 1] - expected) / camera.variance(expected).sqrt())
    # Molecules beyond the edge, which the truth does not list, light the outer pixels.
    return torch.cat(parts)[..., 7:-7, 7:-7]


@pytest.mark.parametrize("camera", [IdealCamera(), SCMOS(), EMCCD()], ids=lambda c: c.kind)
@pytest.mark.parametrize("light", [(300.0, 600.0), (5000.0, 5000.0)], ids=["dimmed", "as recorded"])
def test_every_pixel_has_the_noise_of_one_exposure(tmp_path, camera, light) -> None:
    source = simulated(camera, photons=light)
    data = batches(recorded(tmp_path, camera=camera), source)
    difference = standardised(data.validation(150), camera)
    ideal = standardised(source.validation(150), camera)
    # A fit takes 5 of the 121 degrees of freedom of its crop, and positions err a little.
    assert difference.std().item() == pytest.approx(ideal.std().item(), abs=0.06)
    assert difference.mean().item() == pytest.approx(ideal.mean().item(), abs=0.06)


def test_the_noise_of_dimmed_spots_is_independent_from_pixel_to_pixel(tmp_path) -> None:
    source = simulated()
    data = batches(recorded(tmp_path), source)
    difference = standardised(data.validation(150), source.simulator.camera)
    # 150 frames of 18 x 17 pairs of neighbours: a standard error of 0.005
    assert abs((difference[..., 1:] * difference[..., :-1]).mean()) < 0.02


def test_dimmed_spots_are_kept_whole_and_crowded_bright_ones_are_damped(tmp_path) -> None:
    stack = recorded(tmp_path)
    assert batches(stack, simulated()).kept() > 0.99
    crowded = simulated(photons=(5000, 5000), density_per_um2=(20, 20), background=(1, 1))
    assert batches(stack, crowded).kept() < 0.9


def test_molecules_are_where_the_truth_says(tmp_path) -> None:
    source = simulated(density_per_um2=(0.1, 0.1), photons=(2000, 2000))
    batch = batches(recorded(tmp_path), source).validation(200)
    camera = source.simulator.camera
    found = localize(batch.frames, GaussianPSF.model_validate(PSF), camera=camera)
    truth = batch.truth.to_numpy().without("z_nm")
    matching = match(found[found["p_value"] > 1e-3], truth)
    assert len(matching.true) > 0.5 * len(truth)
    error = np.median(np.abs(matching.difference_nm))
    # sigma / sqrt(photons), of this fit and of the recorded one, each about 3 nm
    assert error < 0.6745 * 4.5
    assert np.abs(np.median(matching.difference_nm, axis=0)).max() < 0.6
    ratio = found[found["p_value"] > 1e-3]["photons"][matching.predicted]
    assert np.median(ratio / truth["photons"][matching.true]) == pytest.approx(1, abs=0.01)


def test_light_and_density_are_those_asked_for(tmp_path) -> None:
    batch = batches(recorded(tmp_path), simulated()).validation(200)
    area_um2 = 3.2**2
    assert len(batch.truth) / 200 == pytest.approx(5 * area_um2, rel=0.05)
    assert batch.frames.mean().item() == pytest.approx(10 + 500 * 5 / 100, rel=0.05)
    assert (batch.truth["photons"] <= 500.001).all()
    assert batch.truth.is_sorted


def library(photons: list[float], side: int = 11) -> SpotLibrary:
    """Noise-free spots of so many photons, somewhere in the central pixel."""
    n = len(photons)
    generator = torch.Generator().manual_seed(0)
    xy = 100 * (side // 2) + 100 * torch.rand(n, 2, generator=generator)
    xyz = torch.cat([xy, torch.zeros(n, 1)], 1)
    light = torch.tensor(photons)
    model = GaussianPSF.model_validate(PSF).render(xyz[:, None], light[:, None], (side, side))
    return SpotLibrary(model, 0 * model, 0 * model + 1e-6, xyz, light)


def test_validation_uses_spots_that_no_training_batch_has() -> None:
    spots = library([100.0] * 20 + [200.0] * 5)
    data = ExperimentalBatches(spots, simulated())
    assert set(data.validation(20).truth["photons"].tolist()) == {200.0}
    for step in range(10):
        assert set(data.at(step).truth["photons"].tolist()) == {100.0}


def test_batches_are_a_function_of_seed_and_step_alone() -> None:
    spots = library([300.0] * 25)
    first, again = ExperimentalBatches(spots, simulated()), ExperimentalBatches(spots, simulated())
    again.at(5)
    for one, other in ((first.at(7), again.at(7)), (first.validation(3), again.validation(3))):
        assert torch.equal(one.frames, other.frames)
        assert torch.equal(one.truth.x_nm, other.truth.x_nm)
    assert not torch.equal(first.at(7).frames, first.at(8).frames)


def test_a_share_of_the_batches_is_simulated() -> None:
    source = simulated()
    data = ExperimentalBatches(library([300.0] * 25), source, share=0.25)
    is_simulated = [torch.equal(data.at(s).frames, source.at(s).frames) for s in range(80)]
    assert 45 <= sum(is_simulated) <= 74  # 60 expected, four standard deviations


def test_mirrored_spots_are_where_their_images_are() -> None:
    spots = library([300.0] * 3)
    mirrored = spots.with_mirrored(100.0)
    assert mirrored.n_spots == 12
    psf = GaussianPSF.model_validate(PSF)
    images = psf.render(mirrored.xyz_nm[:, None], mirrored.photons[:, None], (11, 11))
    torch.testing.assert_close(images, mirrored.model)
    assert len({tuple(place) for place in mirrored.xyz_nm.tolist()}) == 12


def test_planes_and_depths_are_carried_along(tmp_path) -> None:
    psf = AstigmaticPSF(z_range_nm=(-300, 300))
    sparse = Experiment(psf=psf, camera=SCMOS(), image_px=(128, 128)).replace(
        simulation={
            "structure": {"kind": "uniform", "z_nm": [-250.0, 250.0]},
            **SPARSE,
            "density_per_um2": [0.04, 0.04],
        }
    )
    sparse.write_movie(tmp_path, 20)
    source = SimulatedBatches(sparse.simulator(), batch_size=2, shape=(40, 40), seed=0)
    batch = batches(tmp_path / "stack.tif", source).validation(150)
    assert batch.truth["z_nm"].std() > 80
    found = localize(batch.frames, psf, camera=sparse.camera)
    difference = match(found[found["p_value"] > 1e-3], batch.truth.to_numpy()).difference_nm
    assert len(difference) > 20
    assert np.median(np.abs(difference), axis=0) == pytest.approx([0, 0, 0], abs=25)


def test_a_sensor_with_maps_is_read_where_each_patch_lies(tmp_path) -> None:
    offset = 90 + 20 * np.random.default_rng(0).random((96, 96))
    camera = SCMOS(maps=SensorMaps.from_arrays(tmp_path, offset=offset))
    data = batches(recorded(tmp_path, camera=camera), simulated(camera))
    difference = standardised(data.validation(100), SCMOS())
    assert difference.std().item() == pytest.approx(1, abs=0.06)


def test_an_experiment_file_trains_on_recorded_frames_beside_it(tmp_path) -> None:
    recorded(tmp_path / "data", n_frames=6)
    experiment = Experiment.from_dict(
        {
            "psf": PSF,
            "camera": {"kind": "scmos"},
            "simulation": DENSE,
            "training": {
                "steps": 4,
                "batch_size": 2,
                "patch_px": 12,
                "validate_every": 4,
                "validation_frames": 2,
                "validation_px": 12,
                "precision": "fp32",
            },
        }
    )
    lines = experiment.to_yaml().replace(
        "experimental: null", "experimental: {stack: data/stack.tif, share: 0.5}"
    )
    (tmp_path / "experiment.yaml").write_text(lines)
    trainer = Experiment.from_file(tmp_path / "experiment.yaml").trainer(tmp_path / "run")
    assert isinstance(trainer.data, ExperimentalBatches)
    *_, finished = trainer.run()
    assert load_model(finished.model_path)[0].name == "deep-storm"
    card = read_card(finished.model_path)
    assert card.experiment["experimental"]["share"] == 0.5
    Experiment.from_dict(card.experiment)


# -- what cannot work is said in one sentence --------------------------------------------------


def write_stack(path: Path, frames: np.ndarray, pixel_size_nm: float = 100.0) -> Path:
    with StackWriter(path, pixel_size_nm=pixel_size_nm, n_frames=len(frames)) as stack:
        stack.append(frames.astype(np.uint16))
    return path


def test_a_missing_stack_is_said(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing\.tif"):
        batches(tmp_path / "nothing.tif", simulated())


def test_frames_beyond_the_end_are_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match="frames 0:30 are asked for, and the stack has frames 0:6"):
        batches(recorded(tmp_path, n_frames=6), simulated(), frames=(0, 30))


def test_frames_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ValueError, match="the smaller first"):
        ExperimentalData(stack="a.tif", frames=(5, 5))


def test_dark_frames_are_refused(tmp_path) -> None:
    stack = write_stack(tmp_path / "dark.tif", np.full((5, 1, 64, 64), 110))
    with pytest.raises(ValueError, match="Only 0 spots were seen"):
        batches(stack, simulated())


def test_dense_frames_are_refused(tmp_path) -> None:
    stack = recorded(tmp_path, n_frames=3, density_per_um2=(4, 4))
    with pytest.raises(ValueError, match="the frames are too dense"):
        batches(stack, simulated())


def test_spots_of_other_optics_are_refused(tmp_path) -> None:
    source = simulated()
    source.simulator.psf = GaussianPSF(sigma_nm=(180, 180))
    with pytest.raises(ValueError, match="check the width of the PSF"):
        batches(recorded(tmp_path), source)


def test_frames_smaller_than_a_spot_are_refused(tmp_path) -> None:
    stack = write_stack(tmp_path / "small.tif", np.full((5, 1, 9, 9), 110))
    with pytest.raises(ValueError, match="9 x 9 pixels are smaller than a molecule's image"):
        batches(stack, simulated())


def test_pixels_of_another_size_are_refused(tmp_path) -> None:
    stack = write_stack(tmp_path / "s.tif", np.full((5, 1, 64, 64), 110), pixel_size_nm=160.0)
    with pytest.raises(ValueError, match="160 nm and the PSF of 100 nm"):
        batches(stack, simulated())


def test_two_planes_are_refused_for_a_psf_of_one(tmp_path) -> None:
    stack = write_stack(tmp_path / "s.tif", np.full((5, 2, 64, 64), 110))
    with pytest.raises(ValueError, match="2 planes a frame and the PSF 1"):
        batches(stack, simulated())


def test_a_camera_must_be_named() -> None:
    values = {"experimental": {"stack": "stack.tif"}}
    with pytest.raises(ValueError, match="'camera' is not given"):
        Experiment.from_dict(values)
    assert Experiment.from_dict({**values, "camera": {"kind": "scmos"}}).experimental is not None


def test_windows_of_several_frames_are_refused() -> None:
    source = simulated()
    source.context = 1
    with pytest.raises(ValueError, match="single frames"):
        ExperimentalBatches(library([300.0] * 12), source)
