# %% [markdown]
# # From beads to 3-D
# A cylindrical lens makes the image of a molecule tell its depth. How it does is measured on beads; a network that was trained for
# that PSF gives x, y and z of every molecule.

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch

import napari_deepsmlm as ds
from napari_deepsmlm.calibration import calibrate, save_calibration
from napari_deepsmlm.metrics import match

IS_QUICK = bool(os.environ.get("DEEPSMLM_QUICK"))  # as the tests run it
N_DEPTHS = 21 if IS_QUICK else 41
N_FRAMES = 6 if IS_QUICK else 200
OUT = Path(os.environ.get("DEEPSMLM_OUT", "from_beads_to_3d"))

# %% [markdown]
# ## Beads through focus
# Three beads on a cover slip, seen from -600 to 600 nm. For your own stack: `beads = tifffile.imread("beads.tif")`, (z, y, x), and
# its z-step. Image number grows with z.

# %%
microscope = ds.Experiment.from_preset("dilated-loc-astigmatic-100nm")
psf, camera = microscope.psf, microscope.camera
z_nm = torch.linspace(-600, 600, N_DEPTHS)
yx_nm = torch.tensor([[2030.0, 2070.0], [2080.0, 6050.0], [6020.0, 4040.0]])
xyz_nm = torch.cat([yx_nm.flip(1), torch.zeros(3, 1)], 1).repeat(N_DEPTHS, 1, 1)
xyz_nm[..., 2] += z_nm[:, None]
light = psf.render(xyz_nm, torch.full(xyz_nm.shape[:2], 20_000.0), (80, 80)) + 10
beads = camera.expose(light, torch.Generator().manual_seed(0))[:, 0].numpy()
z_step_nm = float(z_nm[1] - z_nm[0])

# %% [markdown]
# ## Calibrate
# The measured PSF (splines through the averaged bead), and curves of its widths. The picture beside the file shows data, fit and
# what is left: noise only, or the PSF is not to be trusted.

# %%
calibration = calibrate(beads, z_step_nm=z_step_nm, pixel_size_nm=100.0)
print(calibration.n_beads, "beads;", *calibration.warnings)
apart_nm = abs(calibration.gaussian.x.focus_nm - calibration.gaussian.y.focus_nm)
print(f"the two foci are {apart_nm:.0f} nm apart")
save_calibration(calibration, OUT / "psf.safetensors")

# %%
figure, axes = plt.subplots(1, 5, figsize=(10, 2.2))
for axis, k in zip(axes, np.linspace(0, N_DEPTHS - 1, 5).astype(int), strict=True):
    axis.imshow(calibration.measured[0, k], cmap="gray")
    axis.set_title(f"{calibration.z_nm[k]:.0f} nm")

# %% [markdown]
# ## A model for this PSF
# The beads above are those of the built-in astigmatic model, so it can be taken as it is. For your lens train one: put
# `psf: {kind: calibrated, file: psf.safetensors}` into an experiment, as in *Train for your microscope*.

# %%
frames, truth = microscope.simulate(N_FRAMES, seed=2)
result = ds.reconstruct(
    frames, model="dilated-loc:astigmatic-100nm", pixel_size_nm=100.0, camera=camera
)
table = result.localizations
scores = match(table, truth).scores()
print(
    f"Jaccard {scores['jaccard']:.2f}, lateral {scores['rmse_lateral_nm']:.0f} nm, "
    f"axial {scores['rmse_axial_nm']:.0f} nm"
)

# %%
figure, axis = plt.subplots(figsize=(5, 4.5))
shown = axis.scatter(table.x_nm, table.y_nm, c=table["z_nm"], s=3, cmap="coolwarm")
axis.invert_yaxis()
axis.set(xlabel="x (nm)", ylabel="y (nm)", aspect="equal")
figure.colorbar(shown, label="z (nm)")
result.save(OUT / "result")
