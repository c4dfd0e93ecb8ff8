"""The channel chooser: one colour of a stack that has several, or all planes at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magicgui.widgets import ComboBox

from napari_deepsmlm.plugin.layers.world import n_planes_of, provenance
from napari_deepsmlm.plugin.widgets.editors import make_calm

if TYPE_CHECKING:
    from napari.layers import Layer

ALL = "all planes at once"
TOOLTIP = (
    "<qt>One colour of several, reconstructed by itself; <i>all planes</i> for focal planes that a "
    "model reads together.</qt>"
)


class ChannelBox(ComboBox):
    """A list of the planes of a stack, by their numbers from 1, after an entry for all of them."""

    null_string = ALL

    def __init__(self) -> None:
        self._planes: list[tuple[str, int]] = []
        super().__init__(
            choices=lambda _: self._planes, nullable=True, label="Channel", tooltip=TOOLTIP
        )
        make_calm(self.native)

    @property
    def channel(self) -> int | None:
        """The chosen colour, from 1, None for all planes."""
        channel: int | None = self.value
        return channel

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to choose."""
        return len(self) > 2

    def set_stack(self, stack: Layer | None) -> None:
        """List the planes of a stack; colours that the file names begin with the first."""
        n_planes = 1 if stack is None else n_planes_of(stack)
        names = [] if stack is None else list(provenance(stack).get("channels") or [])
        is_named = len(names) == n_planes
        titles = (
            names if len(set(names)) == n_planes else [f"plane {i + 1}" for i in range(n_planes)]
        )
        self._planes = [(title, i) for i, title in enumerate(titles, start=1)]
        with self.changed.blocked():
            self.choices = ()  # magicgui keeps the order of what was listed before
            self.reset_choices()
            self.value = 1 if is_named and n_planes > 1 else None
