"""Streams: batches at work side by side give what they give one after the other."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_deepsmlm._devices import choose_compute
from napari_deepsmlm.inference import Pipeline, pipeline
from napari_deepsmlm.inference.streams import in_lanes
from napari_deepsmlm.io import open_frames
from napari_deepsmlm.localizations import Localizations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_deepsmlm.models.deep_storm import DeepStorm

CPU = torch.device("cpu")


def test_results_come_in_order_however_long_each_takes() -> None:
    def slept(ms: int) -> tuple[int, str]:
        time.sleep(ms / 1000)
        return ms, threading.current_thread().name

    found = list(in_lanes(slept, [60, 1, 40, 1, 1], 2, CPU))
    assert [ms for ms, _ in found] == [60, 1, 40, 1, 1]
    assert len({name for _, name in found}) == 2
    here = threading.current_thread().name
    assert list(in_lanes(slept, [2, 1], 1, CPU)) == [(2, here), (1, here)]


def test_no_more_than_its_lanes_are_at_work_or_waiting() -> None:
    asked = []

    def items() -> Iterator[int]:
        for number in range(10):
            asked.append(number)
            yield number

    results = in_lanes(str, items(), 3, CPU)
    assert next(results) == "0"
    assert asked == [0, 1, 2]


def test_an_error_comes_after_the_results_before_it() -> None:
    def work(number: int) -> float:
        return 1 / number

    results = in_lanes(work, [1, 2, 0, 4], 2, CPU)
    assert [next(results), next(results)] == [1.0, 0.5]
    with pytest.raises(ZeroDivisionError):
        next(results)


@pytest.mark.parametrize("n_lanes", [2, 3])
def test_a_pipeline_with_lanes_finds_what_one_without_finds(
    n_lanes: int,
    deep_storm: DeepStorm,
    small_movie: tuple[np.ndarray[Any, Any], object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(pipeline.PIXELS_PER_BATCH, "cpu", 1)  # one frame at a time
    found = []
    for lanes in (1, n_lanes):
        monkeypatch.setitem(pipeline.LANES, "cpu", lanes)
        line = Pipeline(deep_storm, choose_compute("cpu", "fp32"), hot_pixels=[(0, 3, 4)])
        found.append(list(line.run(open_frames(small_movie[0]))))
    one, several = found
    assert [part.first_frame for part in several] == [part.first_frame for part in one]
    assert len(one) == 12
    for image, expected in zip(several, one, strict=True):
        np.testing.assert_array_equal(image.image, expected.image)
    tables = [Localizations.concatenate(part.localizations for part in parts) for parts in found]
    np.testing.assert_array_equal(tables[0].x_nm, tables[1].x_nm)


def test_lanes_stop_at_once(deep_storm: DeepStorm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(pipeline.LANES, "cpu", 2)
    stack = np.random.default_rng(0).poisson(100, (50, 64, 64)).astype(np.uint16)
    stopping, parts = threading.Event(), 0
    for _ in Pipeline(deep_storm, choose_compute("cpu", "fp32")).run(
        open_frames(stack), stopping=stopping
    ):
        parts += 1
        stopping.set()
    assert parts < 5
