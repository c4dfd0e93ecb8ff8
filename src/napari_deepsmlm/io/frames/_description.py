"""What readers of metadata share: the description that they make, and numbers that none trusts."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from napari_deepsmlm.io.frames._planes import is_plausible_pixel_size

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt

NM_PER_UNIT = {
    **dict.fromkeys(("nm", "nanometer", "nanometers", "nanometre"), 1.0),
    **dict.fromkeys(("µm", "μm", "um", "micron", "microns", "micrometer", "micrometre"), 1e3),
    **dict.fromkeys(("mm", "millimeter", "millimetre"), 1e6),
    **dict.fromkeys(("cm", "centimeter", "centimetre"), 1e7),
    **dict.fromkeys(("m", "meter", "metre"), 1e9),
    **dict.fromkeys(("å", "angstrom"), 0.1),
    **dict.fromkeys(("inch", "inches", "in", "\\inch"), 25.4e6),
}

MAX_CAMERA_NAME = 100
MAX_SAMPLE_PIXEL_NM = 2000.0  # beyond it, a molecule is in one pixel: it is the camera's own

Kind = Literal["", "OME", "ImageJ", "tifffile", "MetaMorph"]


@dataclass(frozen=True, slots=True)
class PixelSize:
    """A pixel size, where it was found, and what was wrong with it."""

    nm: float | None = None
    origin: str = ""
    warning: str = ""


@dataclass(frozen=True, slots=True)
class PlaneMap:
    """OME: where each plane lies, in the order of the axes; -1 where the file does not say."""

    files: tuple[str, ...]  # base names; "" is the file itself
    file: npt.NDArray[np.int64]  # (n_planes,) index into `files`
    page: npt.NDArray[np.int64]  # (n_planes,) page in that file


@dataclass(frozen=True, slots=True)
class Description:
    """The axes before Y and X with their lengths, slowest first, as far as the file tells."""

    kind: Kind = ""
    axes: str = ""
    sizes: tuple[int, ...] = ()
    plane_map: PlaneMap | None = None
    pixel_size: PixelSize = field(default_factory=PixelSize)
    warnings: tuple[str, ...] = ()
    camera: str = ""  # what names the camera or the microscope
    channels: tuple[str, ...] = ()  # their names
    z_step_nm: float | None = None
    value_offset: int = 0  # what ImageJ adds to the stored values: signed 16 bit
    camera_settings: Mapping[str, Any] = field(default_factory=dict)  # see `Opened`

    @property
    def n_planes(self) -> int:
        """Number of planes that the file declares (1 if it declares nothing)."""
        return math.prod(self.sizes)


def checked_size(size_x_nm: float | None, size_y_nm: float | None, origin: str) -> PixelSize:
    """Keep a pixel size a camera could have, and say so about any other."""
    if not size_x_nm:
        return PixelSize()
    if not is_plausible_pixel_size(size_x_nm):
        return PixelSize(
            warning=f"The pixel size in the {origin}, {size_x_nm:g} nm, is not between 1 nm and "
            "10 um and was not used; give the camera's pixel size in the sample."
        )
    if size_x_nm > MAX_SAMPLE_PIXEL_NM:
        return PixelSize(
            warning=f"The {origin} gives pixels of {size_x_nm / 1e3:g} um, which is the size of a "
            "camera's own pixels, not of those in the sample, and was not used; give the pixel "
            "size in the sample."
        )
    warning = ""
    if size_y_nm and abs(size_y_nm / size_x_nm - 1) > 0.01:
        warning = (
            f"The {origin} gives pixels of {size_x_nm:g} x {size_y_nm:g} nm; "
            f"square pixels of {size_x_nm:g} nm were assumed."
        )
    return PixelSize(size_x_nm, origin, warning)


def as_text(value: Any) -> str:
    """Decode the bytes of a tag; "" for what is no text. Old programs write µ in Latin-1."""
    if not isinstance(value, bytes):
        return ""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def as_json(text: str) -> dict[str, Any]:
    """Return the JSON object in a text, {} if there is none."""
    try:
        values = json.loads(text.partition("\0")[0] or "{}")
    except (ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def positive(value: Any) -> float | None:
    """Return a finite number above zero, or None."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number > 0 else None


def whole(value: Any, default: int) -> int:
    """Return a whole number, or the default."""
    try:
        return default if value is None else int(value)
    except ValueError:
        return default
