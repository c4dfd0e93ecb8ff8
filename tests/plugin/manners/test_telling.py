"""Every control of every panel says what it does, to eyes and to screen readers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractButton, QAbstractSpinBox, QLabel, QWidget
from tests.plugin.manners.panels import PANELS, describe, editors_of, label_of

if TYPE_CHECKING:
    from tests.plugin.manners.panels import Open


COUNTS = {
    "Frames",
    "First frame",
    "Last frame",
    "Frames per input",
    "Frames summed",
    "Poisson photons",
    "Gaussian photons",
    "Blocks of time",
    "Seed",
    "Least probability",
    "Upsampling",
    "Sparsity",
    "Learning rate",
    "Weight decay",
    "Largest gradient norm",
    "Sharpening",
    "Headroom",
    "Width",  # with a list of units beside it
}
"""Labels of numbers that are counts, shares or rates of a step, and have no unit."""


@pytest.mark.parametrize("name", PANELS)
def test_everything_is_told(open_panel: Open, name: str) -> None:
    """Each editor says what it does, in lines that wrap, and each number its unit.

    It has a name for screen readers too, and Tab leads to it.
    """
    panel = open_panel(name)
    editors = editors_of(panel)
    assert len(editors) > 3
    assert not [describe(editor) for editor in editors if is_silent(editor)]
    nameless = [each for each in editors if not spoken_name(each, panel)]
    assert not [(describe(editor), editor.toolTip()) for editor in nameless]
    assert not [describe(editor) for editor in editors if not is_reached_by_tab(editor)]
    tips = [widget.toolTip() for widget in panel.findChildren(QWidget)]
    # Qt breaks the lines of rich text only.
    assert not [tip for tip in tips if len(tip) > 60 and not tip.startswith("<qt>")]
    numbers = [editor for editor in editors if isinstance(editor, QAbstractSpinBox)]
    without = [
        describe(box)
        for box in numbers
        if not has_unit(label_of(box)) and not getattr(box, "suffix", str)().strip()
    ]
    assert not without


def is_silent(editor: QWidget) -> bool:
    return len(editor.toolTip().removeprefix("<qt>").removesuffix("</qt>")) < 6


def spoken_name(editor: QWidget, panel: QWidget) -> str:
    """What a screen reader says: the name that was given, the text, or that of the label."""
    if editor.accessibleName() or (isinstance(editor, QAbstractButton) and editor.text()):
        return editor.accessibleName() or editor.text()
    labels = (label for label in panel.findChildren(QLabel) if label.buddy() is editor)
    return next((label.text() for label in labels), "")


def is_reached_by_tab(editor: QWidget) -> bool:
    wanted = Qt.FocusPolicy.TabFocus
    return bool((editor.focusProxy() or editor).focusPolicy() & wanted)


def has_unit(label: str) -> bool:
    return "(" in label or " per " in label or label in COUNTS
