"""What an OME-TIFF says about itself: axes, order of planes, files of a set, pixel size, camera."""

from __future__ import annotations

import math
import re
from typing import Any
from xml.etree import ElementTree

import numpy as np

from napari_deepsmlm.io import _chain
from napari_deepsmlm.io._description import (
    MAX_CAMERA_NAME,
    NM_PER_UNIT,
    Description,
    PixelSize,
    PlaneMap,
    as_json,
    as_text,
    checked_size,
    positive,
    whole,
)

_MAX_PLANES = 10_000_000
_MAX_FILLED = 100_000_000  # blocks may lie over each other, but not without end


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
    sizes = tuple(max(1, whole(pixels.get(f"Size{axis}"), 1)) for axis in order)
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
        root = _xml(as_text(value)) if b"<OME" in value[:2000] else None
        for element in () if root is None else root.iter():
            if _local(element) == "Description":
                return as_json(element.text or "") or None
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
    if not blocks or n_planes > _MAX_PLANES:
        return None
    file = np.full(n_planes, -1, np.int64)
    page = np.full(n_planes, -1, np.int64)
    names: dict[str, int] = {}
    uuids: dict[str, str] = {}
    n_filled = 0
    for block in blocks:
        source = next((e for e in block if _local(e) == "UUID"), None)
        file_name = "" if source is None else _base_name(source.get("FileName", ""))
        uuids.setdefault(file_name, "" if source is None else (source.text or "").strip())
        first = tuple(whole(block.get(f"First{axis}"), 0) for axis in order)
        if any(not 0 <= index < size for index, size in zip(first, sizes, strict=True)):
            continue
        plane = int(np.ravel_multi_index(first, sizes))
        default = 1 if block.get("IFD") else n_planes - plane
        count = min(whole(block.get("PlaneCount"), default), n_planes - plane)
        ifd = whole(block.get("IFD"), 0)
        if count < 1 or not 0 <= ifd < 1 << 31:
            continue
        n_filled += count
        if n_filled > _MAX_FILLED:
            return None
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
    return checked_size(size_x, size_y, "OME metadata")


def _ome_length_nm(pixels: ElementTree.Element, key: str) -> float | None:
    factor = NM_PER_UNIT.get(pixels.get(f"{key}Unit", "µm").strip().casefold())
    value = positive(pixels.get(key))
    return None if factor is None or value is None else value * factor
