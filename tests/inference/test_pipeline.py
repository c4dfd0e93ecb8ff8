"""The pipeline: tiles, sums and batches give what one plain pass over each frame gives."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch

from napari_deepsmlm._devices import choose_compute
from napari_deepsmlm.camera import SCMOS
from napari_deepsmlm.inference import Pipeline, inputs
from napari_deepsmlm.inference import pipeline as module
from napari_deepsmlm.inference.prefetch import prefetch
from napari_deepsmlm.io import open_frames
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.models import build_model
from napari_deepsmlm.models.deep_storm import DeepStorm

CPU = choose_compute("cpu", "fp32")


def stack(n: int = 5, shape: tuple[int, int] = (24, 30), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(100, 900, (n, *shape)).astype(np.uint16)


def run(model: DeepStorm, frames: np.ndarray, **options) -> tuple[np.ndarray, Localizations]:
    window = options.pop("window", None)
    parts = list(Pipeline(model, CPU, **options).run(open_frames(frames), window=window))
    table = Localizations.concatenate(part.localizations for part in parts)
    return sum(part.image for part in parts), table


def plain(model: DeepStorm, frames: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        images = [
            model.to_image(model(torch.from_numpy(f.astype(np.float32))[None, None]))
            for f in frames
        ]
    return torch.cat(images).sum(0).numpy()


@pytest.fixture
def model(deep_storm: DeepStorm) -> DeepStorm:
    """The untrained network, scaled so that its noise holds molecules."""
    deep_storm.molecules_per_unit.fill_(5.0)
    return deep_storm


def test_the_image_is_the_sum_of_plain_passes(model: DeepStorm) -> None:
    frames = stack()
    image, _ = run(model, frames)
    expected = plain(model, frames)
    np.testing.assert_allclose(image, expected, atol=1e-4 * expected.max())


@pytest.mark.parametrize("upsampling", [4, 8])
def test_tiles_predict_what_whole_frames_do(
    upsampling: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    model = build_model("deep-storm", {"upsampling": upsampling})
    assert isinstance(model, DeepStorm)
    model.train()
    for _ in range(5):
        model(torch.rand(2, 1, 16, 16))
    model.eval()
    model.molecules_per_unit.fill_(5.0)
    frames = stack(2, (40, 36))
    image, table = run(model, frames)
    monkeypatch.setattr(module, "PIXELS_PER_TILE", (16 * upsampling) ** 2)
    tiled, tiled_table = run(model, frames)
    assert len(table) > 100
    np.testing.assert_allclose(tiled, image, atol=1e-4 * image.max())
    for name in ("frame", "x_nm", "y_nm"):
        ours = np.sort(tiled_table[name])
        np.testing.assert_allclose(ours, np.sort(table[name]), atol=0.05)


@pytest.mark.parametrize(("n", "groups"), [(6, [2, 2, 2]), (7, [2, 2, 2, 1]), (1, [1])])
def test_frames_are_summed_in_groups(model: DeepStorm, n: int, groups: list[int]) -> None:
    frames = stack(n, (16, 16))
    image, table = run(model, frames, sum_frames=2)
    edges = np.cumsum([0, *groups])
    sums = np.stack([frames[a:b].sum(0, dtype=float) for a, b in itertools.pairwise(edges)])
    expected = plain(model, sums)
    np.testing.assert_allclose(image, expected, atol=1e-4 * expected.max())
    assert set(np.unique(table.frame)) <= set(edges[:-1])


def test_large_groups_are_read_in_small_pieces(
    model: DeepStorm, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = stack(23, (16, 16))
    expected, _ = run(model, frames, sum_frames=10)
    monkeypatch.setattr(inputs, "READ_BYTES", 3 * 16 * 16 * 2)
    image, _ = run(model, frames, sum_frames=10)
    np.testing.assert_allclose(image, expected, atol=1e-4 * expected.max())


def test_sums_lose_one_baseline_for_each_frame(model: DeepStorm) -> None:
    camera = SCMOS()
    seen = []
    pipeline = Pipeline(model, CPU, sum_frames=3, camera=camera)
    pipeline.model.prepare = lambda frames: (seen.append(frames), model.prepare(frames))[1]
    frames = np.full((5, 16, 16), camera.baseline + 10, np.float32)
    frames[:, 0, 0] += 1
    list(pipeline.run(open_frames(frames)))
    got = torch.cat(seen)[:, 0, 5, 5]
    one = 10 / camera.adu_per_photon
    torch.testing.assert_close(got, torch.tensor([3 * one, 2 * one]))


def test_localizations_agree_with_the_image(model: DeepStorm) -> None:
    frames = stack(4, (16, 16))
    image, table = run(model, frames)
    assert table.is_sorted
    assert table.frame.max() <= 3
    row, column = (table.y_nm // 12.5).astype(int), (table.x_nm // 12.5).astype(int)
    assert (image[row, column] > 0).mean() > 0.95


def test_windows_are_not_reached_over(model: DeepStorm) -> None:
    pipeline = Pipeline(model, CPU)
    parts = list(pipeline.run(open_frames(stack(7, (16, 16))), window=3))
    starts = {part.first_frame for part in parts}
    assert {0, 3, 6} <= starts
    assert sum(part.n_frames for part in parts) == 7
    assert all(p.first_frame // 3 == (p.first_frame + p.n_frames - 1) // 3 for p in parts)


def with_room_for(n: int, work: Any) -> Any:
    """The same work, for which memory runs out with more than n frames."""

    def limited(batch: torch.Tensor, *more: Any) -> Any:
        if len(batch) > n:
            raise torch.OutOfMemoryError("out of memory")
        return work(batch, *more)

    return limited


@pytest.mark.parametrize("step", ["predict", "to_image", "find_in_image"])
def test_running_out_of_memory_halves_the_batch_and_changes_nothing(
    model: DeepStorm, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    monkeypatch.setattr(module, "PIXELS_PER_BATCH", {"cpu": 5 * 16 * 16 * model.work_per_px})
    frames = stack(15, (16, 16))
    expected, expected_table = run(model, frames)
    pipeline = Pipeline(model, CPU)
    monkeypatch.setattr(pipeline.model, step, with_room_for(2, getattr(pipeline.model, step)))
    parts = list(pipeline.run(open_frames(frames)))
    assert len(parts) == 3
    np.testing.assert_allclose(sum(p.image for p in parts), expected, atol=1e-4 * expected.max())
    found = np.concatenate([p.localizations.frame for p in parts])
    np.testing.assert_array_equal(found, expected_table.frame)
    assert caplog.text.count("Out of memory") == 2, "5 to 3 to 2 frames, and never again"


def test_frames_too_large_for_the_memory_are_told_in_one_sentence(
    model: DeepStorm, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = Pipeline(model, CPU)
    monkeypatch.setattr(pipeline.model, "predict", with_room_for(0, pipeline.model.predict))
    with pytest.raises(ValueError, match=r"^There is too little memory on cpu for .* 16 x 24 p"):
        list(pipeline.run(open_frames(stack(3, (16, 24)))))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_frame_that_is_not_finite_gives_nothing_and_costs_no_other(
    model: DeepStorm, bad: float
) -> None:
    frames = stack(5, (16, 16)).astype(np.float32)
    _, expected = run(model, frames)
    frames[3, 2, 2] = bad
    _, found = run(model, frames)
    kept = expected[expected.frame != 3]
    assert len(kept) > 0
    np.testing.assert_array_equal(found.frame, kept.frame)
    np.testing.assert_allclose(found.x_nm, kept.x_nm, atol=1e-3)
    frames[:, 2, 2] = bad
    with pytest.raises(ValueError, match=r"frames 0:5 \(counted from 0\) hold NaN or infinite"):
        run(model, frames)


@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.float16, np.float64, np.int32])
def test_every_number_format_is_read(model: DeepStorm, dtype: type) -> None:
    frames = (stack(2, (16, 16)) % 100).astype(dtype)
    image, _ = run(model, frames - (50 if np.dtype(dtype).kind in "if" else 0))
    expected = plain(model, frames.astype(np.float32))
    np.testing.assert_allclose(image, expected, atol=2e-3 * expected.max())


def test_reading_ahead_hands_errors_over_in_order() -> None:
    def items():
        yield from range(3)
        raise OSError("gone")

    found = []
    with pytest.raises(OSError, match="gone"):  # noqa: PT012 - what came before counts too
        for item in prefetch(items()):
            found.append(item)  # noqa: PERF402 - kept although the loop raises
    assert found == [0, 1, 2]


def test_closing_early_ends_the_reading_thread() -> None:
    import threading

    before = threading.active_count()
    ahead = prefetch(iter(range(1000)))
    assert next(ahead) == 0
    ahead.close()
    assert threading.active_count() == before
