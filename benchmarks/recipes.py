"""Which rate, schedule, averaging and batch suits each network: one thing changed at a time.

    python benchmarks/recipes.py [NETWORK ...] [--share 1.0] [--seeds 0 1]

All runs of a network see the same number of simulated frames, which is nearly the same time, and
are judged on the same validation frames, which none was trained on. Printed is the loss there, the
Jaccard index and the lateral error, or for networks that predict images the loss alone counts: it
is the error of the image. A choice counts as better when it is so with each seed.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from typing import Any

import torch

from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.training.events import Validated
from napari_deepsmlm.training.settings import Training


class ConstantRate(Training):
    """The highest rate from the warm-up to the end."""

    def rate_at(self, progress: float) -> float:
        """Return the learning rate at a share of the run."""
        return self.learning_rate * min(1.0, 0.01 + progress / self.warmup)


# What each network is trained with, small enough for minutes on a CPU: its preset, its usual
# settings, and the frames that a run sees.
NETWORKS: dict[str, tuple[str, dict[str, Any], int]] = {
    "deep-storm": ("microtubules", {"batch_size": 4, "patch_px": 16, "learning_rate": 1e-3}, 7000),
    "drsn-storm": ("drsn", {"batch_size": 4, "patch_px": 16, "learning_rate": 1e-3}, 1000),
    "dilated-loc": ("dilated-loc-2d-100nm", {"batch_size": 2, "patch_px": 48}, 1200),
    "voxel-regression": ("voxel-wise", {"batch_size": 2, "patch_px": 32}, 1200),
}
VARIANTS: dict[str, dict[str, float]] = {
    "as it is": {},
    "half the rate": {"learning_rate": 0.5},
    "twice the rate": {"learning_rate": 2.0},
    "constant rate": {},
    "no averaging": {"averaging": 0.0},
    "half the batch": {"batch_size": 0.5},
    "twice the batch": {"batch_size": 2.0},
}


def experiment_for(network: str, variant: str, share: float, seed: int) -> Experiment:
    """Return a run of a network with one thing changed."""
    preset, usual, n_frames = NETWORKS[network]
    base = Experiment.from_preset(preset)
    factors = VARIANTS[variant]
    batch = round(usual["batch_size"] * factors.get("batch_size", 1.0))
    steps = round(share * n_frames / batch)
    rate = usual.get("learning_rate", 2e-3) * factors.get("learning_rate", 1.0)
    kind = ConstantRate if variant == "constant rate" else Training
    training = kind(
        steps=steps,
        batch_size=batch,
        patch_px=usual["patch_px"],
        learning_rate=rate,
        averaging=factors.get("averaging", 0.99),
        warmup=0.05,
        validate_every=steps,
        validation_frames=32,
        validation_px=usual["patch_px"],
        seed=seed,
    )
    choices = base.model if base.network == network else {}
    return base.replace(network=network, model=choices, training=training)


def judged(experiment: Experiment) -> tuple[Validated, float]:
    """Train, and return the last judgement and the seconds that it took."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as out:
        events = list(experiment.trainer(out).run())
    last = [event for event in events if isinstance(event, Validated)][-1]
    return last, time.perf_counter() - started


def main() -> None:
    """Train every variant of the networks asked for and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*")
    parser.add_argument("--share", type=float, default=1.0, help="of the frames that a run sees")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    chosen = parser.parse_args()
    print(f"{torch.get_num_threads()} threads\n")
    print("| network | recipe | seed | steps | loss | Jaccard | RMSE nm | s |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for network in chosen.networks or NETWORKS:
        for seed in chosen.seeds:
            for variant in VARIANTS:
                last, seconds = judged(experiment_for(network, variant, chosen.share, seed))
                scores = last.scores
                print(
                    f"| {network} | {variant} | {seed} | {last.step} | {last.loss:.4g} | "
                    f"{scores['jaccard']:.3f} | {scores['rmse_lateral_nm']:.1f} | {seconds:.0f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
