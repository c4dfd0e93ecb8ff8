"""Train a network for a microscope of your own, and watch the events of the run.

python examples/train_a_network.py experiment.yaml runs/mine [--steps 20000]
"""

import argparse

from napari_deepsmlm import Experiment
from napari_deepsmlm.training.events import Finished, StepDone, Validated

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("experiment")
parser.add_argument("out")
parser.add_argument("--steps", type=int, default=20_000)
chosen = parser.parse_args()

experiment = Experiment.from_file(chosen.experiment)
training = experiment.training.replace(steps=chosen.steps, minutes=None)
trainer = experiment.replace(training=training).trainer(chosen.out)

for event in trainer.run():
    match event:
        case StepDone(step=step, loss=loss) if step % 100 == 0:
            print(f"step {step}: loss {loss:.3f}")
        case Validated(step=step, loss=loss):
            print(f"step {step}: validation loss {loss:.3f}")
        case Finished(model_path=path):
            print(f"best model: {path}")
