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
from napari_deepsmlm._score_labels import LABELS, TIPS, name_of
from napari_deepsmlm.plugin.quality.mismatch_view import MismatchView
from napari_deepsmlm.plugin.widgets.names import explain
from napari_deepsmlm.plugin.widgets.notes import Note
from napari_deepsmlm.plugin.widgets.parts import button

if TYPE_CHECKING:
    from napari_deepsmlm.evaluation import Conclusion
    from napari_deepsmlm.plugin.quality.work import Measured

FILES = "Tables (*.csv);;JSON (*.json)"
GROUPS = {
    "resolution": "Resolution",
    "error_map": "Error map",
    "image": "Against the true image",
    "molecules": "Against true molecules",
}


class ResultRow(NamedTuple):
    """One result."""

    group: str
    name: str
    value: float | None
    """None where there is none."""

    @property
    def label(self) -> str:
        """The name in words."""
        return name_of(self.name)

    @property
    def text(self) -> str:
        """The value with its unit."""
        unit = LABELS.get(self.name, ("", ""))[1]
        if self.value is None or not math.isfinite(self.value):
            return "infinite" if self.value == math.inf else "none"
        number = f"{self.value:,}" if isinstance(self.value, int) else f"{self.value:.4g}"
        return f"{number} {unit}".strip()


def rows_of(measured: Measured) -> list[ResultRow]:
    """Return the results in the order in which they are read."""
    report = measured.quality.report()
    rows = []
    for name, value in report.items():
        group = "error_map" if name.startswith("squirrel") else "resolution"
        if group == "resolution" and value is None and not _was_asked(name, measured):
            continue
        if name == "squirrel_sigma_px" and "squirrel_sigma_nm" in report:
            continue
        rows.append(ResultRow(group, name, value))
    for group, scores in measured.scores.items():
        rows += [ResultRow(group, name, value) for name, value in scores.items()]
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
        self.rows: list[ResultRow] = []
        self._settings: dict[str, Any] = {}
        self.tree = QTreeWidget()
        self.tree.setColumnCount(2)
        self.tree.setHeaderHidden(True)
        self.tree.setRootIsDecorated(False)
        self.tree.setIndentation(10)
        self.tree.setSelectionMode(QTreeWidget.SelectionMode.ExtendedSelection)
        self.tree.setToolTip("<qt>What was measured; hover over a line for what it means.</qt>")
        self.tree.setAccessibleName("What was measured")
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
        self.conclusion_note = Note()
        row = QHBoxLayout()
        row.addWidget(self.copy_button)
        row.addWidget(self.save_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.tree)
        column.addWidget(self.mismatch)
        column.addWidget(self.conclusion_note)
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
                explain(item, TIPS.get(row.name, row.label), column)
        self.tree.expandAll()
        n_lines = len(self.rows) + len(parents)
        line_px = self.tree.sizeHintForRow(0)
        self.tree.setFixedHeight(max(line_px, 16) * max(n_lines, 1) + 6)
        self.tree.setVisible(bool(self.rows))
        self.mismatch.show_table(measured.mismatch)
        self._conclude(measured.conclusion)
        self.setVisible(bool(self.rows) or measured.mismatch is not None)

    def _conclude(self, conclusion: Conclusion | None) -> None:
        """Say in a sentence and a colour what all of it means."""
        if conclusion is None:
            self.conclusion_note.clear()
            return
        note = self.conclusion_note
        show = {"good": note.praise, "look closer": note.warn, "poor": note.fail}
        show[conclusion.level](conclusion.sentence)

    def copy(self) -> None:
        """Put the list on the clipboard: a line for each result, with tabs."""
        clipboard = QApplication.clipboard()
        if clipboard is not None:
            lines = [f"{GROUPS[row.group]}\t{row.label.strip()}\t{row.text}" for row in self.rows]
            lines += self.mismatch.lines()
            lines += filter(None, [self.conclusion_note.text()])
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
