"""Conclusion: what measures of a result say together, in a sentence and one of three levels.

A level is that of the worst measure, so that nothing good hides what is bad.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from napari_deepsmlm.evaluation.quality import Quality

Level = Literal["good", "look closer", "poor"]

# The square of the correlation is the share of the variance of the frames that the image explains:
# four fifths and more are good; below a third it misses more than the noise of a few frames can.
POOR_RSP, GOOD_RSP = 0.6, 0.9
# Found and right, of all that are there or were said to be: half, and what the field's best reach
# where molecules overlap now and then.
POOR_JACCARD, GOOD_JACCARD = 0.5, 0.8
# Random halves share the blinks of one molecule and no drift: so much finer, and either matters.
SPLIT_BLINKS = 1.5
# What light alone resolves, nm: coarser is no super-resolution.
DIFFRACTION_NM = 250.0


class Conclusion(NamedTuple):
    """What the measures say together."""

    level: Level
    sentence: str


class _Clause(NamedTuple):
    level: Level
    words: str


def conclude(
    quality: Quality,
    scores: Mapping[str, Mapping[str, float | None]] | None = None,
    outside: Sequence[str] = (),
) -> Conclusion | None:
    """Return what the measures say of a result, None if nothing was measured that says anything.

    Parameters
    ----------
    scores : against the truth, of the "image" and of "molecules", where it is known.
    outside : in what the frames are unlike those that the model was trained on.

    Examples
    --------
    >>> from napari_deepsmlm.evaluation.quality import Quality
    >>> conclude(Quality(), {"molecules": {"jaccard": 0.3}})
    Conclusion(level='poor', sentence='Poor: 30 % of the molecules are found and right (Jaccard).')
    """
    clauses = [*_on_resolution(quality), *_on_frames(quality), *_on_truth(scores or {})]
    if outside:
        words = f"the frames are unlike those of the training: {', '.join(outside)}"
        clauses.append(_Clause("look closer", words))
    if not clauses:
        return None
    order: tuple[Level, ...] = ("poor", "look closer", "good")
    worst = next(level for level in order if any(clause.level == level for clause in clauses))
    said = "; ".join(clause.words for clause in clauses if clause.level == worst)
    return Conclusion(worst, f"{worst.capitalize()}: {said}.")


def _on_resolution(quality: Quality) -> Iterator[_Clause]:
    frc = quality.frc
    if frc is None or frc.time is None:
        return
    time_nm = frc.time.resolution_nm
    random_nm = None if frc.random is None else frc.random.resolution_nm
    if time_nm is None or not math.isfinite(time_nm):
        yield _Clause("look closer", "two halves of the movie share no detail that FRC could see")
    elif time_nm > DIFFRACTION_NM:
        yield _Clause("look closer", f"the resolution is {time_nm:,.0f} nm, no finer than light's")
    elif random_nm is not None and random_nm * SPLIT_BLINKS < time_nm:
        yield _Clause(
            "look closer",
            f"the resolution is {time_nm:.3g} nm between blocks of time but {random_nm:.3g} nm "
            "between random halves: drift, or blinks that last; take off drift and link",
        )
    else:
        yield _Clause("good", f"the resolution is {time_nm:.3g} nm (FRC)")


def _on_frames(quality: Quality) -> Iterator[_Clause]:
    if quality.squirrel is None:
        return
    rsp = quality.squirrel.rsp
    level = _level(rsp, POOR_RSP, GOOD_RSP)
    where = "" if level == "good" else ": look at the error map"
    share = 100 * max(rsp, 0.0) ** 2
    yield _Clause(
        level, f"the result explains {share:.0f} % of what the mean of the frames shows{where}"
    )


def _on_truth(scores: Mapping[str, Mapping[str, float | None]]) -> Iterator[_Clause]:
    """Judge molecules only: NMSE and SSIM of images depend on their pixels and blur."""
    jaccard = scores.get("molecules", {}).get("jaccard")
    if jaccard is not None and math.isfinite(jaccard):
        share = 100 * jaccard
        level = _level(jaccard, POOR_JACCARD, GOOD_JACCARD)
        yield _Clause(level, f"{share:.0f} % of the molecules are found and right (Jaccard)")


def _level(value: float, poor: float, good: float) -> Level:
    if value < poor:
        return "poor"
    return "good" if value >= good else "look closer"
