"""Zarr as frames: one array stored as a folder, or the first image of an OME-Zarr group."""

from __future__ import annotations

import math
from contextlib import suppress
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from napari_deepsmlm.io._description import NM_PER_UNIT
from napari_deepsmlm.io._planes import Opened, is_plausible_pixel_size
from napari_deepsmlm.io.arrays import ArrayPlanes

if TYPE_CHECKING:
    from pathlib import Path

_MAX_CHUNK_BYTES = 1 << 30
_MARKS = (".zarray", ".zgroup", "zarr.json")


def is_zarr(path: Path) -> bool:
    """Whether a folder is a zarr store, by its name or by what lies in it."""
    with suppress(OSError, ValueError):  # ValueError: a NUL character in the name
        is_named = path.suffix.lower() == ".zarr"
        return path.is_dir() and (is_named or any((path / mark).is_file() for mark in _MARKS))
    return False


def open_zarr(path: Path, *, axes: str | None) -> Opened:
    """Open a zarr array, or the largest resolution of an OME-Zarr image, without reading it.

    Axes and pixel size are those of the OME metadata (NGFF 0.4 and 0.5), if there are any.

    Raises
    ------
    ValueError
        If the folder holds neither, or its chunks are too large to be read one by one.
    """
    import zarr

    try:
        node: Any = zarr.open(path, mode="r")
        image: dict[str, Any] = {}
        if not isinstance(node, zarr.Array):
            node = _one_image(path.name, node)
            image = _ome_image(dict(node.attrs))
            node = node[_inside(image["datasets"][0]["path"])]
        shape, chunks, dtype = node.shape, node.chunks, node.dtype
    except _SeveralImages as error:
        raise ValueError(str(error)) from None
    except Exception as error:  # noqa: BLE001 - zarr raises many kinds for a damaged store
        raise ValueError(
            f"{path.name}: is not a readable zarr array or OME-Zarr image "
            f"({type(error).__name__}); give the folder of one array."
        ) from None
    if math.prod(chunks) * dtype.itemsize > _MAX_CHUNK_BYTES:
        raise ValueError(
            f"{path.name}: its chunks of {' x '.join(map(str, chunks))} values are over 1 GB each; "
            "save it again with a few frames to a chunk."
        )
    letters = axes or _axes(image, len(shape))
    pixel_size_nm = _pixel_size_nm(image)
    planes = ArrayPlanes(path.name, node, letters)
    return Opened(
        planes,
        pixel_size_nm,
        "OME-Zarr metadata" if pixel_size_nm else "",
        layout=planes.layout,
    )


class _SeveralImages(Exception):
    """A group that holds images of more than one place; the message says which."""


def _one_image(name: str, group: Any) -> Any:
    """Return the group of the only image, of bioformats2raw's layout and of plates too."""
    ome = dict(group.attrs).get("ome", dict(group.attrs))
    if "multiscales" in ome:
        return group
    inside = [key for key, _ in group.groups()]
    if "plate" in ome:
        inside = [_inside(well["path"]) for well in ome["plate"]["wells"]]
    elif "well" in ome:
        inside = [_inside(image["path"]) for image in ome["well"]["images"]]
    else:
        inside = sorted((key for key in inside if key.isdecimal()), key=int)
    if len(inside) > 1:
        shown = ", ".join(inside[:4]) + (", ..." if len(inside) > 4 else "")
        raise _SeveralImages(
            f"{name}: holds {len(inside)} images ({shown}), which are not to be mixed; give the "
            f"folder of one, as {name}/{inside[0]}."
        )
    return _one_image(f"{name}/{inside[0]}", group[inside[0]])


def _ome_image(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return the first image of a group: in "ome" since NGFF 0.5, at the top before."""
    image: dict[str, Any] = attributes.get("ome", attributes)["multiscales"][0]
    return image


def _inside(name: Any) -> str:
    """Refuse a name that leads out of the group."""
    parts = PurePosixPath(str(name)).parts
    if not parts or ".." in parts or str(name).startswith(("/", "\\")):
        raise ValueError("a dataset outside its group")
    return "/".join(parts)


def _axes(image: dict[str, Any], n_axes: int) -> str | None:
    """Return the letters of the axes, None if they are not named one letter each."""
    named = image.get("axes")
    if not isinstance(named, list):
        return None
    names = [str(axis.get("name") if isinstance(axis, dict) else axis) for axis in named]
    is_usable = len(names) == n_axes and all(len(name) == 1 for name in names)
    return "".join(names).upper() if is_usable else None


def _pixel_size_nm(image: dict[str, Any]) -> float | None:
    try:
        unit = image["axes"][-1].get("unit", "")
        steps = image["datasets"][0]["coordinateTransformations"]
        scale = next(step["scale"][-1] for step in steps if step["type"] == "scale")
        size_nm = float(scale) * NM_PER_UNIT[str(unit).casefold()]
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, StopIteration):
        return None
    return size_nm if is_plausible_pixel_size(size_nm) else None
