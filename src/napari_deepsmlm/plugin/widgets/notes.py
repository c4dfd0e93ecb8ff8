"""Notes: a wrapped line that tells, warns, or says what went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import QLabel, QSizePolicy, QWidget

from napari_deepsmlm._palette import GREEN

if TYPE_CHECKING:
    from qtpy.QtGui import QResizeEvent

# Readable on napari's dark and light themes.
WARNING_COLOR = "#d98a1f"
ERROR_COLOR = "#e5534b"


class Note(QLabel):
    """A line of text that takes no room while it is empty."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.clear()

    def sizeHint(self) -> QSize:
        """As high as the text is at this width: Qt would guess a narrower one, and leave gaps."""
        return QSize(super().sizeHint().width(), self.heightForWidth(self.width()))

    def minimumSizeHint(self) -> QSize:
        """As high as the text is, so that no line is cut."""
        return QSize(super().minimumSizeHint().width(), self.heightForWidth(self.width()))

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Ask for another height at another width."""
        super().resizeEvent(event)
        if event is not None and event.size().width() != event.oldSize().width():
            self.updateGeometry()

    def tell(self, text: str) -> None:
        """Show something good to know."""
        self._show(text, "")

    def praise(self, text: str) -> None:
        """Show what is as good as it should be."""
        self._show(text, f"color: {GREEN}; font-weight: bold;")

    def warn(self, text: str) -> None:
        """Show something that may spoil the result."""
        self._show(text, f"color: {WARNING_COLOR};")

    def fail(self, text: str) -> None:
        """Show what went wrong."""
        self._show(text, f"color: {ERROR_COLOR}; font-weight: bold;")

    def clear(self) -> None:
        """Take the text away."""
        self._show("", "")

    @property
    def is_error(self) -> bool:
        """Whether something went wrong."""
        return bool(self.text()) and ERROR_COLOR in self.styleSheet()

    def _show(self, text: str, style: str) -> None:
        if style != self.styleSheet():  # setting one lays out the panel, though nothing changes
            self.setStyleSheet(style)
        if text != self.text():
            self.setText(text)
        self.setVisible(bool(text))
