"""Figures of a run: its curves over the steps, and frames above what the network makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_deepsmlm._palette import MARKERS, ON_PAPER
from napari_deepsmlm._score_labels import name_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    Image = np.ndarray[Any, Any]

# Room for 0.00012 on the left and the longest name on the right. Measured at each drawing
# ("constrained") it is half of the time.
_MARGINS = {"left": 0.11, "right": 0.69, "bottom": 0.07, "top": 0.96, "hspace": 0.08}
_LABEL_IN = 0.3  # room in inches for the name of a row of pictures


def training_figure(history: Mapping[str, Sequence[float]]) -> Figure:
    """Return curves of a training run over its steps: losses, molecules found, errors in nm.

    Parameters
    ----------
    history : columns of `history.csv`; what is missing or NaN is not drawn.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 8.5), facecolor="white")
    loss, found, error = figure.subplots(3, 1, sharex=True, gridspec_kw=_MARGINS)
    _lines(loss, history, {"training_loss": "training", "validation_loss": "validation"})
    values = [v for name in ("training_loss", "validation_loss") for v in history.get(name, ())]
    if values and np.nanmin(values) > 0:
        loss.set_yscale("log")
        is_short = np.nanmax(values) < 10 * np.nanmin(values)  # else 800 and 900 would overlap
        loss.yaxis.set_major_formatter("{x:g}")  # 6.2, not 6.2 x 10^0
        loss.yaxis.set_minor_formatter("{x:g}" if is_short else "")
    loss.set(ylabel="loss", title="Training")
    _lines(found, history, {name: name_of(name) for name in ("recall", "precision", "jaccard")})
    found.set(ylabel="fraction", ylim=(-0.03, 1.03))
    errors = {name: name_of(name) for name in ("rmse_lateral_nm", "rmse_axial_nm")}
    _lines(error, history, errors)
    bounds = {f"bound_{axis}_nm": name_of(f"crlb_{axis}_nm") for axis in ("lateral", "axial")}
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
    width = 3 * n + _LABEL_IN
    figure = Figure(figsize=(width, 6), facecolor="white")
    edges = {"left": _LABEL_IN / width, "right": 0.995, "bottom": 0.01, "top": 0.99}
    rows = figure.subplots(
        2, n, squeeze=False, gridspec_kw={**edges, "wspace": 0.03, "hspace": 0.03}
    )
    limits = np.percentile(np.stack(frames), (0.5, 99.8)), (0.0, bright_limit(np.stack(images)))
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
    for (name, label), color, marker in zip(labels.items(), ON_PAPER, MARKERS, strict=False):
        values = history.get(name, ())
        if np.isfinite(values).any():
            line = axes.plot(history["step"], values, linestyle, color=color, label=label)[0]
            line.set(marker=marker if linestyle == "-" else "", markersize=4)


def bright_limit(image: Image) -> float:
    """Return the upper contrast limit: the 99.5th percentile of what is not empty."""
    filled = image[image > 0.01 * image.max()] if image.any() else image
    return float(np.percentile(filled, 99.5)) if filled.size else 1.0
