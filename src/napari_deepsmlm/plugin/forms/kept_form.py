"""The kept form: editors that come back as they were left, and a button that sets the defaults."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from qtpy.QtCore import QObject, QTimer, Signal

from napari_deepsmlm.plugin.memory.last_choices import is_wanted, keep, last_used_file, recall
from napari_deepsmlm.plugin.widgets.notes import Note
from napari_deepsmlm.plugin.widgets.parts import button

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from qtpy.QtWidgets import QWidget

    Values = dict[str, Any]

RESET = "↺"
RESET_TIP = (
    "Restore the defaults of this panel. Layers, frames, pixel size, camera and model stay as "
    "they are."
)
DELAY_MS = 200
MAX_NAMED = 5


class KeptPart:
    """A part of a panel that is kept as a magicgui widget is, though no single one edits it.

    Parameters
    ----------
    part : the Qt widget; what is hidden does not count as changed.
    read, write : its value.
    changed : signal; arguments are ignored.
    """

    def __init__(
        self,
        label: str,
        part: Any,
        read: Callable[[], Any],
        write: Callable[[Any], None],
        changed: Any,
    ) -> None:
        self.label, self.native, self.changed = label, part, changed
        self._read, self._write = read, write

    @property
    def value(self) -> Any:
        """What is kept."""
        return self._read()

    @value.setter
    def value(self, value: Any) -> None:
        self._write(value)


class KeptForm(QObject):
    """Those editors of a panel whose values are kept; none before :meth:`fill`.

    Parameters
    ----------
    panel : the name that they are kept under, "" for a panel that keeps nothing.
    parent : the panel.

    Attributes
    ----------
    reset_button : sets the defaults; it can be clicked if something differs from them.
    note : says what was put back.
    """

    restored = Signal()
    """Values were put into the editors, kept ones or the defaults."""

    def __init__(self, panel: str, parent: QWidget) -> None:
        super().__init__(parent)
        self._panel, self._path = panel, last_used_file()
        self._editors: Mapping[str, Any] = {}
        self._defaults: Values = {}
        self._saved: Values = {}
        self.note = Note()
        self.reset_button = button(RESET, RESET_TIP)
        self.reset_button.setMaximumWidth(30)
        self.reset_button.setEnabled(False)
        self.reset_button.clicked.connect(self.restore_defaults)
        self._delay = QTimer(self)
        self._delay.setSingleShot(True)
        self._delay.setInterval(DELAY_MS)
        self._delay.timeout.connect(self._show_changed)

    def reader(self) -> Callable[[], Values]:
        """Return a function that returns what was kept; another thread may call it."""
        path, panel = self._path, self._panel
        return lambda: recall(path, panel)

    def fill(self, editors: Mapping[str, Any], values: Values) -> None:
        """Take over the editors, whose values are the defaults now, and write kept values."""
        self._editors = editors
        self._defaults = {name: editor.value for name, editor in editors.items()}
        self._saved = self._plain_values()
        is_kept = bool(values) and is_wanted()  # asked when the panel is shown: it takes its time
        for name, editor in editors.items():
            if is_kept and name in values:
                self._restore(name, editor, values[name])
            editor.changed.connect(self._ask)
        self._saved = self._plain_values()
        self.restored.emit()
        self._show_changed()
        changed = self._changed()
        if changed:
            self.note.tell(f"As you left it: {_in_words(changed)}. {RESET} restores the defaults.")

    def restore_defaults(self) -> None:
        """Set the editors back."""
        for name, editor in self._editors.items():
            editor.value = self._defaults[name]
        self.note.clear()
        self.restored.emit()
        self.save()

    def save(self) -> None:
        """Write what was changed since the last time, if the user wants that."""
        values = self._plain_values()
        new = {name: value for name, value in values.items() if value != self._saved[name]}
        self._saved |= new
        self._show_changed()
        if new and self._panel and is_wanted():
            defaults = {name for name in new if new[name] == plain(self._defaults[name])}
            keep(self._path, self._panel, new, forgotten=defaults)

    def _restore(self, name: str, editor: Any, value: Any) -> None:
        """Write a kept value, which may be of another version, or damaged: then it is left out."""
        with suppress(ValueError, TypeError, OverflowError):
            editor.value = value
            # An editor moves a number into its range; a whole configuration was checked before.
            if isinstance(value, BaseModel) or plain(editor.value) == value:
                return
        editor.value = self._defaults[name]

    def _plain_values(self) -> Values:
        """Return what the editors hold; the last one where that is of no use just now."""
        values = dict(self._saved)
        for name, editor in self._editors.items():
            with suppress(ValueError):
                values[name] = plain(editor.value)
        return values

    def _changed(self) -> list[Any]:
        """Return those that can be seen and do not hold their default."""
        now = self._plain_values()
        return [
            editor
            for name, editor in self._editors.items()
            if now[name] != plain(self._defaults[name]) and not editor.native.isHidden()
        ]

    def _ask(self, *_: object) -> None:
        """Look soon: a form that is filled changes many times."""
        self._delay.start()

    def _show_changed(self) -> None:
        changed = self._changed()
        self.reset_button.setEnabled(bool(changed))
        which = f" Changed: {_in_words(changed)}." if changed else ""
        self.reset_button.setToolTip(f"<qt>{RESET_TIP}{which}</qt>")
        if not changed:
            self.note.clear()


def plain(value: Any) -> Any:
    """Return a value as YAML gives it back."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return list(value) if isinstance(value, tuple) else value


def _in_words(editors: list[Any]) -> str:
    names = [editor.label.partition(" (")[0] for editor in editors]
    n_more = len(names) - MAX_NAMED
    return ", ".join(names[:MAX_NAMED]) + (f" and {n_more} more" if n_more > 0 else "")
