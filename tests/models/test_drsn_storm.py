"""DRSN-STORM against the published architecture, its loss by hand, and its counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from tests.sweeps import thinned
from torch import nn
from torch.nn import functional

from napari_deepsmlm._devices import Compute
from napari_deepsmlm.inference.pipeline import Pipeline
from napari_deepsmlm.io import open_frames
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.models import build_model, load_model, save_model
from napari_deepsmlm.models.losses import gaussian_blur, weighted_spikes
from napari_deepsmlm.psf import GaussianPSF

if TYPE_CHECKING:
    from napari_deepsmlm.models.drsn_storm import DrsnStorm


class Published(nn.Module):
    """The network of the paper, layer by layer, without any of our rearrangements."""

    def __init__(self, model: DrsnStorm) -> None:
        super().__init__()
        self.config = model.config
        n_joined = 1 if self.config.skip == "input" else 128
        shapes = [(1, 128), (128, 128), (128, 128), (128 + n_joined, 128), (128, 1)]
        self.layers = nn.ModuleList(nn.Conv2d(i, o, 3, padding=1) for i, o in shapes)
        theirs = (model.first, model.second, model.recurrent, model.joining, model.last)
        for mine, other in zip(self.layers, theirs, strict=True):
            mine.load_state_dict(other.state_dict())

    def forward(self, standardised: torch.Tensor) -> torch.Tensor:
        fem1, fem2, im, rm1, rm2 = (lambda x, f=f: functional.relu(f(x)) for f in self.layers)
        x = functional.interpolate(
            standardised, scale_factor=self.config.upsampling, mode=self.config.interpolation
        )
        early = fem1(x)
        level, outputs = fem2(early), []
        for _ in range(self.config.n_recursions):
            level = im(level)
            skip = x if self.config.skip == "input" else early
            outputs.append(rm2(rm1(torch.cat([level, skip], 1))))
        return torch.cat(outputs, 1)


def drsn(**config: Any) -> DrsnStorm:
    """An untrained network that is not nearly dark."""
    torch.manual_seed(0)
    model = build_model("drsn-storm", config)
    nn.init.normal_(model.last.weight, std=0.05)
    for layer in (model.first, model.second, model.recurrent, model.joining):
        nn.init.normal_(layer.bias, std=0.1)
    return model.eval()


def molecules(*rows: tuple[int, float, float, float]) -> Localizations:
    frame, x, y, photons = zip(*rows, strict=True)
    return Localizations.from_columns(
        {
            "frame": torch.tensor(frame),
            "x_nm": torch.tensor(x),
            "y_nm": torch.tensor(y),
            "photons": torch.tensor(photons),
        }
    )


NO_MOLECULES = molecules((0, 1.0, 1.0, 1.0)).in_frames(5, 6)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, 446_337),
        ({"skip": "features"}, 592_641),
        ({"output_weights": "learnable"}, 446_342),
        ({"n_recursions": 9, "upsampling": 8}, 446_337),
    ],
)
def test_number_of_parameters_is_the_published_one(config, expected: int) -> None:
    assert build_model("drsn-storm", config).n_parameters == expected


@pytest.mark.parametrize("interpolation", ["bicubic", "nearest"])
@pytest.mark.parametrize("skip", ["input", "features"])
@pytest.mark.parametrize("upsampling", [4, 8])
def test_the_network_is_the_published_one(upsampling: int, skip: str, interpolation: str) -> None:
    model = drsn(upsampling=upsampling, skip=skip, interpolation=interpolation)
    frames = 100 + 30 * torch.randn(2, 1, 4, 5)
    with torch.no_grad():
        prepared = model.prepare(frames)
        span = (frames.amax((1, 2, 3)) - frames.amin((1, 2, 3)))[:, None, None, None]
        plain = 8 * span * Published(model)(prepared[:, :1])
        assert plain.shape == (2, 5, 4 * upsampling, 5 * upsampling)
        assert (plain > 0).float().mean() > 0.2
        for network in (model, model.for_inference()):
            torch.testing.assert_close(
                network.predict(prepared)[:, :5], plain, atol=1e-4 * plain.max().item(), rtol=0
            )


def test_gradients_are_those_of_the_published_network() -> None:
    model = drsn()
    published = Published(model)
    prepared = model.prepare(100 + 30 * torch.randn(1, 1, 5, 5))
    model.predict(prepared)[:, :5].sum().backward()
    (8 * prepared[:, 1:, :1, :1] * published(prepared[:, :1])).sum().backward()
    ours = [model.first, model.second, model.recurrent, model.joining, model.last]
    for mine, theirs in zip(ours, published.layers, strict=True):
        for a, b in zip(mine.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(a.grad, b.grad, atol=1e-3 * b.grad.abs().max(), rtol=0)


def test_bf16_is_fp32_up_to_rounding() -> None:
    model = drsn()
    frames = 100 + 30 * torch.randn(2, 1, 8, 8)
    with torch.no_grad():
        exact = model.to_image(model(frames))
        half = model.for_inference().bfloat16()
        rounded = half.to_image(half(frames))
        with torch.autocast("cpu", torch.bfloat16):
            cast = model.to_image(model(frames))
    for image in (rounded, cast):
        assert image.dtype == torch.float32
        assert (image - exact).norm() < 0.03 * exact.norm()


@pytest.mark.parametrize("upsampling", thinned([4, 8], keep=[0]))
def test_tiles_predict_what_whole_frames_do(upsampling: int, tmp_path, monkeypatch) -> None:
    model = drsn(upsampling=upsampling, n_recursions=3)
    path = tmp_path / "stack.npy"
    rng = np.random.default_rng(0)
    np.save(path, rng.poisson(100, (1, 13, 18)).astype(np.uint16))
    compute = Compute(torch.device("cpu"), torch.float32, "test")
    images, found = [], []
    for side in (1024, 6 * upsampling):
        monkeypatch.setattr("napari_deepsmlm.inference.pipeline.PIXELS_PER_TILE", side**2)
        with open_frames(path) as source:
            predicted = list(Pipeline(model, compute, threshold=0.0).run(source))
        images.append(sum(p.image for p in predicted))
        found.append(sum(len(p.localizations) for p in predicted))
    np.testing.assert_allclose(images[1], images[0], atol=1e-5 * images[0].max())
    assert found[0] == found[1] > 0


def test_the_image_is_light_and_camera_offsets_drop_out() -> None:
    model = drsn()
    frames = torch.rand(2, 1, 12, 12)
    with torch.no_grad():
        image, brighter = model.to_image(model(frames)), model.to_image(model(300 + 17 * frames))
    torch.testing.assert_close(brighter, 17 * image, rtol=1e-2, atol=1e-3 * brighter.max().item())


def test_frames_without_contrast_have_no_molecules() -> None:
    model = drsn()
    with torch.no_grad():
        prediction = model(torch.full((1, 1, 16, 16), 100.0))
        assert model.to_image(prediction).abs().max() == 0
        assert len(model.to_localizations(prediction, 0.0)) == 0


def test_several_planes_are_refused() -> None:
    with pytest.raises(ValueError, match="one plane per frame, got 3"):
        drsn()(torch.zeros(1, 3, 16, 16))


def test_spikes_add_up_in_a_pixel() -> None:
    truth = molecules((0, 24.9, 0.0, 3.0), (0, 20.0, 5.0, 4.0), (1, 25.0, 60.0, 2.0))
    image = weighted_spikes(truth, truth["photons"], (2, 3, 4), 25.0)
    expected = torch.zeros(2, 3, 4)
    expected[0, 0, 0], expected[1, 2, 1] = 7, 2
    assert torch.equal(image, expected)


@pytest.mark.parametrize("norm", ["l2", "l1"])
@pytest.mark.parametrize("output_weights", ["equal", "learnable"])
def test_the_loss_is_its_formula(norm: str, output_weights: str) -> None:
    model = drsn(norm=norm, output_weights=output_weights)
    weights = torch.full((5,), 0.2)
    if output_weights == "learnable":
        nn.init.normal_(model.output_logits)
        weights = model.output_logits.exp() / model.output_logits.exp().sum()
    truth = molecules((0, 100.0, 130.0, 900.0), (0, 300.0, 130.0, 2100.0), (1, 40.0, 70.0, 1200.0))
    prediction = 50 * torch.rand(3, 6, 20, 24)
    spikes = [700.0, 1400.0, 300.0]
    prediction[:, 5] = torch.tensor(spikes)[:, None, None]
    target = torch.zeros(3, 20, 24)
    target[0, 5, 4], target[0, 5, 12], target[1, 2, 1] = 900, 2100, 1200
    order = int(norm[1])

    def of(image: torch.Tensor) -> float:
        total = 0.0
        for y_hat, y, spike in zip(image, target, spikes, strict=True):
            distance = ((gaussian_blur(y_hat[None]) - gaussian_blur(y[None])) ** 2).sum()
            power = (gaussian_blur(y[None]) ** 2).sum() + spike**2 / (4 * torch.pi)
            size = (y_hat.abs() ** order).sum() ** (1 / order)
            true_size = (y.abs() ** order).sum() ** (1 / order) + spike
            total += (0.5 * distance / power + 0.03 * size / true_size).item() / 3
        return total

    mean = sum(w.item() * prediction[:, d] for d, w in enumerate(weights))
    expected = (of(mean) + sum(of(prediction[:, d]) for d in range(5)) / 5) / 2
    assert model.loss(prediction, truth).item() == pytest.approx(expected, rel=1e-4)


def test_the_loss_does_not_see_how_many_frames_were_summed() -> None:
    model = drsn()
    truth = molecules((0, 100.0, 130.0, 900.0), (0, 300.0, 130.0, 2100.0))
    prediction = 50 * torch.rand(1, 6, 20, 24)
    one = model.loss(prediction, truth)
    many = model.loss(100 * prediction, truth.with_columns(photons=100 * truth["photons"]))
    assert many.item() == pytest.approx(one.item(), rel=1e-4)


@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_the_ideal_image_is_three_percent_too_faint(norm: str) -> None:
    model = drsn(norm=norm)
    truth = molecules(
        *((0, 60.0 + 150 * i, 70.0 + 140 * j, 2000.0) for i in range(9) for j in range(9))
    )
    target = weighted_spikes(truth, truth["photons"], (1, 60, 60), 25.0)[:, None]
    outputs, spike = target.expand(-1, 5, -1, -1), torch.ones_like(target)
    losses = {
        a: model.loss(torch.cat([a * outputs, spike], 1), truth).item()
        for a in (0, 0.9, 0.95, 0.97, 0.99, 1.05)
    }
    assert min(losses, key=losses.__getitem__) == 0.97


FEW_MOLECULES = molecules((0, 10.0, 10.0, 2000.0), (1, 99.0, 300.0, 900.0))


@pytest.mark.parametrize(
    ("precision", "truth"),
    thinned(
        [
            (torch.float32, FEW_MOLECULES),
            (torch.bfloat16, NO_MOLECULES),
            (torch.float32, NO_MOLECULES),
            (torch.bfloat16, FEW_MOLECULES),
        ],
        keep=(0, 1),
    ),
)
def test_gradients_are_finite(precision: torch.dtype, truth: Localizations) -> None:
    """Those of the published choices are tested with all networks."""
    model = drsn(skip="features", output_weights="learnable").train()
    frames = torch.rand(2, 1, 6, 6)
    frames[1] = 7.0  # no contrast at all
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
        prediction = model(frames)
    model.loss(prediction, truth).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


def test_calibration_makes_image_sums_count_molecules(tmp_path) -> None:
    model = drsn()
    frames = 100 + 30 * torch.rand(6, 1, 8, 8)
    truth = molecules(*((f, 100.0 * k, 50.0, 1.0) for f in range(6) for k in range(7)))
    model.calibrate(frames, truth)
    with torch.no_grad():
        total = model.to_image(model(frames)).sum().item()
    assert total == pytest.approx(42, rel=0.02)
    save_model(tmp_path / "m.safetensors", model)
    again = load_model(tmp_path / "m.safetensors")[0]
    assert torch.equal(again.molecules_per_photon, model.molecules_per_photon)


def test_it_learns_where_a_few_molecules_are() -> None:
    model = drsn(headroom=0.0, n_recursions=2).train()
    nn.init.normal_(model.last.weight, std=1e-3)
    truth = molecules((0, 230.0, 480.0, 2000.0), (0, 560.0, 250.0, 2000.0))
    xyz = torch.stack([truth.x_nm, truth.y_nm, torch.zeros(2)], -1)[None]
    psf = GaussianPSF(sigma_nm=(110, 110))
    frames = 20 + psf.render(xyz, truth["photons"][None], (8, 8))
    model.fit_input(frames)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    losses = []
    for _ in range(50):
        loss = model.loss(model(frames), truth)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    model.eval().calibrate(frames, truth)
    found = model.to_localizations(model(frames).detach(), 0.2).to_numpy()
    assert len(found) == 2
    np.testing.assert_allclose(sorted(found.x_nm), [230, 560], atol=25)


@pytest.mark.parametrize("weights", ["equal", "learnable"])
def test_its_first_look_is_the_first_of_its_outputs(weights: str) -> None:
    model = drsn(output_weights=weights)
    frames = 100 + 30 * torch.randn(1, 1, 6, 7)
    look = model.first_look()
    assert look is not None
    with torch.no_grad():
        whole = model(frames)
        image = look.to_image(look(frames))
    torch.testing.assert_close(image, whole[:, 0] * model.molecules_per_photon)
    assert look.first_look() is None
