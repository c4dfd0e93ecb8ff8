"""Score plot: how well molecules are found, by frame, density or depth, as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_deepsmlm._files import atomic_write
from napari_deepsmlm._palette import MARKERS, ON_PAPER
from napari_deepsmlm._score_labels import name_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd
    from matplotlib.axes import Axes

_BY = {
    "frame": ("frame", "frame (from 0)"),
    "density": ("local density", "other true molecules within 1 µm (per µm²)"),
    "z": ("depth", "z (nm)"),
}


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
    _curves(found, table, ("recall", "precision", "jaccard"))
    smoothed = f"; lines: mean of {_smoothing(table)} frames" if by == "frame" else ""
    found.set(ylabel="fraction", ylim=(-0.03, 1.03), title=f"Scores by {_BY[by][0]}{smoothed}")
    _curves(error, table, ("rmse_lateral_nm", "rmse_axial_nm"))
    _curves(error, table, ("crlb_lateral_nm", "crlb_axial_nm"), linestyle=":")
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


def _curves(axes: Axes, table: pd.DataFrame, names: Sequence[str], *, linestyle: str = "-") -> None:
    """Draw the columns that have values, with markers on bins and a running mean of frames."""
    x, _ = _places(table)
    is_binned = "from" in table
    for name, color, marker in zip(names, ON_PAPER, MARKERS, strict=False):
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
            label=name_of(name),
        )


def _smoothing(table: pd.DataFrame) -> int:
    return max(len(table) // 50, 1)


def _places(table: pd.DataFrame) -> tuple[Any, Any]:
    """Where rows stand along the horizontal axis, and how wide they are."""
    if "from" not in table:
        return table["frame"], 1.0
    return (table["from"] + table["to"]) / 2, (table["to"] - table["from"]) * 0.9
