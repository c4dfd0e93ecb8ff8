"""Zarr as frames: one array stored as a folder, or the first image of an OME-Zarr group."""

from __future__ import annotations

from contextlib import suppress
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_deepsmlm.io.frames._description import NM_PER_UNIT
from napari_deepsmlm.io.frames._planes import Opened, is_plausible_pixel_size
from napari_deepsmlm.io.frames._zarr_meta import UnknownZarr, ZarrArray, read_array, read_metadata
from napari_deepsmlm.io.frames.arrays import ArrayPlanes, axes_of_file, what_is_odd

if TYPE_CHECKING:
    from pathlib import Path

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
    try:
        folder, image = _array_folder(path)
        array = read_array(folder, path.name)
        if array is None:
            raise UnknownZarr("there is no array in it")
        node = _opened(folder, array)
    except (UnknownZarr, OSError, RecursionError) as error:
        raise ValueError(
            f"{path.name}: is not a readable zarr array or OME-Zarr image ({error}); give the "
            "folder of one array."
        ) from None
    shape = array.shape
    letters = axes or _axes(image, len(shape))
    odd = what_is_odd(shape, letters)
    letters = letters or axes_of_file(path.name, shape)
    pixel_size_nm = _pixel_size_nm(image)
    planes = ArrayPlanes(path.name, node, letters)
    return Opened(
        planes,
        pixel_size_nm,
        "OME-Zarr metadata" if pixel_size_nm else "",
        odd,
        layout=planes.layout,
    )


def _array_folder(path: Path) -> tuple[Path, dict[str, Any]]:
    """Return the folder of the array to open, and what OME says of it, {} if nothing."""
    if read_array(path, path.name) is not None:
        return path, {}
    try:
        path = _one_image(path.name, path)
        image = _ome_image(_attributes(path))
        return path / _inside(image["datasets"][0]["path"]), image
    except (KeyError, IndexError, TypeError, AttributeError):
        raise UnknownZarr("it names no image") from None


def _attributes(folder: Path) -> dict[str, Any]:
    group = read_metadata(folder, "zarr.json")
    return dict(group.get("attributes") or read_metadata(folder, ".zattrs"))


def _opened(folder: Path, array: ZarrArray) -> Any:
    """Open an array whose metadata have been checked."""
    import zarr

    from napari_deepsmlm.io.frames._zarr_store import BoundedStore

    try:
        store = BoundedStore(folder, array=array)
        node = zarr.open_array(store, mode="r", zarr_format=array.zarr_format)
    except Exception as error:  # noqa: BLE001 - zarr raises many kinds for a damaged store
        raise UnknownZarr(type(error).__name__) from None
    if tuple(node.shape) != array.shape or np.dtype(node.dtype) != array.dtype:
        raise UnknownZarr("its metadata contradict themselves")
    return node


def _one_image(name: str, folder: Path) -> Path:
    """Return the folder of the only image, of bioformats2raw's layout and of plates too.

    Raises
    ------
    ValueError
        If it holds images of more than one place; the message says which.
    """
    attributes = _attributes(folder)
    ome = attributes.get("ome", attributes)
    if "multiscales" in ome:
        return folder
    if "plate" in ome:
        inside = [_inside(well["path"]) for well in ome["plate"]["wells"]]
    elif "well" in ome:
        inside = [_inside(image["path"]) for image in ome["well"]["images"]]
    else:
        inside = [p.name for p in folder.iterdir() if p.name.isdecimal() and p.is_dir()]
        inside.sort(key=int)
    if len(inside) > 1:
        shown = ", ".join(inside[:4]) + (", ..." if len(inside) > 4 else "")
        raise ValueError(
            f"{name}: holds {len(inside)} images ({shown}), which are not to be mixed; give the "
            f"folder of one, as {name}/{inside[0]}."
        )
    return _one_image(f"{name}/{inside[0]}", folder / inside[0])


def _ome_image(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return the first image of a group: in "ome" since NGFF 0.5, at the top before."""
    image: dict[str, Any] = attributes.get("ome", attributes)["multiscales"][0]
    return image


def _inside(name: Any) -> str:
    """Refuse a name that leads out of the group."""
    parts = PurePosixPath(str(name)).parts
    if not parts or ".." in parts or str(name).startswith(("/", "\\")):
        raise UnknownZarr("it names a dataset outside its group")
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
