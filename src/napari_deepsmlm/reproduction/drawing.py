"""Drawing: curves, pairs of bars and images that figures share."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from napari_deepsmlm._palette import GREY, MARKERS, ON_PAPER
from napari_deepsmlm.reproduction.figure import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.figure import Figure

    from napari_deepsmlm.reproduction.figure import Row


def curves(
    lines: Mapping[str, tuple[Sequence[float], Sequence[float]]], x_label: str, y_label: str,
    *, marks: Mapping[str, float] | None = None,
) -> Callable[[Figure], None]:  # fmt: skip
    """Return what draws named lines of (x, y); `marks` are the paper's values, across all x."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for number, (name, (x, y)) in enumerate(lines.items()):
            axes.plot(
                x, y, color=ON_PAPER[number % len(ON_PAPER)],
                marker=MARKERS[number % len(MARKERS)], label=name,
            )  # fmt: skip
        for name, value in (marks or {}).items():
            axes.axhline(value, color=GREY, linestyle="--", label=name)
        axes.set(xlabel=x_label, ylabel=y_label)
        axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
        _finish(axes)

    return draw


def beside_paper(rows: Sequence[Row]) -> Callable[[Figure], None]:
    """Return what draws ours over the paper's, one bar for each row that both have."""
    both = [row for row in rows if row.paper and math.isfinite(row.ours)]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        ratios = [row.ours / row.paper for row in both if row.paper]
        labels = [f"{row.quantity}\n{_pair(row)}" for row in both]
        _lying(axes, ratios, labels)
        axes.axvline(1, color=GREY, linestyle="--")
        axes.set_xlabel("ours / paper's")

    return draw


def _pair(row: Row) -> str:
    return f"{shown(row.ours)} / {shown(row.paper)} {row.unit}"


def bars(values: Mapping[str, float], x_label: str) -> Callable[[Figure], None]:
    """Return what draws one bar for each name; they lie, since names are long."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        _lying(axes, list(values.values()), list(values))
        axes.set_xlabel(x_label)

    return draw


def _lying(axes: Any, lengths: Sequence[float], labels: Sequence[str]) -> None:
    places = range(len(lengths))
    axes.barh(places, lengths, color=ON_PAPER[0])
    axes.set_yticks(places, labels, fontsize=7)
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)


def images(pictures: Mapping[str, Any], *, n_columns: int = 3) -> Callable[[Figure], None]:
    """Return what draws images side by side, each up to its own bright structures."""
    import numpy as np

    def draw(figure: Figure) -> None:
        n_rows = -(-len(pictures) // n_columns)
        grid = figure.subplots(n_rows, -(-len(pictures) // n_rows), squeeze=False)
        for axes in grid.flat:
            axes.axis("off")
        for axes, (name, image) in zip(grid.flat, pictures.items(), strict=False):
            bright = float(np.quantile(image, 0.997)) or 1.0
            axes.imshow(image, cmap="inferno", vmin=0, vmax=bright)
            axes.set_title(name, fontsize=8)

    return draw


def _finish(axes: Any) -> None:
    axes.grid(visible=True, color="0.9")
    axes.spines[["top", "right"]].set_visible(False)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
