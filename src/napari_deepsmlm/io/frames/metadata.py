"""What a TIFF says about itself: axes and pixel size from OME, ImageJ, Micro-Manager, tifffile.

Every function takes text or tags that were read already, and none trusts them: a count that does
not fit the file is for the reader to find out, a pixel size no camera could have is dropped with
a sentence.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_deepsmlm.io.frames import _ifd
from napari_deepsmlm.io.frames._description import (
    MAX_CAMERA_NAME,
    NM_PER_UNIT,
    Description,
    PixelSize,
    as_json,
    as_text,
    checked_size,
    positive,
    whole,
)
from napari_deepsmlm.io.frames._ome import master_of, parse_ome
from napari_deepsmlm.io.frames._planes import is_plausible_pixel_size, unnamed_axes

if TYPE_CHECKING:
    from collections.abc import Callable

SIGNED_16 = 32768
_NM_PER_RESOLUTION_UNIT = {2: 25.4e6, 3: 1e7}  # TIFF 6.0: inch, centimetre


def describe(
    tags: _ifd.Tags,
    name: str,
    summary: dict[str, Any],
    master: Callable[[str], str] = lambda _: "",
) -> Description:
    """Return axes and pixel size of a file from its first page.

    Parameters
    ----------
    tags : remarks of the first page.
    name : the file's name, used to find it in a set of OME files.
    summary : Micro-Manager's summary, {} for other files.
    master : the name of a neighbour to the OME-XML that it holds, "" if there is none.
    """
    texts = [as_text(value) for value in tags.get(_ifd.DESCRIPTION, ())]
    description = Description()
    warnings: tuple[str, ...] = ()
    for text in texts:
        pointer = master_of(text) if "<OME" in text[:2000] else ""
        if pointer:
            described = master(pointer)
            if not described:
                warnings = (_no_master(pointer),)
                continue
            text = described
        if "<OME" in text[:2000]:
            description = parse_ome(text, name)
            break
        if text.startswith("ImageJ="):
            description = parse_imagej(text, tags)
        elif is_shaped(text):
            description = parse_shaped(text)
    if not texts or description == Description():
        description = parse_metamorph(tags)
    description = replace(description, warnings=(*warnings, *description.warnings))
    if description.pixel_size.nm is None:
        description = replace(description, pixel_size=_fallback(description, tags, summary))
    camera = description.camera or micro_manager_camera(tags, summary)
    settings = micro_manager_camera_settings(tags, summary)
    return replace(description, camera=camera, camera_settings=settings)


def _no_master(name: str) -> str:
    return (
        f"This file is one part of a set that {name} describes, which is not beside it: parts and "
        "colours of the set may be missing here."
    )


def declared_sizes(tags: _ifd.Tags) -> tuple[int, ...]:
    """Return the lengths of the axes before Y and X, fast: the planes of OME are not followed."""
    for text in map(as_text, tags.get(_ifd.DESCRIPTION, ())):
        pixels = re.search(r"<(?:\w+:)?Pixels\b[^>]*>", text) if "<OME" in text[:2000] else None
        if pixels:
            found = re.findall(r"\bSize[TZC]\s*=\s*[\"'](\d{1,9})[\"']", pixels[0])
            return tuple(int(size) for size in found)
        if text.startswith("ImageJ="):
            return parse_imagej(text, {}).sizes
        if is_shaped(text):
            return parse_shaped(text).sizes
    return parse_metamorph(tags).sizes


# -- ImageJ ---------------------------------------------------------------------------------


def parse_imagej(text: str, tags: _ifd.Tags) -> Description:
    """Read an ImageJ description: channels vary fastest, then slices, then frames."""
    values = dict(line.partition("=")[::2] for line in text.splitlines())
    sizes = tuple(max(1, whole(values.get(key), 1)) for key in ("frames", "slices", "channels"))
    axes, n_images = "TZC", max(1, whole(values.get("images"), 1))
    warnings: tuple[str, ...] = ()
    if math.prod(sizes) != n_images and n_images > 1:
        if math.prod(sizes) > 1:
            warnings = (
                f"The ImageJ header says {n_images} images but frames x slices x channels = "
                f"{' x '.join(map(str, sizes))}; the images were taken as one movie.",
            )
        axes, sizes = "T", (n_images,)
    unit = _unescape(values.get("unit", "")).strip().casefold()
    value_offset, remark = _calibration(values)
    return Description(
        kind="ImageJ",
        axes=axes,
        sizes=sizes,
        pixel_size=_imagej_pixel_size(unit, _unescape(values.get("yunit", unit)), tags),
        warnings=(*warnings, *remark),
        z_step_nm=_imagej_z_step(values, unit),
        value_offset=value_offset,
    )


def _calibration(values: dict[str, str]) -> tuple[int, tuple[str, ...]]:
    """Return what is added to the stored values, and a remark if ImageJ shows yet others.

    ImageJ keeps signed 16-bit images as unsigned ones and says so by a straight line.
    """
    if values.get("cf", "").strip() != "0":
        return 0, ()
    offset, slope = _number(values.get("c0")), _number(values.get("c1"))
    if (offset, slope) == (0.0, 1.0) or offset is None or slope is None:
        return 0, ()
    if (offset, slope) == (-SIGNED_16, 1.0):
        return -SIGNED_16, ()
    return 0, (
        f"ImageJ shows its values as {offset:g} + {slope:g} x those stored; the stored ones were "
        "used.",
    )


def _imagej_z_step(values: dict[str, str], unit: str) -> float | None:
    spacing, factor = positive(values.get("spacing")), NM_PER_UNIT.get(unit)
    return None if spacing is None or factor is None else spacing * factor


def _number(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None


def _imagej_pixel_size(unit: str, y_unit: str, tags: _ifd.Tags) -> PixelSize:
    factor = NM_PER_UNIT.get(unit)
    if factor is None:
        return PixelSize()
    y_factor = NM_PER_UNIT.get(y_unit.strip().casefold(), factor)
    per_unit_x = _ratio(tags.get(_ifd.X_RESOLUTION))
    per_unit_y = _ratio(tags.get(_ifd.Y_RESOLUTION))
    if per_unit_x is None:
        return PixelSize()
    size_y = None if per_unit_y is None else y_factor / per_unit_y
    size = checked_size(factor / per_unit_x, size_y, "ImageJ metadata")
    # dots per inch of a printer say nothing about the sample, so they are no reason to warn
    return PixelSize() if "inch" in unit and size.nm is None else size


def _unescape(text: str) -> str:
    r"""ImageJ writes the micro sign as the six characters \u00B5."""
    return re.sub(r"\\u([0-9A-Fa-f]{4})", lambda match: chr(int(match[1], 16)), text)


# -- MetaMorph ------------------------------------------------------------------------------


def parse_metamorph(tags: _ifd.Tags) -> Description:
    """Read a MetaMorph STK: one page, and all planes one behind the other after it."""
    (n_planes,) = tags.get(_ifd.METAMORPH_PLANES, (0,))
    if n_planes < 2:
        return Description()
    return Description(kind="MetaMorph", axes="T", sizes=(n_planes,))


# -- tifffile -------------------------------------------------------------------------------


def is_shaped(text: str) -> bool:
    """Say whether this is tifffile's own JSON; some versions write the shape last."""
    return text.startswith("{") and '"shape":' in text


def parse_shaped(text: str) -> Description:
    """Read tifffile's own JSON description: the shape, and axes if they were given."""
    values = as_json(text)
    shape = values.get("shape")
    if not isinstance(shape, list) or len(shape) < 2 or not all(_is_count(n) for n in shape):
        return Description()
    sizes = tuple(shape[:-2])
    axes = values.get("axes")
    if not isinstance(axes, str) or len(axes) != len(shape) or not axes.endswith("YX"):
        axes = unnamed_axes(sizes)
    elif len(set(axes)) < len(axes):
        axes = ""
    return Description(kind="tifffile", axes=axes[:-2], sizes=sizes)


# -- Micro-Manager --------------------------------------------------------------------------


def micro_manager_pixel_size(tags: _ifd.Tags, summary: dict[str, Any]) -> PixelSize:
    """Return the pixel size from a page's or the file's Micro-Manager JSON; 0 means unset."""
    for value in _micro_manager(tags, summary, "PixelSizeUm", "PixelSize_um"):
        size_um = positive(value)
        if size_um:
            return checked_size(size_um * 1e3, None, "Micro-Manager metadata")
    return PixelSize()


def micro_manager_camera(tags: _ifd.Tags, summary: dict[str, Any]) -> str:
    """Return the name that the camera has in Micro-Manager, "" if there is none."""
    names = _micro_manager(tags, summary, "Camera", "Core-Camera")
    return next((name[:MAX_CAMERA_NAME] for name in names if isinstance(name, str) and name), "")


def micro_manager_camera_settings(tags: _ifd.Tags, summary: dict[str, Any]) -> dict[str, float]:
    """Return offset and electrons per ADU where the camera's driver states them, else nothing.

    Hamamatsu's DCAM does, for each readout mode: `NAME-CONVERSION FACTOR COEFF` and `... OFFSET`.
    """
    names = [micro_manager_camera(tags, summary), "HamamatsuHam_DCAM"]
    found: dict[str, float] = {}
    for word, key in (("Sensitivity", "COEFF"), ("Baseline", "OFFSET")):
        keys = [f"{name}-CONVERSION FACTOR {key}" for name in names]
        numbers = map(positive, _micro_manager(tags, summary, *keys))
        number = next((number for number in numbers if number is not None), None)
        if number is not None:
            found[word] = number
    return found if len(found) == 2 else {}


def _micro_manager(tags: _ifd.Tags, summary: dict[str, Any], *keys: str) -> list[Any]:
    """Return what a page and the file's summary say under some keys."""
    page = as_json(as_text(next(iter(tags.get(_ifd.MICRO_MANAGER, ())), b"")))
    values = [found.get(key) for found in (page, summary) for key in keys]
    # version 2 wraps values as {"PropVal": ...}
    return [value.get("PropVal") if isinstance(value, dict) else value for value in values]


# -- helpers --------------------------------------------------------------------------------


def _fallback(description: Description, tags: _ifd.Tags, summary: dict[str, Any]) -> PixelSize:
    """Pixel size from elsewhere: Micro-Manager, then the plain resolution tags."""
    size = micro_manager_pixel_size(tags, summary)
    if size.nm is not None or description.kind == "ImageJ" or description.pixel_size.warning:
        return size if size.nm is not None else description.pixel_size
    (unit,) = tags.get(_ifd.RESOLUTION_UNIT, (0,))[:1] or (0,)
    per_unit = _ratio(tags.get(_ifd.X_RESOLUTION))
    factor = _NM_PER_RESOLUTION_UNIT.get(unit)
    if factor is None or per_unit is None or not is_plausible_pixel_size(factor / per_unit):
        return PixelSize()  # printer resolutions such as 72 dpi, in every second file
    return checked_size(factor / per_unit, None, "TIFF resolution")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _ratio(values: tuple[Any, ...] | None) -> float | None:
    """Return a TIFF ratio of two integers as a number above zero, or None."""
    if not values or len(values) < 2 or not values[0] or not values[1]:
        return None
    return float(values[0]) / float(values[1])
