"""Live limits as files: the errors over windows and speeds, and the best windows as pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_deepsmlm._files import atomic_write
from napari_deepsmlm._palette import MARKERS, ON_PAPER

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from napari_deepsmlm.limits.live import LiveLimits, Shown

TABLE, PICTURE = "live.csv", "live.png"
_PANELS = (
    ("nmse_percent", "error of the image (NMSE, %)"),
    ("distance_nm", "median distance from the structure (nm)"),
)


def write_live(out: str | Path, found: LiveLimits) -> list[Path]:
    """Write table and picture to a folder; return the files."""
    out = Path(out)
    with atomic_write(out / TABLE) as file:
        found.table.to_csv(file, index=False, float_format="%.6g")
    with atomic_write(out / PICTURE) as file:
        live_figure(found).savefig(file, format="png", dpi=120)
    return [out / TABLE, out / PICTURE]


def live_figure(found: LiveLimits) -> Figure:
    """Return the errors over window length, and below the best window of each speed."""
    from matplotlib.figure import Figure

    n = len(found.shown)
    figure = Figure(figsize=(max(9.0, 2.3 * n), 7.4), layout="constrained", facecolor="white")
    parts: Any = figure.subfigures(2, 1, height_ratios=(3.4, 4))
    above, below = parts
    for axes, (name, label) in zip(above.subplots(1, 2), _PANELS, strict=True):
        _draw(axes, found, name)
        axes.set(xlabel="frames of a window", ylabel=label, xscale="log")
        axes.set_ylim(bottom=0)
        axes.spines[["top", "right"]].set_visible(False)
        ticks = [int(window) for window in found.options.windows]
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.minorticks_off()
    above.axes[0].legend(frameon=False, fontsize=8, title="nm per frame")
    rows = below.subplots(2, n, squeeze=False)
    for column, shown in zip(rows.T, found.shown, strict=True):
        _show(column, shown)
    rows[0, 0].set_ylabel("best window", fontsize=8)
    rows[1, 0].set_ylabel("truth at its middle", fontsize=8)
    figure.suptitle(
        f"{found.tried.name} on a microtubule that moves: each window against where it is at the "
        f"middle (blur {found.options.resolution_nm:g} nm)",
        fontsize=10,
    )
    return figure


def _draw(axes: Axes, found: LiveLimits, name: str) -> None:
    for k, (speed, part) in enumerate(found.table.groupby("speed_nm")):
        color, marker = ON_PAPER[k % len(ON_PAPER)], MARKERS[k % len(MARKERS)]
        axes.plot(
            part["window_frames"], part[name], color=color, marker=marker, ms=4, label=f"{speed:g}"
        )
        best = part[part["is_best"]]
        axes.plot(best["window_frames"], best[name], "o", ms=11, mfc="none", mec=color)


def _show(column: list[Axes], shown: Shown) -> None:
    top = float(shown.truth.max())
    for axes, image in zip(column, (shown.image, shown.truth), strict=True):
        axes.imshow(image, cmap="magma", vmin=0, vmax=top)
        axes.set(xticks=[], yticks=[])
    column[0].set_title(f"{shown.speed_nm:g} nm: {shown.window} frames", fontsize=8)
