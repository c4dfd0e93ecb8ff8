"""Asking: the unit and the camera pixel of a table that does not state them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from magicgui.widgets import ComboBox, Dialog, Label
from napari.utils.notifications import show_warning

from napari_deepsmlm.io import ReadTable, UnitNeeded, read_table
from napari_deepsmlm.plugin.layers.localizations import camera_pixel_nm
from napari_deepsmlm.plugin.widgets.editors import Number

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari.viewer import Viewer

UNITS = (("nanometres", "nm"), ("micrometres", "um"), ("camera pixels", "px"))
PROPOSED_PIXEL_NM = 100.0


class Stated(NamedTuple):
    """What a person says of a table."""

    unit: str | None = None
    pixel_size_nm: float | None = None


def read_asking(path: Path, viewer: Viewer | None) -> ReadTable:
    """Return a table; what it does not state is asked for in a window.

    Raises
    ------
    ValueError, OSError
        One sentence: what is wrong, where, and what to do; also if the window is closed.
    """
    try:
        return read_table(path)
    except UnitNeeded as problem:
        stated = ask(path, problem, viewer)
        if stated is None:
            raise
    table = read_table(path, unit=stated.unit, pixel_size_nm=stated.pixel_size_nm)
    return with_pixel(table, stated)


def with_pixel(table: ReadTable, stated: Stated | None) -> ReadTable:
    """Return a table with the camera pixel that was given for it, if it states none itself."""
    if stated is None or table.pixel_size_nm is not None:
        return table
    return ReadTable(table.localizations, stated.pixel_size_nm, table.remarks, table.program)


def ask(path: Path, problem: UnitNeeded, viewer: Viewer | None) -> Stated | None:
    """Ask in a window what a table does not state, None if the window is closed.

    The pixel that is proposed is that of the open camera frames.
    """
    open_nm = None if viewer is None else camera_pixel_nm(viewer)
    proposed_nm = open_nm or PROPOSED_PIXEL_NM
    pixel = Number(
        name="pixel", label="camera pixel, nm", value=proposed_nm, limits=(1.0, 10_000.0)
    )
    unit = ComboBox(name="unit", label="positions are in", choices=UNITS, value="nm")
    whose = "that of the open frames" if open_nm else "a guess"
    what = "is in camera pixels" if problem.is_pixel else "does not say the unit of its positions"
    text = f"{path.name} {what}. The camera pixel below is {whose}."
    widgets = [Label(value=text), pixel] if problem.is_pixel else [Label(value=text), unit, pixel]
    dialog = Dialog(widgets=widgets, labels=True)
    dialog.native.setWindowTitle("Open localizations")

    def show_pixel(chosen: str) -> None:
        pixel.enabled = chosen == "px"

    if not problem.is_pixel:
        unit.changed.connect(show_pixel)
        show_pixel(str(unit.value))
    if not dialog.exec():
        return None
    if problem.is_pixel:
        return Stated(None, float(pixel.value))
    is_pixel = unit.value == "px"
    return Stated(str(unit.value), float(pixel.value) if is_pixel else None)


def tell_remarks(path: Path, remarks: Sequence[str]) -> None:
    """Show what was done to read a table, if anything was."""
    if remarks:
        show_warning(f"{path.name}: {' '.join(remarks)}")
