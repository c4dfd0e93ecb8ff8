"""Figures of a calibration, for export: widths through z, and fit against data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from napari_deepsmlm._words import counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from napari_deepsmlm.calibration.calibrate import Calibration

    Array = np.ndarray[Any, Any]

N_COLUMNS = 7


def plot_calibration(calibration: Calibration) -> Figure:
    """Return a figure of the first plane: sigma(z), then data, fit and residual at seven depths.

    The fit shown is the pupil's where there is one, else the Gaussian's. Save it with
    `figure.savefig("calibration.png")`.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 7), layout="constrained")
    top, bottom = cast("Any", figure.subfigures(2, 1, height_ratios=(1, 1.4)))
    axes = top.subplots()
    curve, z = calibration.curves[0], calibration.z_nm
    for name, measured, fitted in (
        ("x", curve.sigma_x_nm, curve.x),
        ("y", curve.sigma_y_nm, curve.y),
    ):
        (points,) = axes.plot(z, measured, ".", label=f"σ {name}, measured")
        smooth = fitted.sigma_at(torch.as_tensor(z)).numpy()
        axes.plot(z, smooth, color=points.get_color(), label=f"σ {name}, fitted")
    axes.set(xlabel="z (nm)", ylabel="σ (nm)", title=counted(calibration.n_beads, "bead"))
    axes.legend()
    chosen = np.linspace(0, len(z) - 1, min(N_COLUMNS, len(z))).round().astype(int)
    data = calibration.measured[0, chosen]
    fit = fitted_images(calibration)[chosen]
    panels = bottom.subplots(3, len(chosen), squeeze=False)
    for row, (label, images) in zip(
        panels, (("data", data), ("fit", fit), ("residual", data - fit)), strict=True
    ):
        row[0].set_ylabel(label)
        for panel, image, depth, scale in zip(row, images, z[chosen], data, strict=True):
            low = -scale.max() / 5 if label == "residual" else 0.0
            panel.imshow(image, vmin=low, vmax=-low if low else scale.max(), cmap="gray")
            panel.set(xticks=[], yticks=[])
            if label == "data":
                panel.set_title(f"{depth:.0f} nm", fontsize=8)
    return figure


def fitted_images(calibration: Calibration, *, is_measured: bool = False) -> Array:
    """Return what a PSF says the first plane's images are: (Z, P, P).

    Brightness and background of each image are those that come nearest to the data.

    Parameters
    ----------
    is_measured : what the splines through the data say, instead of the fit of a few numbers.
    """
    from napari_deepsmlm.psf.multiplane import MultiplanePSF

    data = calibration.measured[0]
    n, side = len(data), data.shape[-1]
    pixel = calibration.psf.pixel_size_nm
    x, y = side / 2 * pixel, side / 2 * pixel
    gaussian = calibration.gaussian
    psf: Any = gaussian.psf if isinstance(gaussian, MultiplanePSF) else gaussian
    if is_measured:
        psf = calibration.psf
    elif calibration.zernike is not None:
        psf = calibration.zernike.psf
        x += calibration.zernike.shift_px[0] * pixel
        y += calibration.zernike.shift_px[1] * pixel
    place = torch.tensor([x, y, 0.0], dtype=torch.float64).expand(n, 1, 3).clone()
    place[:, 0, 2] += torch.as_tensor(calibration.z_nm)
    model = psf.render(place, torch.ones(n, 1).double(), (side, side))[:, 0].numpy()
    fitted: Array = np.empty_like(data)
    for k in range(n):
        design = np.column_stack([model[k].ravel(), np.ones(side * side)])
        fitted[k] = (design @ np.linalg.lstsq(design, data[k].ravel(), rcond=None)[0]).reshape(
            side, side
        )
    return fitted
