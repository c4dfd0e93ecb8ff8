"""Fields: several editors of one configuration in the rows of a form, and a part that unfolds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QFormLayout, QWidget
from superqt import QCollapsible

from napari_deepsmlm.plugin.forms.field import can_edit, editor_for
from napari_deepsmlm.plugin.widgets.parts import add_row, show_row

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from pydantic import BaseModel

LABELS = {
    "n_frames": "Frames",
    "baseline": "Baseline (ADU)",
    "bits": "Converter (bits)",
    "gain": "Gain (ADU per photon)",
    "poisson_photons": "Poisson noise (photons)",
    "gaussian_photons": "Gaussian noise (photons)",
    "e_per_adu": "Conversion (e⁻ per ADU)",
    "em_gain": "EM gain (×)",
    "quantum_efficiency": "Quantum efficiency (0–1)",
    "sigma_nm": "PSF width σ (nm)",
    "density_per_um2": "Density (per µm²)",
    "photons": "Photons (per molecule)",
    "photons_sd": "Photons, spread (SD)",
    "brightness": "Brightness (×)",
    "background": "Background (per px)",
    "unevenness": "Unevenness (share)",
    "sum_frames": "Frames summed",
    "minutes": "Length (min)",
    "steps": "Length (steps)",
    "batch_size": "Batch (patches)",
    "warmup": "Warm-up (share)",
    "averaging": "Averaging (0–1)",
    "clip_norm": "Largest gradient norm",
    "weight_decay": "Weight decay",
    "fix_norm_after": "Fix batch norm after (share)",
    "patience": "Patience (validations)",
    "validation_px": "Validation frames (px)",
    "photon_max": "Most photons",
    "validate_every": "Validate every (steps)",
    "validation_frames": "Validation (frames)",
    "upsampling": "Upsampling (×)",
    "threshold": "Threshold (SD of background)",
    "least_photons": "Least light (photons)",
    "least_p_value": "Least p of the fit (0–1)",
    "mirror": "Mirror images too",
    "share": "Share of the batches (0–1)",
    "sr_pixel_nm": "Drawn with pixels of",
    "n_blocks": "Blocks of time",
    "blur_sigma_px": "Blur of both, σ",
    "lateral_nm": "Match within, x and y",
    "axial_nm": "Match within, z",
    "all_frames": "All of the truth",
}
"""Where the name of a field does not say its unit."""

NONE_TEXTS = {
    "minutes": "by steps",
    "margin_px": "as the PSF",
    "validation_px": "2 × patch",
    "patience": "never",
}


class Fields(QObject):
    """Editors of some fields of one configuration; what has no editor keeps its value."""

    changed = Signal()

    def __init__(
        self,
        model: type[BaseModel],
        names: Iterable[str],
        rows: QFormLayout,
        parent: QWidget,
        *,
        labels: Mapping[str, str] = LABELS,
    ) -> None:
        super().__init__(parent)
        self.editors: dict[str, Any] = {}
        self._rows = rows
        for name in names:
            editor = editor_for(
                model, name, label=labels.get(name, ""), none_text=NONE_TEXTS.get(name, "auto")
            )
            add_row(rows, editor)
            editor.changed.connect(self._tell_change)
            self.editors[name] = editor

    def values(self) -> dict[str, Any]:
        """Return what the editors hold, by the names of the fields."""
        return {name: editor.value for name, editor in self.editors.items()}

    def fill(self, values: Mapping[str, Any]) -> None:
        """Set the editors; fields without one are left out."""
        for name, editor in self.editors.items():
            if name in values:
                editor.value = values[name]

    def show(self, is_shown: bool) -> None:
        """Show or hide the rows."""
        for editor in self.editors.values():
            show_row(self._rows, editor.native, is_shown)

    def remove(self) -> None:
        """Take the rows away for good."""
        for editor in self.editors.values():
            self._rows.removeRow(editor.native)
        self.editors.clear()
        self.deleteLater()

    def _tell_change(self, *_: object) -> None:
        self.changed.emit()


def editable(model: type[BaseModel], besides: Collection[str] = ()) -> list[str]:
    """Return the names of the fields that have an editor, but for some."""
    fields = model.model_fields.items()
    return [
        name for name, field in fields if name not in besides and name != "kind" and can_edit(field)
    ]


class FoldedForm(QCollapsible):
    """Rows that are shown on demand."""

    def __init__(self, title: str, tooltip: str) -> None:
        super().__init__(title, expandedIcon="▾", collapsedIcon="▸")
        self.setDuration(0)  # sliding would lay out the panel again and again
        self.body = QWidget()
        self.rows = QFormLayout(self.body)
        self.rows.setContentsMargins(0, 0, 0, 0)
        self.rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.addWidget(self.body)
        self.toggleButton().setToolTip(f"<qt>{tooltip}</qt>")
