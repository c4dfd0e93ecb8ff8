"""What a TIFF says about itself: axes and pixel size from OME, ImageJ, Micro-Manager, tifffile.

Every function takes text or tags that were read already, and none trusts them: a count that does
not fit the file is for the reader to find out, a pixel size no camera could have is dropped with
a sentence.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt

from napari_deepsmlm.io import _chain
from napari_deepsmlm.io._planes import is_plausible_pixel_size

NM_PER_UNIT = {
    **dict.fromkeys(("nm", "nanometer", "nanometers", "nanometre"), 1.0),
    **dict.fromkeys(("µm", "μm", "um", "micron", "microns", "micrometer", "micrometre"), 1e3),
    **dict.fromkeys(("mm", "millimeter", "millimetre"), 1e6),
    **dict.fromkeys(("cm", "centimeter", "centimetre"), 1e7),
    **dict.fromkeys(("m", "meter", "metre"), 1e9),
    **dict.fromkeys(("å", "angstrom"), 0.1),
    **dict.fromkeys(("inch", "inches", "in", "\\inch"), 25.4e6),
}
_NM_PER_RESOLUTION_UNIT = {2: 25.4e6, 3: 1e7}  # TIFF 6.0: inch, centimetre

MAX_CAMERA_NAME = 100

Kind = Literal["", "OME", "ImageJ", "tifffile"]


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

    @property
    def n_planes(self) -> int:
        """Number of planes that the file declares (1 if it declares nothing)."""
        return math.prod(self.sizes)


def describe(tags: _chain.Tags, name: str, summary: dict[str, Any]) -> Description:
    """Return axes and pixel size of a file from its first page.

    Parameters
    ----------
    tags : remarks of the first page.
    name : the file's name, used to find it in a set of OME files.
    summary : Micro-Manager's summary, {} for other files.
    """
    texts = [_text(value) for value in tags.get(_chain.DESCRIPTION, ())]
    description = Description()
    for text in texts:
        if "<OME" in text[:2000]:
            description = parse_ome(text, name)
            break
        if text.startswith("ImageJ="):
            description = parse_imagej(text, tags)
        elif text.startswith('{"shape"'):
            description = parse_shaped(text)
    if description.pixel_size.nm is None:
        description = replace(description, pixel_size=_fallback(description, tags, summary))
    camera = description.camera or micro_manager_camera(tags, summary)
    return replace(description, camera=camera)


def declared_sizes(tags: _chain.Tags) -> tuple[int, ...]:
    """Return the lengths of the axes before Y and X, fast: the planes of OME are not followed."""
    for text in map(_text, tags.get(_chain.DESCRIPTION, ())):
        pixels = re.search(r"<(?:\w+:)?Pixels\b[^>]*>", text) if "<OME" in text[:2000] else None
        if pixels:
            found = re.findall(r"\bSize[TZC]\s*=\s*[\"'](\d{1,9})[\"']", pixels[0])
            return tuple(int(size) for size in found)
        if text.startswith("ImageJ="):
            return parse_imagej(text, {}).sizes
        if text.startswith('{"shape"'):
            return parse_shaped(text).sizes
    return ()


# -- OME ------------------------------------------------------------------------------------


def parse_ome(text: str, name: str) -> Description:
    """Read an OME-XML description: sizes, order of planes, files of a set, pixel size."""
    root = _xml(text)
    images = [] if root is None else [e for e in root.iter() if _local(e) == "Pixels"]
    if root is None or not images:
        master = next((e for e in root or () if _local(e) == "BinaryOnly"), None)
        return Description(warnings=(_no_ome_images(master),))
    pixels = images[0]
    order = pixels.get("DimensionOrder", "XYCZT")[:1:-1]  # "XYCZT" -> "TZC", slowest first
    if sorted(order) != sorted("TZC"):
        order = "TZC"
    sizes = tuple(max(1, _whole(pixels.get(f"Size{axis}"), 1)) for axis in order)
    warnings: tuple[str, ...] = ()
    if len(images) > 1:
        warnings = (f"The file holds {len(images)} images (positions); the first one was opened.",)
    return Description(
        kind="OME",
        axes=order,
        sizes=sizes,
        plane_map=_plane_map(pixels, order, sizes, name, root.get("UUID", "")),
        pixel_size=_ome_pixel_size(pixels),
        warnings=warnings,
        camera=_ome_camera(root),
    )


def ome_report(tags: _chain.Tags) -> dict[str, Any] | None:
    """Return the JSON object in the description of the first OME image, None if there is none."""
    for value in tags.get(_chain.DESCRIPTION, ()):
        root = _xml(_text(value)) if b"<OME" in value[:2000] else None
        for element in () if root is None else root.iter():
            if _local(element) == "Description":
                return _json(element.text or "") or None
    return None


def _no_ome_images(binary_only: ElementTree.Element | None) -> str:
    if binary_only is None:
        return "The OME description is damaged and was not used."
    master = _base_name(binary_only.get("MetadataFile", "")) or "another file"
    return f"This file is one part of a set that {master} describes; open that file for all of it."


def _xml(text: str) -> ElementTree.Element | None:
    if "<!DOCTYPE" in text or "<!ENTITY" in text:  # OME-XML has neither; entity bombs need them
        return None
    try:
        return ElementTree.fromstring(text.strip().encode())  # noqa: S314 - entities refused above
    except (ElementTree.ParseError, ValueError, LookupError):
        return None


def _local(element: ElementTree.Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _plane_map(
    pixels: ElementTree.Element, order: str, sizes: tuple[int, ...], name: str, own_uuid: str
) -> PlaneMap | None:
    """Follow the TiffData blocks; None if there are none or they make no sense."""
    n_planes = math.prod(sizes)
    blocks = [e for e in pixels if _local(e) == "TiffData"]
    if not blocks or n_planes > 100_000_000:
        return None
    file = np.full(n_planes, -1, np.int64)
    page = np.full(n_planes, -1, np.int64)
    names: dict[str, int] = {}
    uuids: dict[str, str] = {}
    for block in blocks:
        source = next((e for e in block if _local(e) == "UUID"), None)
        file_name = "" if source is None else _base_name(source.get("FileName", ""))
        uuids.setdefault(file_name, "" if source is None else (source.text or "").strip())
        first = tuple(_whole(block.get(f"First{axis}"), 0) for axis in order)
        if any(not 0 <= index < size for index, size in zip(first, sizes, strict=True)):
            continue
        plane = int(np.ravel_multi_index(first, sizes))
        default = 1 if block.get("IFD") else n_planes - plane
        count = min(_whole(block.get("PlaneCount"), default), n_planes - plane)
        ifd = _whole(block.get("IFD"), 0)
        if count < 1 or not 0 <= ifd < 1 << 31:
            continue
        file[plane : plane + count] = names.setdefault(file_name, len(names))
        page[plane : plane + count] = np.arange(ifd, ifd + count)
    if not names:
        return None
    return PlaneMap(_own_name_blank(list(names), uuids, name, own_uuid), file, page)


def _own_name_blank(
    names: list[str], uuids: dict[str, str], name: str, own_uuid: str
) -> tuple[str, ...]:
    """Replace the file's own name by "", also when the file was renamed since."""
    if name in names:
        own = name
    elif len(names) == 1:
        own = names[0]
    else:
        own = next((n for n in names if own_uuid and uuids[n] == own_uuid), "")
    return tuple("" if n == own else n for n in names)


def _base_name(name: str) -> str:
    """Drop folders: a file may name only its neighbours."""
    base = re.split(r"[\\/]", name)[-1].replace("\0", "")
    return "" if base in (".", "..") else base


def _ome_camera(root: ElementTree.Element) -> str:
    """Return what names the first detector, with the serial number if it has one."""
    detector = next((e for e in root.iter() if _local(e) == "Detector"), None)
    if detector is None:
        return ""
    parts = (detector.get(key, "") for key in ("Manufacturer", "Model", "SerialNumber"))
    return " ".join(" ".join(parts).split())[:MAX_CAMERA_NAME]


def _ome_pixel_size(pixels: ElementTree.Element) -> PixelSize:
    size_x = _ome_length_nm(pixels, "PhysicalSizeX")
    size_y = _ome_length_nm(pixels, "PhysicalSizeY")
    return _checked(size_x, size_y, "OME metadata")


def _ome_length_nm(pixels: ElementTree.Element, key: str) -> float | None:
    factor = NM_PER_UNIT.get(pixels.get(f"{key}Unit", "µm").strip().casefold())
    value = _number(pixels.get(key))
    return None if factor is None or value is None else value * factor


# -- ImageJ ---------------------------------------------------------------------------------


def parse_imagej(text: str, tags: _chain.Tags) -> Description:
    """Read an ImageJ description: channels vary fastest, then slices, then frames."""
    values = dict(line.partition("=")[::2] for line in text.splitlines())
    sizes = tuple(max(1, _whole(values.get(key), 1)) for key in ("frames", "slices", "channels"))
    axes, n_images = "TZC", max(1, _whole(values.get("images"), 1))
    warnings: tuple[str, ...] = ()
    if math.prod(sizes) != n_images and n_images > 1:
        if math.prod(sizes) > 1:
            warnings = (
                f"The ImageJ header says {n_images} images but frames x slices x channels = "
                f"{' x '.join(map(str, sizes))}; the images were taken as one movie.",
            )
        axes, sizes = "T", (n_images,)
    unit = _unescape(values.get("unit", "")).strip().casefold()
    return Description(
        kind="ImageJ",
        axes=axes,
        sizes=sizes,
        pixel_size=_imagej_pixel_size(unit, _unescape(values.get("yunit", unit)), tags),
        warnings=warnings,
    )


def _imagej_pixel_size(unit: str, y_unit: str, tags: _chain.Tags) -> PixelSize:
    factor = NM_PER_UNIT.get(unit)
    if factor is None:
        return PixelSize()
    y_factor = NM_PER_UNIT.get(y_unit.strip().casefold(), factor)
    per_unit_x = _ratio(tags.get(_chain.X_RESOLUTION))
    per_unit_y = _ratio(tags.get(_chain.Y_RESOLUTION))
    if per_unit_x is None:
        return PixelSize()
    size_y = None if per_unit_y is None else y_factor / per_unit_y
    size = _checked(factor / per_unit_x, size_y, "ImageJ metadata")
    # dots per inch of a printer say nothing about the sample, so they are no reason to warn
    return PixelSize() if "inch" in unit and size.nm is None else size


def _unescape(text: str) -> str:
    r"""ImageJ writes the micro sign as the six characters \u00B5."""
    return re.sub(r"\\u([0-9A-Fa-f]{4})", lambda match: chr(int(match[1], 16)), text)


# -- tifffile -------------------------------------------------------------------------------


def parse_shaped(text: str) -> Description:
    """Read tifffile's own JSON description: the shape, and axes if they were given."""
    values = _json(text)
    shape = values.get("shape")
    if not isinstance(shape, list) or len(shape) < 2 or not all(_is_count(n) for n in shape):
        return Description()
    sizes = tuple(shape[:-2])
    axes = values.get("axes")
    if not isinstance(axes, str) or len(axes) != len(shape) or not axes.endswith("YX"):
        axes = _DEFAULT_AXES.get(len(shape), "")
    elif len(set(axes)) < len(axes):
        axes = ""
    return Description(kind="tifffile", axes=axes[:-2], sizes=sizes)


_DEFAULT_AXES = {4: "TCYX"}


# -- Micro-Manager --------------------------------------------------------------------------


def micro_manager_pixel_size(tags: _chain.Tags, summary: dict[str, Any]) -> PixelSize:
    """Return the pixel size from a page's or the file's Micro-Manager JSON; 0 means unset."""
    for value in _micro_manager(tags, summary, "PixelSizeUm", "PixelSize_um"):
        size_um = _number(value)
        if size_um:
            return _checked(size_um * 1e3, None, "Micro-Manager metadata")
    return PixelSize()


def micro_manager_camera(tags: _chain.Tags, summary: dict[str, Any]) -> str:
    """Return the name that the camera has in Micro-Manager, "" if there is none."""
    names = _micro_manager(tags, summary, "Camera", "Core-Camera")
    return next((name[:MAX_CAMERA_NAME] for name in names if isinstance(name, str) and name), "")


def _micro_manager(tags: _chain.Tags, summary: dict[str, Any], *keys: str) -> list[Any]:
    """Return what a page and the file's summary say under some keys."""
    page = _json(_text(next(iter(tags.get(_chain.MICRO_MANAGER, ())), b"")))
    values = [found.get(key) for found in (page, summary) for key in keys]
    # version 2 wraps values as {"PropVal": ...}
    return [value.get("PropVal") if isinstance(value, dict) else value for value in values]


# -- helpers --------------------------------------------------------------------------------


def _fallback(description: Description, tags: _chain.Tags, summary: dict[str, Any]) -> PixelSize:
    """Pixel size from elsewhere: Micro-Manager, then the plain resolution tags."""
    size = micro_manager_pixel_size(tags, summary)
    if size.nm is not None or description.kind == "ImageJ" or description.pixel_size.warning:
        return size if size.nm is not None else description.pixel_size
    (unit,) = tags.get(_chain.RESOLUTION_UNIT, (0,))[:1] or (0,)
    per_unit = _ratio(tags.get(_chain.X_RESOLUTION))
    factor = _NM_PER_RESOLUTION_UNIT.get(unit)
    if factor is None or per_unit is None or not is_plausible_pixel_size(factor / per_unit):
        return PixelSize()  # printer resolutions such as 72 dpi, in every second file
    return PixelSize(factor / per_unit, "TIFF resolution")


def _checked(size_x_nm: float | None, size_y_nm: float | None, origin: str) -> PixelSize:
    """Keep a pixel size a camera could have, and say so about any other."""
    if not size_x_nm:
        return PixelSize()
    if not is_plausible_pixel_size(size_x_nm):
        return PixelSize(
            warning=f"The pixel size in the {origin}, {size_x_nm:g} nm, is not between 1 nm and "
            "10 um and was not used; give the camera's pixel size in the sample."
        )
    warning = ""
    if size_y_nm and abs(size_y_nm / size_x_nm - 1) > 0.01:
        warning = (
            f"The {origin} gives pixels of {size_x_nm:g} x {size_y_nm:g} nm; "
            f"square pixels of {size_x_nm:g} nm were assumed."
        )
    return PixelSize(size_x_nm, origin, warning)


def _text(value: Any) -> str:
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else ""


def _json(text: str) -> dict[str, Any]:
    try:
        values = json.loads(text.partition("\0")[0] or "{}")
    except (ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def _number(value: Any) -> float | None:
    """Return a finite number above zero, or None."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number > 0 else None


def _whole(value: Any, default: int) -> int:
    try:
        return default if value is None else int(value)
    except ValueError:
        return default


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _ratio(values: tuple[Any, ...] | None) -> float | None:
    """Return a TIFF ratio of two integers as a number above zero, or None."""
    if not values or len(values) < 2 or not values[0] or not values[1]:
        return None
    return float(values[0]) / float(values[1])
