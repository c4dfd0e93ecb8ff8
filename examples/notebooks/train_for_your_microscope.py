# %% [markdown]
# # Train for your microscope
# A network knows the microscope that it was trained for. Here a movie is measured, frames like it are simulated, and a built-in
# model learns them. No labelled data are needed: molecules of simulated frames are known.
#
# A few minutes show how it goes; for a model to work with, give it half an hour on a GPU or a night on a laptop.

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt

import napari_deepsmlm as ds
from napari_deepsmlm.metrics import match
from napari_deepsmlm.training.events import Finished, StepDone, Validated

IS_QUICK = bool(os.environ.get("DEEPSMLM_QUICK"))  # as the tests run it
N_FRAMES = 60 if IS_QUICK else 400
N_STEPS = 3 if IS_QUICK else 2000
SMALL = {"patch_px": 16, "validation_px": 16, "validation_frames": 2} if IS_QUICK else {}
OUT = Path(os.environ.get("DEEPSMLM_OUT", "train_for_your_microscope"))

# %% [markdown]
# ## Your movie
# Simulated here, so that the end can be checked against the truth. For your own: `stack = "stack.tif"`.

# %%
stack, truth = ds.Experiment().simulate(N_FRAMES, seed=0)

# %% [markdown]
# ## What do the frames tell?
# Width of the PSF, camera, photons, background and density, each with its error. If you know the camera, say it: the noise cannot
# tell everything.

# %%
found = ds.estimate(stack, pixel_size_nm=100.0)
print(*found.sentences, sep="\n")
experiment = found.to_experiment("deep-storm")

# %% [markdown]
# ## Do simulated frames look like yours?
# A network that learnt from frames unlike yours finds molecules that are not there. So look, and correct the experiment
# (`experiment.replace(...)`) until you can hardly tell them apart.

# %%
like_yours, _ = experiment.simulate(4, seed=1)
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 4))
low, high = stack[0].min(), stack[0].max()
left.imshow(stack[0, 0], cmap="gray", vmin=low, vmax=high)
left.set_title("yours")
right.imshow(like_yours[0, 0], cmap="gray", vmin=low, vmax=high)
right.set_title("simulated")

# %% [markdown]
# ## Train
# From the built-in model of the same network, which is quicker than from nothing. The run is saved as it goes:
# `deepsmlm train --out train_for_your_microscope/run --resume` goes on with it.

# %%
training = experiment.training.replace(steps=N_STEPS, minutes=None, batch_size=1, **SMALL)
run = experiment.replace(training=training, start_from="deep-storm:2d-100nm")
trainer = run.trainer(OUT / "run")
for event in trainer.run():
    match event:
        case StepDone(step=step, loss=loss) if step % 200 == 0:
            print(f"step {step}: loss {loss:.3f}")
        case Validated(step=step, loss=loss):
            print(f"step {step}: validation loss {loss:.3f}")
        case Finished(model_path=path):
            model_path = path

# %% [markdown]
# ## Use it

# %%
result = ds.reconstruct(stack, model=str(model_path), pixel_size_nm=100.0)
print(*result.report["warnings"], sep="\n")
scores = match(result.localizations, truth.without("z_nm")).scores()
print(f"Jaccard index: {scores['jaccard']:.2f}")
result.save(OUT / "result")
