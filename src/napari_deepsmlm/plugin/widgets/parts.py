"""Panels: what every panel of the plugin is put together from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject, QSize, Qt, QTimer
from qtpy.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QWidget,
)

from napari_deepsmlm.plugin.widgets.editors import parts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from magicgui.widgets import Widget
    from qtpy.QtGui import QResizeEvent
    from qtpy.QtWidgets import QFormLayout

BUTTON_PADDING_PX = 8


class VerticalScroll(QScrollArea):
    """Scrolls up and down only: never narrower than what it shows."""

    def __init__(self, content: QWidget) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setWidget(content)
        content.installEventFilter(self)

    def minimumSizeHint(self) -> QSize:
        """As wide as the content needs, with its scroll bar."""
        content, bar = self.widget(), self.verticalScrollBar()
        if content is None or bar is None:
            return super().minimumSizeHint()
        return QSize(content.minimumSizeHint().width() + bar.sizeHint().width(), 80)

    def sizeHint(self) -> QSize:
        """No higher than it must be: it takes the room that others leave."""
        return QSize(super().sizeHint().width(), self.minimumSizeHint().height())

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Ask for room again when rows were added."""
        if event is not None and event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return super().eventFilter(watched, event)


class ShortScroll(VerticalScroll):
    """As high as what it shows, up to a limit: scrolls what is longer."""

    LEAST_PX = 48

    def __init__(self, content: QWidget) -> None:
        super().__init__(content)
        self._most_px = 240
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Maximum)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Ask for another height at another width: lines break elsewhere."""
        super().resizeEvent(event)
        if event is not None and event.size().width() != event.oldSize().width():
            self.updateGeometry()

    def set_most(self, height_px: int) -> None:
        """Take no more than this."""
        self._most_px = max(height_px, self.LEAST_PX)
        self.updateGeometry()

    def sizeHint(self) -> QSize:
        """As high as the content is at this width."""
        content, bar = self.widget(), self.verticalScrollBar()
        if content is None or bar is None:
            return super().sizeHint()
        frame_px = 2 * self.frameWidth()  # napari's style gives it one
        width = self.width() - frame_px
        height = _height_of(content, width)
        if height > self._most_px:
            height = _height_of(content, width - bar.sizeHint().width())
        if height:
            height += frame_px
        return QSize(content.sizeHint().width(), min(height, self._most_px))

    def minimumSizeHint(self) -> QSize:
        """As wide as the content needs; a line or two are seen however low the window is."""
        width = super().minimumSizeHint().width()
        return QSize(width, min(self.sizeHint().height(), self.LEAST_PX))


def _height_of(content: QWidget, width: int) -> int:
    """Return how high a widget is at a width."""
    if content.hasHeightForWidth():
        return content.heightForWidth(width)
    return max(content.sizeHint().height(), content.minimumSizeHint().height())


def button(text: str, tooltip: str) -> QPushButton:
    """Return a push button with a tooltip that wraps."""
    made = QPushButton(text)
    made.setToolTip(f"<qt>{tooltip}</qt>")
    return made


def side_by_side(*buttons: QPushButton) -> QWidget:
    """Return a row of buttons that is as narrow as their texts allow."""
    made = QWidget()
    row = QHBoxLayout(made)
    row.setContentsMargins(0, 0, 0, 0)
    for each in buttons:
        let_shrink(each)
        row.addWidget(each)
    return made


def let_shrink(button: QPushButton) -> None:
    """Let a button be as narrow as its text: styles make short ones 80 pixels wide."""
    text_px = button.fontMetrics().horizontalAdvance(button.text())
    button.setMinimumWidth(text_px + 2 * BUTTON_PADDING_PX)


def in_turns(steps: Iterator[None], parent: QObject, *, pause_ms: int = 0) -> None:
    """Do the steps of a long piece of work one after the other, the window having turns between.

    Parameters
    ----------
    pause_ms : between steps, so that what one has changed is painted before the next.
    """
    timer = QTimer(parent)

    def do_next() -> None:
        timer.stop()  # again only if there is no error
        for _ in steps:
            timer.start(pause_ms)
            return
        timer.deleteLater()

    timer.timeout.connect(do_next)
    timer.start(0)


def soon(what: Callable[[], object], parent: QObject) -> QTimer:
    """Return a timer that, once started, does something when the window has done what it is at."""
    timer = QTimer(parent)
    timer.setSingleShot(True)
    timer.setInterval(0)
    timer.timeout.connect(what)
    return timer


def duration(seconds: float) -> str:
    """Return 0.4 s, 12 s, 3 min 20 s or 2 h 5 min."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    if not minutes:
        return f"{seconds} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"


def add_row(form: QFormLayout, editor: Widget) -> None:
    """Append a magicgui widget after its label."""
    form.addRow(editor.label, editor.native)
    for part in parts_of(editor):
        part.native.setAccessibleName(editor.label)  # the label is tied to the whole only
    label = form.labelForField(editor.native)
    if label is not None:
        label.setToolTip(editor.tooltip or "")


def wide_row(label: str, widget: QWidget, *, label_share: int = 0) -> QHBoxLayout:
    """Return a row that leaves more room for long names than the rows of a form do.

    Parameters
    ----------
    label_share : percent of the row that the label takes, so that editors stand below each other;
        0: what it needs.
    """
    row, title = QHBoxLayout(), QLabel(label)
    row.setSpacing(12)
    title.setBuddy(widget)
    title.setToolTip(widget.toolTip())
    widget.setAccessibleName(label)
    row.addWidget(title, label_share)
    row.addWidget(widget, 100 - label_share)
    return row


def show_row(form: QFormLayout | None, widget: QWidget, is_shown: bool) -> None:
    """Show or hide an editor with its label (`setRowVisible` came with Qt 6.4)."""
    widget.setVisible(is_shown)
    label = None if form is None else form.labelForField(widget)
    if label is not None:
        label.setVisible(is_shown)
