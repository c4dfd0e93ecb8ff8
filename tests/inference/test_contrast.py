"""Frames without contrast give nothing, and hot pixels are replaced before anything else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_deepsmlm._devices import Compute
from napari_deepsmlm._windows import Windows
from napari_deepsmlm.inference.hot_pixels import HotPixels
from napari_deepsmlm.inference.inputs import Groups, read_inputs
from napari_deepsmlm.inference.pipeline import Pipeline
from napari_deepsmlm.inference.predicted import Predicted
from napari_deepsmlm.inference.sinks import MemorySink
from napari_deepsmlm.io import open_frames
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.models import load_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CPU = Compute(torch.device("cpu"), torch.float32, "as the test wants it")


@pytest.fixture
def stack(small_movie: Any) -> np.ndarray:
    """(12, 16, 24)."""
    return small_movie[0][:, 0].copy()


def predicted(path: Path, frames: np.ndarray, **options: Any) -> tuple[np.ndarray, Any, int]:
    """Return the image, the frames of all molecules, and how many frames had no contrast."""
    model, _ = load_model(path)
    model.pixel_size_nm = 100.0
    parts = list(Pipeline(model, CPU, **options).run(open_frames(frames)))
    numbers = np.concatenate([part.localizations.frame for part in parts])
    return sum(part.image for part in parts), numbers, sum(part.n_constant for part in parts)


@pytest.mark.parametrize("value", [0, 100, 65_535])
@pytest.mark.parametrize("is_exact", [True, False])
@pytest.mark.parametrize("neighbours", [0, 1])
def test_a_frame_without_contrast_gives_nothing_and_spoils_no_neighbour(
    spotter: Callable[..., Path], stack: np.ndarray, value: int, is_exact: bool, neighbours: int
) -> None:
    path = spotter(neighbours=neighbours)
    stack[3] = value
    if not is_exact and value:
        stack[3, 5, 5] = value - 1
    image, numbers, n_constant = predicted(path, stack, threshold=0.0)
    assert n_constant == 1
    assert 3 not in numbers
    assert {0, 11} <= set(numbers)
    repeated = stack.copy()
    repeated[3] = repeated[2]  # a neighbour in time is as the nearest that shows something
    _, others, _ = predicted(path, repeated, threshold=0.0)
    for frame in (0, 1, 2, 5):
        assert (numbers == frame).sum() == (others == frame).sum()
    assert image.sum() > 0


def test_the_image_of_an_image_network_has_nothing_of_it(
    model_file: Path, stack: np.ndarray
) -> None:
    without, _, _ = predicted(model_file, np.delete(stack, 3, axis=0))
    stack[3] = 65_535
    image, _, n_constant = predicted(model_file, stack)
    assert n_constant == 1
    np.testing.assert_allclose(image, without, rtol=1e-5, atol=1e-5)


def test_sums_leave_it_out_and_count_it_out(stack: np.ndarray) -> None:
    expected = stack[[4, 5, 7]].sum(axis=0, dtype=np.float64)
    stack[6] = 65_535
    groups = Groups(12, sum_frames=4)
    inputs = next(read_inputs(open_frames(stack), groups, 3))
    assert inputs.counts.tolist() == [4, 3, 4]
    assert inputs.has_contrast.tolist() == [True, True, True]
    np.testing.assert_array_equal(inputs.frames[1, 0], expected)


def test_a_stack_of_nothing_gives_nothing(model_file: Path) -> None:
    image, numbers, n_constant = predicted(model_file, np.full((3, 16, 16), 500, np.uint16))
    assert (image.sum(), len(numbers), n_constant) == (0, 0, 3)


@pytest.mark.parametrize("is_localizing", [False, True])
def test_a_dark_batch_is_one_value_however_large_its_image(
    is_localizing: bool, model_file: Path, spotter: Callable[..., Path]
) -> None:
    model, _ = load_model(spotter() if is_localizing else model_file)
    model.pixel_size_nm = 100.0
    frames = np.full((4, 16, 16), 500, np.uint16)
    (part,) = Pipeline(model, CPU, threshold=0.0).run(open_frames(frames))
    assert part.is_dark
    assert part.image.shape == (16 * 8, 16 * 8)
    assert part.image.strides == (0, 0), "no memory of its own"
    assert not part.image.any()


def test_dark_batches_are_added_to_no_image_and_begin_one() -> None:
    light, table = torch.ones(2, 3), Localizations.empty()

    def batch(frame: int, image: torch.Tensor) -> Predicted:
        is_dark = not image.any()
        return Predicted(frame, 1, 0, (), image, table, is_dark=is_dark)

    dark = torch.zeros(()).expand(2, 3)
    lights = (light, dark, dark, dark, dark, 2 * light)
    windows = Windows(2, 2)
    with MemorySink((2, 3), columns=(), windows=windows, n_frames=6) as sink:
        for frame, image in enumerate(lights):
            sink.add(batch(frame, image))
    assert sink.image[:, 0, 0].tolist() == [1, 0, 2]
    assert sink.molecules == 18


def test_hot_pixels_are_replaced_in_every_frame(model_file: Path, stack: np.ndarray) -> None:
    expected = stack.astype(np.float32)
    around = [(6, 7), (6, 8), (6, 9), (7, 7), (7, 9), (8, 7), (8, 8), (8, 9)]
    expected[:, 7, 8] = np.median([expected[:, y, x] for y, x in around], axis=0)
    stack[:, 7, 8] = 65_535
    image, _, _ = predicted(model_file, stack, hot_pixels=[(0, 7, 8)])
    clean, _, _ = predicted(model_file, expected)
    np.testing.assert_array_equal(image, clean)


def test_hot_pixels_at_edges_and_beside_each_other_take_what_is_good() -> None:
    frames = torch.arange(2 * 16, dtype=torch.float32).reshape(1, 2, 4, 4).repeat(3, 1, 1, 1)
    good = frames.clone()
    frames[:, 1, 0, 0], frames[:, 1, 0, 1] = 9_999, 8_888
    HotPixels([(1, 0, 0), (1, 0, 1)], (2, 4, 4)).mend(frames)
    assert frames[0, 1, 0, 0] == np.median([20, 21])
    assert frames[0, 1, 0, 1] == np.median([18, 20, 21, 22])
    torch.testing.assert_close(frames[:, 0], good[:, 0])
    torch.testing.assert_close(frames[:, 1, 1:], good[:, 1, 1:])
