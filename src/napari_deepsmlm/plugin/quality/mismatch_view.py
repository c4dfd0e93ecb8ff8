"""Mismatch view: frames against training, one line per quantity, with words, sign and colour."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QHeaderView, QLabel, QTreeWidget, QTreeWidgetItem, QVBoxLayout, QWidget

from napari_deepsmlm._palette import GREEN, GREY, ORANGE, SKY
from napari_deepsmlm.plugin.widgets.contrast import readable_on
from napari_deepsmlm.plugin.widgets.names import explain
from napari_deepsmlm.plugin.widgets.notes import Note

if TYPE_CHECKING:
    from napari_deepsmlm.mismatch import MismatchTable

COLUMNS = ("", "frames", "trained", "")
MAX_LINE = 11
"""Characters of a line: the rest of a longer label goes below."""
# Okabe and Ito's colours, told apart by all eyes; the words say the same.
VERDICTS = {
    "inside": ("✓ inside", SKY),
    "near": ("≈ near", GREEN),
    "outside": ("✗ outside", ORANGE),
    "cannot be told": ("? not told", GREY),
}
TIPS = {
    "pixel_size_nm": "Side of a camera pixel in the sample.",
    "psf_sigma_px": "Standard deviation of a molecule's image, from the flicker of pixels.",
    "psf_sigma_nm": "The same in the sample: optics and focus, whatever the pixel.",
    "background": "Per pixel of an input, frames summed.",
    "photons": "Mean of a molecule in a camera frame.",
    "density_per_um2": "Shining molecules in an input, frames summed.",
    "snr": "Light of a molecule in its brightest pixel over the noise of that pixel.",
    "em_noise": "Variance of the light over that of its photons: 1, and 2 where the camera "
    "multiplies electrons (EMCCD).",
    "n_planes": "Focal planes of a frame.",
}


class MismatchView(QWidget):
    """The table, and below it what to expect of what is outside; hidden until there is one."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.table: MismatchTable | None = None
        self._background = "#23242b"
        self.heading, self.note = QLabel(), Note()
        self.heading.setWordWrap(True)
        self.tree = QTreeWidget()
        self.tree.setHeaderLabels(COLUMNS)
        self.tree.setRootIsDecorated(False)
        self.tree.setSelectionMode(QTreeWidget.SelectionMode.ExtendedSelection)
        self.tree.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.tree.setToolTip("<qt>Hover over a line for what it means.</qt>")
        self.tree.setAccessibleName("Frames against the training")
        header = self.tree.header()
        if header is not None:
            header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
            header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
            header.setStretchLastSection(False)
            header.setMinimumSectionSize(20)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 4, 0, 0)
        for widget in (self.heading, self.tree, self.note):
            column.addWidget(widget)
        self.hide()

    def show_table(self, table: MismatchTable | None) -> None:
        """Show a comparison, or nothing."""
        self.table = table
        self.setVisible(table is not None)
        if table is None:
            return
        self.heading.setText(f"<b>Frames against the training of</b><br>{table.model}")
        self.heading.setToolTip(f"<qt>{' '.join(table.scope)}</qt>")
        self.tree.clear()
        for row in table.rows:
            words, color = VERDICTS[row.verdict]
            texts = [_in_lines(row.label), row.text, row.trained_text, words]
            item = QTreeWidgetItem(self.tree, texts)
            item.setForeground(3, QColor(readable_on(color, self._background)))
            remark = f"{row.verdict.capitalize()}. {row.remark}"
            for column in range(len(COLUMNS)):
                explain(item, f"{TIPS[row.name]}\n{remark}", column)
        lines_px = sum(max(self.tree.sizeHintForRow(i), 14) for i in range(len(table.rows)))
        header = self.tree.header()
        head_px = 0 if header is None else header.sizeHint().height()
        self.tree.setFixedHeight(lines_px + head_px + 6)
        outside = [row.remark for row in table.rows if row.verdict == "outside"]
        self.note.warn("\n".join([*filter(None, [table.depths]), *outside]))

    def set_colors(self, background: str) -> None:
        """Let the verdicts be read on the background of a theme."""
        self._background = background
        for i, row in enumerate(() if self.table is None else self.table.rows):
            item = self.tree.topLevelItem(i)
            if item is not None:
                color = readable_on(VERDICTS[row.verdict][1], background)
                item.setForeground(3, QColor(color))

    def lines(self) -> list[str]:
        """Return the table as text, with tabs."""
        rows = () if self.table is None else self.table.rows
        return [
            "\t".join(("Training", row.label, row.text, row.trained_text, row.verdict))
            for row in rows
        ]


def _in_lines(label: str) -> str:
    return "\n".join(wrap(label.replace("photons/px", "per px"), MAX_LINE))
