"""Job panel: what every panel does alike, from loading what it needs to saying what went wrong."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from napari.utils.notifications import show_error
from napari.utils.theme import get_theme
from qtpy.QtCore import QEvent, QSize
from qtpy.QtWidgets import QHBoxLayout, QMainWindow, QProgressBar, QVBoxLayout, QWidget

from napari_deepsmlm.plugin.forms.kept_form import KeptForm
from napari_deepsmlm.plugin.jobs import Job
from napari_deepsmlm.plugin.memory.settings import PLUGIN
from napari_deepsmlm.plugin.widgets.contrast import tone_style
from napari_deepsmlm.plugin.widgets.docks import bring_up, dock_of, give_title, is_behind, join
from napari_deepsmlm.plugin.widgets.help import HelpButton
from napari_deepsmlm.plugin.widgets.names import name_editors
from napari_deepsmlm.plugin.widgets.notes import Note
from napari_deepsmlm.plugin.widgets.parts import (
    ShortScroll,
    in_turns,
    let_shrink,
    side_by_side,
    soon,
)
from napari_deepsmlm.plugin.widgets.shortcuts import add_shortcuts

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    from napari.viewer import Viewer
    from qtpy.QtGui import QResizeEvent
    from qtpy.QtWidgets import QPushButton

    from napari_deepsmlm.plugin.jobs import Events


class JobPanel(QWidget):
    """A panel that loads in the background and does one job at a time.

    A panel builds its widgets, calls :meth:`lay_out`, then :meth:`load`, whose result comes to its
    :meth:`fill`; work is begun by :meth:`begin`. Taken out of its dock, it stops all of it. If it
    has a name to be `kept_as`, its :meth:`kept_editors` come back as they were left.

    Parameters
    ----------
    napari_viewer : whose layers are worked on, and which gets the results.
    """

    kept_as: ClassVar[str] = ""
    help_page: ClassVar[str] = ""
    """Page of the documentation that *?* opens."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._job: Job | None = None
        self._loading: Job | None = None
        self._is_ready = self._is_refused = self._has_place = False
        self._joining = soon(self._join_others, self)
        self._naming, self._rising = soon(self._name_dock, self), soon(self._come_up, self)
        self.kept = KeptForm(self.kept_as, self)
        self.kept.restored.connect(self.on_restored)
        self.status_note, self.message_note = Note(), Note()
        self.bar, self._loading_bar = QProgressBar(), QProgressBar()
        self._loading_bar.setRange(0, 0)  # runs to and fro
        for bar in (self.bar, self._loading_bar):
            bar.hide()
        napari_viewer.events.theme.connect(self._follow_theme)
        self._follow_theme()

    def sizeHint(self) -> QSize:
        """Wide enough for a form, as high as napari allows."""
        return QSize(370, 640)

    def minimumSizeHint(self) -> QSize:
        """Hardly any height until it is a tab: below other panels it would make the window grow."""
        least = super().minimumSizeHint()
        return least if self._has_place else QSize(least.width(), 0)

    def lay_out(
        self,
        content: QWidget,
        buttons: Sequence[QPushButton],
        last: Sequence[QWidget] = (),
        *,
        after: Sequence[QPushButton] = (),
    ) -> QVBoxLayout:
        """Put under the content what is to be seen at all times; return the panel's column.

        Parameters
        ----------
        content : scrolls by itself.
        buttons : side by side at the bottom, where they stay whatever is said above them.
        last : below the notes.
        after : buttons for what comes after a run, in a row above the others.
        """
        row = QHBoxLayout()
        for each in buttons:
            let_shrink(each)
            row.addWidget(each)
        if self.kept_as:
            row.addWidget(self.kept.reset_button)
        if self.help_page:
            self.help_button = HelpButton(self.help_page, self, self.kept_as)
            let_shrink(self.help_button)
            self.help_button.setMaximumWidth(2 * self.help_button.minimumWidth())
            row.addWidget(self.help_button)
        add_shortcuts(self, buttons)
        row.setContentsMargins(9, 0, 9, 9)
        told = QWidget()
        footer = QVBoxLayout(told)
        footer.setContentsMargins(9, 0, 9, 0)
        notes = (
            self.kept.note,
            self.bar,
            self._loading_bar,
            self.status_note,
            self.message_note,
        )
        for widget in (*notes, *last):
            footer.addWidget(widget)
        self._told = ShortScroll(told)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(content, 1)
        column.addWidget(self._told)
        if after:
            results = side_by_side(*after)
            results.setContentsMargins(9, 0, 9, 0)
            column.addWidget(results)
        column.addLayout(row)
        return column

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Give the notes their share of the room."""
        super().resizeEvent(event)
        if hasattr(self, "_told"):
            self._told.set_most(self.height() // 2)

    # -- loading -----------------------------------------------------------------------------

    @property
    def is_ready(self) -> bool:
        """Whether everything is loaded and the form is filled."""
        return self._is_ready

    def load(self, kit: Events, *, what: str = "PyTorch") -> None:
        """Import in another thread what the panel needs; the one thing it yields is filled in."""
        self.status_note.tell(f"Loading {what}…")
        self._loading_bar.show()
        work = partial(_load, kit, self.kept.reader(), self.prepare_kept)
        self._loading = Job(work, title=f"loading {what}", parent=self)
        self._loading.arrived.connect(self._on_loaded)
        self._loading.failed.connect(self._on_load_failed)
        self._loading.start()

    def fill(self, kit: Any) -> Iterator[None]:
        """Complete the panel with what was loaded; the window has a turn at each yield."""
        yield from ()

    def kept_editors(self) -> Mapping[str, Any]:
        """Return, by names for a file, those editors whose values do not belong to the data."""
        return {}

    @staticmethod
    def prepare_kept(values: dict[str, Any]) -> dict[str, Any]:
        """Return kept values as the editors take them; called in another thread."""
        return values

    def on_restored(self) -> None:
        """Put again what comes before kept values and defaults: what the data, or a panel, says."""

    def update_buttons(self) -> None:
        """Let those buttons be clicked that make sense now."""

    def set_colors(self, background: str, text: str) -> None:
        """Give the plots, if there are any, the colours of the window; called when it is ready."""

    def _follow_theme(self, *_: object) -> None:
        theme = get_theme(self._viewer.theme)
        background = theme.background.as_hex()
        style = tone_style(background, theme.foreground.as_hex())
        if style != self.styleSheet():  # setting one lays out the panel, though nothing changes
            self.setStyleSheet(style)
        if self.is_ready:
            self.set_colors(background, theme.text.as_hex())

    def _on_loaded(self, loaded: _Loaded) -> None:
        in_turns(self._fill(loaded), self)

    def _fill(self, loaded: _Loaded) -> Iterator[None]:
        yield from self.fill(loaded.kit)
        self.kept.fill(self.kept_editors(), loaded.kept)
        self._loading_bar.hide()
        self.status_note.clear()
        name_editors(self)
        self._is_ready = True
        self._follow_theme()
        self.update_buttons()

    def _on_load_failed(self, sentence: str) -> None:
        self._loading_bar.hide()
        self.status_note.clear()
        self.fail(sentence)

    # -- jobs --------------------------------------------------------------------------------

    @property
    def is_busy(self) -> bool:
        """Whether a job is under way."""
        return self._job is not None and self._job.is_running

    def begin(self, events: Events, on_event: Callable[[Any], object], *, title: str) -> Job:
        """Do a job, in the place of one that nobody waits for any more."""
        self.kept.save()
        if self._job is not None:
            self._job.abandon()
            self._job.deleteLater()
        self._withdraw()
        self.message_note.clear()
        self._job = Job(events, title=title, parent=self)
        self._job.arrived.connect(on_event)
        self._job.failed.connect(self.fail)
        self._job.ended.connect(self.on_ended)
        self._job.start()
        self.update_buttons()
        return self._job

    def on_ended(self) -> None:
        """Tidy up after a job, whatever came of it."""
        self.bar.hide()
        if self.message_note.is_error:
            self.status_note.clear()
        self.update_buttons()

    def fail(self, sentence: str) -> None:
        """Say what went wrong, here and as a notification."""
        self.message_note.fail(sentence)
        show_error(sentence)

    def refuse(self, sentence: str) -> None:
        """Say why what was chosen cannot be done, until something else is chosen."""
        self.fail(sentence)
        self._is_refused = True

    def on_choice(self) -> None:
        """Follow a choice: what was wrong with those before is not said any more."""
        self._withdraw()
        self.update_buttons()

    def _withdraw(self) -> None:
        if self._is_refused:
            self._is_refused = False
            self.message_note.clear()

    def abandon(self) -> None:
        """Stop whatever runs, without waiting for it."""
        self.kept.save()
        self._viewer.events.theme.disconnect(self._follow_theme)
        for job in (self._loading, self._job):
            if job is not None:
                job.abandon()

    # -- the dock ----------------------------------------------------------------------------

    def open_beside(self, name: str) -> Any:
        """Return another panel of the window by its name, opened if it is not, and show it."""
        window = self.window()
        for other in [] if window is None else window.findChildren(JobPanel):
            dock = dock_of(other)
            if other.kept_as == name and dock is not None:
                bring_up(dock)
                return other
        dock, panel = self._viewer.window.add_plugin_dock_widget(PLUGIN, name)
        bring_up(dock)
        return panel

    def event(self, event: QEvent | None) -> bool:
        """Stop when napari takes the panel out of its dock, and share a place when it gets one."""
        if event is not None and event.type() == QEvent.Type.Hide:
            self.kept.save()  # also when napari is closed, which takes nothing out of its dock
            dock = dock_of(self)
            if dock is not None and dock.isHidden() and is_behind(dock):
                self._rising.start()  # the menu was asked for it: napari hides what it thinks seen
        if event is not None and event.type() == QEvent.Type.ParentChange:
            if self.parentWidget() is None:
                self.abandon()
            else:
                self._joining.start()
        return super().event(event)

    def _join_others(self) -> None:
        """Take a place in the window, unless such a panel has one: then that one is shown."""
        dock, window = dock_of(self), self.window()
        if dock is None or not isinstance(window, QMainWindow):
            return
        panels = [each for each in window.findChildren(JobPanel) if each is not self]
        docks = {each: place for each in panels if (place := dock_of(each)) is not None}
        twin = next((each for each in docks if self.kept_as and type(each) is type(self)), None)
        if twin is not None:
            self._viewer.window.remove_dock_widget(dock)
            bring_up(docks[twin])
            self.deleteLater()
            return
        join(dock, list(docks.values()), window)
        self._has_place = True
        self.updateGeometry()
        if self.kept_as:
            give_title(dock, self.kept_as)
            dock.topLevelChanged.connect(self._on_floating)

    def _on_floating(self, *_: object) -> None:
        self._naming.start()  # napari makes a title bar anew

    def _name_dock(self) -> None:
        dock = dock_of(self)
        if dock is not None:
            give_title(dock, self.kept_as)

    def _come_up(self) -> None:
        dock = dock_of(self)
        if dock is not None:
            bring_up(dock)


class _Loaded(NamedTuple):
    """What a panel is filled with."""

    kit: Any
    kept: dict[str, Any]


def _load(
    kit: Events,
    read_kept: Callable[[], dict[str, Any]],
    prepare: Callable[[dict[str, Any]], dict[str, Any]],
    stopping: threading.Event,
) -> Generator[_Loaded, None, None]:
    """Yield what a panel is filled with, once all is imported."""
    with closing(kit(stopping)) as kits:
        for each in kits:
            yield _Loaded(each, prepare(read_kept()))
