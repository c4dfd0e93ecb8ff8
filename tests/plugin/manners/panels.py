"""Every panel of the manifest, and what a person can change in one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from npe2 import PluginManifest
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QFormLayout,
    QGraphicsView,
    QLabel,
    QLineEdit,
    QMenu,
    QScrollArea,
    QScrollBar,
    QTabBar,
    QWidget,
)
from superqt import QCollapsible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Open = Callable[[str], Any]

PLUGIN = "napari-deepsmlm"
PANELS = [
    widget.display_name
    for widget in PluginManifest.from_distribution(PLUGIN).contributions.widgets or ()
]
WAIT_MS = 60_000
EDITORS = (QAbstractSpinBox, QComboBox, QAbstractButton, QLineEdit, QAbstractSlider)


def is_ready(panel: Any) -> bool:
    form = getattr(panel, "form", None)
    return bool(getattr(panel, "is_ready", getattr(form, "is_filled", True)))


def unfold(panel: QWidget) -> None:
    for folded in panel.findChildren(QCollapsible):
        folded.expand()


def parents(widget: QWidget) -> Iterator[QWidget]:
    parent = widget.parentWidget()
    while parent is not None:
        yield parent
        parent = parent.parentWidget()


def editors_of(panel: QWidget) -> list[QWidget]:
    """Everything that a person can change, but for the inner parts of widgets of Qt."""
    inner = (*EDITORS, QMenu, QAbstractItemView, QGraphicsView, QTabBar, QScrollBar)
    return [
        widget
        for widget in panel.findChildren(QWidget)
        if isinstance(widget, EDITORS)
        and not isinstance(widget, QScrollBar)
        and not any(isinstance(parent, inner) for parent in parents(widget))
    ]


def describe(widget: QWidget) -> str:
    text = widget.text() if isinstance(widget, QAbstractButton | QLabel) else label_of(widget)
    return f"{type(widget).__name__} {widget.objectName()!r} {text!r}"


def label_of(widget: QWidget) -> str:
    """The label of the row of a form in which a widget, or what holds it, stands."""
    inside = widget
    for parent in (widget, *parents(widget)):
        for form in parent.findChildren(QFormLayout):
            label = form.labelForField(inside)
            if isinstance(label, QLabel):
                return label.text()
            for row in range(form.rowCount()):  # a field may be a row of widgets
                field = form.itemAt(row, QFormLayout.ItemRole.FieldRole)
                layout = None if field is None else field.layout()
                if layout is None or layout.indexOf(inside) < 0:
                    continue
                item = form.itemAt(row, QFormLayout.ItemRole.LabelRole)
                if item is not None and isinstance(item.widget(), QLabel):
                    return str(item.widget().text())
        inside = parent
        if isinstance(parent, QScrollArea):
            break
    return ""
