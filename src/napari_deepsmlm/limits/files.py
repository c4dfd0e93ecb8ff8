"""Limits as files: tables, and a picture of scores over density with the bound beside the error."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_deepsmlm._files import atomic_write
from napari_deepsmlm._palette import MARKERS, ON_PAPER
from napari_deepsmlm._score_labels import label_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from napari_deepsmlm.limits.measure import Limits

TABLE, DEPTHS, PICTURE = "limits.csv", "limits_depth.csv", "limits.png"
_DASHES = ("-", "--", ":", "-.")
_PANELS = (
    ("jaccard", None),
    ("precision", None),
    ("recall", None),
    ("rmse_lateral_nm", "crlb_lateral_nm"),
    ("efficiency_lateral", None),
)
_DEPTH_PANEL = ("rmse_axial_nm", "crlb_axial_nm")


def write_limits(out: str | Path, found: Limits) -> list[Path]:
    """Write tables and picture to a folder; return the files."""
    out = Path(out)
    tables = {TABLE: found.table}
    if found.depth is not None:
        tables[DEPTHS] = found.depth
    for name, table in tables.items():
        with atomic_write(out / name) as file:
            table.to_csv(file, index=False, float_format="%.6g")
    figure = limits_figure(found)
    with atomic_write(out / PICTURE) as file:
        figure.savefig(file, format="png", dpi=120)
    return [*(out / name for name in tables), out / PICTURE]


def limits_figure(found: Limits) -> Figure:
    """Return scores over density: a colour for each brightness, a dash for each background."""
    from matplotlib.figure import Figure

    panels = list(_PANELS)
    if found.depth is not None:
        panels.insert(4, _DEPTH_PANEL)
    n = len(panels) + (found.depth is not None)
    columns = 3
    rows = -(-n // columns)
    figure = Figure(figsize=(4.2 * columns, 3.3 * rows), layout="constrained", facecolor="white")
    axes = list(figure.subplots(rows, columns, squeeze=False).ravel())
    for one, (name, bound) in zip(axes, panels, strict=False):
        _draw(one, found.table, name, bound)
        one.set(xlabel="molecules per µm² and frame", ylabel=label_of(name), xscale="log")
    if found.depth is not None:
        _draw_depth(axes[len(panels)], found.depth)
    for spare in axes[n:]:
        spare.set_axis_off()
    for one in axes[:n]:
        one.spines[["top", "right"]].set_visible(False)
    # beside the curves: there is always a place left, and none within them is always free
    handles, labels = axes[0].get_legend_handles_labels()
    axes[n].legend(handles, labels, frameon=False, loc="upper left", handlelength=5)
    psf = found.tried.experiment.psf
    figure.suptitle(
        f"{found.tried.name} on simulated frames: {psf.kind} PSF, {psf.pixel_size_nm:g} nm pixels "
        "(thin lines: Cramér-Rao bound of lone molecules)",
        fontsize=10,
    )
    return figure


def _draw(axes: Axes, table: pd.DataFrame, name: str, bound: str | None) -> None:
    for (photons, background), part in table.groupby(["photons", "background"]):
        k = sorted(set(table["photons"])).index(photons)
        m = sorted(set(table["background"])).index(background)
        color, dash = ON_PAPER[k % len(ON_PAPER)], _DASHES[m % len(_DASHES)]
        label = f"{photons:g} photons, {background:g} background"
        marker = MARKERS[k % len(MARKERS)]
        axes.plot(
            part["density_per_um2"], part[name], dash, color=color, marker=marker, ms=4, label=label
        )
        if bound is not None:
            axes.plot(part["density_per_um2"], part[bound], dash, color=color, linewidth=0.6)
    if bound is None:
        low = -5 if name.startswith("efficiency") else -0.03
        axes.set_ylim(low, 103 if name.startswith("efficiency") else 1.03)
    else:
        axes.set_ylim(bottom=0)


def _draw_depth(axes: Axes, depth: pd.DataFrame) -> None:
    dim = depth[depth["background"] == depth["background"].min()]
    for k, (photons, part) in enumerate(dim.groupby("photons")):
        z = (part["z_from_nm"] + part["z_to_nm"]) / 2
        color = ON_PAPER[k % len(ON_PAPER)]
        axes.plot(z, part["rmse_axial_nm"], color=color, marker="o", ms=4, label=f"{photons:g}")
        axes.plot(z, part["crlb_axial_nm"], color=color, linewidth=0.6)
    axes.set(xlabel="depth (nm), sparse molecules", ylabel=label_of("rmse_axial_nm"))
    axes.set_ylim(bottom=0)
