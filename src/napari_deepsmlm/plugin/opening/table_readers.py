"""Table readers: localizations of any program as a layer in nm."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari
from napari.utils.notifications import show_info

from napari_deepsmlm.io import looks_like_localizations
from napari_deepsmlm.plugin.forms.asking import read_asking, tell_remarks
from napari_deepsmlm.plugin.layers.localizations import layer_of, origin_nm, wait_for_stack

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    LayerData = tuple[Any, dict[str, Any], str]
    Paths = str | Sequence[str]


def get_table_reader(path: Paths) -> Callable[[Paths], list[LayerData]] | None:
    """Return a reader if the file, or each of the files, looks like a table of localizations."""
    paths = _as_list(path)
    return read_tables if paths and all(map(looks_like_localizations, paths)) else None


def read_tables(path: Paths) -> list[LayerData]:
    """Return a layer for each table: points, or an image if they are many.

    A table that does not state its unit, or the size of its pixels, is asked about in a window.

    Raises
    ------
    ValueError, OSError
        One sentence: what is wrong, where, and what to do.
    """
    return [_read(Path(each)) for each in _as_list(path)]


def _read(path: Path) -> LayerData:
    viewer = napari.current_viewer()
    read = read_asking(path, viewer)
    table, pixel_nm = read.localizations, read.pixel_size_nm
    known = {"path": str(path.absolute()), "pixel_size_nm": pixel_nm}
    tell_remarks(path, read.remarks)
    origin = origin_nm(viewer, pixel_nm)
    if viewer is not None:
        wait_for_stack(viewer)
    layer = layer_of(table, path.stem, origin, known)
    if layer[2] == "image":
        show_info(
            f"{path.name}: {len(table):,} molecules are shown as an image; the Localizations panel "
            "has the table."
        )
    return layer


def _as_list(path: Paths) -> list[str]:
    return [str(path)] if isinstance(path, str | Path) else [str(p) for p in path]
