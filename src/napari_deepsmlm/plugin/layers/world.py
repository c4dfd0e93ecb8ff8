"""Layers: where camera frames and super-resolved images lie in napari's world, in nm.

napari puts the centre of pixel (0, 0) at a layer's `translate`; the library counts nm from the
outer corner of that pixel. All conversions between the two are here.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from napari.layers import Image

from napari_deepsmlm.io import MAX_PLANES, FrameReadError, PixelSize, open_frames

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from napari.layers import Layer
    from napari.viewer import Viewer

    from napari_deepsmlm.io import FrameSource
    from napari_deepsmlm.localizations import Localizations

KEY = "napari_deepsmlm"
"""Where layers keep what the plugin knows about them: `layer.metadata[KEY]`."""

HUES = "hues"
"""The kind of a layer whose values colour the image below it."""
RESULTS = ("reconstruction", "error map", HUES)
"""Kinds of images that are no camera frames: `layer.metadata[KEY]["kind"]`."""

IS_OF_BEADS = "is_of_beads"
"""Marks a layer that a PSF was calibrated from, in its provenance."""
AS_MOVIE = "Layers > Data > As a movie of frames"
SMALLEST_SIDE_PX = 8
SQUARE_WITHIN = 0.01
AXIS_LABELS = ("t", "c", "y", "x")
N_CONTRAST_FRAMES = 8
MAX_CONTRAST_VALUES = 100_000
"""Of one frame."""
CONTRAST_PERCENTILES = (0.1, 99.9)


class PlaneSpan(NamedTuple):
    """The planes of the camera frames on which a layer is seen, as one step along their axis."""

    n_planes: int = 1
    first: int = 0

    @classmethod
    def of(cls, frames: Any, channel: int | None = None) -> PlaneSpan:
        """Return one channel (from 1) of frames, by default all their planes.

        Parameters
        ----------
        frames : what has a shape, (T, Y, X) or (T, C, Y, X).
        """
        if channel is not None:
            return cls(1, channel - 1)
        return cls(int(frames.shape[-3]) if len(frames.shape) > 3 else 1)

    @property
    def middle(self) -> float:
        """Where that step is on the slider."""
        return self.first + (self.n_planes - 1) / 2


ONE_PLANE = PlaneSpan()


def image_of(source: FrameSource) -> tuple[Any, dict[str, Any], str]:
    """Return frames as napari's (data, keywords, type), lazy and placed in nm if they say so."""
    frames = source.as_dask()
    if source.shape[1] == 1:
        frames = frames[:, 0]  # (T, 1, H, W) -> (T, H, W)
    keywords = {"rgb": False, "multiscale": False, "colormap": "gray"}
    keywords |= frame_placement(frames.ndim, source.pixel_size_nm)
    return frames, keywords, "image"


def contrast_of(source: FrameSource) -> tuple[float, float]:
    """Return contrast limits from a few frames spread over the stack, never from all of them."""
    last = source.n_frames - 1
    chosen = sorted({round(share * last) for share in np.linspace(0, 1, N_CONTRAST_FRAMES)})
    values = []
    for frame in chosen:
        with suppress(FrameReadError):  # a damaged frame is no reason not to show the others
            shown = source.read(frame, frame + 1).ravel()
            values.append(shown[:: max(1, shown.size // MAX_CONTRAST_VALUES)])
    sample = np.concatenate(values) if values else np.zeros(1)
    sample = sample[np.isfinite(sample)].astype(np.float64)
    low, high = np.percentile(sample, CONTRAST_PERCENTILES) if sample.size else (0.0, 1.0)
    return float(low), float(max(high, low + 1e-6))


def frame_placement(ndim: int, pixel_size_nm: float | None) -> dict[str, Any]:
    """Return scale, units and axis labels of camera frames (..., Y, X)."""
    size, unit = (1.0, "pixel") if pixel_size_nm is None else (pixel_size_nm, "nm")
    return {
        "scale": (1.0,) * (ndim - 2) + (size, size),
        "units": ("pixel",) * (ndim - 2) + (unit, unit),
        "axis_labels": axis_labels(ndim),
    }


def axis_labels(ndim: int) -> tuple[str, ...]:
    """Return the names of the axes of frames: (y, x), (t, y, x) or (t, c, y, x)."""
    return {2: ("y", "x"), 3: ("t", "y", "x")}.get(ndim, AXIS_LABELS[-ndim:])


def can_hold_frames(layer: Layer) -> bool:
    """Whether a layer may be camera frames: grey levels, big enough, and not a result of ours."""
    return _is_frame_like(layer) and not why_no_frames(layer)


def why_no_frames(layer: Layer) -> str:
    """Return why a layer that looks like camera frames cannot be used, "" if it can or does not.

    A result is laid over its frames as a layer that is neither turned nor stretched, with the
    slider of the frames: whatever does not allow that is refused, never shown beside its frames.
    """
    if not _is_frame_like(layer):
        return ""
    sides = np.asarray(layer.scale[-2:], dtype=float)
    if _is_turned(layer):
        return "is rotated or sheared, and a result would not lie on it; reset its transform."
    if sides.min() <= 0:
        return "is flipped, and a result would not lie on it; reset its scale."
    if abs(sides[0] / sides[1] - 1) > SQUARE_WITHIN:
        unit = "nm" if layer.units[-1].is_compatible_with("nm") else "px"
        per = nm_per(layer.units[-1]) if unit == "nm" else 1.0
        height, width = sides * per
        return (
            f"has pixels of {height:g} x {width:g} {unit}, and frames need square pixels; set its "
            "scale right, or resample it."
        )
    return _why_no_movie(layer)


def _why_no_movie(layer: Layer) -> str:
    shape = layer.data.shape
    outer = [n for n in shape[:-2] if n > 1]
    how = f"choose {AS_MOVIE}"
    if layer.multiscale:
        return f"is a pyramid of several resolutions; {how} to use the finest."
    if layer.ndim > len(AXIS_LABELS):
        return f"has {layer.ndim} axes; {how} to drop those of length 1."
    if layer.ndim == len(AXIS_LABELS) and shape[0] == 1 and shape[1] > MAX_PLANES:
        return f"has 1 frame of {shape[1]} planes; {how} if those are frames."
    if len(outer) > 2:
        return f"has {len(outer)} axes besides rows and columns; split it first."
    return ""


def _is_frame_like(layer: Layer) -> bool:
    return (
        isinstance(layer, Image)
        and not layer.rgb
        and layer.ndim >= 2
        and np.dtype(layer.dtype).kind in "uif"
        and min(layer.data.shape[-2:]) >= SMALLEST_SIDE_PX
        and provenance(layer).get("kind") not in RESULTS
    )


def _is_turned(layer: Layer) -> bool:
    linear = np.asarray(layer.affine.linear_matrix) @ np.asarray(layer.rotate)
    is_straight = np.allclose(linear, np.eye(len(linear)), atol=1e-6)
    return not is_straight or bool(np.any(np.abs(layer.shear) > 1e-9))


def n_frames_of(layer: Layer) -> int:
    """Return the number of camera frames of a layer."""
    return int(layer.data.shape[0]) if layer.ndim > 2 else 1


def frame_under_slider(viewer: Viewer, stack: Layer) -> int:
    """Return the frame of a layer that the viewer shows."""
    if stack.ndim < 3:
        return 0
    frame = round(float(stack.world_to_data(viewer.dims.point)[0]))
    return min(max(frame, 0), n_frames_of(stack) - 1)


def show_plane(viewer: Viewer, stack: Layer, plane: int) -> None:
    """Move the viewer's slider of planes to one of a stack's."""
    if stack.ndim > 3:
        point = stack.translate[-3] + plane * stack.scale[-3]
        viewer.dims.set_point(viewer.dims.ndim - 3, float(point))


def frames_around(viewer: Viewer, stack: Layer) -> Callable[[int, int], Any]:
    """Return a function that reads the frame shown and those beside it, from any thread.

    It takes the number of frames before and after, and the largest side, px, and returns the
    middle of them, (T, C, H, W); at the ends of the stack the last frame is repeated.
    """
    shown, n_frames, data = frame_under_slider(viewer, stack), n_frames_of(stack), stack.data
    ndim = stack.ndim

    def read(context: int, most_px: int) -> Any:
        corner = [max(0, (side - most_px) // 2) for side in data.shape[-2:]]
        middle = tuple(slice(start, start + most_px) for start in corner)
        if ndim == 2:
            return np.stack([np.asarray(data[middle])[None]] * (2 * context + 1))
        wanted = (min(max(shown + i, 0), n_frames - 1) for i in range(-context, context + 1))
        frames = [np.asarray(data[index][..., *middle]) for index in wanted]
        return np.stack([frame if frame.ndim == 3 else frame[None] for frame in frames])

    return read


def n_planes_of(layer: Layer) -> int:
    """Return the number of focal planes of a layer's frames."""
    return int(layer.data.shape[-3]) if layer.ndim > 3 else 1


def provenance(layer: Layer) -> dict[str, Any]:
    """Return what the plugin wrote into a layer's metadata, {} if nothing."""
    found = layer.metadata.get(KEY, {})
    return found if isinstance(found, dict) else {}


def pixel_size_of(layer: Layer) -> PixelSize:
    """Return the camera pixel of a layer: from our reader, its units, or its file's header."""
    known = provenance(layer)
    if known.get("pixel_size_nm"):
        return PixelSize(float(known["pixel_size_nm"]), str(known.get("pixel_size_origin", "")))
    unit = layer.units[-1]
    if unit.is_compatible_with("nm"):
        return PixelSize(float(layer.scale[-1]) * nm_per(unit), "scale of the layer")
    path = layer.source.path
    if path is None or known:
        return PixelSize()
    try:
        with open_frames(path) as source:
            return PixelSize(source.pixel_size_nm, source.pixel_size_origin)
    except (ValueError, OSError):  # opened by another reader, which may know more formats
        return PixelSize()


def is_stated_by_file(layer: Layer, pixel_size_nm: float | None) -> bool:
    """Whether the file that our reader opened states this camera pixel itself."""
    known = provenance(layer)
    is_read = bool(known.get("paths")) and known.get("pixel_size_origin") not in ("", "given")
    return is_read and pixel_size_nm == known.get("pixel_size_nm")


def files_of(layer: Layer) -> tuple[str, ...]:
    """Return the files that our reader opened, none if another one did."""
    return tuple(provenance(layer).get("paths") or ())


def is_in_nm(layer: Layer, pixel_size_nm: float) -> bool:
    """Whether a layer lies in the world as camera frames with this pixel should."""
    has_size = np.allclose(np.asarray(layer.scale[-2:]), pixel_size_nm, rtol=1e-6)
    return bool(has_size and all(str(unit) == "nanometer" for unit in layer.units[-2:]))


def set_pixel_size(layer: Layer, pixel_size_nm: float, origin: str = "given") -> None:
    """Give a layer of camera frames nm scale and units; where it lies in pixels stays as it is."""
    placement = frame_placement(layer.ndim, pixel_size_nm)
    shift_px = np.asarray(layer.translate[-2:]) / np.asarray(layer.scale[-2:])
    layer.units = placement["units"]
    layer.scale = (*layer.scale[:-2], pixel_size_nm, pixel_size_nm)
    layer.translate = (*layer.translate[:-2], *(shift_px * pixel_size_nm))
    layer.axis_labels = placement["axis_labels"]
    known = {"pixel_size_nm": pixel_size_nm, "pixel_size_origin": origin}
    layer.metadata = {**layer.metadata, KEY: {**provenance(layer), **known}}


def frames_of(layer: Layer) -> FrameSource | Any:
    """Return what `open_frames` opens: the files our reader opened, else the layer's array."""
    known = provenance(layer)
    paths = known.get("paths")
    if not paths or tuple(layer.data.shape) != tuple(known.get("layer_shape", ())):
        return layer.data
    if known.get("as_planes") or known.get("warnings"):  # perhaps cut short: what is whole is used
        as_planes = bool(known.get("as_planes"))
        return open_frames(list(paths), as_planes=as_planes, allow_truncated=True)
    return list(paths)


def corner_nm(layer: Layer) -> tuple[float, float]:
    """Return (y, x) in the world of the outer corner of pixel (0, 0), the library's origin."""
    y, x = np.asarray(layer.translate[-2:]) - np.asarray(layer.scale[-2:]) / 2
    return float(y), float(x)


def overlay_placement(corner: tuple[float, float], sr_pixel_nm: float) -> dict[str, Any]:
    """Return scale, translate, units and axis labels of a super-resolved image.

    Parameters
    ----------
    corner : (y, x) nm in the world, where the image's outer corner belongs.
    sr_pixel_nm : pixel of the image, nm.
    """
    return {
        "scale": (sr_pixel_nm, sr_pixel_nm),
        "translate": tuple(c + sr_pixel_nm / 2 for c in corner),
        "units": ("nm", "nm"),
        "axis_labels": ("y", "x"),
    }


def lapse_placement(
    corner: tuple[float, float],
    sr_pixel_nm: float,
    *,
    first_frame: int,
    window: int,
    ndim: int,
    planes: PlaneSpan = ONE_PLANE,
    step: int | None = None,
) -> dict[str, Any]:
    """Return the same of a time-lapse: each image lies where the slider is on its frames.

    Parameters
    ----------
    first_frame : of the first image, on the slider.
    window : frames of each image.
    step : frames from one image to the next, if they overlap; the slider shows that image in whose
        middle it is.
    ndim : axes of the camera frames; the image has as many, and at least (t, y, x).
    planes : of the frames, on which the image is seen if there are several.
    """
    n_between = max(0, ndim - 3)  # focal planes: (t, c, y, x)
    flat = overlay_placement(corner, sr_pixel_nm)
    middle = first_frame + (window - 1) / 2
    along = float(window if step is None else step)
    return {
        "scale": (along, *(float(planes.n_planes),) * n_between, *flat["scale"]),
        "translate": (middle, *(planes.middle,) * n_between, *flat["translate"]),
        "units": ("pixel",) * (1 + n_between) + flat["units"],
        "axis_labels": axis_labels(3 + n_between),
    }


def points_of(
    localizations: Localizations,
    corner: tuple[float, float],
    ndim: int,
    planes: PlaneSpan = ONE_PLANE,
) -> tuple[Any, dict[str, Any], str]:
    """Return molecules as napari's (data, keywords, type), in the frames they were found in.

    Parameters
    ----------
    localizations : nm from the corner, frames counted in the stack.
    corner : (y, x) nm in the world.
    ndim : axes of the camera frames: the points follow their slider.
    planes : of the frames, on which the points are seen if there are several.
    """
    table: pd.DataFrame = localizations.to_dataframe()
    data = np.zeros((len(table), ndim))
    data[:, -2:] = table[["y_nm", "x_nm"]]
    if ndim > 2:
        data[:, 0] = table["frame"]
    n_between = max(0, ndim - 3)
    keywords = {
        "features": table,
        "scale": (1.0,) * min(1, ndim - 2) + (float(planes.n_planes),) * n_between + (1.0, 1.0),
        "translate": (0.0,) * min(1, ndim - 2) + (planes.middle,) * n_between + corner,
        "units": frame_placement(ndim, 1.0)["units"],
        "axis_labels": axis_labels(ndim),
        "face_color": "transparent",
        "border_color": "cyan",
        "border_width": 0.15,
    }
    return data, keywords, "points"


def nm_per(unit: Any) -> float:
    """Return how many nm a unit of length is."""
    return float((1 * unit).to("nm").magnitude)
