"""DilatedLoc against the published architecture, its loss term by term, and its decoding."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
import torch
from scipy.stats import norm
from tests.sweeps import thinned
from torch import nn

from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.models import build_model, load_model, save_model
from napari_deepsmlm.models import dilated_loc as module
from napari_deepsmlm.models.decode import highest_cells, share_out
from napari_deepsmlm.models.dilated_loc import DilatedLoc, DilatedLocConfig
from napari_deepsmlm.models.likelihood import count_loss, mixture_loss, weighted_cross_entropy

if TYPE_CHECKING:
    from pathlib import Path


class Published(nn.Module):
    """The network of the paper, layer by layer, without any of our rearrangements."""

    def __init__(self) -> None:
        super().__init__()

        def block(i: int, dilation: int = 1) -> nn.Sequential:
            conv = nn.Conv2d(i, 64, 3, padding=dilation, dilation=dilation)
            return nn.Sequential(conv, nn.ReLU(), nn.BatchNorm2d(64))

        def head(o: int) -> nn.Sequential:
            return nn.Sequential(nn.Conv2d(64, 64, 3, padding=1), nn.ELU(), nn.Conv2d(64, o, 1))

        self.norm = nn.BatchNorm2d(1)
        self.early = nn.ModuleList([block(1), block(65), block(65)])
        self.late = nn.ModuleList([block(65, d) for d in (2, 4, 8, 16)])
        up, pool = nn.Upsample(scale_factor=2), nn.MaxPool2d(2)
        self.up = nn.Sequential(up, block(65), up, block(64))
        self.down = nn.Sequential(pool, block(64), pool, nn.Conv2d(64, 64, 1))
        self.heads = nn.ModuleList([head(o) for o in (1, 4, 4)])

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        x0 = self.norm(frames)

        def cat(x: torch.Tensor) -> torch.Tensor:
            return torch.cat([x, x0], 1)

        l1 = self.early[0](x0)
        l2 = self.early[1](cat(l1)) + l1
        l3 = self.early[2](cat(l2)) + l2
        d2 = self.late[0](cat(l3)) + l3
        d4 = self.late[1](cat(d2)) + d2
        d8 = self.late[2](cat(d4)) + d4
        d16 = self.late[3](cat(d8)) + d2 + d8
        features = self.down(self.up(cat(d16)))
        p, xyz_photons, sigma = (head(features) for head in self.heads)
        xyz, photons = xyz_photons[:, :3].tanh(), xyz_photons[:, 3:].sigmoid()
        return torch.cat([p.clamp(-16, 16), xyz, photons, sigma.sigmoid() + 0.001], 1)

    def take_weights(self, model: DilatedLoc) -> None:
        """Copy the weights in their order; names differ, the network is the same."""
        theirs = [v for k, v in model.state_dict().items() if k != "uncertainty_scale"]
        for mine, value in zip(self.state_dict().values(), theirs, strict=True):
            assert mine.shape == value.shape
            mine.copy_(value)

    def operations(self, frames: torch.Tensor) -> tuple[int, int]:
        """Count multiply-adds of the convolutions, and values that batch norms give."""
        counted = {nn.Conv2d: 0, nn.BatchNorm2d: 0}

        def count(layer: nn.Module, _: object, output: torch.Tensor) -> None:
            each = layer.weight[0].numel() if isinstance(layer, nn.Conv2d) else 1
            counted[type(layer)] += each * output.numel()  # type: ignore[index]

        for layer in self.modules():
            if type(layer) in counted:
                layer.register_forward_hook(count)
        with torch.no_grad():
            self(frames)
        return counted[nn.Conv2d], counted[nn.BatchNorm2d]


def network(**config: object) -> DilatedLoc:
    torch.manual_seed(0)
    return cast("DilatedLoc", build_model("dilated-loc", config))


def molecules(n: int = 40, side_nm: float = 1600.0, n_frames: int = 2) -> Localizations:
    generator = torch.Generator().manual_seed(n)
    x, y, z, light = torch.rand(4, n, generator=generator)
    return Localizations(
        frame=torch.sort(torch.randint(n_frames, (n,), generator=generator)).values,
        x_nm=x * side_nm,
        y_nm=y * side_nm,
        z_nm=1000 * z - 500,
        photons=3000 * light,
    )


def test_parameters_and_multiply_adds_are_the_published_ones() -> None:
    assert network().n_parameters == 453_835
    published = Published()
    assert sum(p.numel() for p in published.parameters()) == 453_835
    # The published figure is reached with four operations for each value of a batch norm.
    convolutions, normalised = published.operations(torch.zeros(1, 1, 128, 128))
    assert convolutions + 4 * normalised == pytest.approx(2.024e10, rel=3e-4)


@pytest.mark.parametrize("shape", [(32, 32), (21, 37), (8, 50)])
def test_our_arrangement_and_the_published_network_are_equal(shape: tuple[int, int]) -> None:
    model = network()
    frames = 100 + 30 * torch.randn(2, 1, *shape)
    model.train()
    for _ in range(5):
        model(frames)  # moves the statistics of batch norm
    model.eval()
    published = Published().eval()
    with torch.no_grad():
        published.take_weights(model)
        expected = published(frames)
        assert torch.allclose(model(frames), expected, atol=1e-4)
        assert torch.allclose(model.for_inference()(frames), expected, atol=1e-4)


def test_training_and_plain_convolutions_give_the_same_prediction() -> None:
    model = network().eval()
    frames = torch.randn(1, 1, 19, 33)  # as if normalised: fresh statistics are 0 and 1
    with torch.no_grad():
        plain = model(frames)
    assert torch.allclose(model(frames).detach(), plain, atol=1e-4)


@pytest.mark.parametrize("config", [{}, {"dilation": False}, {"cells": 2}, {"frames": 3}])
def test_tiles_with_their_halo_predict_what_the_whole_frame_does(config: dict[str, int]) -> None:
    model = network(**config).eval()
    halo, c = model.halo_px, config.get("cells", 1)
    frames = 100 + 30 * torch.randn(1, config.get("frames", 1), 2 * halo + 20, 2 * halo + 20)
    cut = slice(6, 6 + 2 * halo + 8)  # a tile with a core of 8 pixels
    with torch.no_grad():
        whole, tile = model(frames), model(frames[..., cut, cut])
    core = slice((6 + halo) * c, (6 + halo + 8) * c)
    same = slice(halo * c, (halo + 8) * c)
    assert torch.allclose(tile[..., same, same], whole[..., core, core], atol=1e-5)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("config", [{}, {"frames": 3, "z_max_nm": 600.0}, {"cells": 2}])
def test_gradients_are_finite(config: dict[str, float], precision: torch.dtype) -> None:
    model = network(**config).train()
    frames = 50 + 500 * torch.rand(2, model.config.frames, 16, 16)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
        prediction = model(frames)
    model.loss(prediction, molecules()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() < 1e4, name


def test_half_precision_gradients_of_dilated_layers_agree_with_single() -> None:
    gradients = []
    for is_half in (False, True):
        model = network().train()
        with torch.autocast("cpu", torch.bfloat16, enabled=is_half):
            prediction = model(50 + 500 * torch.rand(2, 1, 32, 32, generator=torch.manual_seed(2)))
        model.loss(prediction, molecules(side_nm=3200.0)).backward()
        gradients.append([layer.conv.weight.grad.flatten() for layer in model.late])  # type: ignore[union-attr]
    for single, half in zip(*gradients, strict=True):
        assert torch.cosine_similarity(single, half, dim=0) > 0.95  # garbage has about 0


@pytest.mark.parametrize(
    ("preset", "model"),
    thinned(
        [
            ("dilated-loc-2d", {"frames": 3, "photon_max": 6000.0}),
            ("astigmatic", {"z_max_nm": 750.0}),
            ("saddle-2um", {"z_max_nm": 1050.0}),
            ("tetrapod-3um", {"z_max_nm": 1600.0, "frames": 3}),
        ],
        keep=(1, 3),
    ),
)
def test_it_trains_on_every_psf_alone_or_with_neighbours_in_time(
    preset: str, model: dict[str, float], tmp_path: Path
) -> None:
    experiment = Experiment.from_preset(preset)
    simulation = experiment.simulation.replace(density_per_um2=(1.0, 1.0))
    training = {"steps": 2, "batch_size": 2, "patch_px": 24, "validation_frames": 2}
    experiment = Experiment.from_dict(
        {
            **experiment.replace(simulation=simulation).model_dump(mode="json"),
            "network": "dilated-loc",
            "model": model,
            "training": training,
        },
        source=preset,
    )
    trained = cast("DilatedLoc", experiment.train(tmp_path, device="cpu"))
    assert trained.context == (model.get("frames", 1) - 1) // 2
    assert trained.is_3d == ("z_max_nm" in model)
    state = torch.cat([v.flatten() for v in trained.state_dict().values()])
    assert torch.isfinite(state).all()


# -- loss ----------------------------------------------------------------------------------------


def test_count_loss_is_the_normal_density_of_the_true_number() -> None:
    p = torch.rand(2, 5, 6, dtype=torch.float64)
    n = torch.tensor([9.0, 20.0], dtype=torch.float64)
    expected = sum(
        -norm.logpdf(n[i], p[i].sum(), math.sqrt((p[i] - p[i] ** 2).sum())) for i in range(2)
    )
    assert count_loss(p, n).item() == pytest.approx(expected, rel=1e-6)


def test_mixture_loss_is_the_density_summed_over_all_cells() -> None:
    generator = torch.Generator().manual_seed(3)
    logit = torch.randn(2, 5, 5, generator=generator, dtype=torch.float64)
    offset = torch.rand(2, 3, 5, 5, generator=generator, dtype=torch.float64) - 0.5
    sigma = 0.3 + torch.rand(2, 3, 5, 5, generator=generator, dtype=torch.float64)
    frame = torch.tensor([0, 0, 1])
    true = torch.tensor([[1.2, 3.4, 0.1], [4.9, 0.1, -0.5], [2.5, 2.5, 0.3]], dtype=torch.float64)
    expected = 0.0
    for f, value in zip(frame, true, strict=True):
        p = logit[f].sigmoid()
        density = 0.0
        for r in range(5):
            for c in range(5):
                mean = offset[f, :, r, c] + torch.tensor([c + 0.5, r + 0.5, 0.0])
                factors = norm.pdf(value, mean, sigma[f, :, r, c])
                density += float(p[r, c] / p.sum()) * float(np.prod(factors))
        expected -= math.log(density)
    found = mixture_loss(logit, offset, sigma, frame, true, reach=5)
    assert found.item() == pytest.approx(expected, rel=1e-9)


def test_absolute_distance_differs_from_squared_as_stated() -> None:
    logit, offset = torch.zeros(1, 1, 1), torch.zeros(1, 2, 1, 1)
    sigma, true = torch.full((1, 2, 1, 1), 0.5), torch.tensor([[0.75, 0.5]])
    frame = torch.tensor([0])
    normaliser = 2 * math.log(0.5 * math.sqrt(2 * math.pi))
    squared = mixture_loss(logit, offset, sigma, frame, true, reach=1)
    absolute = mixture_loss(logit, offset, sigma, frame, true, reach=1, is_squared=False)
    assert squared.item() == pytest.approx(0.25**2 / 0.5 + normaliser, rel=1e-5)
    assert absolute.item() == pytest.approx(0.25 / 0.5 + normaliser, rel=1e-5)


def test_cross_entropy_weighs_molecules_more() -> None:
    logit = torch.tensor([[[0.0, 2.0]]])
    occupied = torch.tensor([[[1.0, 0.0]]])
    expected = 0.65 * math.log(2) + 0.35 * math.log(1 + math.exp(2))
    assert weighted_cross_entropy(logit, occupied).item() == pytest.approx(expected, rel=1e-6)


def test_cross_entropy_can_be_left_out() -> None:
    prediction, truth = network()(torch.rand(2, 1, 16, 16)), molecules()
    terms = [network(cross_entropy=on).loss(prediction, truth).item() for on in (True, False)]
    assert terms[0] > terms[1]


def test_loss_of_frames_without_molecules_is_finite_and_falls_with_confidence() -> None:
    model, nothing = network(), molecules(0)
    prediction = torch.zeros(2, 9, 16, 16)
    prediction[:, 5:] = 0.5
    losses = []
    for logit in (0.0, -4.0, -8.0):
        prediction[:, 0] = logit
        losses.append(model.loss(prediction, nothing).item())
    assert losses[0] > losses[1] > losses[2]


def test_loss_falls_when_one_batch_is_learnt() -> None:
    model, truth = network().train(), molecules(12)
    from napari_deepsmlm.psf import GaussianPSF

    frames = 20 + GaussianPSF().render(
        torch.stack(
            [
                torch.stack([t["x_nm"], t["y_nm"], t["z_nm"]], 1)
                for t in (_padded(truth, 0), _padded(truth, 1))
            ]
        ),
        torch.stack([_padded(truth, 0)["photons"], _padded(truth, 1)["photons"]]),
        (16, 16),
    )
    model.fit_input(frames)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    losses = []
    for _ in range(60):
        loss = model.loss(model(frames), truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    found = model.to_localizations(model(frames).detach(), 0.5)
    assert len(found) == pytest.approx(len(truth), abs=2)


def _padded(truth: Localizations, frame: int, n: int = 12) -> Localizations:
    rows = truth.in_frames(frame, frame + 1)
    empty = n - len(rows)
    return Localizations.from_columns(
        {name: torch.cat([rows[name], rows[name].new_zeros(empty)]) for name in rows.names}
    )


# -- decoding ------------------------------------------------------------------------------------


def ideal(truth: Localizations, config: dict[str, float], n_frames: int = 2) -> torch.Tensor:
    """What a perfect network would say: certain in the cells of molecules, exact offsets."""
    model = network(**config)
    cells = model.config.cells
    prediction = torch.zeros(n_frames, 9, 16 * cells, 16 * cells)
    prediction[:, 0] = -16
    nm = 100.0 / cells
    column, row = (truth.x_nm / nm).floor().long(), (truth.y_nm / nm).floor().long()
    prediction[truth.frame, 0, row, column] = 16
    prediction[truth.frame, 1, row, column] = truth.x_nm / nm - column - 0.5
    prediction[truth.frame, 2, row, column] = truth.y_nm / nm - row - 0.5
    prediction[truth.frame, 3, row, column] = truth["z_nm"] / (model.config.z_max_nm or 1e3)
    prediction[truth.frame, 4, row, column] = truth["photons"] / model.config.photon_max
    prediction[truth.frame, 5:, row, column] = torch.tensor([0.1, 0.2, 0.3, 0.4])
    return prediction


@pytest.mark.parametrize("cells", [1, 2, 4])
def test_a_perfect_prediction_is_read_back_exactly(cells: int) -> None:
    frame = torch.tensor([0, 0, 1])
    truth = Localizations(
        frame=frame,
        x_nm=torch.tensor([120.0, 777.7, 1590.0]),
        y_nm=torch.tensor([333.3, 40.0, 1599.0]),
        z_nm=torch.tensor([-400.0, 0.0, 250.0]),
        photons=torch.tensor([500.0, 2000.0, 7999.0]),
    )
    config = {"cells": cells, "z_max_nm": 500.0}
    model = network(**config)
    found = model.to_localizations(ideal(truth, config))
    assert set(found.names) == set(model.columns)
    order = torch.argsort(found.x_nm)
    for name in truth.names:
        assert torch.allclose(found[name][order].float(), truth[name].float(), atol=1e-2), name
    assert torch.allclose(found["uncertainty_x_nm"], torch.tensor(10.0 / cells), atol=1e-4)
    assert torch.allclose(found["uncertainty_y_nm"], torch.tensor(20.0 / cells), atol=1e-4)
    assert torch.allclose(found["uncertainty_z_nm"], torch.tensor(0.3 * 500), atol=1e-3)


@pytest.mark.parametrize("decoding", ["shares", "peaks"])
def test_a_molecule_shared_by_two_cells_is_found_once(decoding: str) -> None:
    prediction = torch.zeros(1, 9, 16, 16)
    prediction[:, 0], prediction[:, 5:] = -16, 0.1
    place = 500.0  # on the border of columns 4 and 5, as both cells say
    prediction[0, 0, 3, 4], prediction[0, 0, 3, 5] = torch.tensor([0.5, 0.4]).logit()
    prediction[0, 1, 3, 4], prediction[0, 1, 3, 5] = 0.5, -0.5
    found = network(decoding=decoding).to_localizations(prediction)
    assert len(found) == 1
    assert found.x_nm.item() == pytest.approx(place, abs=1e-3)
    assert found["probability"].item() == pytest.approx(0.9, abs=1e-3)


def test_cells_that_point_at_different_places_are_different_molecules() -> None:
    prediction = torch.zeros(1, 9, 16, 16)
    prediction[:, 0], prediction[:, 5:] = -16, 0.1
    prediction[0, 0, 3, 4:6] = 0.5  # about 0.6 each, one too many for a single molecule
    prediction[0, 1, 3, 4:6] = torch.tensor([-0.7, 0.7])
    found = network().to_localizations(prediction, 0.4)
    assert sorted(found.x_nm.tolist()) == pytest.approx([380.0, 620.0], abs=0.5)


def test_shares_take_no_more_probability_than_there_is() -> None:
    generator = torch.Generator().manual_seed(5)
    p = torch.rand(2, 12, 12, generator=generator)
    cell = torch.nonzero(p > 0.02, as_tuple=True)
    n = len(cell[0])
    position = torch.stack([cell[2], cell[1]], 1) + torch.rand(n, 2, generator=generator)
    shares = share_out(p[cell], position, torch.full((n, 2), 0.5), cell, threshold=0.05, rounds=20)
    assert 0 < shares.mass.sum() <= p.sum() + 1e-3
    assert torch.allclose(shares.weights.sum(1), torch.ones(len(shares.mass)), atol=1e-5)
    # What is left makes up no molecule: each round took the greatest of a neighbourhood.
    assert shares.mass.min() >= 0.05


def test_of_two_cells_that_are_equal_the_first_becomes_the_molecule() -> None:
    cell = (torch.tensor([0, 0, 1]), torch.tensor([2, 2, 2]), torch.tensor([3, 4, 3]))
    position = torch.tensor([[4.0, 2.5], [4.0, 2.5], [3.5, 2.5]])
    probability = torch.tensor([0.4, 0.4, 0.2])
    shares = share_out(probability, position, torch.full((3, 2), 0.5), cell, threshold=0.1)
    assert shares.cells[:, 4].tolist() == [0, 2]
    torch.testing.assert_close(shares.mass, torch.tensor([0.8, 0.2]))
    torch.testing.assert_close(shares.mean(position), position[[0, 2]])


@pytest.mark.parametrize(("photons", "n"), [(1.5, 1), (0.5, 2)])
def test_what_is_brighter_than_a_molecule_is_found_once(photons: float, n: int) -> None:
    """All cells around a bead are sure of it; two molecules may well be at one place."""
    prediction = torch.full((1, 9, 8, 8), 0.01)
    prediction[:, 0] = -9.0
    prediction[0, 0, 3, 4:6] = 5.0
    prediction[0, 4, 3, 4:6] = photons
    prediction[0, 1, 3, 4:6] = torch.tensor([0.49, -0.49])  # both mean the edge between them
    prediction[0, 5:9] = 0.1
    assert len(network().to_localizations(prediction, 0.4)) == n


def test_two_certain_neighbours_are_two_molecules() -> None:
    p = torch.zeros(1, 5, 5)
    p[0, 2, 2], p[0, 2, 3] = 0.95, 0.9
    found = highest_cells(p)
    assert found.count_nonzero() == 2
    assert found.max() <= 1


def test_nothing_is_found_where_nothing_is_likely() -> None:
    assert highest_cells(torch.full((1, 6, 6), 0.29)).count_nonzero() == 0
    assert len(network().to_localizations(torch.zeros(0, 9, 8, 8))) == 0


def test_without_z_there_is_no_column_for_it() -> None:
    assert not network().is_3d
    assert network(z_max_nm=500.0).is_3d
    found = network().to_localizations(torch.zeros(1, 9, 8, 8))
    assert set(found.names) == set(network().columns)


def test_scaled_uncertainties_are_saved(tmp_path: Path) -> None:
    model = network(z_max_nm=500.0)
    model.scale_uncertainty({"lateral": 1.5, "axial": 0.5})
    save_model(tmp_path / "m.safetensors", model)
    loaded = cast("DilatedLoc", load_model(tmp_path / "m.safetensors")[0])
    assert loaded.uncertainty_scale.tolist() == [1.5, 0.5]


def test_neighbouring_frames_change_the_prediction_but_not_their_order_of_channels() -> None:
    model = network(frames=3).eval()
    frames = 100 + 30 * torch.randn(1, 3, 16, 16)
    with torch.no_grad():
        both = model(frames)
        other = model(frames[:, [2, 1, 0]])
    assert both.shape == (1, 9, 16, 16)
    assert (both - other).abs().max() > 1e-3


def test_wrong_numbers_of_channels_are_refused() -> None:
    with pytest.raises(ValueError, match="reads 3 frames of one plane"):
        network(frames=3)(torch.zeros(1, 1, 16, 16))


@pytest.mark.parametrize("config", [{}, {"frames": 3, "input": "noise"}, {"cells": 4}])
def test_strips_and_folded_layers_predict_what_the_whole_does(
    config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    model = DilatedLoc(DilatedLocConfig(**config))
    frames = 100 + 50 * torch.rand(2, config.get("frames", 1), 22, 16)
    model.train()
    with torch.no_grad():
        for _ in range(3):
            model(frames)
        expected = model.eval()(frames)
        monkeypatch.setitem(module.STRIP_PX, "cpu", 2 * 16 * 5)
        found = model.for_inference()(frames)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


def test_a_batch_norm_that_turns_values_round_is_left_as_it_is() -> None:
    torch.manual_seed(0)
    model, frames = DilatedLoc(DilatedLocConfig()), 100 + 50 * torch.rand(2, 1, 16, 16)
    with torch.no_grad():
        for _ in range(3):
            model(frames)
        for block in (model.up[1], model.early[0]):
            block.norm.weight[3] = -0.5
        expected = model.eval()(frames)
        torch.testing.assert_close(model.for_inference()(frames), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("frames", "scaling"), [(1, "photons"), (3, "photons"), (1, "noise")])
def test_no_layer_puts_its_input_in_another_order_of_memory(frames: int, scaling: str) -> None:
    model = build_model("dilated-loc", {"frames": frames, "input": scaling}).for_inference()
    photons = torch.poisson(torch.full((2, frames, 16, 16), 30.0))
    with torch.inference_mode():
        prepared = model.prepare(photons)
        with torch.profiler.profile(record_shapes=True) as profile:
            model.predict(prepared)
    copied = [event.input_shapes[0] for event in profile.events() if event.name == "aten::copy_"]
    # 64 features, and the frame as one channel or two.
    assert not [shape for shape in copied if shape[1:2] in ([65], [66])]
