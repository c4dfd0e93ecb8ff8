"""What an OME-TIFF says about itself: axes, order of planes, files of a set, pixel size, camera."""

from __future__ import annotations

import math
import re
from typing import Any
from xml.etree import ElementTree

import numpy as np

from napari_deepsmlm.io.frames import _ifd
from napari_deepsmlm.io.frames._description import (
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
    """Read an OME-XML description: sizes, order of planes, files of a set, pixel size.

    Parameters
    ----------
    name : of the file whose planes are wanted: a set of files may hold several images (positions),
        and this file belongs to one of them.
    """
    root = _xml(text)
    images = [] if root is None else [e for e in root.iter() if _local(e) == "Pixels"]
    if root is None or not images:
        return Description(warnings=("The OME description is damaged and was not used.",))
    pixels, warnings = _image_of(images, name, root.get("UUID", ""))
    order = pixels.get("DimensionOrder", "XYCZT")[:1:-1]  # "XYCZT" -> "TZC", slowest first
    if sorted(order) != sorted("TZC"):
        order = "TZC"
    sizes, grown = _sizes(pixels, order)
    return Description(
        kind="OME",
        axes=order,
        sizes=sizes,
        plane_map=_plane_map(pixels, order, sizes, name, root.get("UUID", "")),
        pixel_size=_ome_pixel_size(pixels),
        warnings=(*warnings, *grown),
        camera=_ome_camera(root),
        channels=_channel_names(pixels),
        z_step_nm=_ome_length_nm(pixels, "PhysicalSizeZ"),
    )


def master_of(text: str) -> str:
    """Return the file that holds the OME-XML of a set, "" if the text is not a pointer to one."""
    root = _xml(text) if "BinaryOnly" in text else None
    found = next((e for e in root or () if _local(e) == "BinaryOnly"), None)
    return "" if found is None else _base_name(found.get("MetadataFile", ""))


def _image_of(
    images: list[ElementTree.Element], name: str, own_uuid: str
) -> tuple[ElementTree.Element, tuple[str, ...]]:
    """Return the image whose planes lie in a file, and what a person should know of the choice."""
    if len(images) == 1:
        return images[0], ()
    named = [(image, _named_files(image)) for image in images]
    mine = [image for image, files in named if name in files]
    if not mine:  # renamed since: by its identity, or the images that name no file
        mine = [image for image, files in named if own_uuid and own_uuid in files.values()]
        mine = mine or [image for image, files in named if not files or "" in files]
    if not mine:
        return images[0], (
            f"The OME header describes {len(images)} images (positions) and does not say which of "
            "them this file holds; it was taken for the first.",
        )
    if len(mine) > 1:
        return mine[0], (
            f"The file holds {len(mine)} images (positions); the first one was opened.",
        )
    return mine[0], ()


def _named_files(pixels: ElementTree.Element) -> dict[str, str]:
    """Return the files that an image names, with their identities."""
    uuids = (e for e in pixels.iter() if _local(e) == "UUID")
    return {_base_name(e.get("FileName", "")): (e.text or "").strip() for e in uuids}


def _sizes(pixels: ElementTree.Element, order: str) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Return the lengths of the axes, grown where planes are placed beyond them."""
    declared = tuple(max(1, whole(pixels.get(f"Size{axis}"), 1)) for axis in order)
    blocks = [e for e in pixels if _local(e) == "TiffData"]
    ends = tuple(
        max((whole(block.get(f"First{axis}"), 0) + 1 for block in blocks), default=1)
        for axis in order
    )
    sizes = tuple(max(pair) for pair in zip(declared, ends, strict=True))
    if sizes == declared or math.prod(sizes) > 100 * max(len(blocks), math.prod(declared)):
        return declared, ()
    said, placed = (
        " x ".join(f"{axis}={n}" for axis, n in zip(order, found, strict=True))
        for found in (declared, sizes)
    )
    return sizes, (f"The OME header says {said} but places images at {placed}; that was used.",)


def _channel_names(pixels: ElementTree.Element) -> tuple[str, ...]:
    names = (e.get("Name", "") for e in pixels if _local(e) == "Channel")
    return tuple(name[:MAX_CAMERA_NAME] for name in names)


def ome_report(tags: _ifd.Tags) -> dict[str, Any] | None:
    """Return the JSON object in the description of the first OME image, None if there is none."""
    for value in tags.get(_ifd.DESCRIPTION, ()):
        root = _xml(as_text(value)) if b"<OME" in value[:2000] else None
        for element in () if root is None else root.iter():
            if _local(element) == "Description":
                return as_json(element.text or "") or None
    return None


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
