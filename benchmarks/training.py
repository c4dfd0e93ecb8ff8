"""Training speed: the trainer's steps beside a bare loop of the same, in one run.

    python benchmarks/training.py [NETWORK or RECIPE ...] [--rounds 5] [--steps 20] [--batch-size 8]

A recipe is a file of `recipes/`, with batches of its own. The bare loop has its batch at hand and
does forward, loss, backward and optimiser, nothing else. Rounds of both alternate; printed are
medians of steps/s, their ratio, the share of a step that the trainer spent waiting for its batch,
which it makes in another thread meanwhile, and the processor time of making a batch as a share of
that of the step.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.models import available_models
from napari_deepsmlm.training.events import StepDone

OWN_CHOICES: dict[str, dict[str, Any]] = {"voxel-regression": {"plane_z_nm": [0.0]}}


def trainer_speed(experiment: Experiment, n_steps: int, device: str) -> tuple[float, float]:
    """Return steps/s of the trainer after two steps of warming up, and its share of waiting."""
    training = experiment.training.replace(steps=n_steps + 2, validate_every=10**6)
    with tempfile.TemporaryDirectory() as folder:
        trainer = experiment.replace(training=training).trainer(folder, device=device)
        times, waits, last = [], [], time.perf_counter()
        for event in trainer.run():
            now = time.perf_counter()
            if isinstance(event, StepDone):
                times.append(now - last)
                waits.append(event.seconds_waiting)
                if event.step == n_steps + 2:
                    break
            last = now
    return n_steps / sum(times[2:]), sum(waits[2:]) / sum(times[2:])


def bare_speed(experiment: Experiment, n_steps: int, device: str) -> float:
    """Return steps/s of forward, loss, backward and optimiser on one batch."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = experiment.trainer(folder, device=device)
        trainer.learner.fit_input(trainer.data.validation(16).frames)
        frames, truth = trainer.data.at(0)
        model, optimizer, compute = (
            trainer.learner.model,
            trainer.learner.optimizer,
            trainer.compute,
        )
        is_half = compute.dtype == torch.bfloat16
        model.train()

        def step() -> None:
            with torch.autocast(compute.device.type, torch.bfloat16, enabled=is_half):
                prediction = model(frames)
            loss = model.loss(prediction, truth)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()

        step(), step()
        _finish(compute.device)
        started = time.perf_counter()
        for _ in range(n_steps):
            step()
        _finish(compute.device)
        return n_steps / (time.perf_counter() - started)


def simulated_share(experiment: Experiment, n_steps: int, device: str) -> float:
    """Return the processor time of making a batch over that of making it and learning from it."""
    with tempfile.TemporaryDirectory() as folder:
        data = experiment.trainer(folder, device=device).data
        data.at(0)
        started = time.process_time()
        for number in range(1, n_steps + 1):
            data.at(number)
        making = time.process_time() - started
    started, wall = time.process_time(), time.perf_counter()
    speed = bare_speed(experiment, n_steps, device)
    busy = (time.process_time() - started) / (time.perf_counter() - wall)
    return making / (making + busy * n_steps / speed)


def experiment_of(name: str, batch_size: int, patch_px: int) -> Experiment:
    """Return the experiment of a recipe's file, or a usual one with a network."""
    if not name.endswith(".yaml"):
        training = {"batch_size": batch_size, "patch_px": patch_px}
        return Experiment(network=name, model=OWN_CHOICES.get(name, {}), training=training)
    recipe = yaml.safe_load(Path(name).read_text(encoding="utf-8"))
    return Experiment.from_dict({**recipe["experiment"], "start_from": None}, source=name)


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def main() -> None:
    """Time the networks asked for and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--patch-px", type=int, default=32)
    parser.add_argument("--device", default="auto")
    chosen = parser.parse_args()
    print("| network | bare loop, steps/s | trainer, steps/s | ratio | waiting | simulating |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for network in chosen.networks or sorted(available_models()):
        experiment = experiment_of(network, chosen.batch_size, chosen.patch_px)
        bare, ours, waits = [], [], []
        for _ in range(chosen.rounds):
            bare.append(bare_speed(experiment, chosen.steps, chosen.device))
            speed, wait = trainer_speed(experiment, chosen.steps, chosen.device)
            ours.append(speed)
            waits.append(wait)
        share = simulated_share(experiment, chosen.steps, chosen.device)
        ratio = np.median(np.divide(ours, bare))
        print(
            f"| {network} | {np.median(bare):.2f} | {np.median(ours):.2f} | {ratio:.2f} | "
            f"{100 * np.median(waits):.0f} % | {100 * share:.0f} % |",
            flush=True,
        )


if __name__ == "__main__":
    main()
