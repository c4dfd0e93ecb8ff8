"""Help: a button that opens the page of a panel in a window, from the disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, QUrl
from qtpy.QtGui import QDesktopServices, QKeySequence, QShortcut, QTextCursor
from qtpy.QtWidgets import QDialog, QHBoxLayout, QPushButton, QTextBrowser, QVBoxLayout

from napari_deepsmlm.plugin.widgets.help_pages import (
    anchor_of,
    online_address,
    page_path,
    page_text,
)
from napari_deepsmlm.plugin.widgets.parts import button

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

KEYS = "F1"
TIP = (
    "What this panel does and what its choices mean: the page of the documentation, from this disk."
)
SIZE = (680, 720)


class HelpButton(QPushButton):
    """The *?* of a panel; F1 does the same while the panel has the focus.

    Parameters
    ----------
    page : name of a file of the documentation, without its ending.
    panel : whose page it is.
    name : of the panel, for screen readers and the title of the window.
    """

    def __init__(self, page: str, panel: QWidget, name: str) -> None:
        super().__init__("?")
        self.page = page
        self._panel, self._name = panel, name
        self.help_window: HelpWindow | None = None
        self.setToolTip(f"<qt>{TIP} ({KEYS})</qt>")
        self.setAccessibleName(f"Help on {name}")
        self.clicked.connect(self.open)
        shortcut = QShortcut(QKeySequence(KEYS), panel)
        shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        shortcut.activated.connect(self.open)

    def open(self) -> None:
        """Show the page, in the window that is open already if there is one."""
        if self.help_window is None:
            self.help_window = HelpWindow(self._panel, self._name)
        self.help_window.show_page(self.page)
        self.help_window.show()
        self.help_window.raise_()
        self.help_window.activateWindow()


class HelpWindow(QDialog):
    """A page and those it links to; what is elsewhere opens in the browser of the system."""

    def __init__(self, parent: QWidget, name: str) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"{name} – help")
        self.resize(*SIZE)
        self.browser = QTextBrowser()
        self.browser.setOpenLinks(False)
        self.browser.setAccessibleName(f"Page on {name}")
        self.browser.anchorClicked.connect(self.follow)
        self.back_button = button("Back", "Show the page before this one.")
        self.back_button.clicked.connect(self.go_back)
        self.online_button = button("Open online", "Show this page in the browser, with pictures.")
        self.online_button.clicked.connect(self._open_online)
        self.pages: list[str] = []
        """Those that were shown, the present one last."""
        row = QHBoxLayout()
        row.addWidget(self.back_button)
        row.addWidget(self.online_button)
        row.addStretch(1)
        column = QVBoxLayout(self)
        column.addWidget(self.browser)
        column.addLayout(row)

    def show_page(self, name: str, anchor: str = "") -> None:
        """Show a page from the heading that an anchor names, or from its beginning."""
        if not self.pages or self.pages[-1] != name:
            self.pages.append(name)
            self.browser.setMarkdown(page_text(name))
            self.back_button.setEnabled(len(self.pages) > 1)
            self.online_button.setVisible(bool(online_address(name)))
        self.browser.moveCursor(QTextCursor.MoveOperation.Start)
        self._scroll_to(anchor)

    def follow(self, link: QUrl) -> None:
        """Go where a link leads."""
        path = link.path()
        if link.isRelative() and (not path or page_path(path.removesuffix(".md")) is not None):
            self.show_page(path.removesuffix(".md") or self.pages[-1], link.fragment())
        elif not link.isRelative():
            QDesktopServices.openUrl(link)

    def go_back(self) -> None:
        """Show the page before."""
        self.pages.pop()
        self.show_page(self.pages.pop())

    def _open_online(self) -> None:
        QDesktopServices.openUrl(QUrl(online_address(self.pages[-1])))

    def _scroll_to(self, anchor: str) -> None:
        document = self.browser.document()
        block = None if document is None or not anchor else document.begin()
        while block is not None and block.isValid():
            if block.blockFormat().headingLevel() and anchor_of(block.text()) == anchor:
                end = QTextCursor(block)
                self.browser.moveCursor(QTextCursor.MoveOperation.End)  # so that it comes on top
                self.browser.setTextCursor(end)
                return
            block = block.next()
