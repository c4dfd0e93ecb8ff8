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
WIDTH_NM = 10.0
"""Of Gaussians where molecules have no uncertainties of their own."""
FRAMES, MOLECULES = "camera frames", "molecules only"
FIELD_TIP = (
    "What the image covers: the field of the camera frames, so that it lies on them from edge to "
    "edge, or no more than the molecules need. Without frames it is the latter."
)
FIXED, OF_SCREEN = "one pixel size", "of the screen"
SHARPNESS_TIP = (
    "One pixel size: an image of all, which can be measured and saved. Of the screen: what the "
    "window shows, drawn anew whenever you zoom or move, as finely as the screen shows it."
)
MANY = 1_000_000
"""Of more molecules an image of one pixel size is too coarse, or too large."""
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
        self._has_own_widths = True
        self._rows = QFormLayout(self)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)

    def fill(self, options: type[RenderOptions]) -> None:
        """Add the editors."""
        self._options = options
        self.fields = Fields(options, options.model_fields, self._rows, self, labels=LABELS)
        self.fields.editors["sigma_nm"].native.setSpecialValueText(OWN_WIDTH)
        self.sharpness_box = choice([FIXED, OF_SCREEN], label="Sharpness", tooltip=SHARPNESS_TIP)
        self._suited_sharpness, self._is_users_sharpness = FIXED, False
        self.sharpness_box.changed.connect(self._on_sharpness)
        add_row(self._rows, self.sharpness_box)
        self.field_box = choice([FRAMES, MOLECULES], label="Field", tooltip=FIELD_TIP)
        self.field_box.changed.connect(self._tell_change)
        add_row(self._rows, self.field_box)
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
        values = self.fields.values()
        if values["sigma_nm"] is None and not self._has_own_widths:
            values["sigma_nm"] = WIDTH_NM
        return self._options.from_dict(values, source="Rendering")

    @property
    def is_field(self) -> bool:
        """Whether the image is to cover the field of the frames."""
        return bool(self.field_box.value == FRAMES)

    @property
    def is_of_screen(self) -> bool:
        """Whether the image is to be as sharp as the screen, instead of having one pixel."""
        return bool(self.sharpness_box.value == OF_SCREEN)

    def choose_sharpness(self, n_molecules: int) -> bool:
        """Be as sharp as the screen where molecules are many, unless the user chose.

        Return whether they are to be drawn at once: the layer of so large a table is coarse.
        """
        is_many = n_molecules > MANY
        self._suited_sharpness = OF_SCREEN if is_many else FIXED
        if not self._is_users_sharpness:
            self._write_sharpness(None)
        return is_many and self.is_of_screen

    def set_own_widths(self, columns: Iterable[str]) -> None:
        """Say what the width is where nobody gave one: each its own, if the table has them."""
        from napari_deepsmlm.render import rendering_of

        self._has_own_widths = rendering_of(tuple(columns)).has_own_sigma
        text = OWN_WIDTH if self._has_own_widths else f"{WIDTH_NM:g} (table has none)"
        self.fields.editors["sigma_nm"].native.setSpecialValueText(text)

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
        """Return the editors but for the colours; pixel and sharpness are kept if chosen."""
        box, other = self._pixel, self.sharpness_box
        pixel = KeptPart(box.label, box.native, self._read_pixel, self._write_pixel, box.changed)
        how = (self._read_sharpness, self._write_sharpness, other.changed)
        sharpness = KeptPart(other.label, other.native, *how)
        kept = {PIXEL: pixel, "sharpness": sharpness, "field": self.field_box}
        return {**self.fields.editors, **kept}

    def _read_sharpness(self) -> str | None:
        """Return the user's choice, None where it is what suits the data."""
        return str(self.sharpness_box.value) if self._is_users_sharpness else None

    def _write_sharpness(self, value: str | None) -> None:
        self.sharpness_box.value = self._suited_sharpness if value is None else value
        self._is_users_sharpness = value is not None

    def _on_sharpness(self, *_: object) -> None:
        self._is_users_sharpness = True
        self._on_fields()

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
        self._rows.setRowVisible(self._pixel.native, not self.is_of_screen)
