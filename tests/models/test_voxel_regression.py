"""Voxel-wise regression against the published architecture, its loss as a loop, and geometry."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.models import build_model, load_model, save_model
from napari_deepsmlm.models.voxel_regression import VoxelRegression

PIXEL = 192.0


class Published(nn.Module):
    """The network of the paper, layer by layer: two heads, nothing folded or merged."""

    def __init__(self, planes: int = 4, *, relu_first: bool = False) -> None:
        super().__init__()

        def block(i: int, o: int, k: int) -> list[nn.Module]:
            after = [nn.BatchNorm2d(o), nn.ReLU()]
            return [nn.Conv2d(i, o, k, padding=k // 2), *(after[::-1] if relu_first else after)]

        self.layers = nn.Sequential(
            *block(planes, 16, 5), *block(16, 32, 5), *block(32, 64, 3), *block(64, 128, 3),
            *block(128, 64, 3), *block(64, 32, 3), *block(32, 16, 3),
        )  # fmt: skip
        self.coordinates = nn.Conv2d(16, 3 * planes, 3, padding=1)
        self.confidence = nn.Conv2d(16, planes, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.layers(x)
        return torch.cat([self.coordinates(x).sigmoid(), self.confidence(x)], 1)

    def take_weights(self, model: VoxelRegression) -> None:
        mine, theirs = self.layers.state_dict(), model.layers.state_dict()
        for own, value in zip(mine.values(), theirs.values(), strict=True):
            assert own.shape == value.shape
            own.copy_(value)
        n = self.coordinates.out_channels
        for name in ("weight", "bias"):
            value = getattr(model.heads, name).detach()
            getattr(self.coordinates, name).data.copy_(value[:n])
            getattr(self.confidence, name).data.copy_(value[n:])


def make(seen: bool = True, **config: Any) -> VoxelRegression:
    """A network whose batch norms have seen frames."""
    torch.manual_seed(0)
    model = build_model("voxel-regression", config)
    assert isinstance(model, VoxelRegression)
    if seen:
        model.train()
        for _ in range(8):
            model(60 * torch.rand(2, model.n_planes, 16, 16))
    return model.eval()


def molecules(*rows: tuple[float, ...], **columns: torch.Tensor) -> Localizations:
    """Rows of frame, x, y and z in nm."""
    frame, x, y, z = torch.tensor(rows, dtype=torch.float32).reshape(-1, 4).unbind(1)
    return Localizations(frame=frame.long(), x_nm=x, y_nm=y, z_nm=z, **columns)


def scattered(n: int, n_frames: int = 3, shape: tuple[int, int] = (12, 9)) -> Localizations:
    generator = torch.Generator().manual_seed(n)
    u = torch.rand(n, 4, generator=generator)
    size = torch.tensor([shape[1] * PIXEL, shape[0] * PIXEL, 1600.0])
    x, y, z = (u[:, :3] * size - torch.tensor([0, 0, 800.0])).unbind(1)
    frame = (u[:, 3] * n_frames).long()
    return Localizations(frame=frame, x_nm=x, y_nm=y, z_nm=z).sort("frame")


def silence(n_frames: int, shape: tuple[int, int], planes: int = 4) -> torch.Tensor:
    """A prediction without any molecule."""
    prediction = torch.full((n_frames, 4 * planes, *shape), 0.5)
    prediction[:, 3 * planes :] = -20
    return prediction


def put(
    prediction: torch.Tensor,
    voxel: tuple[int, int, int],
    inside: tuple[float, float, float],
    probability: float,
    frame: int = 0,
) -> None:
    """Write one voxel's prediction: `voxel` is plane, row, column; `inside` x, y, z."""
    planes = prediction.shape[1] // 4
    plane, row, column = voxel
    for axis in range(3):
        prediction[frame, axis * planes + plane, row, column] = inside[axis]
    prediction[frame, 3 * planes + plane, row, column] = math.log(probability / (1 - probability))


def ideal(truth: Localizations, n_frames: int, shape: tuple[int, int]) -> torch.Tensor:
    """The prediction of a network that knows the truth, by hand."""
    prediction = silence(n_frames, shape)
    for i in range(len(truth)):
        x, y = truth.x_nm[i].item() / PIXEL, truth.y_nm[i].item() / PIXEL
        z = (truth["z_nm"][i].item() + 800) / 400
        voxel = (int(z), int(y), int(x))
        put(prediction, voxel, (x % 1, y % 1, z % 1), 1 - 1e-6, int(truth.frame[i]))
    return prediction


# -- architecture --------------------------------------------------------------------------


def test_number_of_parameters_is_the_published_one() -> None:
    assert make(seen=False).n_parameters == 206_704
    assert sum(p.numel() for p in Published().parameters()) == 206_704


@pytest.mark.parametrize("planes", [1, 2, 3, 5])
def test_input_and_heads_scale_with_the_planes(planes: int) -> None:
    z = tuple(400.0 * k for k in range(planes))
    model = make(plane_z_nm=z)
    assert model.n_parameters == sum(p.numel() for p in Published(planes).parameters())
    assert model(torch.rand(2, planes, 8, 11)).shape == (2, 4 * planes, 8, 11)
    with pytest.raises(ValueError, match=f"reads {planes} planes per frame, got {planes + 1}"):
        model(torch.rand(2, planes + 1, 8, 8))


@pytest.mark.parametrize("order", ["conv-norm-relu", "conv-relu-norm"])
def test_plain_folded_and_published_networks_are_equal(order: str) -> None:
    model = make(order=order)
    with torch.no_grad():
        for layer in model.layers:
            norm = next(m for m in layer if isinstance(m, nn.BatchNorm2d))
            norm.weight.uniform_(0.5, 2)
            norm.bias.uniform_(-1, 1)
    published = Published(relu_first=order == "conv-relu-norm").eval()
    published.take_weights(model)
    frames = 60 * torch.rand(3, 4, 20, 13)
    with torch.no_grad():
        plain = published(frames / model.input_scale)
        tolerance = {"rtol": 0, "atol": 1e-4 * plain.abs().max().item()}
        torch.testing.assert_close(model(frames), plain, **tolerance)
        folded = model.for_inference()
        torch.testing.assert_close(folded(frames), plain, **tolerance)
    has_norm = any(isinstance(m, nn.BatchNorm2d) for m in folded.modules())
    assert has_norm == (order == "conv-relu-norm")


@pytest.mark.parametrize("shape", [(1, 1), (3, 40), (17, 10)])
def test_any_size_of_frame_is_fine(shape: tuple[int, int]) -> None:
    with torch.no_grad():
        prediction = make()(60 * torch.rand(2, 4, *shape))
    assert prediction.shape == (2, 16, *shape)
    assert prediction[:, :12].min() >= 0
    assert prediction[:, :12].max() <= 1


def test_tiles_with_a_halo_predict_what_the_whole_frame_does() -> None:
    model, frames = make(), 60 * torch.rand(1, 4, 48, 48)
    halo = model.halo_px
    assert halo == 10
    with torch.no_grad():
        prepared = model.prepare(frames)
        whole = model.predict(prepared)
        tile = model.predict(prepared[..., 16 - halo : 32 + halo, 16 - halo : 32 + halo])
        less = model.predict(prepared[..., 17 - halo : 31 + halo, 17 - halo : 31 + halo])
    core = whole[..., 16:32, 16:32]
    torch.testing.assert_close(tile[..., halo:-halo, halo:-halo], core, atol=1e-5, rtol=0)
    # One pixel less is seen: the halo is as small as it can be.
    narrow = halo - 1
    assert (less[..., narrow:-narrow, narrow:-narrow] - core).abs().max() > 1e-5


def test_half_precision_predicts_nearly_the_same() -> None:
    model, frames = make(), 60 * torch.rand(2, 4, 16, 16)
    with torch.no_grad():
        full = model(frames)
        half = model.for_inference().to(torch.bfloat16)
        prepared = half.prepare(frames)
        with torch.autocast("cpu", torch.bfloat16):
            auto = model(frames)
        for other in (half.predict(prepared), auto):
            assert other.dtype == torch.float32
            assert (other - full)[:, :12].abs().max() < 0.02
            assert (other - full)[:, 12:].abs().max() < 0.03 * full[:, 12:].abs().max()


def test_input_scale_is_measured_and_saved(tmp_path) -> None:
    model, frames = make(), 300 * torch.rand(4, 4, 16, 16)
    model.fit_input(frames)
    assert model.prepare(frames).std().item() == pytest.approx(1, rel=1e-5)
    save_model(tmp_path / "model.safetensors", model)
    again = load_model(tmp_path / "model.safetensors")[0]
    with torch.no_grad():
        torch.testing.assert_close(again(frames), model(frames))
    model.fit_input(torch.full((1, 4, 8, 8), 7.0))
    assert torch.isfinite(model(frames)).all()


# -- loss ----------------------------------------------------------------------------------


def loss_by_hand(prediction: torch.Tensor, truth: Localizations, ratio: float = 3.0) -> float:
    """The paper's eq. 11 as a loop over molecules and a sort of everything else."""
    values = prediction.double().numpy()
    placed: dict[tuple[int, int, int, int], list[float]] = {}
    for f, x, y, z in zip(
        *(truth[n].tolist() for n in ("frame", "x_nm", "y_nm", "z_nm")), strict=True
    ):
        scaled = [x / PIXEL, y / PIXEL, (z + 800) / 400]
        if 0 <= scaled[2] < 4:
            key = (f, int(scaled[2]), int(scaled[1]), int(scaled[0]))
            placed.setdefault(key, [c % 1 for c in scaled])
    total, negatives = 0.0, []
    for (f, p, r, c), logit in np.ndenumerate(values[:, 12:]):
        if (f, p, r, c) in placed:
            total += math.log1p(math.exp(-logit))
            inside = placed[f, p, r, c]
            total += sum(abs(values[f, 4 * a + p, r, c] - inside[a]) for a in range(3))
        else:
            negatives.append(math.log1p(math.exp(logit)))
    n = max(1, len(placed))
    return (total + sum(sorted(negatives)[-round(ratio * n) :])) / n


@pytest.mark.parametrize("n", [0, 1, 7, 60, 400])
def test_loss_is_that_of_a_loop_over_molecules(n: int) -> None:
    torch.manual_seed(n)
    prediction = torch.cat([torch.rand(3, 12, 12, 9), torch.randn(3, 4, 12, 9)], 1)
    for ratio in (3.0, 1.0):
        model = make(seen=False, negatives_per_positive=ratio)
        loss = model.loss(prediction, scattered(n)).item()
        assert loss == pytest.approx(loss_by_hand(prediction, scattered(n), ratio), rel=1e-5)


def test_only_the_hardest_empty_voxels_have_gradients() -> None:
    prediction = silence(2, (8, 8)).requires_grad_()
    with torch.no_grad():
        for k in range(5):
            put(prediction, (k % 4, k, 2), (0.5, 0.5, 0.5), 0.2 + 0.1 * k, frame=1)
    # One molecule in frame 0; the three highest false alarms are all in frame 1.
    make(seen=False).loss(prediction, molecules((0, 100, 100, 100))).backward()
    gradient = prediction.grad[:, 12:]
    pushed_down = torch.nonzero(gradient > 0).tolist()
    assert pushed_down == [[1, 0, 4, 2], [1, 2, 2, 2], [1, 3, 3, 2]]
    assert torch.nonzero(gradient < 0).tolist() == [[0, 2, 0, 0]]


def test_a_molecule_on_a_border_belongs_to_the_voxel_that_begins_there() -> None:
    model = make(seen=False)
    truth = molecules(
        (0, 0, 0, -800), (0, PIXEL, 0, -400), (0, 0, 3 * PIXEL, 0), (1, 1.5 * PIXEL, 0, 799.9)
    )
    is_positive, frame, voxel, target = model.targets(truth, torch.zeros(2, 4, 5, 6))
    # flattened (plane, row, column)
    assert frame.tolist() == [0, 0, 0, 1]
    assert voxel.tolist() == [0, 30 + 1, 2 * 30 + 18, 3 * 30 + 1]
    expected = torch.tensor([[0, 0, 0], [0, 0, 0], [0, 0, 0], [0.5, 0, 399.9 / 400]])
    torch.testing.assert_close(target, expected, atol=1e-4, rtol=0)
    assert is_positive.sum() == 4


def test_molecules_above_and_below_all_voxels_are_no_targets() -> None:
    model = make(seen=False)
    truth = molecules((0, 50, 50, -800.1), (0, 50, 50, 800), (0, 50, 50, 3000))
    is_positive, frame, _, _ = model.targets(truth, torch.zeros(1, 4, 5, 6))
    assert not is_positive.any()
    assert len(frame) == 0


def test_of_two_molecules_in_a_voxel_the_brighter_is_the_target() -> None:
    model, logits = make(seen=False), torch.zeros(1, 4, 5, 6)
    rows = ((0, 48, 96, 50), (0, 144, 96, 50), (0, 96, 96, 50))
    assert model.targets(molecules(*rows), logits)[3][:, 0].tolist() == [0.25]
    bright = molecules(*rows, photons=torch.tensor([10.0, 30.0, 20.0]))
    assert model.targets(bright, logits)[3][:, 0].tolist() == [0.75]


@pytest.mark.parametrize("is_half", [False, True])
@pytest.mark.parametrize("truth", [molecules(), molecules((0, 10, 10, 0), (1, 700, 900, -700))])
def test_gradients_are_finite(is_half: bool, truth: Localizations) -> None:
    model = make(seen=False).train()
    with torch.autocast("cpu", torch.bfloat16, enabled=is_half):
        prediction = model(60 * torch.rand(2, 4, 8, 8))
    model.loss(prediction, truth).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


# -- decoding ------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1, 40, 150])
def test_an_ideal_prediction_decodes_to_the_truth(n: int) -> None:
    truth, shape = scattered(n), (12, 9)
    model = make(seen=False, merge=False)
    prediction = ideal(truth, 3, shape)
    found = model.to_localizations(prediction)
    keys = [
        tuple(row)
        for row in torch.stack(
            [
                truth.frame.float(),
                (truth["z_nm"] + 800) // 400,
                truth.y_nm // PIXEL,
                truth.x_nm // PIXEL,
            ],
            1,
        ).tolist()
    ]
    last = {key: i for i, key in enumerate(keys)}  # collisions: `ideal` wrote the last one
    rows = [last[key] for key in sorted(last)]
    assert found.names == model.columns
    assert found.frame.tolist() == truth.frame[rows].tolist()
    for name, tolerance in (("x_nm", 1e-2), ("y_nm", 1e-2), ("z_nm", 1e-2)):
        torch.testing.assert_close(found[name], truth[name][rows], atol=tolerance, rtol=0)
    assert found.is_sorted
    if n:
        assert found["probability"].min() > 0.99
        loss = model.loss(prediction, truth[rows]).item()
        assert loss < 1e-4


def test_a_molecule_at_a_border_counts_once_with_merging() -> None:
    prediction = silence(1, (8, 8))
    put(prediction, (1, 3, 3), (0.98, 0.5, 0.5), 0.6)
    put(prediction, (1, 3, 4), (0.04, 0.5, 0.5), 0.3)
    found = make(seen=False).to_localizations(prediction)
    assert len(found) == 1
    assert found.x_nm.item() == pytest.approx((0.6 * 3.98 + 0.3 * 4.04) / 0.9 * PIXEL, rel=1e-5)
    assert found["z_nm"].item() == pytest.approx(-200, abs=0.01)
    assert found["probability"].item() == pytest.approx(0.9, abs=1e-5)
    assert len(make(seen=False, merge=False).to_localizations(prediction, 0.2)) == 2


def test_a_molecule_at_a_corner_of_eight_voxels_counts_once() -> None:
    prediction = silence(1, (8, 8))
    for plane in (1, 2):
        for row in (3, 4):
            for column in (5, 6):
                inside = (0.95 if column == 5 else 0.05, float(row == 3), float(plane == 1))
                put(prediction, (plane, row, column), inside, 0.12)
    found = make(seen=False).to_localizations(prediction)
    assert len(found) == 1
    position = (found.x_nm.item(), found.y_nm.item(), found["z_nm"].item())
    assert position == pytest.approx((6 * PIXEL, 4 * PIXEL, 0), abs=0.01)
    assert found["probability"].item() == pytest.approx(0.96, abs=1e-4)


def test_two_molecules_in_adjacent_voxels_that_lie_apart_stay_two() -> None:
    prediction = silence(1, (8, 8))
    put(prediction, (1, 3, 3), (0.5, 0.5, 0.5), 0.9)
    put(prediction, (1, 3, 4), (0.3, 0.5, 0.5), 0.8)
    found = make(seen=False).to_localizations(prediction)
    assert found.x_nm.tolist() == pytest.approx([3.5 * PIXEL, 4.3 * PIXEL])
    assert len(make(seen=False, merge_distance=0.9).to_localizations(prediction)) == 1


def test_frames_and_voxels_that_are_not_adjacent_are_not_merged() -> None:
    prediction = silence(2, (8, 8))
    put(prediction, (1, 7, 7), (1.0, 1.0, 0.5), 0.9, frame=0)
    put(prediction, (1, 0, 0), (0.0, 0.0, 0.5), 0.8, frame=1)
    put(prediction, (3, 7, 7), (1.0, 1.0, 0.5), 0.8, frame=0)
    found = make(seen=False, merge_distance=2.0).to_localizations(prediction)
    assert found.frame.tolist() == [0, 0, 1]


def merged_by_hand(rows: list[tuple[list[int], list[float], float]], reach: float):
    """Greedy merging as a loop: voxel, position and probability of each detection."""
    left, groups = sorted(range(len(rows)), key=lambda i: (-rows[i][2], i)), []
    while left:
        best = left[0]

        def is_near(i: int, best: int = best) -> bool:
            (a, p, _), (b, q, _) = rows[i], rows[best]
            is_adjacent = a[0] == b[0] and all(abs(m - n) <= 1 for m, n in zip(a, b, strict=True))
            return is_adjacent and math.dist(p, q) < reach

        group = [i for i in left if i == best or is_near(i)]
        left = [i for i in left if i not in group]
        total = sum(rows[i][2] for i in group)
        mean = [sum(rows[i][2] * rows[i][1][a] for i in group) / total for a in range(3)]
        groups.append((best, mean, min(1.0, total)))
    return sorted(groups)


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), threshold=st.sampled_from([0.2, 0.5, 0.9]))
def test_merging_is_greedy_by_probability(seed: int, threshold: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    prediction = torch.rand(2, 16, 4, 5, generator=generator)
    prediction[:, 12:] = 2 * torch.randn(2, 4, 4, 5, generator=generator) - 1.5
    found = make(seen=False, merge_distance=0.7).to_localizations(prediction, threshold)
    rows = []
    for f, p, r, c in np.ndindex(2, 4, 4, 5):
        probability = prediction[f, 12 + p, r, c].sigmoid().item()
        if probability > 0.1:
            inside = [prediction[f, 4 * a + p, r, c].item() for a in range(3)]
            position = [inside[0] + c, inside[1] + r, inside[2] + p]
            rows.append(([f, p, r, c], position, probability))
    kept = [group for group in merged_by_hand(rows, 0.7) if group[2] > threshold]
    assert found.frame.tolist() == [rows[i][0][0] for i, _, _ in kept]
    expected = torch.tensor([mean for _, mean, _ in kept]).reshape(-1, 3)
    torch.testing.assert_close(found.x_nm / PIXEL, expected[:, 0], atol=1e-4, rtol=0)
    torch.testing.assert_close(found.y_nm / PIXEL, expected[:, 1], atol=1e-4, rtol=0)
    torch.testing.assert_close((found["z_nm"] + 800) / 400, expected[:, 2], atol=1e-4, rtol=0)
    assert found["probability"].tolist() == pytest.approx([p for _, _, p in kept], abs=1e-5)


@pytest.mark.parametrize("merge", [False, True])
def test_a_higher_threshold_only_leaves_molecules_out(merge: bool) -> None:
    torch.manual_seed(3)
    prediction = torch.cat([torch.rand(2, 12, 9, 9), torch.randn(2, 4, 9, 9) - 1], 1)
    model = make(seen=False, merge=merge)
    many = model.to_localizations(prediction, 0.15)
    for threshold in (0.3, 0.6, 0.9):
        few = model.to_localizations(prediction, threshold)
        expected = many[many["probability"] > threshold]
        assert 0 < len(few) < len(many)
        for name in few.names:
            assert torch.equal(few[name], expected[name])


def test_empty_frames_give_no_molecules() -> None:
    model = make(seen=False)
    assert len(model.to_localizations(silence(3, (7, 5)))) == 0
    none = model.to_localizations(silence(0, (7, 5)))
    assert none.names == model.columns
    assert len(none) == 0


def test_positions_follow_the_pixel_size_of_the_data() -> None:
    prediction = silence(1, (8, 8))
    put(prediction, (0, 2, 3), (0.5, 0.25, 0.5), 0.9)
    model = make(seen=False)
    model.pixel_size_nm = 100.0
    found = model.to_localizations(prediction)
    assert (found.x_nm.item(), found.y_nm.item()) == pytest.approx((350, 225))


# -- depth ---------------------------------------------------------------------------------


def test_one_plane_without_a_depth_range_has_no_z() -> None:
    model = make(plane_z_nm=(0.0,))
    assert model.columns == ("frame", "x_nm", "y_nm", "probability")
    prediction = silence(1, (8, 8), planes=1)
    put(prediction, (0, 3, 3), (0.9, 0.5, 0.1), 0.8)
    put(prediction, (0, 3, 4), (0.1, 0.5, 0.9), 0.6)
    found = model.to_localizations(prediction)
    assert len(found) == 1  # depths say nothing, so they part nothing
    assert found.names == model.columns
    far = molecules((0, 3.9 * PIXEL, 3.5 * PIXEL, 5000))
    entropy = -math.log(0.8) - math.log(1 - 0.6)
    assert model.loss(prediction, far).item() == pytest.approx(entropy, abs=1e-4)


def test_one_plane_with_a_depth_range_has_z() -> None:
    model = make(seen=False, plane_z_nm=(0.0,), depth_range_nm=(-300.0, 500.0))
    prediction = silence(1, (8, 8), planes=1)
    put(prediction, (0, 3, 3), (0.5, 0.5, 0.25), 0.9)
    assert model.to_localizations(prediction)["z_nm"].item() == pytest.approx(-100, abs=0.01)


def test_voxels_end_half_way_between_uneven_planes() -> None:
    model = make(seen=False, plane_z_nm=(0.0, 100.0, 400.0))
    assert model.config.voxel_edges_nm == (-50, 50, 250, 550)
    truth = molecules((0, 96, 96, -20), (0, 300, 96, 100), (0, 500, 96, 500))
    _, _, _, target = model.targets(truth, torch.zeros(1, 3, 5, 5))
    assert target[:, 2].tolist() == pytest.approx([0.3, 0.25, 5 / 6])
    prediction = silence(1, (8, 8), planes=3)
    for plane, inside in enumerate((0.3, 0.25, 5 / 6)):
        put(prediction, (plane, 2, 2 * plane), (0.5, 0.5, inside), 0.9)
    found = model.to_localizations(prediction).sort("x_nm")
    assert found["z_nm"].tolist() == pytest.approx([-20, 100, 500], abs=0.01)


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"plane_z_nm": (200.0, -200.0)}, "plane_z_nm must ascend"),
        ({"plane_z_nm": (0.0,), "depth_range_nm": (100.0, -100.0)}, "depth_range_nm must hold"),
        ({"depth_range_nm": (-100.0, 100.0)}, "depth_range_nm must hold all planes"),
    ],
)
def test_impossible_depths_are_refused(config: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        build_model("voxel-regression", config)


def test_the_training_preset_fits_its_microscope() -> None:
    experiment = Experiment.from_preset("quad-plane")
    model = experiment.build_model()
    assert isinstance(model, VoxelRegression)
    assert model.config.plane_z_nm == experiment.psf.plane_z_nm
    assert model.pixel_size_nm == experiment.psf.pixel_size_nm
    assert experiment.psf == Experiment.from_preset("voxel-wise").psf
    frames, truth = experiment.simulator().batch(8, (32, 32), torch.Generator().manual_seed(0))
    assert truth["z_nm"].min() < -600
    assert truth["z_nm"].max() > 600
    is_positive, _, _, target = model.targets(truth, torch.zeros(8, 4, 32, 32))
    assert is_positive.sum() > 0.85 * len(truth)  # some share a voxel
    assert target.min() >= 0
    assert target.max() <= 1
