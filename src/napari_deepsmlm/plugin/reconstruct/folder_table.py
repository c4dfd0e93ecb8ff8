"""The stacks of a folder with their states: which are done, which failed, and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QBrush, QColor
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from napari_deepsmlm.plugin.widgets.contrast import TONES, readable_on
from napari_deepsmlm.plugin.widgets.names import explain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_deepsmlm.batch import StackRow

HEIGHT_PX, ROW_PX = 134, 22
HEADERS = ("Stack", "State", "Frames", "Localizations")
FOUND = "waits"


class FolderTable(QTableWidget):
    """One line for each stack; what failed is red, and says why when the mouse is over it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, len(HEADERS), parent)
        self.setToolTip("<qt>The stacks and what became of them, as in summary.csv.</qt>")
        self.setAccessibleName("Stacks of the folder")
        self.setTabKeyNavigation(False)  # Tab would never come out of the table
        self.setHorizontalHeaderLabels(list(HEADERS))
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setFixedHeight(HEIGHT_PX)
        self.setWordWrap(False)
        rows, columns = self.verticalHeader(), self.horizontalHeader()
        if rows is not None and columns is not None:
            rows.hide()
            rows.setDefaultSectionSize(ROW_PX)
            columns.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
            columns.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self._rows: dict[str, int] = {}
        self._error_color = TONES["error"]

    def set_colors(self, background: str) -> None:
        """Let what failed be read on the background of a theme."""
        before, after = QColor(self._error_color), readable_on(TONES["error"], background)
        self._error_color = after
        for row in range(self.rowCount()):
            for column in range(self.columnCount()):
                item = self.item(row, column)
                if item is not None and item.foreground() == QBrush(before):
                    item.setForeground(QBrush(QColor(after)))

    def changeEvent(self, event: QEvent | None) -> None:
        """Let the lines be as high as the font of the window."""
        super().changeEvent(event)
        rows = self.verticalHeader()
        if event is not None and event.type() == QEvent.Type.FontChange and rows is not None:
            rows.setDefaultSectionSize(max(ROW_PX, self.fontMetrics().height() + 6))

    def show_found(self, files: Sequence[Path]) -> None:
        """List stacks of which nothing is known yet."""
        self.setRowCount(0)
        self._rows.clear()
        for file in files:
            self._show(str(file), (file.name, FOUND, "", ""))

    def mark(self, file: Path, state: str) -> None:
        """Say what happens to a stack just now."""
        self._show(str(file), (file.name, state, "", ""))
        item = self.item(self._rows[str(file)], 0)
        if item is not None:
            self.scrollToItem(item)

    def show_rows(self, rows: Sequence[StackRow]) -> None:
        """Show the lines of the summary."""
        for row in rows:
            is_done = row.state == "done"
            numbers = (f"{row.frames:,}", f"{row.localizations:,}") if is_done else ("", "")
            cells = (Path(row.file).name, row.state, *numbers)
            told = row.error or " ".join(row.warnings)
            self._show(row.file, cells, told, is_failed=row.state == "failed")

    def _show(
        self, file: str, cells: Sequence[str], told: str = "", *, is_failed: bool = False
    ) -> None:
        if file not in self._rows:
            self._rows[file] = self.rowCount()
            self.setRowCount(self.rowCount() + 1)
        for column, text in enumerate(cells):
            item = self.item(self._rows[file], column)
            if item is None:
                item = QTableWidgetItem()
                if column > 1:
                    right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
                    item.setTextAlignment(right)
                self.setItem(self._rows[file], column, item)
            if item.text() != text:
                item.setText(text)
            explain(item, told or file)
            item.setForeground(QBrush(QColor(self._error_color)) if is_failed else QBrush())
