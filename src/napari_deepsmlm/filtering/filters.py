"""Filters: an expression, understood once, keeps rows of tables."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_deepsmlm.filtering.columns import values_of
from napari_deepsmlm.filtering.parser import parse

if TYPE_CHECKING:
    from collections.abc import Collection

    from napari_deepsmlm.localizations import Localizations

ROWS_PER_PIECE = 1 << 15
"""So that what is in between stays in the processor's cache."""


class Filter:
    """A condition in the syntax of ThunderSTORM's results filter.

    Comparisons (< <= > >= = !=) of columns, numbers and arithmetic (+ - * / % ^), joined by & and
    |, denied by !, with the functions abs, sqrt, log, exp of each row and min, max, sum, mean,
    median, std, var over all rows. Columns by ThunderSTORM's names or ours, in any case, with a
    unit in brackets if wanted. Frames count from 1, as in ThunderSTORM and its files. A missing
    value (NaN) fulfils no comparison but `!=`.

    Ovesny et al. 2014, doi:10.1093/bioinformatics/btu202.

    Parameters
    ----------
    text : the condition.
    names : the columns there are, as `Localizations.names`.

    Raises
    ------
    FilterError
        One sentence with the position of the fault and, where it helps, the columns there are.

    Examples
    --------
    >>> from napari_deepsmlm.localizations import Localizations
    >>> table = Localizations(frame=[0, 1, 2], x_nm=[50, 60, 70], y_nm=[1, 2, 3])
    >>> Filter("x < 65 & frame >= 2", table.names).mask(table)
    array([False,  True, False])
    >>> Filter("frme >= 2", table.names)
    Traceback (most recent call last):
        ...
    napari_deepsmlm.filtering.tokens.UnknownColumnError: Filter, character 1: no column
    'frme'. Available: frame, x, y.
    """

    def __init__(self, text: str, names: Collection[str]) -> None:
        self.text = text
        self._tree = parse(text, names)

    def mask(self, table: Localizations) -> npt.NDArray[np.bool_]:
        """Return (N,) whether each row fulfils the condition."""
        table = table.to_numpy()
        mask = np.empty(len(table), bool)
        with np.errstate(all="ignore"):  # 1 / 0 and the like are infinite or no number
            tree = self._tree.settled(partial(values_of, table))
            for start in range(0, len(table), ROWS_PER_PIECE):
                piece = table[start : start + ROWS_PER_PIECE]
                mask[start : start + ROWS_PER_PIECE] = tree.evaluate(partial(values_of, piece))
        return mask


def filter_table(table: Localizations, where: str) -> Localizations:
    """Return the rows that fulfil a condition, see :class:`Filter`.

    Examples
    --------
    >>> from napari_deepsmlm.localizations import Localizations
    >>> table = Localizations(frame=[0, 1], x_nm=[50, 60], y_nm=[1, 2], photons=[300, 900])
    >>> filter_table(table, "intensity > 500").x_nm
    array([60])
    """
    return table.to_numpy()[Filter(where, table.names).mask(table)]
