"""Exported figures: before and after, scores by frame, density or depth, and training curves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_deepsmlm._files import atomic_write

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    Image = np.ndarray[Any, Any]

# Okabe & Ito's colours, told apart by colour-blind people too, and by the markers without any.
_LOOKS = (("#0072B2", "o"), ("#D55E00", "s"), ("#009E73", "^"))
_BY = {
    "frame": ("frame", "frame (from 0)"),
    "density": ("local density", "other true molecules within 1 µm (per µm²)"),
    "z": ("depth", "z (nm)"),
}


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
    _show(right, reconstruction, extent_um, (0.0, _bright(reconstruction)))
    right.set_title(f"Reconstruction, {sr_nm:g} nm pixels")
    if title:
        figure.suptitle(title)
    with atomic_write(path) as file:
        figure.savefig(file, format="png", dpi=150)


def save_score_plot(path: str | Path, table: pd.DataFrame, *, by: str) -> None:
    """Write a PNG of how well molecules are found, how precisely, and how many there are.

    Parameters
    ----------
    table : of :func:`score_table`, with the bounds if it has them.
    by : "frame", "density" or "z".
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 7.5), layout="constrained", facecolor="white")
    found, error, count = figure.subplots(3, 1, sharex=True, height_ratios=(3, 3, 1.2))
    _curves(found, table, {"recall": "recall", "precision": "precision", "jaccard": "Jaccard"})
    smoothed = f"; lines: mean of {_smoothing(table)} frames" if by == "frame" else ""
    found.set(ylabel="fraction", ylim=(-0.03, 1.03), title=f"Scores by {_BY[by][0]}{smoothed}")
    errors = {"lateral": "RMSE lateral (x and y)", "axial": "RMSE axial (z)"}
    _curves(error, table, {f"rmse_{axis}_nm": label for axis, label in errors.items()})
    bounds = {f"crlb_{axis}_nm": f"Cramér-Rao bound, {axis}" for axis in errors}
    _curves(error, table, bounds, linestyle=":")
    error.set(ylabel="error (nm)")
    error.set_ylim(bottom=0)
    x, width = _places(table)
    if by == "frame":  # a bar for each of ten thousand frames takes seconds
        count.fill_between(x, table["n_true"], step="mid", color="0.6")
    else:
        count.bar(x, table["n_true"], width=width, color="0.6")
    count.set_ylim(bottom=0)
    count.set(ylabel="true molecules", xlabel=_BY[by][1])
    for axes in (found, error):
        axes.grid(visible=True, color="0.9")
        if axes.lines:
            axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    for axes in (found, error, count):
        axes.spines[["top", "right"]].set_visible(False)
    with atomic_write(path) as file:
        figure.savefig(file, format="png", dpi=150)


def training_figure(history: Mapping[str, Sequence[float]]) -> Figure:
    """Return curves of a training run over its steps: losses, molecules found, errors in nm.

    Parameters
    ----------
    history : columns of `history.csv`; what is missing or NaN is not drawn.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 8.5), layout="constrained", facecolor="white")
    loss, found, error = figure.subplots(3, 1, sharex=True)
    _lines(loss, history, {"training_loss": "training", "validation_loss": "validation"})
    values = [v for name in ("training_loss", "validation_loss") for v in history.get(name, ())]
    if values and np.nanmin(values) > 0:
        loss.set_yscale("log")
        for axis in ("major", "minor"):  # 6.2, not 6.2 x 10^0
            getattr(loss.yaxis, f"set_{axis}_formatter")("{x:g}")
    loss.set(ylabel="loss", title="Training")
    _lines(found, history, {"recall": "recall", "precision": "precision", "jaccard": "Jaccard"})
    found.set(ylabel="fraction", ylim=(-0.03, 1.03))
    axes = {"lateral": "lateral (x and y)", "axial": "axial (z)"}
    _lines(error, history, {f"rmse_{axis}_nm": f"RMSE {label}" for axis, label in axes.items()})
    bounds = {f"bound_{axis}_nm": f"Cramér-Rao bound, {axis}" for axis in axes}
    _lines(error, history, bounds, linestyle=":")
    error.set_ylim(bottom=0)
    error.set(ylabel="error (nm)", xlabel="step")
    for panel in (loss, found, error):
        panel.grid(visible=True, color="0.9")
        panel.spines[["top", "right"]].set_visible(False)
        if panel.lines:
            panel.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    return figure


def frames_figure(frames: Sequence[Image], images: Sequence[Image]) -> Figure:
    """Return frames side by side, all with one contrast, above what a network makes of each.

    Parameters
    ----------
    frames : (H, W) photons each.
    images : (r H, r W) molecules per super-resolution pixel each.
    """
    from matplotlib.figure import Figure

    n = len(frames)
    figure = Figure(figsize=(3 * n, 6), layout="constrained", facecolor="white")
    rows = figure.subplots(2, n, squeeze=False)
    limits = np.percentile(np.stack(frames), (0.5, 99.8)), (0.0, _bright(np.stack(images)))
    for row, pictures, (low, high) in zip(rows, (frames, images), limits, strict=True):
        for axes, picture in zip(row, pictures, strict=True):
            axes.imshow(picture, cmap="inferno", vmin=low, vmax=max(high, low + 1e-9))
            axes.set_xticks([])
            axes.set_yticks([])
    rows[0, 0].set_ylabel("camera")
    rows[1, 0].set_ylabel("network")
    return figure


def _lines(
    axes: Axes,
    history: Mapping[str, Sequence[float]],
    labels: dict[str, str],
    *,
    linestyle: str = "-",
) -> None:
    for (name, label), (color, marker) in zip(labels.items(), _LOOKS, strict=False):
        values = history.get(name, ())
        if np.isfinite(values).any():
            line = axes.plot(history["step"], values, linestyle, color=color, label=label)[0]
            line.set(marker=marker if linestyle == "-" else "", markersize=4)


def _curves(
    axes: Axes, table: pd.DataFrame, labels: dict[str, str], *, linestyle: str = "-"
) -> None:
    """Draw the columns that have values, with markers on bins and a running mean of frames."""
    x, _ = _places(table)
    is_binned = "from" in table
    for (name, label), (color, marker) in zip(labels.items(), _LOOKS, strict=False):
        if name not in table or table[name].isna().all():
            continue
        values = table[name]
        if not is_binned:
            alpha = min(max(150 / len(table), 0.05), 0.3)
            axes.plot(x, values, ".", color=color, markersize=2, alpha=alpha)
            values = values.rolling(_smoothing(table), center=True, min_periods=1).mean()
        axes.plot(
            x,
            values,
            marker=marker if is_binned else None,
            fillstyle="full" if linestyle == "-" else "none",
            linestyle=linestyle,
            color=color,
            label=label,
        )


def _smoothing(table: pd.DataFrame) -> int:
    return max(len(table) // 50, 1)


def _places(table: pd.DataFrame) -> tuple[Any, Any]:
    """Where rows stand along the horizontal axis, and how wide they are."""
    if "from" not in table:
        return table["frame"], 1.0
    return (table["from"] + table["to"]) / 2, (table["to"] - table["from"]) * 0.9


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


def _bright(image: Image) -> float:
    """Upper contrast limit: the 99.5th percentile of what is not empty."""
    filled = image[image > 0.01 * image.max()] if image.any() else image
    return float(np.percentile(filled, 99.5)) if filled.size else 1.0


def _round_length(length_um: float) -> float:
    """Largest of 1, 2, 5 times a power of ten that is not above the length."""
    power = 10.0 ** np.floor(np.log10(length_um))
    return float(max(step for step in (1, 2, 5) if step * power <= length_um) * power)
