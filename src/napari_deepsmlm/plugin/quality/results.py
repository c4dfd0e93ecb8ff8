"""Results of Quality: a list to be read, copied, and saved as CSV or JSON."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QApplication,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_deepsmlm._files import atomic_write
from napari_deepsmlm.plugin.panels import button
from napari_deepsmlm.plugin.quality.mismatch_view import MismatchView

if TYPE_CHECKING:
    from napari_deepsmlm.plugin.quality.live import Measured

FILES = "Tables (*.csv);;JSON (*.json)"
GROUPS = {
    "resolution": "Resolution",
    "error_map": "Error map",
    "image": "Against the true image",
    "molecules": "Against true molecules",
}
LABELS = {
    "frc_time_nm": ("FRC, time blocks", "nm"),
    "frc_random_nm": ("FRC, random halves", "nm"),
    "decorrelation_nm": ("Decorrelation analysis", "nm"),
    "squirrel_rsp": ("Correlation (RSP)", ""),
    "squirrel_rse": ("Error (RSE), units of the frames", ""),
    "squirrel_alpha": ("Scale α", ""),
    "squirrel_beta": ("Offset β, units of the frames", ""),
    "squirrel_sigma_nm": ("Blur σ", "nm"),
    "squirrel_sigma_px": ("Blur σ", "px"),
    "nmse_percent": ("NMSE", "%"),
    "blur_sigma_px": ("  blur of both σ", "px"),
    "scale": ("  scale, least squares", "×"),
    "ssim": ("SSIM", ""),
    "ms_ssim": ("MS-SSIM", ""),
    "psnr_db": ("PSNR", "dB"),
    "snr_db": ("SNR", "dB"),
    "jaccard": ("Jaccard index", ""),
    "precision": ("Precision", ""),
    "recall": ("Recall", ""),
    "f1": ("F1", ""),
    "rmse_lateral_nm": ("RMSE, lateral (x and y)", "nm"),
    "rmse_per_axis_nm": ("RMSE, per axis", "nm"),
    "rmse_axial_nm": ("RMSE, axial (z)", "nm"),
    "efficiency_lateral": ("Efficiency, lateral", "%"),
    "efficiency_axial": ("Efficiency, axial", "%"),
    "efficiency_3d": ("Efficiency, 3-D", "%"),
    "bias_x_nm": ("Bias x", "nm"),
    "bias_y_nm": ("Bias y", "nm"),
    "bias_z_nm": ("Bias z", "nm"),
    "z_score_mean_x": ("Error / its estimate, mean x", ""),
    "z_score_sd_x": ("Error / its estimate, SD x", ""),
    "z_score_mean_y": ("Error / its estimate, mean y", ""),
    "z_score_sd_y": ("Error / its estimate, SD y", ""),
    "z_score_mean_z": ("Error / its estimate, mean z", ""),
    "z_score_sd_z": ("Error / its estimate, SD z", ""),
    "n_true_positive": ("Found and true", "molecules"),
    "n_false_positive": ("Found but false", "molecules"),
    "n_false_negative": ("Missed", "molecules"),
}
TIPS = {
    "frc_time_nm": "1 / frequency at which the correlation of two halves, taken from alternating "
    "blocks of time, first falls below 1/7.",
    "frc_random_nm": "The same with halves drawn at random: too good where one blink is in both.",
    "decorrelation_nm": "Finest detail of the image that stands out from its noise.",
    "squirrel_rsp": "Pearson's correlation of the mean frame with the blurred and scaled result.",
    "squirrel_rse": "Root mean square of the error map, in the units of the frames.",
    "nmse_percent": "Squared difference of the scaled image from the truth, as a share of the "
    "truth. The blur and the scale below belong to it.",
    "rmse_lateral_nm": "Root of the mean of dx² + dy², as in the SMLM Challenge.",
    "rmse_per_axis_nm": "Root of the mean of (dx² + dy²) / 2, as some papers report it.",
}


class Row(NamedTuple):
    """One result."""

    group: str
    name: str
    value: float | None
    """None where there is none."""

    @property
    def label(self) -> str:
        """The name in words."""
        return LABELS.get(self.name, (self.name.replace("_", " "), ""))[0]

    @property
    def text(self) -> str:
        """The value with its unit."""
        unit = LABELS.get(self.name, ("", ""))[1]
        if self.value is None or not math.isfinite(self.value):
            return "infinite" if self.value == math.inf else "none"
        number = f"{self.value:,}" if isinstance(self.value, int) else f"{self.value:.4g}"
        return f"{number} {unit}".strip()


def rows_of(measured: Measured) -> list[Row]:
    """Return the results in the order in which they are read."""
    report = measured.quality.report()
    rows = []
    for name, value in report.items():
        group = "error_map" if name.startswith("squirrel") else "resolution"
        if group == "resolution" and value is None and not _was_asked(name, measured):
            continue
        if name == "squirrel_sigma_px" and "squirrel_sigma_nm" in report:
            continue
        rows.append(Row(group, name, value))
    for group, scores in measured.scores.items():
        rows += [Row(group, name, value) for name, value in scores.items()]
    # What has no answer in a group of many is left out: z-scores and depths of 2-D tables.
    return [
        row
        for row in rows
        if row.group not in ("image", "molecules")
        or (row.value is not None and not math.isnan(row.value))
    ]


class ResultList(QWidget):
    """The list with its buttons; empty and hidden until there is something."""

    told = Signal(str)
    """One sentence about what was done."""
    failed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows: list[Row] = []
        self._settings: dict[str, Any] = {}
        self.tree = QTreeWidget()
        self.tree.setColumnCount(2)
        self.tree.setHeaderHidden(True)
        self.tree.setRootIsDecorated(False)
        self.tree.setIndentation(10)
        self.tree.setSelectionMode(QTreeWidget.SelectionMode.ExtendedSelection)
        self.tree.setToolTip("<qt>What was measured; hover over a line for what it means.</qt>")
        header = self.tree.header()
        if header is not None:
            header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
            header.setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
            header.setStretchLastSection(False)
        self.copy_button = button("Copy", "Put the list on the clipboard, ready for a sheet.")
        self.copy_button.clicked.connect(self.copy)
        self.save_button = button("Save…", "Write the list as CSV or JSON.")
        self.save_button.clicked.connect(self._on_save)
        self.mismatch = MismatchView()
        row = QHBoxLayout()
        row.addWidget(self.copy_button)
        row.addWidget(self.save_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.tree)
        column.addWidget(self.mismatch)
        column.addLayout(row)
        self.hide()

    def show_results(self, measured: Measured, settings: dict[str, Any]) -> None:
        """Fill the list anew.

        Parameters
        ----------
        settings : how it was measured; saved with it.
        """
        self.rows, self._settings = rows_of(measured), settings
        self.tree.clear()
        parents: dict[str, QTreeWidgetItem] = {}
        for row in self.rows:
            if row.group not in parents:
                parents[row.group] = QTreeWidgetItem(self.tree, [GROUPS[row.group], ""])
                parents[row.group].setFirstColumnSpanned(True)
                _embolden(parents[row.group])
            item = QTreeWidgetItem(parents[row.group], [row.label, row.text])
            for column in (0, 1):
                item.setToolTip(column, f"<qt>{TIPS.get(row.name, row.label)}</qt>")
        self.tree.expandAll()
        n_lines = len(self.rows) + len(parents)
        line_px = self.tree.sizeHintForRow(0)
        self.tree.setFixedHeight(max(line_px, 16) * max(n_lines, 1) + 6)
        self.tree.setVisible(bool(self.rows))
        self.mismatch.show_table(measured.mismatch)
        self.setVisible(bool(self.rows) or measured.mismatch is not None)

    def copy(self) -> None:
        """Put the list on the clipboard: a line for each result, with tabs."""
        clipboard = QApplication.clipboard()
        if clipboard is not None:
            lines = [f"{GROUPS[row.group]}\t{row.label.strip()}\t{row.text}" for row in self.rows]
            lines += self.mismatch.lines()
            clipboard.setText("\n".join(lines))
            self.told.emit(f"Copied {len(lines)} results.")

    def save(self, path: Path) -> None:
        """Write the list: JSON with the settings if the file ends so, else CSV."""
        values = {row.name: _plain(row.value) for row in self.rows}
        table = self.mismatch.table
        if path.suffix.lower() == ".json":
            found = {} if table is None else {"mismatch": table.report()}
            whole = {**values, **found, "settings": self._settings}
            text = json.dumps(whole, indent=2, default=str)
        else:
            for each in () if table is None else table.rows:
                values[f"frames_{each.name}"] = each.measured.value
            lines = [f"{name},{'' if value is None else value}" for name, value in values.items()]
            text = "\n".join(["measure,value", *lines]) + "\n"
        with atomic_write(path) as file:
            file.write(text.encode())

    def _on_save(self) -> None:
        chosen, _ = QFileDialog.getSaveFileName(self, "Save results", "quality.csv", FILES)
        if not chosen:
            return
        try:
            self.save(Path(chosen))
        except OSError as error:
            self.failed.emit(f"{chosen}: {error.strerror or error}.")
        else:
            self.told.emit(f"Saved {chosen}.")


def _was_asked(name: str, measured: Measured) -> bool:
    answered = measured.quality.decorrelation if "decorr" in name else measured.quality.frc
    return answered is not None


def _plain(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _embolden(item: QTreeWidgetItem) -> None:
    font = item.font(0)
    font.setBold(True)
    item.setFont(0, font)
