"""Notes: a wrapped line that tells, warns, or says what went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import QLabel, QSizePolicy, QWidget

if TYPE_CHECKING:
    from qtpy.QtGui import QResizeEvent


class Note(QLabel):
    """A line of text that takes no room while it is empty.

    It says only what its tone is: the panel gives tones the colours that can be read on the theme.
    """

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
        self._show(text, "praise")

    def warn(self, text: str) -> None:
        """Show something that may spoil the result."""
        self._show(text, "warning")

    def fail(self, text: str) -> None:
        """Show what went wrong."""
        self._show(text, "error")

    def clear(self) -> None:
        """Take the text away."""
        self._show("", "")

    @property
    def is_error(self) -> bool:
        """Whether something went wrong."""
        return bool(self.text()) and self.property("tone") == "error"

    def _show(self, text: str, tone: str) -> None:
        style = self.style()
        if tone != (self.property("tone") or "") and style is not None:
            self.setProperty("tone", tone)
            style.unpolish(self)  # or the style sheet would not look at the property again
            style.polish(self)
        if text != self.text():
            self.setText(text)
        self.setVisible(bool(text))
