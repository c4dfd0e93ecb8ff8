"""The line of the filter: a condition in words, and how frames count in it."""

from __future__ import annotations

import re

from magicgui.widgets import LineEdit

from napari_deepsmlm.plugin.widgets.editors import make_calm
from napari_deepsmlm.plugin.widgets.frame_numbers import IN_FILTERS

_FRAME = re.compile(r"\bframe\b", re.IGNORECASE)
TIP = (
    "Keeps the molecules that fulfil a condition in ThunderSTORM's syntax, such as "
    "<b>uncertainty_xy &lt; 30 &amp; (intensity &gt; 500 | frame &lt;= 100)</b>: comparisons, "
    "&amp; | !, + - * / % ^, and the functions abs, sqrt, log, exp, min, max, sum, mean, median, "
    f"std, var. {IN_FILTERS}"
)


def where_line() -> LineEdit:
    """Return the line for a condition."""
    line = LineEdit(label="Filter", tooltip=f"<qt>{TIP}</qt>")
    line.native.setPlaceholderText("intensity > 500 & uncertainty_xy < 30")
    make_calm(line.native)
    return line


def frames_in(condition: str) -> str:
    """Return how frames count where a condition names them, "" where it does not."""
    return IN_FILTERS if _FRAME.search(condition) else ""
