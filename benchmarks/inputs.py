"""Which input suits a network that is to read any microscope: the published one, or noise units.

    python benchmarks/inputs.py [NETWORK ...] [--steps 1000] [--seeds 0] [--only CONDITION ...]

Both start from the same random weights, see the same simulated frames of many microscopes for the
same number of steps, by the settings of the built-in model's recipe, and are judged on the stacks
of `conditions.py`, whose camera is not stated.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from judging.judge import judge_model

from napari_deepsmlm._base import load_yaml
from napari_deepsmlm._words import counted
from napari_deepsmlm.experiment import Experiment

RECIPES = Path(__file__).parents[1] / "recipes"
INPUTS = {
    "dilated-loc": ("dilated-loc_2d", ({"input": "photons"}, {"input": "noise"})),
    "deep-storm": ("deep-storm_2d", ({"input": "extremes"}, {"input": "noise"})),
}


def experiment_for(network: str, choice: dict[str, Any], steps: int, seed: int) -> Experiment:
    """Return the training of the recipe with one input, from random weights."""
    recipe = load_yaml(RECIPES / f"{INPUTS[network][0]}.yaml")["experiment"]
    model = {**recipe["model"], **choice}
    training = {**recipe["training"], "steps": steps, "validate_every": steps, "seed": seed}
    return Experiment.from_dict(
        {**recipe, "model": model, "start_from": None, "training": training},
        source=f"{network}, {choice['input']}",
    )


def main() -> None:
    """Train, judge and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", default=tuple(INPUTS))
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--only", nargs="+", metavar="CONDITION", help="conditions by name")
    chosen = parser.parse_args()
    print("| network | input | seed | score | marks reached | worst | core minutes |")
    print("| --- | --- | ---: | ---: | ---: | --- | ---: |")
    for network in chosen.networks:
        for seed in chosen.seeds:
            for choice in INPUTS[network][1]:
                experiment = experiment_for(network, choice, chosen.steps, seed)
                began = time.process_time()
                with tempfile.TemporaryDirectory() as out:
                    for _ in experiment.trainer(Path(out) / "run").run():
                        pass
                    minutes = (time.process_time() - began) / 60
                    verdict = judge_model(Path(out) / "run" / "best.safetensors", chosen.only)
                cells = [
                    network, choice["input"], str(seed), f"{verdict.score:.1f}",
                    f"{verdict.n_passed} of {counted(len(verdict.marks), 'mark')}",
                    verdict.worst, f"{minutes:.0f}",
                ]  # fmt: skip
                print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
