"""Large frames: tiles predict what whole frames do, in bounded memory, for every built-in model."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from napari_deepsmlm._devices import choose_compute
from napari_deepsmlm.inference import Pipeline
from napari_deepsmlm.inference import pipeline as module
from napari_deepsmlm.inference.memory import is_out_of_memory
from napari_deepsmlm.io import open_frames
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.models import ImageModel, build_model, built_in_models, find_model

if TYPE_CHECKING:
    from pathlib import Path

CPU = choose_compute("cpu", "fp32")
NAMES = sorted(built_in_models())
PEAK = """
import sys, torch
from napari_deepsmlm._devices import choose_compute, peak_memory_mb
from napari_deepsmlm.inference import Pipeline
from napari_deepsmlm.inference.tiles import Region
from napari_deepsmlm.models import find_model
pipeline = Pipeline(find_model(sys.argv[1]).load(), choose_compute("cpu", "fp32"))
model = pipeline.model
frames = torch.zeros(1, model.n_planes, 2048, 2048)
sizes = [(t.rows.stop - t.rows.start, t.columns.stop - t.columns.start)
         for t in pipeline._tiles(frames, Region(0, 0, 2048, 2048))]
largest = torch.rand(1, model.n_planes, *max(sizes))
before = peak_memory_mb()
with torch.inference_mode():
    model.predict(model.prepare(largest))
print(peak_memory_mb() - before)
"""

WHOLE = """
import sys
import numpy as np
import napari_deepsmlm as ds
from napari_deepsmlm._devices import peak_memory_mb
from napari_deepsmlm.models import find_model
name, folder = sys.argv[1:]
planes = find_model(name).card.n_planes
camera = {"kind": "scmos", "baseline": 100.0, "e_per_adu": 1.0}
peaks = []
for side in (64, 2048):
    frame = np.random.default_rng(0).poisson(120, (1, planes, side, side)).astype(np.uint16)
    frame[..., 10::20, 10::20] += 400
    frame[..., 11::20, 10::20] += 300
    result = ds.reconstruct(frame, name, pixel_size_nm=100, camera=camera, axes="TCYX", force=True,
                            out=f"{folder}/{side}")
    assert result.localizations.frame.size > side * side / 1000
    peaks.append(peak_memory_mb())
print(peaks[1] - peaks[0])
"""


@pytest.mark.slow  # minutes; not of all, as DRSN-STORM takes half an hour
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "name", ["dilated-loc:2d", "deep-storm:2d", "voxel-regression:quad-plane-192nm"]
)
def test_a_frame_of_2048_pixels_squared_takes_less_than_two_gigabytes_from_file_to_file(
    name: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", WHOLE, name, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert float(done.stdout.splitlines()[-1]) < 2000


@pytest.mark.slow  # a recursive network on a long frame
@pytest.mark.parametrize("name", NAMES)
def test_tiles_of_a_built_in_model_predict_what_whole_frames_do(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = find_model(name).load()
    spots = np.zeros((2, model.n_planes, 112, 16))
    spots[:, :, 5::8, 5::8] = 5000
    light = 20 + gaussian_filter(spots, (0, 0, 1.1, 1.1))
    source = open_frames(np.random.default_rng(0).poisson(light).astype(np.uint16), axes="TCYX")
    whole = list(Pipeline(model, CPU, threshold=0.1).run(source))
    monkeypatch.setattr(module, "PIXELS_PER_TILE", 16 * 16 * model.work_per_px)
    tiled = list(Pipeline(model, CPU, threshold=0.1).run(source))
    found, expected = (
        Localizations.concatenate(p.localizations for p in parts) for parts in (tiled, whole)
    )
    assert len(expected) > 10
    for name in ("x_nm", "y_nm"):
        atol_nm = 1e-4 * model.pixel_size_nm + 1e-3  # single precision of a position
        np.testing.assert_allclose(np.sort(found[name]), np.sort(expected[name]), atol=atol_nm)
    image, expected_image = (sum(p.image for p in parts) for parts in (tiled, whole))
    # A drawn molecule is narrower than a pixel, on whose border rounding shows.
    tolerance = 1e-4 if isinstance(model, ImageModel) else 1e-3
    np.testing.assert_allclose(image, expected_image, atol=tolerance * expected_image.max())


@pytest.mark.slow  # a tile of a 2048 x 2048 frame takes a minute on two cores
@pytest.mark.parametrize("name", NAMES)
def test_a_tile_of_2048_pixels_squared_takes_less_than_a_gigabyte(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PEAK, name], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < 1000


def test_tiles_and_batches_are_smaller_where_little_memory_is_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usual = Pipeline(build_model("deep-storm"), CPU)
    assert usual._pixels_per_tile == module.PIXELS_PER_TILE
    monkeypatch.setattr(module, "free_memory_bytes", lambda device: 64 << 20)
    small = Pipeline(build_model("deep-storm"), CPU)
    assert small._pixels_per_tile == small._pixels_per_batch == 1 << 16
    usual.cut_for("cpu", 64 << 20)  # as another machine, which has little, needs it
    assert usual._pixels_per_tile == usual._pixels_per_batch == 1 << 16


def test_a_batch_without_any_contrast_costs_no_prediction(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = Pipeline(build_model("deep-storm"), CPU)
    frames = np.random.default_rng(0).integers(100, 900, (4, 16, 16)).astype(np.uint16)
    frames[2:] = 7
    pipeline._pixels_per_batch = 1
    seen = []
    predict = pipeline.model.predict
    pipeline.model.predict = lambda prepared: (seen.append(len(prepared)), predict(prepared))[1]
    parts = list(pipeline.run(open_frames(frames)))
    assert len(seen) == 2
    assert [part.n_constant for part in parts] == [0, 0, 1, 1]
    assert not parts[3].image.any()
    assert len(parts[3].localizations) == 0


def test_a_cpu_says_in_its_own_words_that_memory_ran_out() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)
    assert not is_out_of_memory(RuntimeError("a shape does not fit"))
