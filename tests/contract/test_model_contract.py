"""What every network promises: those of this package, and those that others bring."""

from __future__ import annotations

import copy
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
import torch
from tests.sweeps import thinned
from torch import nn

import napari_deepsmlm as ds
from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.metrics import match
from napari_deepsmlm.models import (
    ImageModel,
    SMLMModel,
    available_models,
    build_model,
    built_in_models,
    load_model,
    save_model,
)
from napari_deepsmlm.render import rendering_of

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from napari_deepsmlm.reconstruction import Reconstruction

PIXEL_NM = 100.0


@cache
def untrained(name: str) -> SMLMModel:
    """A network whose batch norms have seen frames, so that its answers are not all the same."""
    torch.manual_seed(0)
    model = build_model(name)
    frames = photons(model, 2, (8, 8))
    model.fit_input(frames)
    model.train()
    with torch.no_grad():
        for _ in range(10):
            model(frames)
    return model.eval()


def photons(model: SMLMModel, n: int, shape: tuple[int, int], seed: int = 0) -> Tensor:
    """(n, channels, H, W) photons: background, and a bright pixel now and then."""
    rng = np.random.default_rng(seed)
    channels = (2 * model.context + 1) * model.n_planes
    light = rng.poisson(20, (n, channels, *shape)) + 300 * (rng.random((n, 1, *shape)) < 0.05)
    return torch.from_numpy(light.astype(np.float32))


def molecules(n_frames: int, per_frame: int = 3) -> Localizations:
    """What the simulator says about molecules in frames of 8 x 8 pixels."""
    rng = np.random.default_rng(1)
    n = n_frames * per_frame
    columns = {
        "x_nm": rng.uniform(0, 800, n),
        "y_nm": rng.uniform(0, 800, n),
        "z_nm": rng.uniform(-400, 400, n),
        "photons": rng.uniform(500, 3000, n),
        "background": np.full(n, 20.0),
    }
    frame = np.repeat(np.arange(n_frames), per_frame)
    return Localizations(frame=frame, **columns).to_torch()


def assert_close(ours: Tensor, expected: Tensor, relative: float = 1e-4) -> None:
    """Equal but for rounding, measured at the largest value."""
    assert torch.isfinite(expected).all()
    largest = expected.abs().amax().item()
    torch.testing.assert_close(ours, expected, atol=relative * largest, rtol=0)


@pytest.fixture(params=sorted(available_models()))
def model(request: pytest.FixtureRequest) -> SMLMModel:
    """Return each network in turn, untrained."""
    return copy.deepcopy(untrained(request.param))


@pytest.fixture
def file(model: SMLMModel, tmp_path: Path) -> Path:
    """A file of it."""
    save_model(tmp_path / "model.safetensors", model)
    return tmp_path / "model.safetensors"


# -- any network, untrained -----------------------------------------------------------------


def test_it_says_what_it_is(model: SMLMModel) -> None:
    assert available_models()[model.name] is type(model)
    assert model.title
    assert type(model).__doc__
    assert model.n_parameters > 0
    assert model.columns[:3] == ("frame", "x_nm", "y_nm")
    assert model.work_per_px >= 1
    for name, field in model.Config.model_fields.items():
        assert field.description, name


@pytest.mark.parametrize("shape", [(8, 8), (9, 13), (17, 10), (31, 8)])
@torch.no_grad()
def test_any_height_and_width_is_fine(model: SMLMModel, shape: tuple[int, int]) -> None:
    prediction = model(photons(model, 2, shape))
    assert torch.isfinite(prediction).all()
    per_px = prediction.shape[-1] // shape[1]
    assert prediction.shape[-2:] == (per_px * shape[0], per_px * shape[1])
    if isinstance(model, ImageModel):
        image = model.to_image(prediction)
        assert image.shape == (2, model.upsampling * shape[0], model.upsampling * shape[1])
        assert image.min() >= 0


@torch.no_grad()
def test_a_table_has_the_columns_that_are_promised(model: SMLMModel) -> None:
    found = model.to_localizations(model(photons(model, 3, (16, 16))), 0.0)
    assert set(found.names) == set(model.columns)
    assert found.is_torch
    assert found.is_sorted
    assert set(found.frame.tolist()) <= {0, 1, 2}
    for name in found.names:
        assert torch.isfinite(found[name]).all(), name


@torch.no_grad()
def test_a_higher_threshold_keeps_the_surest(model: SMLMModel) -> None:
    prediction = model(photons(model, 3, (16, 16)))
    several, few = (model.to_localizations(prediction, p) for p in (0.1, 0.6))
    assert len(few) <= len(several)
    assert (several["probability"] >= 0.1).all()
    assert len(few) == (several["probability"] >= 0.6).sum()


@torch.no_grad()
def test_no_frames_are_no_molecules(model: SMLMModel) -> None:
    prediction = model(photons(model, 0, (16, 16)))
    assert len(prediction) == 0
    assert len(model.to_localizations(prediction)) == 0


@torch.no_grad()
def test_a_frame_is_predicted_the_same_alone_and_among_others(model: SMLMModel) -> None:
    frames = photons(model, 8, (8, 8))
    together = model(frames)
    for k in (0, 3, 7):
        assert_close(model(frames[k : k + 1])[0], together[k])


@torch.no_grad()
def test_frames_without_contrast_are_harmless(model: SMLMModel) -> None:
    frames = torch.full_like(photons(model, 1, (16, 16)), 20.0)
    for light in (frames, torch.zeros_like(frames)):
        assert torch.isfinite(model(light)).all()


def test_another_number_of_channels_is_refused(model: SMLMModel) -> None:
    frames = photons(model, 1, (16, 16))
    with pytest.raises(ValueError, match="got"):
        model(torch.cat([frames, frames[:, :1]], 1))


@torch.no_grad()
def test_moving_by_whole_pixels_moves_the_prediction(model: SMLMModel) -> None:
    margin, shift, inner = model.halo_px + 4, 2 * model.tile_step_px, 8
    side = 2 * (margin + shift) + inner
    frames = photons(model, 1, (side, side))
    a, b = model(frames), model(torch.roll(frames, (shift, -shift), (2, 3)))
    k = a.shape[-1] // side
    moved = torch.roll(a, (k * shift, -k * shift), (-2, -1))
    inside = slice(k * (margin + shift), k * (margin + shift + inner))
    assert_close(b[..., inside, inside], moved[..., inside, inside])


@torch.no_grad()
def test_a_tile_with_its_halo_predicts_what_the_frame_does(model: SMLMModel) -> None:
    step = model.tile_step_px
    halo = model.halo_px + -model.halo_px % step
    core = 8 + -8 % step
    side = 2 * (halo + step) + core
    prepared = model.prepare(photons(model, 1, (side, side + step)))
    whole = model.predict(prepared)
    k = whole.shape[-2] // side
    tile = model.predict(prepared[..., step : side - step, step : side - step])
    inside, ours = (
        slice(k * (step + halo), k * (step + halo + core)),
        slice(k * halo, k * (halo + core)),
    )
    assert_close(tile[..., ours, ours], whole[..., inside, inside])


@torch.no_grad()
def test_a_mirrored_frame_gives_a_mirrored_image(model: SMLMModel) -> None:
    if not isinstance(model, ImageModel):
        pytest.skip("offsets change their sign, which symmetric kernels cannot do")
    for layer in model.modules():
        weight = getattr(layer, "weight", None)
        if isinstance(weight, nn.Parameter) and weight.ndim == 4:
            weight.copy_((weight + weight.flip(-1) + weight.flip(-2) + weight.flip(-1, -2)) / 4)
    frames = photons(model, 1, (16, 24))
    image = model.to_image(model(frames))
    for axis in (-1, -2):
        assert_close(model.to_image(model(frames.flip(axis))), image.flip(axis))


@torch.no_grad()
def test_rearranged_for_inference_it_predicts_the_same(model: SMLMModel) -> None:
    frames = photons(model, 2, (17, 12))
    expected = model(frames)
    assert_close(copy.deepcopy(model).for_inference()(frames), expected)


@torch.no_grad()
def test_a_file_gives_the_same_network_back(model: SMLMModel, file: Path) -> None:
    again, _ = load_model(file)
    assert again.config == model.config
    assert again.columns == model.columns
    frames = photons(model, 2, (16, 16))
    assert torch.equal(again(frames), model(frames))


def test_a_seed_gives_the_same_network(model: SMLMModel) -> None:
    states = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        states.append(dict(build_model(model.name).named_parameters()))
    first, again, other = states
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


@pytest.mark.parametrize("is_half", [False, True])
@pytest.mark.parametrize("per_frame", [0, 3])
def test_gradients_are_finite(model: SMLMModel, per_frame: int, is_half: bool) -> None:
    model.train()
    with torch.autocast("cpu", torch.bfloat16, enabled=is_half):
        prediction = model(photons(model, 2, (8, 8)))
    loss = model.loss(prediction, molecules(2, per_frame))
    assert loss.ndim == 0
    loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


def stack_for(model: SMLMModel, n: int, shape: tuple[int, int]) -> np.ndarray:
    """(T, C, H, W) frames as a camera with as many planes would give them."""
    rng = np.random.default_rng(0)
    return rng.poisson(100, (n, model.n_planes, *shape)).astype(np.uint16)


def test_table_and_image_agree(model: SMLMModel, file: Path) -> None:
    result = ds.reconstruct(
        stack_for(model, 3, (16, 20)), str(file), pixel_size_nm=PIXEL_NM, camera="ideal"
    )
    assert set(result.localizations.names) == set(model.columns)
    assert_agreement(model, result)


def test_a_line_of_pixels_is_refused(model: SMLMModel, file: Path) -> None:
    with pytest.raises(ValueError, match="1 x 40 pixels are too small"):
        ds.reconstruct(stack_for(model, 2, (1, 40)), str(file))


def assert_agreement(model: SMLMModel, result: Reconstruction) -> None:
    table, image, pixel_nm = result.localizations, result.image, result.sr_pixel_nm
    if isinstance(model, ImageModel):
        row, column = (table.y_nm // pixel_nm).astype(int), (table.x_nm // pixel_nm).astype(int)
        assert len(table) == 0 or (image[row, column] > 0).mean() > 0.95
    else:
        drawn = rendering_of(table.names).draw(table.to_torch(), image.shape, pixel_nm)
        np.testing.assert_allclose(image, drawn, atol=1e-3)


# -- trained networks -----------------------------------------------------------------------


class Trained(NamedTuple):
    """A built-in model and the microscope that it is for."""

    key: str
    model: SMLMModel
    experiment: Experiment

    def finds(self, stack: np.ndarray) -> Reconstruction:
        return ds.reconstruct(
            stack,
            self.key,
            pixel_size_nm=self.model.pixel_size_nm,
            camera=self.experiment.camera,
        )


# The network and the code of x4, at four times its work.
TAKES_LONG = "drsn-storm:2d-x8"


@pytest.fixture(
    params=[
        pytest.param(name, marks=[pytest.mark.slow] if name == TAKES_LONG else [])
        for name in sorted(built_in_models())
    ],
    scope="module",
)
def trained(request: pytest.FixtureRequest) -> Trained:
    """Return each built-in model in turn."""
    model, card = load_model(built_in_models()[request.param])
    # One for many microscopes is tried on an ordinary one, a large PSF in frames that hold it.
    experiment = Experiment.from_dict(card.experiment).replace(variety=None)
    side = max(32, getattr(experiment.psf, "patch_px", 0))
    return Trained(request.param, model, experiment.replace(image_px=(side, side + 8)))


FRAMES_OF = {"drsn-storm": 3}


class Seen(NamedTuple):
    """A movie of its microscope, the molecules in it, and what the model finds."""

    stack: np.ndarray
    truth: Localizations
    result: Reconstruction


@pytest.fixture(scope="module")
def seen(trained: Trained) -> Seen:
    """Return what each built-in model sees in eight frames, in three where each takes a second."""
    stack, truth = trained.experiment.simulate(FRAMES_OF.get(trained.model.name, 8), seed=5)
    return Seen(stack, truth, trained.finds(stack))


def test_nothing_is_found_where_nothing_is(trained: Trained) -> None:
    camera = trained.experiment.camera
    level = round(camera.baseline + 20 * camera.adu_per_photon)
    stack = np.full((3, trained.model.n_planes, 24, 24), level, np.uint16)
    result = trained.finds(stack)
    assert len(result.localizations) == 0
    assert result.image.sum() < 0.05


def test_molecules_are_found_and_drawn(trained: Trained, seen: Seen) -> None:
    _, truth, result = seen
    assert len(result.localizations) > 0.3 * len(truth)
    assert_agreement(trained.model, result)


# Known misses, strict as those below: light of molecules of any brightness, as their cards say, so
# that how many they are is not told by it.
ARE_LIGHT = {"drsn-storm:2d-x4", "drsn-storm:2d-x8"}


def test_an_image_counts_its_molecules(
    trained: Trained, seen: Seen, request: pytest.FixtureRequest
) -> None:
    if trained.key in ARE_LIGHT:
        request.applymarker(pytest.mark.xfail(strict=True, reason="its image is light"))
    assert seen.result.image.sum() == pytest.approx(len(seen.truth), rel=0.5)


# Known misses of models with short trainings: strict, so that a better one cannot pass unnoticed.
MIRRORED_BADLY = {
    ("dilated-loc:astigmatic-100nm", -1),
    ("dilated-loc:astigmatic-100nm", -2),
    ("dilated-loc:saddle-2um", -2),
    ("dilated-loc:tetrapod-3um", -2),
    ("dilated-loc:tetrapod-6um", -1),
    ("dilated-loc:tetrapod-6um", -2),
    ("drsn-storm:2d-x4", -2),
    ("drsn-storm:2d-x8", -1),
}


# Masks whose lobes lie oblique to the axes: their mirror image is that of the opposite depth.
MIRRORED_IN_DEPTH = {
    "dilated-loc:saddle-2um",
    "dilated-loc:tetrapod-3um",
    "dilated-loc:tetrapod-6um",
}


@pytest.mark.parametrize(("axis", "name"), thinned([(-1, "x_nm"), (-2, "y_nm")], keep=[0]))
def test_mirrored_frames_give_mirrored_molecules(
    trained: Trained, seen: Seen, axis: int, name: str, request: pytest.FixtureRequest
) -> None:
    if (trained.key, axis) in MIRRORED_BADLY:
        request.applymarker(pytest.mark.xfail(strict=True, reason="trained too short"))
    stack, plain = seen.stack, seen.result.localizations
    mirrored = trained.finds(np.ascontiguousarray(np.flip(stack, axis))).localizations
    side_nm = stack.shape[axis] * trained.model.pixel_size_nm
    back = mirrored.with_columns(**{name: side_nm - mirrored[name]})
    if trained.key in MIRRORED_IN_DEPTH:
        back = back.with_columns(z_nm=-back["z_nm"])
    scores = match(back, plain, lateral_nm=100, axial_nm=1000).scores()
    assert scores["jaccard"] > 0.75
    # An error of half a pixel of the image is 6 nm and more, and mirroring doubles it.
    assert abs(scores["bias_x_nm"]) < 2
    assert abs(scores["bias_y_nm"]) < 2
