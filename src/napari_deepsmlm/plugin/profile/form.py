"""The form of the Line profile panel: which lines, which model, how wide, and how it is shown."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QFormLayout, QHBoxLayout, QWidget

from napari_deepsmlm.plugin.profile.lines import LinesBox
from napari_deepsmlm.plugin.profile.work import Choices, ProfileKit
from napari_deepsmlm.plugin.widgets.editors import (
    Editor,
    check_box,
    editor_around,
    make_calm,
    spin_box,
)
from napari_deepsmlm.plugin.widgets.parts import button

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_deepsmlm.plugin.profile.images import Stacks
    from napari_deepsmlm.profiles import Model

WIDEST = 100_000.0
STACKS: dict[str, Stacks] = {
    "mean beside a reconstruction": "auto",
    "frame under the slider": "frame",
    "mean of all frames": "mean",
}
STACKS_TIP = (
    "What is measured of camera frames. Their mean is what a microscope shows without "
    "super-resolution: the image to compare a reconstruction with. It is averaged once, in the "
    "background. Where no reconstruction is visible, the first choice takes the frame"
)


class ProfileForm(QWidget):
    """Rows of choices.

    Parameters
    ----------
    viewer : whose Shapes layers are offered.
    """

    changed = Signal()
    """What is measured has changed."""
    stacks_changed = Signal()
    """What of a stack is measured has changed."""
    look_changed = Signal()
    """Only how it is shown has changed."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self.lines_box = LinesBox(viewer)
        self.lines_box.changed.connect(self.changed)
        self.new_button = button(
            "New lines", "Add a Shapes layer: press, drag and let go to draw a line across."
        )
        self.new_button.clicked.connect(self.lines_box.add_layer)
        self.model_box = QComboBox()
        make_calm(self.model_box)
        self.model_box.activated.connect(self.changed)
        self.width_editor = spin_box(float, (0.1, WIDEST), "")
        self.width_editor.write(3.0)
        self.width_editor.changed.connect(self.changed)
        self.unit_box = QComboBox()
        self.unit_box.addItems(["px", "nm"])
        self.unit_box.activated.connect(self.changed)
        self.stacks_box = QComboBox()
        for words, value in STACKS.items():
            self.stacks_box.addItem(words, value)
        self.stacks_box.activated.connect(self.stacks_changed)
        self.normalised_box = QCheckBox("0 to 1")
        self.normalised_box.setChecked(True)
        self.normalised_box.toggled.connect(self.look_changed)
        self.all_box = QCheckBox("all lines")
        self.all_box.toggled.connect(self.look_changed)
        self._lay_out()

    def fill(self, kit: ProfileKit) -> None:
        """Offer the models."""
        for name, words in kit.models.items():
            self.model_box.addItem(f"{name}: {words}", name)

    def kept_editors(self) -> dict[str, Editor]:
        """Return the editors of everything but the lines."""
        return {
            "model": editor_around("Model", self.model_box),
            "width": replace(self.width_editor, label="Width"),
            "width_unit": editor_around("Unit of the width", self.unit_box, by_text=True),
            "stacks": editor_around("Stacks", self.stacks_box),
            "normalised": check_box("0 to 1", self.normalised_box),
            "all_lines": check_box("All lines", self.all_box),
        }

    def choices(self) -> Choices:
        """Return how lines are measured."""
        return Choices(
            model=cast("Model", self.model_box.currentData()),
            width=float(self.width_editor.read()),
            is_width_nm=self.unit_box.currentText() == "nm",
        )

    @property
    def stacks(self) -> Stacks:
        """What of a stack is measured."""
        return cast("Stacks", self.stacks_box.currentData())

    def _lay_out(self) -> None:
        rows = QFormLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        rows.addRow("Lines", _side_by_side(self.lines_box, self.new_button))
        rows.addRow("Model", self.model_box)
        rows.addRow("Width", _side_by_side(self.width_editor.widget, self.unit_box))
        rows.addRow("Stacks", self.stacks_box)
        rows.addRow("Plot", _side_by_side(self.normalised_box, self.all_box))
        make_calm(self.width_editor.widget)
        make_calm(self.unit_box)
        make_calm(self.stacks_box)
        for widget, tip in (
            (self.model_box, "The curve that is fitted, which says what the object is"),
            (self.width_editor.widget, "The profile is averaged over so much across the line"),
            (self.unit_box, "px: pixels of each image, so wider in a coarse one; nm: the same"),
            (self.stacks_box, STACKS_TIP),
            (
                self.normalised_box,
                "From the least value along the line to the greatest; else as is",
            ),
            (self.all_box, "Plot all lines; else the one that was drawn or clicked last"),
        ):
            widget.setToolTip(f"<qt>{tip}</qt>")


def _side_by_side(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    for widget in widgets:
        row.addWidget(widget, 1)
    return row
