"""What a GPU computes: models, pipeline and trainer give there what they give on the CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

import napari_deepsmlm as ds
from napari_deepsmlm._devices import choose_compute
from napari_deepsmlm.inference import Pipeline
from napari_deepsmlm.inference.sinks import MemorySink
from napari_deepsmlm.io import open_frames
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.metrics import match, nmse_percent
from napari_deepsmlm.models import available_models, build_model, built_in_models, find_model
from napari_deepsmlm.training.events import StepDone

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
NETWORKS = sorted(available_models())
MODELS = sorted(built_in_models())


def movie(n_frames: int = 40, model: str = "dilated-loc:2d-100nm") -> tuple[Any, ...]:
    """Return frames of the microscope that a model was trained for, the truth, and it."""
    card = find_model(model).card
    values = card.experiment or {}
    known = ds.Experiment.from_dict(values, source=model).replace(variety=None, image_px=(64, 64))
    stack, truth = known.simulate(n_frames, seed=5)
    return stack, truth, known


@pytest.mark.parametrize("name", NETWORKS)
def test_a_model_predicts_on_it_what_it_does_on_the_cpu(name: str) -> None:
    torch.manual_seed(0)
    model = build_model(name).eval()
    frames = 100 + 50 * torch.rand(2, model.n_planes * (2 * model.context + 1), 32, 32)
    with torch.no_grad():
        expected = model(frames)
        found = model.cuda()(frames.cuda()).cpu()
    torch.testing.assert_close(found, expected, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_loss_falls_on_it(name: str, tmp_path: Path) -> None:
    values = {"image_px": (32, 32), "network": name}
    values["training"] = {"steps": 20, "validate_every": 10**6, "batch_size": 4}
    trainer = ds.Experiment.from_dict(values).trainer(tmp_path, device="cuda")
    losses = [event.loss for event in trainer.run() if isinstance(event, StepDone)]
    assert np.isfinite(losses).all()
    assert np.mean(losses[-5:]) < np.mean(losses[:5])


@pytest.mark.parametrize("name", MODELS)
def test_the_pipeline_finds_on_it_what_it_does_on_the_cpu(name: str) -> None:
    stack, _, experiment = movie(4 if name.startswith("drsn") else 40, name)
    tables, images = [], []
    for device in ("cpu", "cuda"):
        model = find_model(name).load()
        pipeline = Pipeline(model, choose_compute(device, "fp32"), camera=experiment.camera)
        parts = list(pipeline.run(open_frames(stack)))
        tables.append(Localizations.concatenate(part.localizations for part in parts))
        images.append(sum(part.image for part in parts))
    assert len(tables[0]) > 20
    assert match(tables[1], tables[0]).scores()["jaccard"] > 0.99
    assert nmse_percent(images[1], images[0]) < 0.5


def test_images_stay_on_it_until_they_are_asked_for() -> None:
    stack, _, experiment = movie(40, "deep-storm:2d")
    model = find_model("deep-storm:2d").load()
    pipeline = Pipeline(model, choose_compute("cuda", "fp32"), camera=experiment.camera)
    parts = list(pipeline.run(open_frames(stack)))
    with MemorySink(parts[0].image.shape, columns=model.columns) as sink:
        for number, part in enumerate(parts):
            assert part.image_on_device.is_cuda
            sink.add(part)
            expected = sum(one.image for one in parts[: number + 1])
            np.testing.assert_allclose(sink.snapshot(), expected, rtol=1e-5, atol=1e-7)
    assert sink.molecules == pytest.approx(float(sink.image.sum()), rel=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_half_precision_costs_less_than_half_a_percent(name: str) -> None:
    stack, truth, experiment = movie(40, name)
    scores, truth = [], truth.without("z_nm")
    for precision in ("fp32", "bf16"):
        result = ds.reconstruct(
            stack, name, device="cuda", precision=precision, camera=experiment.camera,
            pixel_size_nm=experiment.psf.pixel_size_nm,
        )  # fmt: skip
        scores.append(match(result.localizations, truth).scores()["jaccard"])
    assert scores[1] == pytest.approx(scores[0], abs=0.005)


def test_two_workers_of_one_gpu_give_what_one_gives() -> None:
    stack, _, _ = movie(400)
    options = {"pixel_size_nm": 100.0, "camera": "none", "precision": "fp32"}
    one = ds.reconstruct(stack, "dilated-loc", device="cuda", **options)
    two = ds.reconstruct(stack, "dilated-loc", device="cuda:0,cuda:0", **options)
    assert two.report.device.startswith("2 workers on cuda:0")
    assert match(two.localizations, one.localizations).scores()["jaccard"] > 0.999
    np.testing.assert_allclose(two.image, one.image, atol=1e-2 * one.image.max())


def test_running_out_of_its_memory_halves_the_batch(caplog: pytest.LogCaptureFixture) -> None:
    stack, _, _ = movie(400)
    pipeline = Pipeline(build_model("dilated-loc"), choose_compute("cuda", "fp32"))
    torch.cuda.reset_peak_memory_stats()
    expected = list(pipeline.run(open_frames(stack)))
    n_used = torch.cuda.memory_allocated()
    n_used_at_most = torch.cuda.max_memory_allocated() - n_used
    share = (n_used + n_used_at_most // 2) / torch.cuda.get_device_properties(0).total_memory
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(share)
    try:
        found = list(pipeline.run(open_frames(stack)))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert "Out of memory" in caplog.text
    assert [part.n_frames for part in found] == [part.n_frames for part in expected]
    for part, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(part.localizations.frame, other.localizations.frame)
