"""The form of a rendering: its kind, its pixel, its colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QWidget

from napari_deepsmlm.plugin.forms.kept_form import KeptPart
from napari_deepsmlm.plugin.forms.rows import Fields
from napari_deepsmlm.plugin.localizations.column_ranges import title_of
from napari_deepsmlm.plugin.widgets.editors import choice
from napari_deepsmlm.plugin.widgets.parts import add_row

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_deepsmlm.render import RenderOptions

DENSITY = "density"
PIXEL = "sr_pixel_nm"
LABELS = {
    "kind": "Rendering",
    "sr_pixel_nm": "Pixel (nm)",
    "sigma_nm": "Width σ (nm)",
    "n_shifts": "Bins (px)",
}
OWN_WIDTH = "each its own"
NEEDED_BY = {"sigma_nm": "gaussian", "n_shifts": "ash"}
COLOR_TIP = (
    "What the colours show: the density alone, or the mean of a column, such as depth, from "
    "blue (low) over grey to orange (high), with the density as brightness."
)


class RenderForm(QWidget):
    """Editors of `RenderOptions`, and of the column that gives the colours."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._columns: list[str] = []
        self._rows = QFormLayout(self)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)

    def fill(self, options: type[RenderOptions]) -> None:
        """Add the editors."""
        self._options = options
        self.fields = Fields(options, options.model_fields, self._rows, self, labels=LABELS)
        self.fields.editors["sigma_nm"].native.setSpecialValueText(OWN_WIDTH)
        self.color_box = choice(self._colors, label="Colour by", tooltip=COLOR_TIP)
        add_row(self._rows, self.color_box)
        self._pixel = self.fields.editors[PIXEL]
        self._suited_nm, self._is_users_pixel = float(self._pixel.value), False
        self._pixel.changed.connect(self._on_pixel)
        self.fields.changed.connect(self._on_fields)
        self.color_box.changed.connect(self._tell_change)
        self._show_needed()

    def _tell_change(self, *_: object) -> None:
        self.changed.emit()

    def offer_colors(self, names: Iterable[str]) -> None:
        """Offer other columns for the colours, the depth first, and take none of them."""
        self._columns = sorted(names, key=lambda name: name != "z_nm")
        with self.color_box.changed.blocked():
            self.color_box.reset_choices()
            self.color_box.value = ""

    def _colors(self, _: object) -> list[tuple[str, str]]:
        return [(DENSITY, ""), *((title_of(name), name) for name in self._columns)]

    def options(self) -> RenderOptions:
        """Return what is chosen.

        Raises
        ------
        ValueError
            One sentence about what is out of range.
        """
        return self._options.from_dict(self.fields.values(), source="Rendering")

    @property
    def color_by(self) -> str | None:
        """The column that gives the colours, None for the density."""
        return self.color_box.value or None

    def choose_pixel(self, sr_pixel_nm: float) -> None:
        """Set the pixel that suits the data, unless the user chose one."""
        self._suited_nm = sr_pixel_nm
        if not self._is_users_pixel:
            self._write_pixel(None)

    def kept_editors(self) -> dict[str, Any]:
        """Return the editors but for the colours; a pixel is kept if the user chose it."""
        box = self._pixel
        pixel = KeptPart(box.label, box.native, self._read_pixel, self._write_pixel, box.changed)
        return {**self.fields.editors, PIXEL: pixel}

    def _read_pixel(self) -> float | None:
        """Return the user's pixel, None where it is the one that suits the data."""
        pixel_nm: float = self._pixel.value
        return pixel_nm if self._is_users_pixel else None

    def _write_pixel(self, sr_pixel_nm: float | None) -> None:
        self._pixel.value = self._suited_nm if sr_pixel_nm is None else sr_pixel_nm
        self._is_users_pixel = sr_pixel_nm is not None

    def _on_pixel(self, *_: object) -> None:
        self._is_users_pixel = True

    def _on_fields(self) -> None:
        self._show_needed()
        self.changed.emit()

    def _show_needed(self) -> None:
        kind = self.fields.editors["kind"].value
        for name, of in NEEDED_BY.items():
            self._rows.setRowVisible(self.fields.editors[name].native, kind == of)
