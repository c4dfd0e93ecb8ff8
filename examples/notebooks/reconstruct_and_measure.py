# %% [markdown]
# # Reconstruct and measure
# From blinking frames to a super-resolved image, and three questions about it: how good is it against the truth, how wide is a
# fibre in it, and how far can it be trusted where there is no truth?
#
# Install with `pip install napari-deepsmlm matplotlib`. It takes a minute on a laptop, without a GPU.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np

import napari_deepsmlm as ds
from napari_deepsmlm.evaluation import QualityOptions, frc_of_table
from napari_deepsmlm.metrics import match

IS_QUICK = bool(os.environ.get("DEEPSMLM_QUICK"))  # as the tests run it
N_FRAMES = 12 if IS_QUICK else 200
OUT = os.environ.get("DEEPSMLM_OUT", "reconstruct_and_measure")

# %% [markdown]
# ## Frames
# Simulated microtubules, so that the truth is known. For your own: `stack = "stack.tif"` (every format that the panels open), and
# leave out what asks for `truth`.

# %%
stack, truth = ds.Experiment.from_preset("microtubules").simulate(N_FRAMES, seed=1)
print(stack.shape, stack.dtype, "ADU;", len(truth), "molecules")

# %% [markdown]
# ## Reconstruct
# A bare name takes the built-in model nearest to the data. The warnings say where the data lie outside of its training: read them.

# %%
result = ds.reconstruct(stack, model="dilated-loc", pixel_size_nm=100.0)
print(result.report["model"])
print(*result.report["warnings"], sep="\n")
result.save(OUT)  # reconstruction.tif, localizations.csv, report.json

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4.5))
left.imshow(stack[:, 0].mean(axis=0), cmap="gray")
left.set_title("mean of the frames")
right.imshow(result.image, cmap="inferno", vmax=np.percentile(result.image, 99.5))
right.set_title(f"reconstruction, {result.sr_pixel_nm:g} nm per pixel")

# %% [markdown]
# ## Against the truth
# The protocol of the SMLM Challenge: pairs within 250 nm in the same frame. Jaccard 1 is perfect.

# %%
scores = match(result.localizations, truth.without("z_nm")).scores()
for name in ("jaccard", "recall", "precision", "rmse_lateral_nm"):
    print(f"{name}: {scores[name]:.3g}")

# %% [markdown]
# ## How wide is a fibre?
# Values along a line across it, averaged over a width, and a Gaussian through them. (y, x) in nm from the corner of the image.
# In napari, *Line profile* does this while you drag.

# %%
middle_nm = 0.5 * stack.shape[-1] * 100.0
across_nm = ((middle_nm, middle_nm - 800), (middle_nm, middle_nm + 800))
for name, image, pixel_nm in (
    ("mean of the frames", stack[:, 0].mean(axis=0), 100.0),
    ("reconstruction", result.image, result.sr_pixel_nm),
):
    profile = ds.line_profile(image, across_nm, pixel_size_nm=pixel_nm, width_px=5)
    fit = ds.fit_profile(profile, "gauss")
    print(f"{name}: FWHM {fit.fwhm_nm:.0f} nm, R² {fit.r_squared:.2f}")

# %% [markdown]
# A low R² says that one Gaussian is not what lies on the line: look at the plot, and take another line or `two-gauss`.
#
# ## Without a truth
# Fourier ring correlation of two halves of the data: how fine the detail is on which they agree.

# %%
pair = frc_of_table(result.localizations, QualityOptions(sr_pixel_nm=20, n_blocks=4))
print(f"resolution by time blocks: {pair.time.resolution_nm:.0f} nm")
