"""Choose Deep-STORM's sharpening and threshold after training, and measure what they give.

    python scripts/tune_deep_storm.py runs/deep-storm

Both are chosen on movies of their own seeds, the image is calibrated on frames of usual brightness,
and the accuracy is measured on further seeds that neither training nor choice has seen. Writes
`tuned.safetensors` and `metrics.json` into the run, for `publish_model.py`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from napari_deepsmlm._devices import choose_compute
from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.inference import Pipeline
from napari_deepsmlm.io import open_frames
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.metrics import count_image, match, nmse_percent
from napari_deepsmlm.models import load_model, save_model
from napari_deepsmlm.simulation import Filaments, Mixture, Uniform
from napari_deepsmlm.training.data import SimulatedBatches

if TYPE_CHECKING:
    from napari_deepsmlm.models.deep_storm import DeepStorm

CHOICE_SEEDS = (500, 501)
REPORT_SEEDS = (1000, 1001, 1002, 1003)
SHARPENINGS = (1.0, 1.5, 2.0, 3.0)
THRESHOLDS = tuple(np.round(np.arange(0.06, 0.62, 0.04), 2))


def movie(seed: int, n_frames: int, density: float | None = None) -> tuple[Any, Localizations]:
    """Microtubules as in the demo, or molecules anywhere at a density per um^2."""
    experiment = Experiment.from_preset("microtubules")
    if density is not None:
        simulation = experiment.simulation.replace(
            structure=Uniform(), density_per_um2=(density, density)
        )
        experiment = experiment.replace(simulation=simulation)
    return experiment.simulate(n_frames, seed=seed)


def calibration_experiment(trained: Experiment) -> Experiment:
    """Return the conditions at which an image is to count molecules.

    Usual brightness, all densities that the model is meant for, half of the frames filaments.
    """
    simulation = trained.simulation.replace(
        structure=Mixture(parts=(Uniform(), Filaments(most_per_um=8.0))),
        density_per_um2=(0.5, 8.0),
        brightness=(1.0, 1.0),
        background=(10.0, 50.0),
    )
    return trained.replace(simulation=simulation)


def predict(model: DeepStorm, stack: Any, threshold: float) -> tuple[Any, Localizations]:
    """Run the pipeline and return the summed image and all molecules."""
    pipeline = Pipeline(model, choose_compute("auto"), threshold=threshold)
    parts = list(pipeline.run(open_frames(stack)))
    table = Localizations.concatenate(part.localizations for part in parts)
    return sum(part.image for part in parts), table


def judge(model: DeepStorm, seeds: tuple[int, ...], n_frames: int, **kind: Any) -> dict[str, float]:
    """Return the mean scores over some movies."""
    rows = []
    for seed in seeds:
        stack, truth = movie(seed, n_frames, **kind)
        image, table = predict(model, stack, model.config.threshold)
        counts = count_image(truth, image.shape, model.pixel_size_nm / model.upsampling)
        scores = match(table, truth.without("z_nm")).scores()
        rows.append(
            {
                "nmse_percent": nmse_percent(image, counts),
                "nmse_blur1_percent": nmse_percent(image, counts, blur_sigma_px=1.0),
                "molecules_ratio": float(image.sum()) / len(truth),
                **{k: scores[k] for k in ("jaccard", "recall", "precision", "rmse_lateral_nm")},
                **{k: scores[k] for k in ("efficiency_lateral", "bias_x_nm", "bias_y_nm")},
            }
        )
    return {key: round(float(np.mean([row[key] for row in rows])), 3) for key in rows[0]}


def with_choice(model: DeepStorm, batch: Any, **choice: float) -> DeepStorm:
    """Return the model with other choices, calibrated for them."""
    model.config = model.config.replace(**choice)
    model.calibrate(batch.frames, batch.truth)
    return model


def choose(model: DeepStorm, batch: Any) -> DeepStorm:
    """Choose the sharpening by NMSE, then the threshold by efficiency."""
    errors = {}
    for power in SHARPENINGS:
        scores = judge(
            with_choice(model, batch, sharpening=power, threshold=0.3), CHOICE_SEEDS, 150
        )
        errors[power] = scores["nmse_percent"] + scores["nmse_blur1_percent"]
        print(f"sharpening {power}: {scores}")
    model = with_choice(model, batch, sharpening=min(errors, key=errors.__getitem__))
    stack, truth = movie(CHOICE_SEEDS[0], 100)
    _, table = predict(model, stack, min(THRESHOLDS))
    gains = {}
    for threshold in THRESHOLDS:
        kept = table[table["probability"] >= threshold]
        gains[threshold] = match(kept, truth.without("z_nm")).scores()["efficiency_lateral"]
        print(f"threshold {threshold}: efficiency {gains[threshold]:.2f}")
    best = float(max(gains, key=gains.__getitem__))
    return with_choice(model, batch, threshold=best)


def main() -> None:
    """Choose, calibrate, judge and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--frames", type=int, default=361)
    parser.add_argument("--weights", default="best.safetensors")
    chosen = parser.parse_args()
    loaded, card = load_model(chosen.run / chosen.weights)
    model = cast("DeepStorm", loaded)
    simulator = calibration_experiment(Experiment.from_dict(card.experiment)).simulator()
    batch = SimulatedBatches(simulator, batch_size=8, shape=(64, 64), seed=77).validation(64)
    model = choose(model, batch)
    metrics = {
        f"microtubules 5.5/um2, {chosen.frames} frames": judge(model, REPORT_SEEDS, chosen.frames),
        **{
            f"uniform {density:g}/um2, 60 frames": judge(model, (1100,), 60, density=density)
            for density in (1.0, 4.0, 8.0)
        },
    }
    kept = {"experiment": card.experiment, "training_record": card.training_record}
    save_model(chosen.run / "tuned.safetensors", model, kept)
    (chosen.run / "metrics.json").write_text(json.dumps(metrics, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
