"""Deep-STORM against the published architecture, loss and conventions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from tests.sweeps import thinned
from torch import nn

from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.models import build_model, losses
from napari_deepsmlm.models.decode import sharpen
from napari_deepsmlm.models.losses import gaussian_blur, spike_image

if TYPE_CHECKING:
    from napari_deepsmlm.models.deep_storm import DeepStorm


class Published(nn.Module):
    """The network of the paper, layer by layer, without any of our rearrangements."""

    def __init__(self, upsampling: int = 8) -> None:
        super().__init__()

        def block(i: int, o: int) -> list[nn.Module]:
            return [nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU()]

        def up() -> nn.Module:
            return nn.Upsample(scale_factor=2)

        self.input = nn.Upsample(scale_factor=upsampling)
        pool = nn.MaxPool2d(2)
        self.layers = nn.Sequential(
            *block(1, 32), pool, *block(32, 64), pool, *block(64, 128), pool, *block(128, 512),
            up(), *block(512, 128), up(), *block(128, 64), up(), *block(64, 32),
            nn.Conv2d(32, 1, 1, bias=False),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(self.input(x))[:, 0]

    def take_weights(self, model: DeepStorm) -> None:
        """Copy the weights in their order; names differ, the network is the same."""
        theirs = {
            k: v for k, v in model.state_dict().items() if k.startswith(("encoder", "decoder"))
        }
        for mine, value in zip(self.layers.state_dict().values(), theirs.values(), strict=True):
            assert mine.shape == value.shape
            mine.copy_(value)


def molecules(*rows: tuple[int, float, float]) -> Localizations:
    frame, x, y = zip(*rows, strict=True)
    return Localizations(frame=torch.tensor(frame), x_nm=torch.tensor(x), y_nm=torch.tensor(y))


def test_number_of_parameters_is_the_published_one() -> None:
    assert build_model("deep-storm").n_parameters == 1_366_208
    assert sum(p.numel() for p in Published().parameters()) == 1_366_208


@pytest.mark.parametrize("upsampling", thinned([4, 8, 16], keep=[1]))
def test_plain_folded_and_published_networks_are_equal(upsampling: int) -> None:
    torch.manual_seed(upsampling)
    model = build_model("deep-storm", {"upsampling": upsampling})
    width = 14 if upsampling == 4 else 15  # the published one pools three times: multiples of 8
    frames = 100 + 30 * torch.randn(2, 1, 12, width)
    model.train()
    for _ in range(10):
        model(frames)
    model.eval()
    published = Published(upsampling).eval()
    published.take_weights(model)
    with torch.no_grad():
        plain = published(model.prepare(frames))
        peak = plain.abs().max()
        assert (model(frames) - plain).abs().max() <= 1e-4 * peak
        assert (model.for_inference()(frames) - plain).abs().max() <= 1e-4 * peak


@pytest.mark.parametrize("shape", [(8, 8), (9, 13), (17, 10), (1, 12)])
@pytest.mark.parametrize("upsampling", [4, 8, 16])
def test_any_size_of_frame_is_fine(shape: tuple[int, int], upsampling: int) -> None:
    model = build_model("deep-storm", {"upsampling": upsampling}).eval()
    with torch.no_grad():
        prediction = model(torch.rand(2, 1, *shape))
    assert prediction.shape == (2, shape[0] * upsampling, shape[1] * upsampling)
    assert torch.isfinite(prediction).all()


def test_camera_offset_and_gain_drop_out(deep_storm: DeepStorm) -> None:
    frames = torch.rand(2, 1, 16, 16)
    with torch.no_grad():
        a, b = deep_storm(frames), deep_storm(300 + 17 * frames)
    assert (a - b).abs().max() <= 1e-3 * a.abs().max()


def test_frames_without_contrast_are_harmless(deep_storm: DeepStorm) -> None:
    with torch.no_grad():
        prediction = deep_storm(torch.full((1, 1, 16, 16), 100.0))
    assert torch.isfinite(prediction).all()


def test_several_planes_are_refused(deep_storm: DeepStorm) -> None:
    with pytest.raises(ValueError, match="one plane per frame, got 3"):
        deep_storm(torch.zeros(1, 3, 16, 16))


def test_a_molecule_belongs_to_the_pixel_that_contains_it() -> None:
    truth = molecules((0, 12.49, 0.0), (0, 12.5, 0.0), (1, 0.0, 24.99), (1, 3.0, 20.0))
    image = spike_image(truth, (2, 4, 4), 12.5)
    expected = torch.zeros(2, 4, 4)
    expected[0, 0, 0] = expected[0, 0, 1] = expected[1, 1, 0] = 1  # two in one pixel count once
    assert torch.equal(image, expected)


def test_blur_is_a_normalised_gaussian() -> None:
    image = torch.zeros(1, 15, 15)
    image[0, 7, 7] = 1
    blurred = gaussian_blur(image)[0]
    x = np.arange(-3, 4)
    weights = np.exp(-(x**2) / 2)
    expected = np.outer(weights, weights) / weights.sum() ** 2
    np.testing.assert_allclose(blurred[4:11, 4:11], expected, atol=1e-7)
    assert blurred.sum() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(("sigma_px", "size"), [(1.0, 7), (1.25, 9)])
def test_blur_and_its_gradient_are_those_of_a_convolution(sigma_px: float, size: int) -> None:
    image = torch.rand(2, 6, 13, dtype=torch.float64, requires_grad=True)
    x = torch.arange(size, dtype=torch.float64) - size // 2
    weights = torch.exp(-(x**2) / (2 * sigma_px**2))
    kernel = torch.outer(weights, weights) / weights.sum() ** 2
    expected = torch.nn.functional.conv2d(image[:, None], kernel[None, None], padding="same")[:, 0]
    seen_by = torch.rand_like(image)
    (gradient,) = torch.autograd.grad((expected * seen_by).sum(), image)
    blurred = gaussian_blur(image, sigma_px, size)
    (own_gradient,) = torch.autograd.grad((blurred * seen_by).sum(), image)
    torch.testing.assert_close(blurred, expected)
    torch.testing.assert_close(own_gradient, gradient)


def test_the_loss_is_least_near_a_peak_of_fifty(deep_storm: DeepStorm) -> None:
    truth = molecules((0, 100.0, 100.0))
    spike = spike_image(truth, (1, 32, 32), 12.5)
    losses = {a: deep_storm.loss(a * spike, truth).item() for a in (0, 25, 40, 48, 50, 60, 100)}
    assert min(losses, key=losses.__getitem__) in (48, 50)
    # By hand: (100 - 2 a)^2 sum(G^2) / n + a / n.
    power = gaussian_blur(spike).square().sum().item()
    for a, loss in losses.items():
        assert loss == pytest.approx(((100 - 2 * a) ** 2 * power + a) / 32**2, rel=1e-4)


@pytest.mark.parametrize(
    ("sparsity", "uncertain_px", "is_shown"),
    [(1.0, 4.5, True), (1.0, 6.5, False), (0.3, 6.5, True), (0.5, 9.0, False)],
)
def test_sparsity_decides_how_uncertain_a_molecule_is_still_shown(
    sparsity: float, uncertain_px: float, is_shown: bool
) -> None:
    model = build_model("deep-storm", {"sparsity": sparsity})
    drawn = torch.randn(10, 100, 2, generator=torch.Generator().manual_seed(1))
    places_nm = (40.5 + uncertain_px * drawn) * model.sr_pixel_nm
    truths = [molecules(*((i, *xy) for i, xy in enumerate(part.tolist()))) for part in places_nm]
    at = torch.arange(81) - 40.0
    distance = at[:, None].square() + at.square()

    def mean_loss(height: float) -> float:
        """Of one answer to every place where the molecule may be, as wide as its uncertainty."""
        blob = torch.exp(-distance / (2 * uncertain_px**2)) / (2 * np.pi * uncertain_px**2)
        answer = (50 * height * blob)[None].expand(100, -1, -1)
        return float(np.mean([model.loss(answer, truth).item() for truth in truths]))

    assert (mean_loss(0.1) < mean_loss(0.0)) == is_shown


def test_localizations_lie_where_the_image_has_its_mass(deep_storm: DeepStorm) -> None:
    prediction = torch.zeros(2, 64, 64)
    prediction[0, 10, 20], prediction[0, 10, 21] = 40, 10
    prediction[1, 33, 5] = 45
    prediction[1, 60, 60] = -30
    deep_storm.molecules_per_unit.fill_(0.02)
    found = deep_storm.to_localizations(prediction, 0.3).to_numpy()
    np.testing.assert_array_equal(found.frame, [0, 1])
    np.testing.assert_allclose(found.x_nm, [(20 + 0.5 + 0.2) * 12.5, 5.5 * 12.5], rtol=1e-6)
    np.testing.assert_allclose(found.y_nm, [10.5 * 12.5, 33.5 * 12.5], rtol=1e-6)
    np.testing.assert_allclose(found["probability"], [1.0, 0.9], rtol=1e-6)
    image = deep_storm.to_image(prediction)
    assert image.min() == 0
    assert image.sum() == pytest.approx(0.02 * 95)
    assert len(deep_storm.to_localizations(prediction, 0.95)) == 1


def test_a_plateau_is_one_molecule(deep_storm: DeepStorm) -> None:
    prediction = torch.zeros(1, 16, 16)
    prediction[0, 5:7, 5:7] = 20.0
    assert len(deep_storm.to_localizations(prediction, 0.1)) == 1


def test_calibration_makes_image_sums_count_molecules(deep_storm: DeepStorm) -> None:
    frames = 100 + 30 * torch.rand(6, 1, 16, 16)
    truth = molecules(*((f, 100.0 * k, 50.0) for f in range(6) for k in range(7)))
    deep_storm.calibrate(frames, truth)
    with torch.no_grad():
        total = deep_storm.to_image(deep_storm(frames)).sum().item()
    assert total == pytest.approx(42, rel=0.02)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_gradients_are_finite(precision: torch.dtype) -> None:
    torch.manual_seed(0)
    model = build_model("deep-storm").train()
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
        prediction = model(torch.rand(2, 1, 16, 16))
    model.loss(prediction, molecules((0, 10.0, 10.0), (1, 700.0, 900.0))).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


def test_a_network_can_be_trained_after_another_was_used() -> None:
    model = build_model("deep-storm")
    losses._gaussian.cache_clear()
    with torch.inference_mode():
        model.to_localizations(torch.rand(1, 16, 16))
    model.loss(model(torch.rand(1, 1, 8, 8)), molecules((0, 10.0, 10.0))).backward()


def test_moving_by_whole_pixels_moves_the_prediction(deep_storm: DeepStorm) -> None:
    frames = torch.zeros(1, 1, 40, 40)
    frames[0, 0, 12:28, 12:28] = torch.rand(16, 16)
    with torch.no_grad():
        a = deep_storm(frames)
        b = deep_storm(torch.roll(frames, (2, -3), (2, 3)))
    inner = slice(64, 256)
    moved = torch.roll(a, (16, -24), (1, 2))[:, inner, inner]
    torch.testing.assert_close(b[:, inner, inner], moved, atol=1e-4 * a.abs().max().item(), rtol=0)


def blob(sigma_px: float, mass: float = 0.8, centre: tuple[float, float] = (20.3, 18.6)):
    y, x = torch.meshgrid(torch.arange(42.0), torch.arange(42.0), indexing="ij")
    r2 = (y - centre[0]) ** 2 + (x - centre[1]) ** 2
    image = torch.exp(-r2 / (2 * sigma_px**2))
    return (mass * image / image.sum())[None]


def moments(image: torch.Tensor) -> tuple[float, float, float, float]:
    """Mass, centre and width of a blob."""
    y, x = torch.meshgrid(torch.arange(42.0), torch.arange(42.0), indexing="ij")
    mass = image.sum()
    cy, cx = (image * y).sum() / mass, (image * x).sum() / mass
    width = ((image * ((y - cy) ** 2 + (x - cx) ** 2)).sum() / mass / 2).sqrt()
    return mass.item(), cy.item(), cx.item(), width.item()


@pytest.mark.parametrize("power", [2.0, 3.0])
def test_sharpening_narrows_a_blob_and_keeps_mass_and_place(power: float) -> None:
    mass, y, x, width = moments(sharpen(blob(1.5), power, faintest=1e-5))
    # Products and convolutions of Gaussians are Gaussians: everything is known in closed form.
    own, reach = 1.5**2, 2.5**2
    variance = 1 / (power / own + 1 / (own + reach) - 1 / (own / power + reach))
    kept = (own / power + reach) / (own + reach) * variance / (own / power)
    assert (y, x) == pytest.approx((20.3, 18.6), abs=0.01)
    assert width == pytest.approx(variance**0.5, rel=0.02)
    assert width < 1.5 / (power**0.5 - 0.1)
    assert mass == pytest.approx(0.8 * kept, rel=0.02)
    assert mass > 0.8 * 0.8


def test_sharpening_removes_haze_and_leaves_molecules() -> None:
    haze, molecule = torch.full((1, 42, 42), 1e-3), blob(0.7, 1.0)
    assert sharpen(haze, 2.0).sum() < 0.05 * haze.sum()
    assert sharpen(molecule, 2.0).sum() == pytest.approx(1, rel=0.1)


def test_calibration_counts_what_the_sharpened_image_shows(deep_storm: DeepStorm) -> None:
    deep_storm.config = deep_storm.config.replace(sharpening=3.0)
    frames = 100 + 30 * torch.rand(6, 1, 16, 16)
    truth = molecules(*((f, 100.0 * k, 50.0) for f in range(6) for k in range(7)))
    deep_storm.calibrate(frames, truth)
    with torch.no_grad():
        total = deep_storm.to_image(deep_storm(frames)).sum().item()
    assert total == pytest.approx(42, rel=0.02)
