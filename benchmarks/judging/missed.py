"""Missed: every mark that a model misses, by how much, and why as far as that is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from judging.tables import heads, line, number, short_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    Verdicts = Sequence[dict[str, Any]]


class Reason(NamedTuple):
    """Why some marks are missed: of which models, on which conditions."""

    name: str
    models: tuple[str, ...]
    conditions: tuple[str, ...]
    why: str


FOR_ANY = ("dilated-loc:2d", "deep-storm:2d")
SUMMED = ("drsn-storm:2d-x4", "drsn-storm:2d-x8")
REASONS = (
    Reason(
        "one microscope",
        ("dilated-loc:2d-100nm", "deep-storm:2d-100nm", "drsn-storm:2d-100nm-x4"),
        (),
        "trained for pixels of 100 nm, spots of 100-120 nm and a background of 5-60 photons: most "
        "of these microscopes are others. They stand here to be compared with.",
    ),
    Reason(
        "edge of the spot's width",
        FOR_ANY,
        ("160 nm crowded EMCCD", "65 nm wide bright"),
        "the spot is 0.70 and 2.31 pixels wide, training went from 0.7 to 2.3: there is next to "
        "nothing like it in training, and five minutes of adapting do not make up for that.",
    ),
    Reason(
        "crowded",
        FOR_ANY,
        ("crowded", "packed filaments", "bright crowded", "clusters", "slope, background 1000"),
        "molecules nearer to each other than the spot is wide, most on filaments and in clusters. "
        "That is learnt, and not to the end: five minutes on frames like the stack (`--adapt 5`) "
        "find more of them on filaments and in clusters, and the score still rises with hours of "
        "training, by less and less (below).",
    ),
    Reason(
        "near the noise",
        FOR_ANY,
        ("dim near the noise", "background 1000 sparse", "65 nm dim EMCCD"),
        "spots whose brightest pixel is 1.4 to 4 standard deviations above the rest. The fitter "
        "knows camera, width and its best threshold. `dim near the noise` has 8 molecules that "
        "count: one is worth 12 points, so dilated-loc:2d is level with the fitter there as it is "
        "and better adapted; Deep-STORM is not.",
    ),
    Reason(
        "precision of lone molecules",
        ("deep-storm:2d",),
        ("sparse", "bright sparse CCD", "65 nm sparse"),
        "Deep-STORM draws an image, and positions are peaks of it: errors of 1.4 and 1.6 times "
        "the bound, which is 2.4 and 5 nm where a pixel of the image is 12.5 and 8 nm wide. One "
        "peak in twenty belongs to no molecule there; whether it is a second peak of one is not "
        "known.",
    ),
    Reason(
        "bead",
        FOR_ANY,
        ("bead",),
        "rings of light around 200,000 photons reach beyond the µm around the bead that is left "
        "out, and its shot noise covers molecules: the fitter loses 5 % of its molecules too.",
    ),
    Reason(
        "chance",
        FOR_ANY,
        ("saturated",),
        "2 molecules of 410 are missing, less than what another seed changes.",
    ),
    Reason(
        "lines and images of sums",
        SUMMED,
        (),
        "training: of the 40 hours that are planned these networks had few (below). Dim molecules "
        "on a background of 300 and pixels of 65 nm, where there is least light in each pixel, are "
        "furthest off.",
    ),
)


def missed(verdicts: Verdicts) -> str:
    """Return a table of all missed marks of a model after the other, the worst first.

    Models with the fewest missed ones come first.
    """
    lines = heads(["model", "condition", "demand", "wanted", "got", "missed by", "reason"])
    for one in sorted(verdicts, key=lambda one: int(one["n_marks"]) - int(one["n_passed"])):
        marks = [mark for mark in one["marks"] if mark["miss_percent"] > 0]
        for mark in sorted(marks, key=lambda mark: -float(mark["miss_percent"])):
            reason = reason_for(one, mark["condition"])
            lines.append(
                line(
                    [
                        short_name(one),
                        mark["condition"],
                        mark["demand"],
                        *(_figure(mark[key]) for key in ("wanted", "got")),
                        f"{mark['miss_percent']:.1f} %",
                        reason.name if reason else "not known",
                    ]
                )
            )
    return "\n".join(lines)


def reasons(verdicts: Verdicts) -> str:
    """Return the reasons that the table names."""
    named = [
        reason_for(one, mark["condition"])
        for one in verdicts
        for mark in one["marks"]
        if mark["miss_percent"] > 0
    ]
    return "\n".join(f"- **{each.name}**: {each.why}" for each in REASONS if each in named)


def reason_for(verdict: dict[str, Any], condition: str) -> Reason | None:
    """Return the reason for a missed mark, None if it is not known."""
    return next(
        (
            each
            for each in REASONS
            if verdict["model"] in each.models
            and (not each.conditions or condition in each.conditions)
        ),
        None,
    )


def _figure(value: float | None) -> str:
    """Show shares, errors and points alike, with three digits."""
    return number(value, ".3g")
