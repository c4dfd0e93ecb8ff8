"""The table of results: one row for each line in each image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from napari_deepsmlm.plugin.widgets.names import explain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QKeyEvent

    from napari_deepsmlm.profiles.export import MeasuredLine

TABLE_HEIGHT_PX = 150
_NAME_COLUMN, _EXTRA_COLUMN = 1, 4
_TIPS = (
    "Number of the line, as in the viewer; a path has parts",
    "Image layer",
    "Full width at half maximum of the fitted curve; of two lines that of each",
    "The interval that holds the true width in 95 % of cases",
    "",
    "Share of the variance that the curve explains: 1 is all",
    "Root mean square of what the curve leaves, in % of the range of the values",
)


class ResultTable(QTableWidget):
    """Results as text, updated in place, so that dragging a line does not flicker."""

    chosen = Signal(str)
    """The name of the line of the row that was clicked, or gone to by a key."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, len(_TIPS), parent)
        self.setToolTip("<qt>What was measured. Click a row to see its line.</qt>")
        self.setAccessibleName("What was measured")
        self.setTabKeyNavigation(False)  # Tab would never come out of the table
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setMinimumHeight(TABLE_HEIGHT_PX)
        self.setWordWrap(False)
        rows, columns = self.verticalHeader(), self.horizontalHeader()
        if rows is not None and columns is not None:
            rows.hide()
            rows.setDefaultSectionSize(22)
            columns.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
            columns.setSectionResizeMode(_NAME_COLUMN, QHeaderView.ResizeMode.Interactive)
        self.setColumnWidth(_NAME_COLUMN, 106)
        self.cellClicked.connect(self._on_click)
        self._headers: list[str] = []
        self.show_results((), "")

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Choose the line of the row to which a key leads, as a click does."""
        before = self.currentRow()
        super().keyPressEvent(event)
        if self.currentRow() != before:
            self._on_click(self.currentRow(), 0)

    def show_results(self, measured: Sequence[MeasuredLine], extra: str) -> None:
        """Fill the rows.

        Parameters
        ----------
        extra : what the model measures besides: "Distance", "Diameter", "Width" or "".
        """
        units = {one.unit for one in measured} or {"nm"}
        unit = units.pop() if len(units) == 1 else ""
        self._set_headers(extra, f" ({unit})" if unit else "")
        if self.rowCount() != len(measured):
            self.setRowCount(len(measured))
        for row, one in enumerate(measured):
            suffix = "" if unit else f" {one.unit}"
            for column, text in enumerate(_cells(one, suffix)):
                self._set(row, column, text, one.problem or _remarks(one))

    def _set_headers(self, extra: str, unit: str) -> None:
        headers = ["Line", "Layer", f"FWHM{unit}", "95 %", f"{extra}{unit}", "R²", "Rest (%)"]
        if headers == self._headers:
            return
        self._headers = headers
        self.setHorizontalHeaderLabels(headers)
        self.setColumnHidden(_EXTRA_COLUMN, not extra)
        for column, tip in enumerate(_TIPS):
            item = self.horizontalHeaderItem(column)
            if item is not None:
                item.setToolTip(f"<qt>{tip or extra + ', with its 95 % interval'}</qt>")

    def _set(self, row: int, column: int, text: str, tip: str) -> None:
        item = self.item(row, column)
        if item is None:
            item = QTableWidgetItem()
            if column != _NAME_COLUMN:
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            self.setItem(row, column, item)
        if item.text() != text:
            item.setText(text)
        explain(item, tip or text)

    def _on_click(self, row: int, column: int) -> None:
        item = self.item(row, 0)
        if item is not None:
            self.chosen.emit(item.text())


def _cells(one: MeasuredLine, unit: str) -> list[str]:
    fit, profile = one.fit, one.profile
    if fit is None or profile is None:
        return [one.line, one.image, "–", "–", "–", "–", "–"]
    third = fit.size_nm if fit.distance_nm is None else fit.distance_nm
    interval = fit.size_ci_nm if fit.distance_nm is None else fit.distance_ci_nm
    extra = "" if third is None else f"{_short(third)}{unit} ({_range(interval)})"
    span = np.nanmax(profile.value) - np.nanmin(profile.value)
    left = f"{100 * fit.residual_rms / span:.1f}" if span > 0 else "–"
    return [
        one.line,
        one.image,
        f"{_short(fit.fwhm_nm)}{unit}",
        _range(fit.fwhm_ci_nm),
        extra,
        f"{fit.r_squared:.3f}",
        left,
    ]


def _range(interval: tuple[float, float] | None) -> str:
    if interval is None or not np.isfinite(interval).all():
        return "?"
    return f"{_short(interval[0])}–{_short(interval[1])}"


def _short(value: float) -> str:
    """Three digits, and never 1e+03."""
    return f"{value:.3g}" if value < 999.5 else f"{value:.0f}"


def _remarks(one: MeasuredLine) -> str:
    return "" if one.fit is None else " ".join(one.fit.remarks)
