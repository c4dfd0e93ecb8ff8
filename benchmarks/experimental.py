"""Training on a few recorded frames: Deep-STORM's second mode, beside training on simulation.

    python benchmarks/experimental.py [--steps 120] [--frames 18] [--optics known wider]

Sparse, bright frames stand for a recording: their molecules are localized, cropped and summed to
frames of 5 molecules/um^2, 500 photons and 10 background photons per pixel. The built-in network is
trained further on them and, with as many steps, on simulated frames of the same kind; both and the
network as it was are judged on dense movies of the microscope that they have not seen. Nehme et
al. 2018 (doi:10.1364/OPTICA.5.000458) found 95 % of such molecules, after 18 recorded frames.

`--optics known`: the simulation has the microscope's PSF. `--optics wider`: the microscope's spots
are wider by a third and round only nearly, which the simulation does not know.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari_deepsmlm as ds
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.metrics import match
from napari_deepsmlm.training.experimental import ExperimentalBatches

if TYPE_CHECKING:
    from collections.abc import Iterator

ASSUMED = {"kind": "gaussian", "pixel_size_nm": 100.0, "sigma_nm": [110.0, 110.0]}
WIDER = {
    "kind": "astigmatic",
    "pixel_size_nm": 100.0,
    "x": {"sigma_nm": 140.0},
    "y": {"sigma_nm": 155.0},
}
OPTICS: dict[str, dict[str, Any]] = {"known": ASSUMED, "wider": WIDER}
SPARSE = {"density_per_um2": [0.15, 0.15], "photons": [1000.0, 5000.0], "background": [10.0, 10.0]}
DENSE = {"density_per_um2": [5.0, 5.0], "photons": [500.0, 500.0], "background": [10.0, 10.0]}
BUILT_IN = "deep-storm:2d-100nm"


def experiment(psf: dict[str, Any], simulation: dict[str, Any], **more: Any) -> ds.Experiment:
    """Return an experiment with one camera for all."""
    values = {"psf": psf, "camera": {"kind": "scmos"}, "simulation": simulation, **more}
    return ds.Experiment.from_dict(values)


def trained(out: Path, steps: int, experimental: dict[str, Any] | None) -> str:
    """Train the built-in network further and return the file of the best model."""
    training = {
        "steps": steps,
        "batch_size": 8,
        "learning_rate": 5e-4,
        "averaging": 0.98,
        "validate_every": steps,
        "precision": "bf16",
    }
    run = experiment(
        ASSUMED, DENSE, start_from=BUILT_IN, training=training, experimental=experimental
    )
    started = time.perf_counter()
    trainer = run.trainer(out)
    if experimental is not None:
        assert isinstance(trainer.data, ExperimentalBatches)
        report(f"crops for training and validation: {trainer.data.n_spots}")
        report(f"residuals kept: {trainer.data.kept():.2f}")
    *_, finished = trainer.run()
    report(f"trained {steps} steps in {time.perf_counter() - started:.0f} s")
    return str(finished.model_path)


def judged(model: str, movie: ds.Experiment, seeds: range, n_frames: int = 30) -> dict[str, float]:
    """Score a model on movies that no training has seen."""
    found, true = [], []
    for number, seed in enumerate(seeds):
        stack, truth = movie.simulate(n_frames, seed=seed)
        result = ds.reconstruct(stack, model=model, camera=movie.camera, pixel_size_nm=100.0)
        for tables, table in ((found, result.localizations), (true, truth)):
            tables.append(table.with_columns(frame=table.frame + number * n_frames))
    truth = Localizations.concatenate(true).without("z_nm")
    scores = match(Localizations.concatenate(found), truth).scores()
    return {name: scores[name] for name in ("recall", "precision", "jaccard", "rmse_lateral_nm")}


def compared(
    optics: str, out: Path, chosen: argparse.Namespace
) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield the scores of the network as it was, and trained both ways."""
    movie = experiment(OPTICS[optics], DENSE)
    yield "as built in", judged(BUILT_IN, movie, range(40, 42))
    yield "simulation", judged(trained(out / "a", chosen.steps, None), movie, range(40, 42))
    sparse = experiment(OPTICS[optics], SPARSE, image_px=[128, 128])
    n_molecules = sparse.write_movie(out / "recorded", chosen.frames, seed=1)
    report(f"{optics}: {chosen.frames} recorded frames with {n_molecules} molecules")
    recorded = {
        "stack": str(out / "recorded" / "stack.tif"),
        # Spots wider than the PSF are no overlaps, and p-values cannot tell the two apart.
        "least_p_value": 1e-3 if optics == "known" else 0.0,
        "mirror": True,
    }
    model = trained(out / "b", chosen.steps, recorded)
    yield "recorded frames", judged(model, movie, range(40, 42))


def report(sentence: str) -> None:
    """Say what is going on beside the table."""
    print(sentence, file=sys.stderr, flush=True)


def main() -> None:
    """Record, train both ways, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--frames", type=int, default=18, help="recorded sparse frames, 128 x 128")
    parser.add_argument("--optics", nargs="+", choices=list(OPTICS), default=list(OPTICS))
    chosen = parser.parse_args()
    columns = ["optics", "trained on", "recall", "precision", "jaccard", "rmse_lateral_nm"]
    print("| " + " | ".join(columns) + " |")
    print("| --- | --- |" + " ---: |" * (len(columns) - 2))
    with tempfile.TemporaryDirectory() as folder:
        for optics in chosen.optics:
            for name, scores in compared(optics, Path(folder) / optics, chosen):
                cells = [optics, name, *(f"{scores[column]:.3f}" for column in columns[2:])]
                print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
