"""Sentences: the figures of an adaptation in words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_deepsmlm.adaptation.agreement import Count


def scores_in_words(scores: dict[str, float]) -> str:
    """Return Jaccard index, error beside its bound, and efficiency.

    Examples
    --------
    >>> scores_in_words({"jaccard": 0.812, "rmse_lateral_nm": 21.3, "bound_lateral_nm": 9.8,
    ...                  "efficiency_lateral": 71.7})
    'Jaccard index 0.81, RMSE 21 nm (bound 9.8 nm), efficiency 72'
    >>> scores_in_words({"jaccard": 0.0})
    'no molecule is found'
    """
    if not math.isfinite(scores.get("rmse_lateral_nm", math.nan)):
        return "no molecule is found"
    bound = scores.get("bound_lateral_nm", math.nan)
    beside = f" (bound {_short(bound)} nm)" if math.isfinite(bound) else ""
    return (
        f"Jaccard index {scores['jaccard']:.2f}, RMSE {_short(scores['rmse_lateral_nm'])} nm"
        f"{beside}, efficiency {scores['efficiency_lateral']:.0f}"
    )


def comparison(
    name: str, before: dict[str, float], after: dict[str, float], *, is_better: bool
) -> str:
    """Return what came of adapting a model, on simulated frames like the data.

    Examples
    --------
    >>> before, after = ({"jaccard": 0.8, "rmse_lateral_nm": 40, "efficiency_lateral": e}
    ...                  for e in (55, 57))
    >>> comparison("dilated-loc:2d", before, after, is_better=False).partition(",")[0]
    'Adapting dilated-loc:2d did not help by more than chance'
    """
    on = "on held-out frames of the data's twin"
    if is_better:
        return (
            f"{name} was adapted to these data; {on}: {scores_in_words(before)} before, "
            f"{scores_in_words(after)} after."
        )
    outcome = "did not help"
    if after.get("efficiency_lateral", -math.inf) > before.get("efficiency_lateral", -math.inf):
        outcome = "did not help by more than chance"
    return (
        f"Adapting {name} {outcome}, so it is used as it was; {on}: {scores_in_words(before)} "
        f"as it was, {scores_in_words(after)} after training."
    )


def too_many(name: str, before: Count, after: Count) -> str:
    """Return why a model that is better on the twin is not used."""
    return (
        f"{name} is used as it was: trained for these data it finds {after.per_um2:.2g} molecules "
        f"per um² in them, where it finds {after.per_um2_of_twin:.2g} in simulated frames like "
        f"them (as it was {before.per_um2:.2g} and {before.per_um2_of_twin:.2g}). What is more "
        "would be false: the data hold something that was not simulated, such as light out of "
        "focus or dirt."
    )


def offer(gain: tuple[float, float] | None = None) -> str:
    """Return the offer to adapt, with what it brought the last time where that is known.

    Parameters
    ----------
    gain : efficiency before and after, the last time on such data.

    Examples
    --------
    >>> offer((12.3, 70.1))
    'Adapting the model to these data takes about 5 minutes (--adapt 5, or Adapt in the panel); \
the last time with this camera it raised the efficiency from 12 to 70.'
    """
    text = (
        "Adapting the model to these data takes about 5 minutes (--adapt 5, or Adapt in the panel)"
    )
    if gain is None or not all(map(math.isfinite, gain)):
        return f"{text}."
    before, after = gain
    return (
        f"{text}; the last time with this camera it raised the efficiency from {before:.0f} to "
        f"{after:.0f}."
    )


def _short(value: float) -> str:
    """Two digits: 21, 9.8, 0.43."""
    return f"{float(f'{value:.2g}'):g}"
