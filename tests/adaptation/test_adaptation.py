"""Adaptation: a model is trained on the twin of a stack, kept if it is better, and found again."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_deepsmlm import reconstruct
from napari_deepsmlm._devices import choose_compute
from napari_deepsmlm.adaptation import (
    Adapted,
    AdaptJob,
    AdaptOptions,
    Sample,
    Watched,
    adaptation_of,
    last_gain,
    sample_of,
    suiting,
    twin,
)
from napari_deepsmlm.adaptation.enough import MAX_TIMES, enough_frames
from napari_deepsmlm.adaptation.judging import held_out
from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.io import open_frames
from napari_deepsmlm.models import adapted_folder, adapted_models, read_card
from napari_deepsmlm.reconstruction import job as reconstruction_job
from napari_deepsmlm.training.events import Saved, Started, StepDone

if TYPE_CHECKING:
    from pathlib import Path

MODEL = "dilated-loc:2d-100nm"
FEW = {"patch_px": 16, "held_out_frames": 2, "held_out_px": 32}
SMALL = {"model": MODEL, "pixel_size_nm": 160.0, **FEW}


@pytest.fixture(scope="module")
def stack() -> np.ndarray[Any, Any]:
    """Larger pixels and a brighter background than the built-in model was trained for."""
    values: dict[str, Any] = {
        "psf": {"kind": "gaussian", "pixel_size_nm": 160.0, "sigma_nm": [126.0, 130.0]},
        "camera": {"kind": "scmos", "e_per_adu": 0.5, "baseline": 100.0},
        "image_px": [32, 32],
        "simulation": {
            "density_per_um2": [0.5, 0.7],
            "photons": [4000.0, 6000.0],
            "background": [600.0, 600.0],
        },
    }
    return Experiment.from_dict(values).simulate(60, seed=3).stack


def options(**more: Any) -> AdaptOptions:
    return AdaptOptions.from_dict({**SMALL, "steps": 3, **more})


def adapted(stack: Any, **more: Any) -> Adapted:
    *_, done = AdaptJob(stack, options(**more)).run()
    assert isinstance(done, Adapted)
    return done


def test_a_model_that_got_better_is_kept_with_its_figures_and_taken_the_next_time(
    stack: Any,
) -> None:
    done = adapted(stack)
    assert done.is_better
    assert list(adapted_models()) == [done.model]
    kept = adaptation_of(read_card(adapted_models()[done.model]))
    assert kept is not None
    assert kept.started_from == MODEL
    assert (kept.before, kept.after) == (done.before, done.after)
    assert kept.estimate["background"] == pytest.approx(600, rel=0.2)
    assert last_gain("dilated-loc", "32 x 32 px, uint16") == kept.gain
    result = reconstruct(
        stack, "dilated-loc", pixel_size_nm=160.0, region=(0, 0, 16, 16), force=True
    )
    assert result.report["model"]["name"] == done.model
    assert "adapted to this camera" in result.report["model"]["reason"]
    assert result.report["model"]["adaptation"]["after"] == done.after


def test_a_model_that_got_worse_is_not_used_and_that_is_said(
    stack: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(twin, "LEARNING_RATE", 0.5)
    monkeypatch.setattr(twin, "WARMUP", 0.0)
    done = adapted(stack)
    assert not done.is_better
    assert done.model == MODEL
    assert "did not help, so it is used as it was" in done.sentence
    assert adapted_models() == {}


def test_reconstruct_adapts_first_and_says_what_came_of_it(
    stack: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(twin, "LEARNING_RATE", 0.5)
    monkeypatch.setattr(twin, "WARMUP", 0.0)
    fewer = partial(reconstruction_job.adapt_options, **FEW)
    monkeypatch.setattr(reconstruction_job, "adapt_options", fewer)
    result = reconstruct(
        stack, MODEL, pixel_size_nm=160.0, adapt=0.01, force=True, region=(0, 0, 16, 16)
    )
    assert any("did not help" in warning for warning in result.report["warnings"])
    assert result.report["camera"]["source"] == "estimated"


@pytest.mark.slow  # the panel's test of it runs always
def test_a_stopped_adaptation_goes_on_where_it_was(stack: Any) -> None:
    job = AdaptJob(stack, options(steps=6))
    for event in job.run():
        if isinstance(event, StepDone):
            job.stop()
        last = event
    assert isinstance(last, Adapted)
    assert last.is_stopped
    assert last.model == MODEL
    assert adapted_models() == {}
    events = list(AdaptJob(stack, options(steps=6)).run())
    started = next(event for event in events if isinstance(event, Started))
    assert events[0].is_resumed
    assert started.step >= 1
    assert events[-1].is_better
    assert not is_state_left()


def is_state_left() -> bool:
    """Whether a training state is left that nobody needs."""
    return any((adapted_folder() / "runs").glob("*/last.state.safetensors"))


@pytest.mark.slow  # as killed trainings, of which one is tested always
def test_a_killed_adaptation_goes_on_from_its_last_save(stack: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "stack.npy", stack)
    code = (
        "import sys, numpy as np\n"
        "from napari_deepsmlm.adaptation import AdaptJob, AdaptOptions\n"
        "from napari_deepsmlm.training.events import Saved\n"
        f"options = AdaptOptions.from_dict({ {**SMALL, 'steps': 6}!r})\n"
        f"for event in AdaptJob(np.load({str(tmp_path / 'stack.npy')!r}), options).run():\n"
        "    if isinstance(event, Saved): print('saved', flush=True)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert child.stdout is not None
    with child.stdout as told:
        assert told.readline().strip() == b"saved"
        child.kill()
    child.wait()
    events = list(AdaptJob(stack, options(steps=6)).run())
    started = next(event for event in events if isinstance(event, Started))
    assert started.step >= 2
    assert any(isinstance(event, Saved) for event in events)
    assert isinstance(events[-1], Adapted)


def test_the_twin_keeps_the_choices_of_the_model_it_begins_with(stack: Any) -> None:
    own = twin.make_twin(open_frames(stack), options()).experiment
    assert own.model["cells"] == 1
    assert own.model["decoding"] == "shares"
    assert own.model["photon_max"] >= 1.2 * own.simulation.photons[1]
    assert own.psf.pixel_size_nm == 160.0
    assert own.build_model().state_dict().keys()


def test_a_sparse_stack_has_a_sparse_twin_and_enough_frames_to_judge_by() -> None:
    values: dict[str, Any] = {
        "psf": {"kind": "gaussian", "pixel_size_nm": 100.0, "sigma_nm": [110.0, 110.0]},
        "camera": {"kind": "scmos", "e_per_adu": 0.5, "baseline": 100.0},
        "image_px": [48, 48],
        "simulation": {
            "density_per_um2": [0.05, 0.05],
            "photons": [1500.0, 1500.0],
            "background": [10.0, 10.0],
        },
    }
    movie = Experiment.from_dict(values).simulate(60, seed=4).stack
    sparse = options(pixel_size_nm=100.0, held_out_frames=3, held_out_px=64)
    made = twin.make_twin(open_frames(movie), sparse)
    low, high = made.like_data.simulation.density_per_um2
    assert 0.02 < (low + high) / 2 < 0.1
    assert made.experiment.simulation.density_per_um2[1] == pytest.approx(1.5 * high, rel=0.01)
    compute = choose_compute("cpu", "fp32")
    frames = held_out(made, sparse, made.found.load(), compute)
    assert len(frames.batch.frames) == 3 * MAX_TIMES


@pytest.mark.parametrize(("density", "expected"), [(5.0, 20), (0.5, 20), (0.2, 25), (0.001, 160)])
def test_frames_hold_two_hundred_molecules_as_far_as_time_allows(
    density: float, expected: int
) -> None:
    simulation = {"density_per_um2": [density, density]}
    psf = {"kind": "gaussian", "pixel_size_nm": 100.0}
    experiment = Experiment.from_dict({"psf": psf, "simulation": simulation})
    assert enough_frames(experiment, 64, 20) == expected
    half = {"density_per_um2": [density / 2, density / 2], "sum_frames": [2, 2]}
    summed = Experiment.from_dict({"psf": psf, "simulation": half})
    assert enough_frames(summed, 64, 20) == expected


def test_a_stack_that_is_dark_but_for_bursts_has_molecules_in_its_twin(stack: Any) -> None:
    made = twin.make_twin(open_frames(stack), options())
    bursts = made.estimate.replace(density_per_um2=0.3, density_percentiles={10: 0, 50: 0, 90: 0})
    trained, judged = twin._experiments(made.found, bursts, options(), None, 0.0)
    assert trained.simulation.density_per_um2 == (0.0, 0.45)
    assert judged.simulation.density_per_um2 == (0.0, 0.3)


def test_the_frame_under_the_slider_is_predicted_before_and_after(stack: Any) -> None:
    events = list(AdaptJob(stack, options(steps=1), watch_frame=7).run())
    watched = next(event for event in events if isinstance(event, Watched))
    assert watched.frames.shape == (1, 1, 32, 32)
    assert watched.images[0].shape == (128, 128)
    assert watched.sr_pixel_nm == 40.0
    assert any(type(event).__name__ == "Previewed" for event in events)


@pytest.mark.parametrize(
    ("changes", "n_frames", "sentence"),
    [
        ({}, 4, "4 frames cannot tell what blinks"),
        ({"pixel_size_nm": None}, 60, "no pixel size.*--pixel-size"),
        ({"model": "dilated-loc:astigmatic-100nm"}, 60, "reads depth.*calibrate"),
        ({"model": "voxel-regression"}, 60, "2 focal planes|4 focal planes"),
        ({"model": "nothing"}, 60, "No model 'nothing'"),
    ],
)
def test_what_cannot_be_adapted_is_said_in_one_sentence(
    stack: Any, changes: dict[str, Any], n_frames: int, sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        list(AdaptJob(stack[:n_frames], options(**changes)).run())


def test_frames_of_noise_cannot_be_adapted_to() -> None:
    noise = np.random.default_rng(0).poisson(400, (40, 1, 24, 24)).astype(np.uint16)
    sentence = r"PSF's width is not known, so there is nothing to train for: give [^.]*\.$"
    with pytest.raises(ValueError, match=sentence):
        list(AdaptJob(noise, options()).run())


def test_several_planes_cannot_be_adapted(stack: Any) -> None:
    two = np.concatenate([stack[:30], stack[30:]], axis=1)
    with pytest.raises(ValueError, match="2 focal planes"):
        list(AdaptJob(two, options()).run())


@pytest.mark.parametrize("minutes", [0, -1])
def test_no_time_is_refused(stack: Any, minutes: float) -> None:
    with pytest.raises(ValueError, match="minutes to adapt must be above 0"):
        reconstruct(stack[:20], MODEL, pixel_size_nm=160.0, adapt=minutes)


def test_a_folder_that_cannot_be_written_is_said_before_training(
    stack: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "file"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "file"))
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    events = AdaptJob(stack, options()).run()
    with pytest.raises(OSError, match=r"cannot be written .* adapted models are kept there"):
        next(events)


SAMPLE = Sample(
    camera_kind="c",
    adu_per_photon=2.0,
    pixel_size_nm=100.0,
    psf_sigma_px=1.0,
    background=30.0,
    photons=1000.0,
    density_per_um2=2.0,
)


@pytest.mark.parametrize(
    ("changes", "suits"),
    [
        ({}, True),
        ({"psf_sigma_px": 1.14}, True),
        ({"psf_sigma_px": 1.16}, False),
        ({"psf_sigma_px": None}, False),
        ({"background": 59.0}, True),
        ({"background": 61.0}, False),
        ({"photons": 1690.0}, True),
        ({"photons": 580.0}, False),
        ({"photons": None}, True),
        ({"density_per_um2": 0.01}, True),
        ({"density_per_um2": 3.5}, False),
        ({"camera_kind": "another"}, False),
        ({"adu_per_photon": 3.0}, False),
        ({"pixel_size_nm": 104.0}, False),
        ({"sum_frames": 10}, False),
    ],
)
def test_a_sample_suits_within_stated_factors(changes: dict[str, Any], suits: bool) -> None:
    assert SAMPLE.suits(SAMPLE.replace(**changes)) is suits


def test_no_model_suits_where_none_was_adapted(stack: Any) -> None:
    seen = sample_of(open_frames(stack), 160.0, None)
    assert seen is not None
    assert seen.psf_sigma_px == pytest.approx(0.85, rel=0.1)
    assert suiting("dilated-loc", seen) is None
