"""Planes: layers that were recorded at the same time become the focal planes of one stack.

This and `movie` act on what is selected in the list of layers, at once: a panel of `magic_factory`
would ask for the same layers in a second list.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import dask.array
from napari.utils.notifications import show_error
from napari.viewer import Viewer  # noqa: TC002 - napari reads the annotation to hand it over

from napari_deepsmlm.io.frames.file_names import natural_order
from napari_deepsmlm.plugin.layers.world import (
    KEY,
    can_hold_frames,
    frame_placement,
    frame_under_slider,
    pixel_size_of,
    provenance,
)
from napari_deepsmlm.plugin.opening.readers import layer_of

if TYPE_CHECKING:
    from napari.layers import Layer

HOW = (
    "Select the stacks of two or more focal planes in the layer list, or one stack that was opened "
    "from several files, then choose Layers > Data > Stack as focal planes again."
)


def stack_as_planes(viewer: Viewer) -> None:
    """Make the selected stacks one with axes (T, C, Y, X), in the order of their names.

    A single stack that was opened from several files, one after the other, is opened again with
    its files side by side. The new layer takes the place of the selected ones: beside it, napari
    would lay their time along its planes.
    """
    chosen = [layer for layer in viewer.layers if layer in viewer.layers.selection]
    try:
        _add_planes(viewer, chosen)
    except (ValueError, OSError) as error:
        show_error(str(error))


def _add_planes(viewer: Viewer, chosen: list[Layer]) -> None:
    if not chosen or not all(can_hold_frames(x) and x.ndim == 3 for x in chosen):
        raise ValueError(HOW)
    paths = provenance(chosen[0]).get("paths", ())
    if len(chosen) == 1 and len(paths) < 2:
        raise ValueError(HOW)
    if len(chosen) == 1:
        data, keywords, _ = layer_of(paths, as_planes=True)
    else:
        data, keywords = _side_by_side(chosen)
    frame = frame_under_slider(viewer, chosen[0])
    for layer in chosen:
        viewer.layers.remove(layer)
    viewer.add_image(data, **keywords)
    viewer.dims.set_current_step((0, 1), (min(frame, len(data) - 1), 0))


def _side_by_side(chosen: list[Layer]) -> tuple[dask.array.Array, dict[str, object]]:
    order = natural_order(Path(layer.name) for layer in chosen)
    chosen = sorted(chosen, key=lambda layer: order.index(Path(layer.name)))
    first = chosen[0]
    for layer in chosen[1:]:
        if layer.data.shape != first.data.shape or layer.dtype != first.dtype:
            raise ValueError(
                f"{layer.name} holds {_form(layer)} but {first.name} {_form(first)}; the focal "
                "planes of one stack are alike, so choose layers that were recorded together."
            )
    data = dask.array.stack([layer.data for layer in chosen], axis=1)
    size = pixel_size_of(first)
    limits = [layer.contrast_limits for layer in chosen]
    known = {
        "pixel_size_nm": size.nm,
        "pixel_size_origin": size.origin,
        "camera_name": provenance(first).get("camera_name", ""),
        "planes": [layer.name for layer in chosen],
    }
    keywords = {
        "name": f"{first.name} ({len(chosen)} planes)",
        "rgb": False,
        "colormap": "gray",
        "contrast_limits": (min(low for low, _ in limits), max(high for _, high in limits)),
        "metadata": {KEY: known},
        **frame_placement(data.ndim, size.nm),
    }
    return data, keywords


def _form(layer: Layer) -> str:
    frames, height, width = layer.data.shape
    return f"{frames} frames of {height} × {width} px, {layer.dtype}"
