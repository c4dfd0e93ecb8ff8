"""Names for screen readers: an editor is called as its row is, and items say what they mean."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractButton,
    QFormLayout,
    QLabel,
    QLayoutItem,
    QTableWidgetItem,
    QTreeWidgetItem,
    QWidget,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


def name_editors(panel: QWidget) -> None:
    """Name what Tab leads to after the label of its row, where it has no name or text."""
    for form in panel.findChildren(QFormLayout):
        for row in range(form.rowCount()):
            label = form.itemAt(row, QFormLayout.ItemRole.LabelRole)
            field = form.itemAt(row, QFormLayout.ItemRole.FieldRole)
            text = label.widget() if label is not None else None
            if not isinstance(text, QLabel) or not text.text() or field is None:
                continue
            for widget in _widgets_of(field):
                if is_nameless(widget):
                    widget.setAccessibleName(text.text())


def explain(item: QTableWidgetItem | QTreeWidgetItem, text: str, column: int = 0) -> None:
    """Say what an item of a table or a tree means, to who points at it and to screen readers.

    Parameters
    ----------
    column : of a tree.
    """
    role = Qt.ItemDataRole.AccessibleDescriptionRole
    tip = f"<qt>{html.escape(text, quote=False)}</qt>".replace("\n", "<br>")
    if isinstance(item, QTreeWidgetItem):
        item.setToolTip(column, tip)
        item.setData(column, role, text)
    elif item.data(role) != text:
        item.setToolTip(tip)
        item.setData(role, text)


def is_nameless(widget: QWidget) -> bool:
    """Whether a screen reader has nothing to say of what Tab leads to."""
    is_reached = bool(widget.focusPolicy() & Qt.FocusPolicy.TabFocus)
    has_text = isinstance(widget, QAbstractButton) and bool(widget.text())
    return is_reached and not has_text and not widget.accessibleName()


def _widgets_of(item: QLayoutItem) -> Iterator[QWidget]:
    widget, layout = item.widget(), item.layout()
    if widget is not None:  # an empty list of choices is false in Python
        yield widget
        yield from widget.findChildren(QWidget)
    elif layout is not None:
        inner = [layout.itemAt(i) for i in range(layout.count())]
        for each in inner:
            if each is not None:
                yield from _widgets_of(each)
