"""Seen images: what the image layers of a viewer show now, or their means, and where in nm."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from napari.layers import Image

from napari_deepsmlm.plugin.layers.world import HUES, RESULTS, provenance

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari.layers import Layer
    from napari.viewer import Viewer

    from napari_deepsmlm.plugin.profile.means import StackMeans
    from napari_deepsmlm.profiles import PixelGrid

    Floats = np.ndarray[Any, np.dtype[np.float64]]

Stacks = Literal["auto", "frame", "mean"]
"""What is measured of a stack: a frame, the mean, or the mean if a reconstruction is seen too."""

ONLY_IN_2D = "Lines are measured in the 2-D view: switch to it with the button below the layers."
_MAX_KEPT_BYTES = 1 << 28


@dataclass(frozen=True)
class SeenImage:
    """The plane of an image layer that is displayed.

    Attributes
    ----------
    name : of the layer.
    layer_id : tells layers apart.
    plane : (rows, columns), read when it is sliced.
    grid : where its pixels lie, in nm, or in the units of the world where these are no lengths.
    unit : "nm", "px" or "units".
    nm_per_world : (2,) nm of one unit of the viewer's world along the displayed axes.
    """

    name: str
    layer_id: int
    plane: Plane
    grid: PixelGrid
    unit: str
    nm_per_world: Floats


class Plane:
    """A plane of an array of any kind, read where it is sliced, and kept if that takes time."""

    def __init__(self, data: Any, index: Sequence[int | slice], is_turned: bool) -> None:
        self._data, self._index, self.is_turned = data, list(index), is_turned
        self._axes = [i for i, one in enumerate(index) if isinstance(one, slice)]
        shape = tuple(data.shape[axis] for axis in self._axes)
        self.shape: tuple[int, ...] = shape[::-1] if is_turned else shape
        self.dtype = np.dtype(data.dtype)
        self._kept: Any = None

    def __getitem__(self, box: tuple[slice, slice]) -> Any:
        if isinstance(self._data, np.ndarray):
            return self._read(box)
        if self.dtype.itemsize * np.prod(self.shape, dtype=float) > _MAX_KEPT_BYTES:
            return self._read(box)
        if self._kept is None:
            self._kept = self._read((slice(None), slice(None)))
        return self._kept[box]

    def _read(self, box: tuple[slice, slice]) -> Any:
        index = list(self._index)
        for axis, part in zip(self._axes, box[::-1] if self.is_turned else box, strict=True):
            index[axis] = part
        pixels = np.asarray(self._data[tuple(index)])
        return pixels.T if self.is_turned else pixels


def seen_images(
    viewer: Viewer, means: StackMeans, stacks: Stacks = "auto"
) -> tuple[list[SeenImage], list[str]]:
    """Return the visible grey images from the bottom up, and sentences about what is left out.

    Parameters
    ----------
    means : of stacks; asking for one begins it.
    stacks : whether stacks of frames are shown by one frame or by their mean.
    """
    if viewer.dims.ndisplay != 2:
        return [], [ONLY_IN_2D]
    seen, remarks = [], []
    by_mean = stacks == "mean" or (stacks == "auto" and _has_reconstruction(viewer))
    for layer in viewer.layers:
        if not isinstance(layer, Image) or not layer.visible:
            continue
        reason = _why_not(layer, viewer)
        if reason:
            remarks.append(f"{layer.name}: {reason}.")
        elif by_mean and _is_stack(layer, viewer):
            index = [0 if one is None else one for one in _shown_index(layer, viewer)]
            mean, reason = means.of(finest(layer), index)
            if mean is None:
                remarks.append(f"{layer.name}: {reason}")
            else:
                seen.append(_mean_seen(_seen(layer, viewer), mean))
        else:
            seen.append(_seen(layer, viewer))
    return seen, remarks


def _has_reconstruction(viewer: Viewer) -> bool:
    """Whether an image made from many frames is to be seen."""
    return any(
        isinstance(layer, Image)
        and layer.visible
        and provenance(layer).get("kind") == "reconstruction"
        and not provenance(layer).get("is_preview")
        for layer in viewer.layers
    )


def _is_stack(layer: Layer, viewer: Viewer) -> bool:
    """Whether a layer is several frames of a camera, of which one is shown."""
    is_result = provenance(layer).get("kind") in RESULTS
    return (
        not is_result
        and layer.ndim > 2
        and finest(layer).shape[0] > 1
        and (0 not in _own_axes(layer, viewer))
    )


def _mean_seen(seen: SeenImage, mean: np.ndarray[Any, Any]) -> SeenImage:
    plane = Plane(mean, (slice(None), slice(None)), seen.plane.is_turned)
    return replace(seen, name=f"mean of {seen.name}", plane=plane)


def viewer_places(layer: Layer, viewer: Viewer) -> Callable[[Any], Floats]:
    """Return a function from (n, axes) data of a layer to (n, 2) displayed places in the world."""
    axes = _own_axes(layer, viewer)
    if min(axes) < 0:
        return lambda points: np.full((len(points), 2), np.nan)
    origin, steps = _affine(layer, axes)
    per_viewer = _own_per_viewer(layer, viewer)[axes]
    return lambda points: np.asarray((origin + np.asarray(points) @ steps) / per_viewer)


def _affine(layer: Layer, axes: list[int]) -> tuple[Floats, Floats]:
    """Return where data 0 lies along some axes of the layer's world, and one step of each axis."""
    corner = np.zeros(layer.ndim)
    origin = np.array(layer.data_to_world(corner))[axes]
    ends = [np.array(layer.data_to_world(step))[axes] for step in np.eye(layer.ndim)]
    return origin, np.array(ends) - origin


def _why_not(layer: Layer, viewer: Viewer) -> str:
    data = finest(layer)
    if provenance(layer).get("kind") == HUES:
        return "its values are no brightness, so it is left out"
    if layer.rgb:
        return "colours have no single brightness, so it is left out"
    if np.dtype(data.dtype).kind not in "uifb":
        return f"its pixels are {data.dtype}, so it is left out"
    if min(_own_axes(layer, viewer)) < 0:
        return "it does not have both displayed axes, so it is left out"
    if None in _shown_index(layer, viewer):
        return "it has no frame where the slider is, so it is left out"
    return ""


def _seen(layer: Layer, viewer: Viewer) -> SeenImage:
    from napari_deepsmlm.profiles import PixelGrid

    axes = _own_axes(layer, viewer)
    nm_per_own = np.array([_nm_per(layer.units[axis]) for axis in axes])
    origin, steps = _affine(layer, axes)
    down, right = steps[axes] * nm_per_own
    index = [0 if one is None else one for one in _shown_index(layer, viewer)]
    # What is not displayed is where the slider is: it moves the plane where the axes are slanted.
    at = [0 if isinstance(one, slice) else one for one in index]
    grid = PixelGrid(*map(_pair, ((origin + at @ steps) * nm_per_own, down, right)))
    is_length = all(layer.units[axis].is_compatible_with("nm") for axis in axes)
    return SeenImage(
        name=layer.name,
        layer_id=id(layer),
        plane=Plane(finest(layer), index, is_turned=axes[0] > axes[1]),
        grid=grid,
        unit="nm" if is_length else _plain_unit(layer, axes),
        nm_per_world=_own_per_viewer(layer, viewer)[axes] * nm_per_own,
    )


def _pair(values: Floats) -> tuple[float, float]:
    return float(values[0]), float(values[1])


def _plain_unit(layer: Layer, axes: list[int]) -> str:
    """Return px where one unit of the world is one pixel."""
    return "px" if np.allclose(np.asarray(layer.scale)[axes], 1) else "units"


def _own_axes(layer: Layer, viewer: Viewer) -> list[int]:
    """Return which axes of the layer are displayed, down and right; negative: none of its own."""
    n_missing = viewer.dims.ndim - layer.ndim
    return [axis - n_missing for axis in viewer.dims.displayed]


def _shown_index(layer: Layer, viewer: Viewer) -> list[int | slice | None]:
    """Return the frame under the slider along each axis, all along those that are displayed."""
    shown, data = _own_axes(layer, viewer), finest(layer)
    point = np.asarray(viewer.dims.point)[-layer.ndim :] * _own_per_viewer(layer, viewer)
    place = np.round(layer.world_to_data(point)).astype(int)
    return [
        slice(None) if axis in shown else (int(i) if 0 <= i < n else None)
        for axis, (i, n) in enumerate(zip(place, data.shape, strict=False))
    ]


def _own_per_viewer(layer: Layer, viewer: Viewer) -> Floats:
    """Return (layer axes,) units of the layer's world in one of the viewer's.

    napari shows layers by their units where all of them fit together, and by numbers where not.
    """
    units = viewer.layers.extent.units
    if units is None:
        return np.ones(layer.ndim)
    pairs = zip(layer.units, units[-layer.ndim :], strict=True)
    return np.array([float((1 * theirs).to(own).magnitude) for own, theirs in pairs])


def _nm_per(unit: Any) -> float:
    return float((1 * unit).to("nm").magnitude) if unit.is_compatible_with("nm") else 1.0


def finest(layer: Layer) -> Any:
    """Return the data of a layer, of a pyramid its base."""
    return layer.data[0] if layer.multiscale else layer.data
