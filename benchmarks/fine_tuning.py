"""What fine-tuning is worth: a microscope unlike the built-in model's, minutes against accuracy.

    python benchmarks/fine_tuning.py [--minutes 5 30] [--out FOLDER]

The built-in DilatedLoc as it is, fine-tuned for the first number of minutes, and trained from
random weights for each number. All are judged on the same frames of a seed of their own.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch

from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.metrics import match
from napari_deepsmlm.models import SMLMModel, find_model, load_model
from napari_deepsmlm.training.data import SimulatedBatches

BUILT_IN = "dilated-loc:2d-100nm"
# Wider and dimmer on a brighter background, on larger pixels, than what the model was trained for.
EXPERIMENT = Experiment.from_dict(
    {
        "psf": {"kind": "gaussian", "pixel_size_nm": 130.0, "sigma_nm": [170.0, 190.0]},
        "camera": {"kind": "scmos", "quantum_efficiency": 0.8, "read_noise_e": 2.0},
        "simulation": {
            "structure": {
                "kind": "mixture",
                "parts": [{"kind": "uniform"}, {"kind": "filaments"}],
                "weights": [0.5, 0.5],
            },
            "density_per_um2": [0.0, 3.0],
            "photons": [1500.0, 2500.0],
            "background": [100.0, 160.0],
        },
        "network": "dilated-loc",
        "training": {
            "batch_size": 2,
            "patch_px": 48,
            "validation_px": 48,
            "validation_frames": 64,
            "validate_every": 200,
            "averaging": 0.995,
        },
    },
    source="benchmark",
)


@torch.no_grad()
def judge(model: SMLMModel, n_frames: int) -> dict[str, float]:
    """Return the scores of a model on frames that none of them was trained or tuned on."""
    model.pixel_size_nm = EXPERIMENT.psf.pixel_size_nm
    simulation = EXPERIMENT.simulation.replace(density_per_um2=(1.5, 1.5))
    simulator = EXPERIMENT.replace(simulation=simulation).simulator()
    data = SimulatedBatches(simulator, batch_size=1, shape=(48, 48), seed=777_000)
    batch = data.validation(n_frames)
    network = model.for_inference()
    predictions = torch.cat([network(part) for part in batch.frames.split(8)])
    predicted = model.to_localizations(predictions).to_numpy()
    return match(predicted, batch.truth.to_numpy().without("z_nm")).scores()


def trained(minutes: float, out: Path, *, start_from: str | None) -> SMLMModel:
    """Return the network after so many minutes, at a lower rate if it begins with a trained one."""
    rate = 2e-3 if start_from is None else 5e-4
    changes = {"minutes": minutes, "learning_rate": rate}
    if start_from is not None:
        changes["fix_norm_after"] = 0.2
    training = EXPERIMENT.training.replace(**changes)
    experiment = EXPERIMENT.replace(training=training, start_from=start_from)
    list(experiment.trainer(out).run())
    return load_model(out / "best.safetensors")[0]


def main() -> None:
    """Train, judge and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, nargs="+", default=[5.0, 30.0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--frames", type=int, default=200)
    chosen = parser.parse_args()
    out = chosen.out or Path(tempfile.mkdtemp())
    print("| model | minutes | Jaccard | RMSE lateral nm | E lateral |")
    print("| --- | ---: | ---: | ---: | ---: |")

    def report(name: str, minutes: float, model: SMLMModel) -> None:
        scores = judge(model, chosen.frames)
        print(
            f"| {name} | {minutes:g} | {scores['jaccard']:.3f} | {scores['rmse_lateral_nm']:.1f} | "
            f"{scores['efficiency_lateral']:.1f} |",
            flush=True,
        )

    first = chosen.minutes[0]
    report("built-in, as it is", 0, find_model(BUILT_IN).load())
    report("built-in, fine-tuned", first, trained(first, out / "tuned", start_from=BUILT_IN))
    for minutes in chosen.minutes:
        model = trained(minutes, out / f"scratch-{minutes:g}", start_from=None)
        report("from random weights", minutes, model)


if __name__ == "__main__":
    main()
