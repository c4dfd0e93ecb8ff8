"""A region gives what the same part of the whole frames gives, wherever it lies."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_deepsmlm._devices import choose_compute
from napari_deepsmlm.inference import Pipeline, pipeline
from napari_deepsmlm.inference.prefetch import prefetch
from napari_deepsmlm.inference.stopping import Stopped
from napari_deepsmlm.inference.tiles import Region, tiles
from napari_deepsmlm.io import open_frames
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.models import build_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_deepsmlm.models.deep_storm import DeepStorm

CPU = choose_compute("cpu", "fp32")
REGION = Region(5, 9, 22, 26)  # not at multiples of anything


def stack(n: int = 3, shape: tuple[int, int] = (32, 36)) -> np.ndarray:
    return np.random.default_rng(0).integers(100, 900, (n, *shape)).astype(np.uint16)


def run(model: Any, frames: np.ndarray, region: Region | None, **options: Any) -> Any:
    parts = list(Pipeline(model, CPU, **options).run(open_frames(frames), region=region))
    table = Localizations.concatenate(part.localizations for part in parts)
    return sum(part.image for part in parts), table


def inside(table: Localizations, region: Region, pixel_nm: float) -> Localizations:
    y, x = table.y_nm / pixel_nm, table.x_nm / pixel_nm
    is_inside = (y >= region.y) & (y < region.y_end) & (x >= region.x) & (x < region.x_end)
    return table[is_inside]


def assert_same(ours: Localizations, expected: Localizations) -> None:
    assert len(ours) == len(expected) > 20
    a, b = (t[np.lexsort((t.x_nm.round(), t.y_nm.round(), t.frame))] for t in (ours, expected))
    for name in ("frame", "x_nm", "y_nm"):
        np.testing.assert_allclose(a[name], b[name], atol=0.05)


@given(
    shape=st.tuples(st.integers(8, 40), st.integers(8, 40)),
    corners=st.tuples(*[st.floats(0, 1) for _ in range(4)]),
    side=st.integers(1, 5),
    step=st.integers(1, 3),
    halo=st.integers(0, 7),
)
def test_tiles_cover_a_region_once_and_have_their_halo(
    shape: tuple[int, int], corners: tuple[float, ...], side: int, step: int, halo: int
) -> None:
    y, x = int(corners[0] * (shape[0] - 1)), int(corners[1] * (shape[1] - 1))
    height, width = (
        1 + int(corners[2] * (shape[0] - y - 1)),
        1 + int(corners[3] * (shape[1] - x - 1)),
    )
    region = Region(y, x, y + height, x + width)
    covered = np.zeros(shape, int)
    image = np.zeros(region.shape, int)
    numbers = np.arange(shape[0] * shape[1]).reshape(shape)
    for tile in tiles(shape, region, side=side * step, step=step, halo=halo):
        covered[tile.y : tile.y_end, tile.x : tile.x_end] += 1
        assert tile.rows.start % step == tile.columns.start % step == 0
        assert tile.rows.start <= max(0, tile.y - halo)
        assert tile.rows.stop == min(shape[0], tile.y_end + halo)
        assert tile.columns.stop == min(shape[1], tile.x_end + halo)
        image[tile.place(region, 1)] = numbers[tile.rows, tile.columns][tile.core(1)]
    np.testing.assert_array_equal(image, numbers[y : y + height, x : x + width])
    assert covered.sum() == height * width
    assert covered.max() == 1


@pytest.mark.parametrize("sum_frames", [1, 2])
@pytest.mark.parametrize("tile_px", [8, 400])
def test_a_region_of_an_image_network_is_that_part_of_the_whole(
    deep_storm: DeepStorm, sum_frames: int, tile_px: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep_storm.molecules_per_unit.fill_(5.0)
    whole, table = run(deep_storm, stack(), None, sum_frames=sum_frames)
    monkeypatch.setattr(pipeline, "PIXELS_PER_TILE", (tile_px * 8) ** 2)
    part, found = run(deep_storm, stack(), REGION, sum_frames=sum_frames)
    rows, columns = slice(8 * REGION.y, 8 * REGION.y_end), slice(8 * REGION.x, 8 * REGION.x_end)
    np.testing.assert_allclose(part, whole[rows, columns], atol=1e-4 * whole.max())
    assert_same(found, inside(table, REGION, 100.0))


def test_a_network_whose_tiles_begin_at_even_pixels_takes_any_region() -> None:
    torch.manual_seed(0)
    model: Any = build_model("deep-storm", {"upsampling": 4})
    model.train()
    for _ in range(5):
        model(torch.rand(2, 1, 16, 16))
    model.eval().molecules_per_unit.fill_(5.0)
    assert model.tile_step_px == 2
    whole, _ = run(model, stack(1), None)
    part, _ = run(model, stack(1), REGION)
    rows, columns = slice(4 * REGION.y, 4 * REGION.y_end), slice(4 * REGION.x, 4 * REGION.x_end)
    np.testing.assert_allclose(part, whole[rows, columns], atol=1e-4 * whole.max())


def test_a_region_of_a_localizing_network_has_the_molecules_of_that_part(
    spotter: Callable[..., Path],
) -> None:
    spotter()
    model = build_model("spotter", {"neighbours": 1})
    whole, table = run(model, stack(6), None)
    part, found = run(model, stack(6), REGION)
    assert_same(found, inside(table, REGION, 100.0))
    # Away from its edges, where molecules outside of it reach into the whole image.
    rows, columns = slice(8 * REGION.y, 8 * REGION.y_end), slice(8 * REGION.x, 8 * REGION.x_end)
    middle = slice(32, -32), slice(32, -32)
    np.testing.assert_allclose(part[middle], whole[rows, columns][middle], atol=1e-3)
    assert part.shape == (8 * 17, 8 * 17)


def test_stopping_drops_the_batch_at_hand_within_a_layer(deep_storm: DeepStorm) -> None:
    stopping = threading.Event()
    run = Pipeline(deep_storm, CPU).run(open_frames(stack(1, (512, 512))), stopping=stopping)
    threading.Timer(0.5, stopping.set).start()
    started = time.perf_counter()
    assert list(run) == []
    assert time.perf_counter() - started < 5  # seconds, where the frame takes a minute


def test_stopping_does_not_wait_for_a_slow_reader() -> None:
    stopping, go_on = threading.Event(), threading.Event()

    def items() -> Any:
        yield 0
        go_on.wait(30)
        yield 1

    ahead = prefetch(items(), stopping=stopping)
    assert next(ahead) == 0
    stopping.set()
    started = time.perf_counter()
    with pytest.raises(Stopped):
        next(ahead)
    go_on.set()
    assert time.perf_counter() - started < 3


def test_a_long_sum_is_left_when_stopped(
    deep_storm: DeepStorm, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopping = threading.Event()
    source = open_frames(stack(500, (16, 16)))
    n_read = []

    def read(start: int, stop: int) -> np.ndarray:
        n_read.append(stop - start)
        stopping.set()
        return np.ones((stop - start, 1, 16, 16), np.uint16)

    monkeypatch.setattr("napari_deepsmlm.inference.inputs.READ_BYTES", 10 * 16 * 16 * 2)
    monkeypatch.setattr(source, "read", read)
    assert list(Pipeline(deep_storm, CPU, sum_frames=500).run(source, stopping=stopping)) == []
    assert sum(n_read) == 10
