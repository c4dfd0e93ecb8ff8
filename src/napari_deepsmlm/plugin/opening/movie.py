"""As a movie: a layer of another reader becomes frames in time, without axes of length one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dask.array
import numpy as np
from napari.layers import Image
from napari.utils.notifications import show_error
from napari.viewer import Viewer  # noqa: TC002 - napari reads the annotation to hand it over

from napari_deepsmlm.plugin.layers.world import KEY, frame_placement, pixel_size_of

if TYPE_CHECKING:
    from napari.layers import Layer

HOW = (
    "Select one image layer of frames, such as a pyramid or one with axes of length 1, then choose "
    "Layers > Data > As a movie of frames again."
)


def as_movie(viewer: Viewer) -> None:
    """Add a movie (T, Y, X), or (T, C, Y, X), of the selected layer, which stays as it is.

    The finest level of a pyramid is taken, and axes of length one are dropped: what readers of
    volumes call Z of a single time point is time.
    """
    chosen = [layer for layer in viewer.layers if layer in viewer.layers.selection]
    try:
        if len(chosen) != 1 or not isinstance(chosen[0], Image) or chosen[0].rgb:
            raise ValueError(HOW)
        layer = chosen[0]
        data, keywords = movie_of(layer)
        layer.visible = False
        viewer.add_image(data, **keywords)
    except (ValueError, OSError) as error:
        show_error(str(error))


def movie_of(layer: Layer) -> tuple[Any, dict[str, Any]]:
    """Return data and keywords of the movie in a layer.

    Raises
    ------
    ValueError
        If more axes than time and planes are longer than one.
    """
    data = layer.data[0] if layer.multiscale else layer.data
    outer = tuple(n for n in data.shape[:-2] if n > 1)
    if not 1 <= len(outer) <= 2:
        raise ValueError(
            f"{layer.name} has {len(outer)} axes longer than 1 besides rows and columns; a movie "
            "has time, and planes at most: split it first."
        )
    shape = (*outer, *data.shape[-2:])
    is_array = hasattr(data, "dask") or isinstance(data, np.ndarray)
    lazy = data if is_array else dask.array.asarray(data)
    size = pixel_size_of(layer)
    keywords = {
        "name": f"{layer.name} (movie)",
        "rgb": False,
        "multiscale": False,
        "colormap": "gray",
        "contrast_limits": tuple(layer.contrast_limits),
        "metadata": {KEY: {"pixel_size_nm": size.nm, "pixel_size_origin": size.origin}},
        **frame_placement(len(shape), size.nm),
    }
    return lazy.reshape(shape), keywords
