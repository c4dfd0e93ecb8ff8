"""PaperFigure: a table or figure of a paper, how it is made here, and the numbers of both."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.figure import Figure

    from napari_deepsmlm.reproduction.scale import Bench


@dataclass(frozen=True)
class Row:
    """One number: the paper's and ours.

    Attributes
    ----------
    paper : None where the paper shows it in a picture or in words only.
    ours : NaN where it could not be measured; `why` says why.
    why : why both may differ, or what was measured where the paper has no number.
    instead : what stands in place of ours where that is NaN.
    """

    quantity: str
    paper: float | None
    ours: float
    unit: str = ""
    why: str = ""
    instead: str = "not measured"


@dataclass(frozen=True)
class Outcome:
    """What came out.

    Attributes
    ----------
    setup : what was simulated, with which seeds, and which models were used, in sentences.
    draw : draws it; nothing is drawn twice, so figures need not be kept.
    """

    rows: tuple[Row, ...]
    setup: str
    draw: Callable[[Figure], None]


@dataclass(frozen=True)
class PaperFigure:
    """A table or figure that can be made."""

    paper: str
    """Name of the paper's network."""
    name: str
    title: str
    claim: str
    """What the paper shows with it, and where."""
    make: Callable[[Bench], Outcome]
    trains: bool = False
    """Whether networks are trained for it."""

    @property
    def key(self) -> str:
        """What it is asked for by, such as deep-storm:line-width."""
        return f"{self.paper}:{self.name}"


def ratio(part: float, whole: float) -> float:
    """Return part / whole, NaN where there is nothing to divide by."""
    return part / whole if whole else math.nan


def shown(value: float | None, instead: str = "not measured") -> str:
    """Return a number as tables and pictures show it, nothing for None, `instead` for NaN.

    Examples
    --------
    >>> shown(453835), shown(0.85312), shown(None), shown(math.nan)
    ('453,835', '0.853', '', 'not measured')
    """
    if value is None:
        return ""
    if not math.isfinite(value):
        return instead
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
