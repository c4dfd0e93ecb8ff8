"""Training that is killed at random moments and resumed, against one that is left alone.

    python benchmarks/kill_and_resume.py [NETWORK ...] [--kills 50] [--steps 400]

Each run is killed (SIGKILL) at random moments until it was killed that often, resumed each time,
and then left to end. Reported are: files that could not be read after a kill, the most work that a
kill cost, and whether the final weights equal those of the undisturbed run bit by bit.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.models import available_models, load_model
from napari_deepsmlm.training._state import load_state

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized

OWN_CHOICES: dict[str, dict[str, Any]] = {"voxel-regression": {"plane_z_nm": [0.0]}}
AUTOSAVE_S = 0.05
MAX_DELAY_S = 0.02
"""A kill comes up to this long after a step, s: in the next steps or while a file is written."""


class Outcome(NamedTuple):
    """What became of a run that was killed again and again."""

    kills: int
    unreadable: int
    most_lost_s: float
    """Longest time from the saved state that a kill left to the kill."""
    is_equal: bool


def small_experiment(network: str, steps: int) -> Experiment:
    """Return a run of many short steps."""
    return Experiment(
        network=network,
        model=OWN_CHOICES.get(network, {}),
        training={
            "steps": steps,
            "batch_size": 1,
            "patch_px": 8,
            "validate_every": 40,
            "validation_frames": 2,
            "validation_px": 12,
            "autosave_minutes": AUTOSAVE_S / 60,
            "precision": "fp32",
        },
    )


def train(experiment: Experiment, out: Path, reached: Synchronized[int] | None = None) -> None:
    """Train, or go on, in this process; `reached` holds the steps that are done."""
    torch.set_num_threads(1)
    trainer = experiment.trainer(out, device="cpu")
    for _ in trainer.run(resume=trainer.can_resume):
        if reached is not None:
            reached.value = trainer.step


def kill_and_resume(network: str, folder: Path, *, kills: int, steps: int, seed: int) -> Outcome:
    """Return what became of a run that was killed `kills` times."""
    draw = random.Random(seed)
    experiment = small_experiment(network, steps)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "napari_deepsmlm.experiment"])
    left_alone, disturbed = folder / "alone", folder / "killed"
    train(experiment, left_alone)
    state = disturbed / "last.state.safetensors"
    unreadable, most_lost_s, n = 0, 0.0, 0
    while n < kills:
        reached = context.Value("q", 0)
        process = context.Process(target=train, args=(experiment, disturbed, reached))
        saved = saved_at(state)
        process.start()
        # Counted in steps, not in seconds: a fast machine is killed as often as a slow one. Not
        # before it has saved something new, either: each kill finds a run that was resumed.
        first_step = draw.uniform(n, n + 1) * steps / (kills + 1)
        while process.exitcode is None and (reached.value < first_step or saved_at(state) == saved):
            time.sleep(0.001)
        process.join(draw.uniform(0.0, MAX_DELAY_S))
        if process.exitcode is not None:
            break
        process.kill()
        killed_at = time.time()
        process.join()
        n += 1
        unreadable += count_unreadable(experiment, disturbed)
        most_lost_s = max(most_lost_s, killed_at - saved_at(state))
    train(experiment, disturbed)
    one, other = (load_model(run / "last.safetensors")[0] for run in (left_alone, disturbed))
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return Outcome(n, unreadable, most_lost_s, all(torch.equal(a, b) for a, b in pairs))


def saved_at(state: Path) -> float:
    """Return when a file was written, s since 1970; 0 if there is none."""
    return state.stat().st_mtime if state.exists() else 0.0


def count_unreadable(experiment: Experiment, out: Path) -> int:
    """Return how many of a run's files do not load."""
    bad = 0
    for name in ("best.safetensors", "last.safetensors", "last.state.safetensors"):
        path = out / name
        try:
            if path.exists() and "state" in name:
                load_state(path, experiment.trainer(out, device="cpu"))
            elif path.exists():
                load_model(path)
        except (ValueError, OSError):
            bad += 1
    return bad


def main() -> None:
    """Run it for the networks asked for and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", default=sorted(available_models()))
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    print("| network | kills | unreadable files | most work lost (s) | weights equal |")
    print("| --- | ---: | ---: | ---: | --- |")
    for network in chosen.networks or sorted(available_models()):
        with tempfile.TemporaryDirectory() as folder:
            outcome = kill_and_resume(
                network, Path(folder), kills=chosen.kills, steps=chosen.steps, seed=chosen.seed
            )
        print(
            f"| {network} | {outcome.kills} | {outcome.unreadable} | {outcome.most_lost_s:.1f} | "
            f"{'yes' if outcome.is_equal else 'NO'} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
