"""Notes: a wrapped line that tells, warns, or says what went wrong."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QSizePolicy, QWidget

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

    def tell(self, text: str) -> None:
        """Show something good to know."""
        self._show(text, "")

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
