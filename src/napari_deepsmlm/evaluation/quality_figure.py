"""Figure of a quality report, for export: curves with their resolution, and the error map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_deepsmlm._palette import BLUE, GREY, VERMILION
from napari_deepsmlm.metrics.frc import THRESHOLD

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from napari_deepsmlm.evaluation.quality import Quality, RingPair
    from napari_deepsmlm.metrics import Decorrelation, ErrorMap


def quality_figure(quality: Quality) -> Figure:
    """Return what was measured, side by side."""
    from matplotlib.figure import Figure

    has_curves = quality.frc is not None and quality.frc.time is not None
    found, compared = quality.decorrelation, quality.squirrel
    n = has_curves + (found is not None) + (compared is not None)
    figure = Figure(figsize=(5.5 * max(n, 1), 4.5), layout="constrained", facecolor="white")
    panels = iter(figure.subplots(1, max(n, 1), squeeze=False)[0])
    if has_curves and quality.frc is not None:
        _draw_rings(next(panels), quality.frc)
    if found is not None:
        _draw_decorrelation(next(panels), found)
    if compared is not None:
        _draw_errors(next(panels), compared)
    return figure


def _draw_rings(axes: Axes, frc: RingPair) -> None:
    for name, curve, color in (
        ("time blocks", frc.time, BLUE),
        ("random halves", frc.random, VERMILION),
    ):
        if curve is None:
            continue
        per_um = curve.per_nm * 1e3
        axes.plot(per_um, curve.correlation, ".", color=color, markersize=2, alpha=0.3)
        label = f"{name}: {_length(curve.resolution_nm)}"
        axes.plot(per_um, curve.smoothed, color=color, label=label)
    axes.axhline(THRESHOLD, color=GREY, linestyle=":", label="1/7")
    axes.set(xlabel="spatial frequency (1/µm)", ylabel="correlation", ylim=(-0.15, 1.05))
    axes.set_title(f"Fourier ring correlation, {frc.pixel_nm:.3g} nm pixels")
    axes.legend(frameon=False)


def _draw_decorrelation(axes: Axes, found: Decorrelation) -> None:
    for curve in found.curves[1:]:
        axes.plot(found.cutoff, curve, color=GREY, linewidth=0.7)
    axes.plot(found.cutoff, found.curves[0], color=BLUE, label="image")
    if not found.problem:
        axes.axvline(found.peak_k, color=VERMILION, linestyle="--", label="farthest peak")
    axes.plot([], [], color=GREY, linewidth=0.7, label="after high-pass filters")
    axes.set(xlabel="radius k (1: half a cycle per pixel)", ylabel="d(k)")
    axes.set_title(f"Decorrelation analysis: {_length(found.resolution_nm)}")
    axes.legend(frameon=False)


def _draw_errors(axes: Axes, found: ErrorMap) -> None:
    # A few pixels at the edges, lit from beyond, would hide all others.
    highest = max(float(np.percentile(found.error, 99.5)), 1e-9)
    picture = axes.imshow(found.error, cmap="inferno", vmin=0, vmax=highest)
    axes.set(xticks=[], yticks=[], title=f"Error map: RSP {found.rsp:.3f}, RSE {found.rse:.3g}")
    if axes.figure is not None:
        axes.figure.colorbar(picture, ax=axes, label="|reference − explained|")


def _length(nm: float) -> str:
    return f"{nm:.3g} nm" if nm == nm else "none"  # NaN is not itself
