"""Molecules with depth for the 3-D view: points coloured by z, and a volume of voxels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Layer

from napari_deepsmlm._words import counted
from napari_deepsmlm.plugin.layers.contrast import contrast_limits
from napari_deepsmlm.plugin.layers.hues import hue_colormap
from napari_deepsmlm.plugin.layers.world import KEY
from napari_deepsmlm.plugin.localizations.table_box import RENDERING

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator

    from napari_deepsmlm.localizations import Localizations

MAX_POINTS = 1_000_000
"""Of more, as many are drawn at random: napari is busy for 1.2 s with adding a million."""
SYMBOL = "disc"
POINT_NM = 20.0
AXES = ("z", "y", "x")


@dataclass(frozen=True, slots=True)
class InDepth:
    """Layers for the 3-D view, and what they are in a sentence."""

    layers: tuple[Layer, ...]
    sentence: str


def in_depth(
    table: Localizations,
    name: str,
    origin_nm: tuple[float, float],
    stopping: threading.Event,
) -> Generator[InDepth, None, None]:
    """Yield a volume of 24 x 24 x 50 nm voxels, and points: of very many molecules some.

    Parameters
    ----------
    table : the molecules kept.
    name : of the layer that they are of.
    origin_nm : (y, x) nm in the world where positions count from.

    Raises
    ------
    ValueError
        One sentence: there is no depth, or the volume would be too large.
    """
    from napari_deepsmlm.drift import without_beads
    from napari_deepsmlm.render import VolumeOptions, draw_volume, rendering_of

    table = table[np.isfinite(np.asarray(table["z_nm"], float))] if table.is_3d else table
    table, remarks = without_beads(table)
    has_own_sigma = rendering_of(table.names).has_own_sigma
    options = VolumeOptions(kind="gaussian" if has_own_sigma else "histogram")
    drawn = draw_volume(table, options=options)
    if stopping.is_set():
        return
    voxel = (options.z_step_nm, options.sr_pixel_nm, options.sr_pixel_nm)
    begin = (drawn.z_nm, *origin_nm)
    voxels = drawn.voxels.numpy()
    keywords: dict[str, Any] = {
        "name": f"{name}, volume",
        "scale": voxel,
        "translate": tuple(b + side / 2 for b, side in zip(begin, voxel, strict=True)),
        "colormap": "magma",
        "blending": "additive",
        "contrast_limits": contrast_limits(voxels),
        "metadata": {KEY: {"kind": "reconstruction", RENDERING: True, "of": name}},
    }
    layers = [Layer.create(voxels, {**keywords, **_axes()}, "image")]
    sizes = " × ".join(f"{side:g}" for side in reversed(voxel))
    said = f"{counted(len(table), 'molecule')} as a volume of {sizes} nm voxels"
    some = _some(table)
    layers.append(_points(some, name, origin_nm))
    which = "" if some is table else f"{len(some):,} of them, drawn at random, "
    said += f", and {which}as points coloured by depth"
    yield InDepth(tuple(layers), " ".join([f"{said}; the other layers are hidden.", *remarks]))


def _some(table: Localizations) -> Localizations:
    if len(table) <= MAX_POINTS:
        return table
    rows = np.random.default_rng(0).choice(len(table), MAX_POINTS, replace=False)
    return table[np.sort(rows)]


def _points(table: Localizations, name: str, origin_nm: tuple[float, float]) -> Layer:
    from napari_deepsmlm.render.colors import RANGE_PERCENT

    z = np.asarray(table["z_nm"], float)
    low, high = np.percentile(z, RANGE_PERCENT).tolist() if len(z) else (0.0, 1.0)
    keywords: dict[str, Any] = {
        "name": f"{name}, depth",
        "features": {"depth_nm": z},
        "border_width": 0.0,
        "size": POINT_NM,
        "out_of_slice_display": False,
        "translate": (0.0, *origin_nm),
        "metadata": {KEY: {RENDERING: True, "of": name}},
    }
    # The border too: of a point of a few pixels hardly anything else is seen.
    for part in ("face", "border"):
        keywords[f"{part}_color"] = "depth_nm"
        keywords[f"{part}_colormap"] = hue_colormap()
        keywords[f"{part}_contrast_limits"] = (low, max(high, low + 1.0))
    data = np.stack([z, np.asarray(table.y_nm, float), np.asarray(table.x_nm, float)], axis=1)
    layer: Any = Layer.create(data, {**keywords, **_axes()}, "points")
    # Plain strings: napari 0.9 turns each point's symbol into one, which takes longer from an enum.
    layer.symbol[:] = SYMBOL
    return layer


def _axes() -> dict[str, Any]:
    return {"units": ("nm", "nm", "nm"), "axis_labels": AXES}
