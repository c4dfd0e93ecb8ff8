"""The form of the Line profile panel: which lines, which model, how wide, and how it is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from magicgui.widgets import CheckBox
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QHBoxLayout, QWidget

from napari_deepsmlm.plugin.profile.lines import LinesBox
from napari_deepsmlm.plugin.profile.work import Choices, ProfileKit
from napari_deepsmlm.plugin.widgets.editors import Number, choice
from napari_deepsmlm.plugin.widgets.parts import add_row, button

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_deepsmlm.plugin.profile.images import Stacks
    from napari_deepsmlm.profiles import Model

MAX_WIDTH = 100_000.0
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
MODEL_TIP = "The curve that is fitted, which says what the object is"
WIDTH_TIP = "<qt>The profile is averaged over so much across the line</qt>"
UNIT_TIP = "px: pixels of each image, so wider in a coarse one; nm: the same"
NORMALISED_TIP = "<qt>From the least value along the line to the greatest; else as is</qt>"
ALL_TIP = "<qt>Plot all lines; else the one that was drawn or clicked last</qt>"


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
        self.lines_box.changed.connect(self._tell_change)
        self.new_button = button(
            "New lines", "Add a Shapes layer: press, drag and let go to draw a line across."
        )
        self.new_button.clicked.connect(self.lines_box.add_layer)
        self._models: list[tuple[str, str]] = []
        self.model_box = choice(lambda _: self._models, label="Model", tooltip=MODEL_TIP)
        self.width_box = Number(
            limits=(0.1, MAX_WIDTH), value=3.0, label="Width", tooltip=WIDTH_TIP
        )
        self.unit_box = choice(["px", "nm"], label="Unit of the width", tooltip=UNIT_TIP)
        self.stacks_box = choice(list(STACKS.items()), label="Stacks", tooltip=STACKS_TIP)
        self.normalised_box = CheckBox(value=True, label="0 to 1", tooltip=NORMALISED_TIP)
        self.all_box = CheckBox(label="All lines", tooltip=ALL_TIP)
        for box in (self.model_box, self.width_box, self.unit_box):
            box.changed.connect(self._tell_change)
        self.stacks_box.changed.connect(self._tell_stacks)
        self.normalised_box.changed.connect(self._tell_look)
        self.all_box.changed.connect(self._tell_look)
        self._lay_out()

    def fill(self, kit: ProfileKit) -> None:
        """Offer the models."""
        self._models = [(f"{name}: {words}", name) for name, words in kit.models.items()]
        self.model_box.reset_choices()

    def kept_editors(self) -> dict[str, Any]:
        """Return the editors of everything but the lines."""
        return {
            "model": self.model_box,
            "width": self.width_box,
            "width_unit": self.unit_box,
            "stacks": self.stacks_box,
            "normalised": self.normalised_box,
            "all_lines": self.all_box,
        }

    def choices(self) -> Choices:
        """Return how lines are measured."""
        return Choices(
            model=cast("Model", self.model_box.value),
            width=float(self.width_box.value),
            is_width_nm=self.unit_box.value == "nm",
        )

    @property
    def stacks(self) -> Stacks:
        """What of a stack is measured."""
        return cast("Stacks", self.stacks_box.value)

    def _lay_out(self) -> None:
        rows = QFormLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        rows.addRow("Lines", _side_by_side(self.lines_box.native, self.new_button))
        add_row(rows, self.model_box)
        rows.addRow("Width", _side_by_side(self.width_box.native, self.unit_box.native))
        add_row(rows, self.stacks_box)
        rows.addRow("Plot", _side_by_side(self.normalised_box.native, self.all_box.native))

    def _tell_change(self, *_: object) -> None:
        self.changed.emit()

    def _tell_stacks(self, *_: object) -> None:
        self.stacks_changed.emit()

    def _tell_look(self, *_: object) -> None:
        self.look_changed.emit()


def _side_by_side(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    for widget in widgets:
        row.addWidget(widget, 1)
    return row
