"""The ? of every panel opens its page from the disk, and links lead on."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from npe2 import PluginManifest
from qtpy.QtCore import Qt, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QWidget

from napari_deepsmlm.plugin.widgets import help_pages
from napari_deepsmlm.plugin.widgets.help import HelpButton, HelpWindow

if TYPE_CHECKING:
    from collections.abc import Iterator

PLUGIN = "napari-deepsmlm"
PANELS = [
    widget.display_name
    for widget in PluginManifest.from_distribution(PLUGIN).contributions.widgets or ()
]
DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture
def window(qtbot: Any) -> Iterator[HelpWindow]:
    parent = QWidget()
    qtbot.addWidget(parent)
    made = HelpWindow(parent, "Train")
    made.show_page("train")
    made.show()
    yield made
    parent.close()  # which owns the window, and must live as long


@pytest.fixture
def panel(request: Any, viewer: Any, no_threads_left: None) -> Iterator[Any]:
    _, opened = viewer.window.add_plugin_dock_widget(PLUGIN, request.param)
    yield opened
    with suppress(RuntimeError):
        opened.abandon()


@pytest.mark.parametrize("panel", PANELS, indirect=True)
def test_every_panel_has_a_button_for_its_page(panel: Any, qtbot: Any) -> None:
    help_button = panel.help_button
    assert isinstance(help_button, HelpButton)
    assert (DOCS / f"{panel.help_page}.md").is_file()
    assert help_button.accessibleName() == f"Help on {panel.kept_as}"
    assert "F1" in help_button.toolTip()
    assert help_button.focusPolicy() & Qt.FocusPolicy.TabFocus
    help_button.click()
    shown = help_button.help_window
    assert shown is not None
    assert shown.isVisible()
    title = (DOCS / f"{panel.help_page}.md").read_text("utf-8").splitlines()[0].lstrip("# ")
    assert shown.browser.toPlainText().startswith(title)
    help_button.click()
    assert help_button.help_window is shown


def test_f1_opens_the_page(qtbot: Any) -> None:
    panel = QWidget()
    qtbot.addWidget(panel)
    help_button = HelpButton("train", panel, "Train")
    help_button.setParent(panel)
    panel.show()
    qtbot.waitExposed(panel)
    panel.activateWindow()
    help_button.setFocus()
    qtbot.waitUntil(help_button.hasFocus)
    qtbot.keyClick(help_button, Qt.Key.Key_F1)
    assert help_button.help_window is not None
    assert help_button.help_window.pages == ["train"]


def test_a_link_leads_to_its_heading_and_back(window: HelpWindow) -> None:
    window.follow(QUrl("quickstart.md#when-no-built-in-model-fits"))
    assert window.pages == ["train", "quickstart"]
    assert window.browser.textCursor().block().text() == "When no built-in model fits"
    window.follow(QUrl("#in-python"))
    assert window.browser.textCursor().block().text() == "In Python"
    assert window.pages == ["train", "quickstart"]
    window.back_button.click()
    assert window.pages == ["train"]
    assert window.browser.toPlainText().startswith("Train for your microscope")
    assert not window.back_button.isEnabled()


def test_only_addresses_outside_open_the_browser(
    window: HelpWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toString()))
    window.follow(QUrl("images/train_setup.png"))
    window.follow(QUrl("https://napari.org"))
    assert opened == ["https://napari.org"]
    assert window.pages == ["train"]


def test_a_page_that_was_not_shipped_is_said_so(
    window: HelpWindow, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(help_pages, "SHIPPED", tmp_path)
    monkeypatch.setattr(help_pages, "IN_CHECKOUT", tmp_path)
    window.show_page("optics")
    assert "not part of this installation" in window.browser.toPlainText()


ONLINE = "https://docs.example.org/deepsmlm"


def state_address(label: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the package be found first in an installation that states ONLINE under a label."""
    info = folder / "site" / "napari_deepsmlm-9.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        "Metadata-Version: 2.4\nName: napari-deepsmlm\nVersion: 9\n"
        f"Project-URL: Source, https://example.org\nProject-URL: {label}, {ONLINE}/\n"
    )
    monkeypatch.syspath_prepend(info.parent)


@pytest.mark.parametrize("label", ["Documentation", "Funding"])
def test_a_page_opens_online_where_the_package_states_an_address(
    label: str, window: HelpWindow, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toString()))
    state_address(label, tmp_path, monkeypatch)
    window.follow(QUrl("quickstart.md#in-python"))
    assert window.online_button.isVisible() == (label == "Documentation")
    if window.online_button.isVisible():
        window.online_button.click()
        window.back_button.click()
        window.online_button.click()
        assert opened == [f"{ONLINE}/quickstart/", f"{ONLINE}/train/"]


def test_a_page_that_was_not_shipped_is_there_online(
    window: HelpWindow, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    state_address("Documentation", tmp_path, monkeypatch)
    monkeypatch.setattr(help_pages, "SHIPPED", tmp_path)
    monkeypatch.setattr(help_pages, "IN_CHECKOUT", tmp_path)
    window.show_page("optics")
    assert "Open online shows it" in window.browser.toPlainText()
    assert window.online_button.isVisible()


def test_the_pages_of_a_wheel_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(help_pages, "SHIPPED", tmp_path)
    (tmp_path / "train.md").write_text("# Shipped")
    assert help_pages.page_text("train") == "# Shipped"


def test_every_heading_that_pages_link_to_is_found() -> None:
    texts = {path.stem: path.read_text("utf-8") for path in DOCS.glob("*.md")}
    headings = {
        name: {help_pages.anchor_of(line) for line in re.findall(r"(?m)^#+ (.*)$", text)}
        for name, text in texts.items()
    }
    links = [
        (name, target or name, anchor)
        for name, text in texts.items()
        for target, anchor in re.findall(r"\]\(([\w-]*)(?:\.md)?#([^)]+)\)", text)
    ]
    assert len(links) > 10
    assert not [link for link in links if link[2] not in headings[link[1]]]
