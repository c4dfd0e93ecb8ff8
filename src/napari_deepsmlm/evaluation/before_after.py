"""Before and after: the mean camera frame beside the super-resolved image, as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_deepsmlm._files import atomic_write
from napari_deepsmlm.training.figures import bright_limit

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

    Image = np.ndarray[Any, Any]


def save_before_after(
    path: str | Path,
    mean_frame: Image,
    reconstruction: Image,
    *,
    pixel_size_nm: float,
    title: str = "",
) -> None:
    """Write a PNG of the mean camera frame beside the super-resolved image.

    Parameters
    ----------
    mean_frame : (H, W) ADU.
    reconstruction : (r H, r W) molecules per super-resolution pixel.
    pixel_size_nm : camera pixel, nm.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 5.4), layout="constrained", facecolor="white")
    left, right = figure.subplots(1, 2)
    extent_um = mean_frame.shape[1] * pixel_size_nm / 1e3, mean_frame.shape[0] * pixel_size_nm / 1e3
    _show(left, mean_frame, extent_um, np.percentile(mean_frame, (1, 99.8)))
    left.set_title(f"Mean of the camera frames, {pixel_size_nm:g} nm pixels")
    sr_nm = pixel_size_nm * mean_frame.shape[0] / reconstruction.shape[0]
    _show(right, reconstruction, extent_um, (0.0, bright_limit(reconstruction)))
    right.set_title(f"Reconstruction, {sr_nm:g} nm pixels")
    if title:
        figure.suptitle(title)
    with atomic_write(path) as file:
        figure.savefig(file, format="png", dpi=150)


def _show(axes: Axes, image: Image, extent_um: tuple[float, float], limits: Any) -> None:
    width, height = extent_um
    low, high = limits
    axes.imshow(
        image,
        cmap="inferno",
        vmin=low,
        vmax=max(high, low + 1e-9),
        extent=(0, width, height, 0),
        interpolation="antialiased",
    )
    axes.set_xticks([])
    axes.set_yticks([])
    bar = _round_length(width / 5)
    x, y = width * 0.95 - bar, height * 0.94
    axes.plot([x, x + bar], [y, y], color="white", linewidth=3, solid_capstyle="butt")
    label = f"{bar:g} µm" if bar >= 1 else f"{bar * 1e3:g} nm"
    axes.text(x + bar / 2, y - height * 0.02, label, color="white", ha="center", va="bottom")


def _round_length(length_um: float) -> float:
    """Largest of 1, 2, 5 times a power of ten that is not above the length."""
    power = 10.0 ** np.floor(np.log10(length_um))
    return float(max(step for step in (1, 2, 5) if step * power <= length_um) * power)
