"""Movies: a time-lapse as a file that any browser and any slide shows: GIF or animated PNG."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_deepsmlm._files import atomic_write

if TYPE_CHECKING:
    from collections.abc import Iterable

    Image = np.ndarray[Any, Any]

FORMATS = {".gif": "GIF", ".png": "PNG", ".apng": "PNG"}
BRIGHTEST_PERCENT = 99.5
"""Of the pixels with anything in them: those above are shown white."""
MAX_BYTES = 1 << 30
COLORMAP = "magma"


def write_movie(
    path: str | Path, images: Iterable[Image], *, ms_per_image: int = 100, n_images: int = 0
) -> tuple[int, float]:
    """Write images (Y, X) of one size; colours mean the same in all of them.

    Parameters
    ----------
    path : .gif, or .png for an animated PNG.
    ms_per_image : how long each is shown.
    n_images : how many there will be, if that is known: too many are refused at the first.

    Returns
    -------
    The number of images, and the value that is shown white.

    Raises
    ------
    ValueError
        If there is no image, the ending is of another format, or it is too large for one.
    """
    path = Path(path)
    kind = movie_format(path)
    kept: list[Image] = []
    for image in images:
        kept.append(np.asarray(image, np.float32))
        n = max(len(kept), n_images)
        if n * kept[0].nbytes > MAX_BYTES:
            size = " x ".join(map(str, image.shape))
            raise ValueError(
                f"{path.name}: {n:,} images of {size} pixels are more than a movie file holds; "
                "take larger pixels, fewer images, or a .tif."
            )
    if not kept:
        raise ValueError(f"{path.name}: there is no image to show.")
    top = _white(kept)
    scaled = [np.rint(np.clip(image / top, 0, 1) * 255).astype(np.uint8) for image in kept]
    first, *others = map(_with_colors, scaled)
    how: dict[str, Any] = {"save_all": True, "duration": ms_per_image, "loop": 0}
    if kind == "GIF":
        how |= {"optimize": False, "disposal": 1}
    with atomic_write(path) as file:
        first.save(file, format=kind, append_images=others, **how)
    return len(kept), top


def movie_format(path: Path) -> str:
    """Return the format of an ending.

    Raises
    ------
    ValueError
        If it is none that can be written; the sentence says which can.
    """
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise ValueError(
            f"{path.name}: movies are written as .gif or as .png (animated); for .mp4 write a .tif "
            "and let Fiji or ffmpeg turn it into one."
        )
    return kind


def _white(images: list[Image]) -> float:
    bright = np.fromiter(
        chain.from_iterable(image[image > 0][:: max(1, image.size // 100_000)] for image in images),
        np.float32,
    )
    return float(np.percentile(bright, BRIGHTEST_PERCENT)) if len(bright) else 1.0


def _with_colors(values: Image) -> Any:
    from matplotlib import colormaps
    from PIL import Image as Pillow

    picture = Pillow.fromarray(values)
    rgb = colormaps[COLORMAP](np.arange(256), bytes=True)[:, :3]
    picture.putpalette(rgb.tobytes())
    return picture
