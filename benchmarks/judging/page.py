"""Page: verdicts as a heat map and as a page of the documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from judging import tables
from judging.grid import ALL, TRAPS
from judging.missed import missed, reasons
from judging.tables import short_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    Verdicts = Sequence[dict[str, Any]]


def localizing(verdicts: Verdicts) -> Verdicts:
    """Return those on localizations."""
    return [one for one in verdicts if one["rows"] and "scores" in one["rows"][0]]


def summing(verdicts: Verdicts) -> Verdicts:
    """Return those on summed images."""
    return [one for one in verdicts if one["rows"] and "nmse_percent" in one["rows"][0]]


def draw(verdicts: Verdicts, path: Path) -> None:
    """Write a heat map of efficiencies: conditions down, models, fitter and bound across."""
    from matplotlib.figure import Figure

    shown = localizing(verdicts)
    judged = {row["condition"] for one in shown for row in one["rows"]}
    names = [name for name in ALL if name in judged and not ALL[name].is_empty]
    columns = [_column(one, names, lambda row: row["scores"]["efficiency"]) for one in shown]
    references = {"rows": [row for one in shown for row in one["rows"]]}
    columns.append(_column(references, names, lambda row: row["fitter"]["efficiency"]))
    columns.append(_column(references, names, lambda row: row["best_efficiency"]))
    heads = [*map(short_name, shown), "one-by-one fitter,\nbest threshold", "Cramér-Rao bound"]
    values = np.clip(np.array(columns, np.float64).T, 0, 100)
    figure = Figure(figsize=(2.9 + 1.5 * len(heads), 1.6 + 0.27 * len(names)), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(values, cmap="viridis", vmin=0, vmax=100, aspect="auto")
    for row, line in enumerate(values):
        for column, value in enumerate(line):
            if np.isfinite(value):
                ink = "white" if value < 60 else "black"
                axes.text(column, row, f"{value:.0f}", ha="center", va="center", color=ink, size=8)
    axes.set_xticks(range(len(heads)), [head.replace(", ", ",\n") for head in heads], size=8)
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(names)), names, size=8)
    axes.axhline(len([name for name in names if name not in TRAPS]) - 0.5, color="black", lw=2)
    figure.colorbar(image, ax=axes, label="efficiency, %", shrink=0.5)
    figure.savefig(path, dpi=110)


def _column(verdict: dict[str, Any], names: list[str], value: Any) -> list[float]:
    """Mean over seeds of each condition, NaN where it was not judged; nothing found is 0."""
    means = []
    for name in names:
        rows = [row for row in verdict["rows"] if row["condition"] == name]
        found = [0.0 if value(row) is None else value(row) for row in rows]
        means.append(float(np.mean(found)) if found else np.nan)
    return means


def write(verdicts: Verdicts, picture: str, path: Path, *, more: str = "") -> None:
    """Write the page from verdicts; `picture` is its path as the page sees it, `more` its end."""
    path.write_text(page(verdicts, picture, more=more), encoding="utf-8")


def page(verdicts: Verdicts, picture: str, *, more: str = "") -> str:
    """Return the page; `more` is put at its end."""
    shown, summed = localizing(verdicts), summing(verdicts)
    parts = [
        _INTRODUCTION,
        _summary(verdicts),
        f"![Efficiency of every model on every condition]({picture})",
        _BEFORE + _on_fewer(shown),
        _EXPLANATION,
        "## Missed marks\n\n" + _MISSED,
        missed(verdicts),
        reasons(verdicts),
        "## Conditions\n\n" + tables.conditions(shown),
        "## Traps\n\n" + tables.traps(shown),
        "## Counts and stated errors\n\n" + _COUNTS,
        tables.counts(shown),
    ]
    if summed:
        parts += ["## Sums of frames\n\n" + _SUMS, tables.sum_scores(summed), tables.sums(summed)]
    parts += ["## What was said\n\n" + _SAID, tables.said(verdicts), more]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def _on_fewer(verdicts: Verdicts) -> str:
    """Return what a model scores on the few stacks that another of the same network was given."""
    sentences = []
    for few in verdicts:
        names = {row["condition"] for row in few["rows"]}
        for other in verdicts:
            same_network = few["model"].split(":")[0] == other["model"].split(":")[0]
            theirs = {row["condition"] for row in other["rows"]}
            if few.get("label") != "before" or not same_network or not names < theirs:
                continue
            if len(theirs) - len(names) > 2:
                sentences.append(
                    f"{short_name(few)}: {few['score']:.1f} on its {len(names)} stacks; "
                    f"{short_name(other)} has {tables.score_on(other, names):.1f} on the same."
                )
    return "".join(f"\n{sentence}" for sentence in sentences)


def _summary(verdicts: Verdicts) -> str:
    head = (
        "| model | stacks | score | marks reached | worst condition | missed by | processor time |"
    )
    lines = [head, "| --- | ---: | ---: | ---: | --- | ---: | ---: |"]
    lines += [
        f"| {short_name(one)} | {len(one['rows'])} | {tables.number(one['score'], '.1f')} | "
        f"{one['n_passed']} of {one['n_marks']} | {one['worst']} | "
        f"{one['worst_miss_percent']:.0f} % | {one['cpu_seconds']:.0f} s |"
        for one in verdicts
    ]
    return "\n".join(lines)


_INTRODUCTION = """# Any microscope

How the built-in models do on microscopes that they were not trained for, and that nobody
described to them: only the pixel size is stated. `python scripts/make_conditions_page.py` makes
this page from the verdicts in benchmarks/results/conditions, which these commands have made:

```sh
python benchmarks/conditions.py dilated-loc:2d deep-storm:2d dilated-loc:2d-100nm \\
  deep-storm:2d-100nm drsn-storm:2d-x4 drsn-storm:2d-x8 drsn-storm:2d-100nm-x4 \\
  --json benchmarks/results/conditions/not-stated.json
python benchmarks/conditions.py dilated-loc:2d --no-traps --adapt 5 --label "after --adapt 5" \\
  --json benchmarks/results/conditions/adapted.json
```

"Before" was judged by the same stacks and marks with the program of then; `--camera none` of this
one comes nearest to it.
"""

_MISSED = """\
By how much, in percent: of the share that was wanted, for efficiencies in points, and 100 where
nothing was found."""

_COUNTS = """\
Molecules found / true ones, then the spread of errors over the errors that the model states (its
z-scores): 1 if these are right, above 1 if they are too small, as where molecules overlap.
Deep-STORM states none."""

_SUMS = """\
The score of a network for sums is the mean over five stacks of 100 less the NMSE of its image in
percent, which is how right the image is; the cards of these models call it `efficiency`, which is
not the challenge's. The queue that trains them chooses by the mean of that
and of how narrow lines are, 100 for lines as narrow as the true molecules on the same pixels: an
image that is right but for lines that are too wide has a good score by the first. The same verdicts
by both:"""

_SAID = """\
Every sentence that a run put into its report and on the screen, in full."""

_BEFORE = """\
Columns named "before" are the first built-in models while ADU counted as photons unless a camera
was stated; the others had their camera found from the stack. The models for 100 nm pixels are the
same in both: what they gain is the camera, and what the others are ahead is the training on many
microscopes. "After --adapt 5": the model was first adapted to each stack, for five minutes at
most, and less where nothing got better. Blank: not judged; a score is the mean of what was."""

_EXPLANATION = """
The stacks come from a simulator that shares no code with the one that models are trained on:
pixel-integrated images of a freely rotating dipole through the pupil of a lens, or Gaussians;
molecules that begin and end within frames, with log-normal brightness, evenly spread, on
filaments or in clusters; sCMOS cameras whose pixels differ in gain, offset and read noise, EMCCDs
with the random gain of their register, CCDs.

- **Efficiency** is that of the SMLM Challenge, 100 − √((100 − JI)² + RMSE²) with RMSE in nm, here
  not below 0. Molecules are matched within 250 nm, 450 nm away from the border. Truth that stands
  out by less than five standard deviations of the background's noise under the best filter counts
  as nothing, found or not.
- **Score** is the mean efficiency over all conditions without the traps; for sums of frames it is
  [100 less the NMSE](#sums-of-frames).
- **Marks**: an efficiency no worse than the fitter's (by a point or more); JI of 0.95 for sparse
  molecules and 0.80 for up to 3 per µm², where the brightest pixel of a molecule is eight or more
  standard deviations of its noise above the background; for lone molecules (no other within six
  widths) an RMSE of at most 1.25 times the bound; fewer than 0.01 false molecules per µm² and
  frame where nothing blinks; with a trap 95 % of the
  recall without it, at a precision of 0.5 or more.
- **The fitter** takes one molecule at a time by maximum likelihood (`napari_deepsmlm.fitting`).
  It is told camera and width of the spot, and its threshold is the best one in hindsight, so it
  is a hard one to beat for sparse molecules.
- **The bound** is that of Cramér and Rao for lone molecules as bright as those that were there.

Densities are scaled to the area of the spot: wider spots have fewer molecules, so that as many of
them overlap.
"""
