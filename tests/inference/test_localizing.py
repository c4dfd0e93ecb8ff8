"""The pipeline with networks that localize: table and image, planes, and neighbours in time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_deepsmlm._devices import choose_compute
from napari_deepsmlm.camera import EMCCD, SCMOS, SensorMaps
from napari_deepsmlm.inference import Pipeline, pipeline
from napari_deepsmlm.io import open_frames
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.models import build_model
from napari_deepsmlm.render import gaussian, histogram

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CPU = choose_compute("cpu", "fp32")


def stack(n: int = 11, shape: tuple[int, ...] = (24, 30)) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 9000, (n, *shape)).astype(np.uint16)


@pytest.fixture
def build(spotter: Callable[..., Path]) -> Callable[..., Any]:
    """A function from configuration to the network."""
    return lambda **config: build_model("spotter", config)


def run(model: Any, frames: np.ndarray, **options: Any) -> tuple[np.ndarray, Localizations]:
    window = options.pop("window", None)
    parts = list(Pipeline(model, CPU, **options).run(open_frames(frames), window=window))
    table = Localizations.concatenate(part.localizations for part in parts)
    return sum(part.image for part in parts), table


def assert_same(ours: Localizations, expected: Localizations) -> None:
    """Same rows, whatever their order within a frame."""
    assert len(ours) == len(expected) > 100
    a, b = (t[np.lexsort((t.x_nm, t.y_nm, t.frame))] for t in (ours, expected))
    for name in expected.names:
        np.testing.assert_allclose(a[name], b[name], rtol=1e-5, atol=1e-2)


def test_molecules_are_those_of_one_plain_pass(build: Callable[..., Any]) -> None:
    model, frames = build(), stack()
    with torch.no_grad():
        plain = model.to_localizations(model(torch.from_numpy(frames[:, None].astype(np.float32))))
    assert_same(run(model, frames)[1], plain.to_numpy())


def test_the_image_is_the_table_drawn_with_its_own_uncertainties(
    build: Callable[..., Any],
) -> None:
    image, table = run(build(), stack(), upsampling=5)
    assert image.shape == (120, 150)
    expected = gaussian(table.to_torch(), image.shape, sr_pixel_nm=20.0)
    np.testing.assert_allclose(image, expected, atol=1e-4)
    assert run(build(), stack())[0].shape == (24 * 8, 30 * 8)


def test_without_uncertainties_the_image_counts_molecules(build: Callable[..., Any]) -> None:
    model = build()
    found = model.to_localizations
    model.columns = ("frame", "x_nm", "y_nm")
    model.to_localizations = lambda *a: Localizations.from_columns(
        {name: found(*a)[name] for name in model.columns}
    )
    image, table = run(model, stack())
    np.testing.assert_array_equal(image, histogram(table, image.shape, sr_pixel_nm=12.5))
    assert image.sum() == len(table) > 100


def test_tiles_find_what_whole_frames_do(
    build: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    image, table = run(build(neighbours=1), stack())
    monkeypatch.setattr(pipeline, "PIXELS_PER_TILE", 8 * 7**2)
    tiled, tiled_table = run(build(neighbours=1), stack())
    assert_same(tiled_table, table)
    np.testing.assert_allclose(tiled, image, atol=1e-3)


@pytest.mark.parametrize("frames_per_batch", [1, 2, 5, 11])
@pytest.mark.parametrize(("sum_frames", "window"), [(1, None), (1, 4), (2, None), (2, 5), (3, 4)])
def test_neighbours_in_time_are_the_same_for_any_batch(
    build: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    frames_per_batch: int,
    sum_frames: int,
    window: int | None,
) -> None:
    frames = stack()
    starts = [
        first
        for begin in range(0, 11, window or 11)
        for first in range(begin, min(11, begin + (window or 11)), sum_frames)
    ]
    sums = np.add.reduceat(frames.astype(float), starts, axis=0)
    padded = np.concatenate([sums[:1], sums[:1], sums, sums[-1:], sums[-1:]])
    around = sum(padded[k : k + len(sums)] for k in (0, 1, 3, 4))  # two on each side
    monkeypatch.setitem(pipeline.PIXELS_PER_BATCH, "cpu", 8 * 24 * 30 * frames_per_batch)
    _, table = run(build(neighbours=2), frames, sum_frames=sum_frames, window=window)
    group = np.searchsorted(starts, table.frame)
    np.testing.assert_array_equal(np.asarray(starts)[group], table.frame)
    # The maximum lies in the pixel that has these photons; centres of gravity may not.
    light = [np.argwhere(sums[g] == p) for g, p in zip(group, table["photons"], strict=True)]
    known = [k for k, places in enumerate(light) if len(places) == 1]
    assert len(known) > 30
    expected = [around[group[k]][tuple(light[k][0])] for k in known]
    np.testing.assert_allclose(table["background"][known], expected)


def test_frames_are_read_once_but_for_the_neighbours(
    build: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, reads = open_frames(stack(12)), []
    read = source.read
    monkeypatch.setattr(source, "read", lambda a, b: (reads.append((a, b)), read(a, b))[1])
    monkeypatch.setitem(pipeline.PIXELS_PER_BATCH, "cpu", 8 * 24 * 30 * 4)
    list(Pipeline(build(neighbours=1), CPU).run(source))
    assert reads == [(0, 5), (3, 9), (7, 12)]


def test_planes_flow_through_beside_their_neighbours(build: Callable[..., Any]) -> None:
    frames = stack(6, (3, 24, 30))
    _, table = run(build(planes=3, neighbours=1), frames)
    _, summed = run(build(neighbours=1), frames.sum(1))
    assert_same(table, summed)


@pytest.mark.parametrize("kind", [SCMOS, EMCCD])
def test_sums_lose_offset_and_spurious_charge_of_every_frame(
    build: Callable[..., Any], tmp_path: Path, kind: type
) -> None:
    offset = np.random.default_rng(1).uniform(90, 110, (24, 30))
    camera = kind(maps=SensorMaps.from_arrays(tmp_path, offset=offset), spurious_e=0.5)
    frames = 400 + stack(5)
    one = [camera.to_photons(torch.from_numpy(f.astype(np.float32))[None, None]) for f in frames]
    seen: list[torch.Tensor] = []
    ours = Pipeline(build(), CPU, sum_frames=3, camera=camera)
    ours.model.prepare = lambda x: (seen.append(x), x)[1]
    list(ours.run(open_frames(frames)))
    expected = torch.cat([one[0] + one[1] + one[2], one[3] + one[4]])
    torch.testing.assert_close(torch.cat(seen), expected, rtol=1e-4, atol=1e-2)
