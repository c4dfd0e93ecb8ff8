"""Page: verdicts as a heat map and as a page of the documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from judging.grid import ALL, TRAPS, Condition
from judging.optics import Gaussian

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    Verdicts = Sequence[dict[str, Any]]

_WORSE_RGB = (0.75, 0.1, 0.1)


def short_name(verdict: dict[str, Any]) -> str:
    """Return a heading for a column."""
    name = str(verdict["model"]).rsplit("/", 1)[-1].removesuffix(".safetensors")
    stated = {"auto": "camera not stated", "true": "camera stated", "none": "ADU as photons"}
    label = verdict.get("label") or stated[verdict["camera"]]
    return f"{name}, {label}"


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


def write(verdicts: Verdicts, picture: str, path: Path) -> None:
    """Write the page from verdicts; `picture` is its path as the page sees it."""
    shown = localizing(verdicts)
    parts = [
        _INTRODUCTION,
        _summary(verdicts),
        f"![Efficiency of every model on every condition]({picture})",
        _BEFORE,
        _EXPLANATION,
        "## Conditions\n\n" + _conditions(shown),
        "## Traps\n\n" + _traps(shown),
    ]
    if summing(verdicts):
        parts.append("## Sums of frames\n\n" + _sums(summing(verdicts)))
    path.write_text("\n\n".join(part.strip() for part in parts) + "\n", encoding="utf-8")


def _summary(verdicts: Verdicts) -> str:
    head = (
        "| model | stacks | score | marks reached | worst condition | missed by | processor time |"
    )
    lines = [head, "| --- | ---: | ---: | ---: | --- | ---: | ---: |"]
    lines += [
        f"| {short_name(one)} | {len(one['rows'])} | {one['score']:.1f} | "
        f"{one['n_passed']} of {one['n_marks']} | {one['worst']} | "
        f"{one['worst_miss_percent']:.0f} % | {one['cpu_seconds']:.0f} s |"
        for one in verdicts
    ]
    return "\n".join(lines)


def _conditions(verdicts: Verdicts) -> str:
    names = [name for name in ALL if name not in TRAPS]
    models = [f"{short_name(one)}: JI / RMSE nm" for one in verdicts]
    heads = ["condition", "what", "fitter: JI / RMSE nm", "bound nm", *models]
    lines = _heads(heads)
    for name in names:
        rows = [_row(one, name) for one in verdicts]
        first = next((row for row in rows if row is not None), None)
        if first is None:
            continue
        cells = [name, describe(ALL[name]), _pair(first["fitter"])]
        cells.append(_number(100 - first["best_efficiency"], ".1f"))
        cells += ["" if row is None else _pair(row["scores"]) for row in rows]
        lines.append(_line(cells))
    return "\n".join(lines)


def _traps(verdicts: Verdicts) -> str:
    heads = ["trap", "what", "measure", "fitter", *map(short_name, verdicts)]
    lines = _heads(heads)
    for name, (_, what) in TRAPS.items():
        rows = [_row(one, name) for one in verdicts]
        first = next((row for row in rows if row is not None), None)
        if first is None:
            continue
        is_empty = ALL[name].is_empty
        measure = "false molecules per µm² and frame" if is_empty else "recall without → with; JI"
        cell = _false if is_empty else _recalls
        cells = [name, what, measure, cell(first, "fitter", "fitter_without_trap")]
        cells += ["" if row is None else cell(row, "scores", "without_trap") for row in rows]
        lines.append(_line(cells))
    return "\n".join(lines)


def _sums(verdicts: Verdicts) -> str:
    heads = ["stack", "model", "NMSE", "fitter's NMSE", "line, nm", "fitter's", "true"]
    lines = _heads(heads)
    for one in verdicts:
        for row in one["rows"]:
            keys = ("nmse_percent", "fitter_nmse_percent", "fwhm_nm", "fitter_fwhm_nm")
            numbers = [_number(row[key], ".0f") for key in (*keys, "true_fwhm_nm")]
            numbers[:2] = [f"{number} %" for number in numbers[:2]]
            lines.append(_line([row["condition"], short_name(one), *numbers]))
    return "\n".join(lines)


def describe(condition: Condition) -> str:
    """Return a condition in words."""
    optics = condition.optics
    spot = (
        f"Gaussian of {optics.sigma_nm:g} nm"
        if isinstance(optics, Gaussian)
        else f"NA {optics.numerical_aperture:g} at {optics.wavelength_nm:g} nm"
    )
    uneven = "" if condition.unevenness == "even" else f" ({condition.unevenness})"
    return (
        f"{condition.pixel_nm:g} nm pixels, {spot}, {condition.photons:,g} photons on "
        f"{condition.background:,g}{uneven}, {condition.density_per_um2:.2g} per µm², "
        f"{condition.structure}, {condition.sensor.kind}"
    )


def _row(verdict: dict[str, Any], name: str) -> dict[str, Any] | None:
    return next((row for row in verdict["rows"] if row["condition"] == name), None)


def _pair(scores: dict[str, Any]) -> str:
    return f"{_number(scores['jaccard'], '.2f')} / {_number(scores['rmse_nm'], '.0f')}"


def _recalls(row: dict[str, Any], now: str, before: str) -> str:
    without = _number(row[before].get("recall"), ".2f")
    scores = row[now]
    return f"{without} → {_number(scores['recall'], '.2f')}; {_number(scores['jaccard'], '.2f')}"


def _false(row: dict[str, Any], now: str, _: str) -> str:
    return _number(row[now]["false_per_um2"], ".3f")


def _number(value: float | None, form: str) -> str:
    return "–" if value is None or not np.isfinite(value) else f"{value:{form}}"


def _heads(heads: list[str]) -> list[str]:
    return [_line(heads), "|" + " --- |" * len(heads)]


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


_INTRODUCTION = """# Any microscope

How the built-in models do on microscopes that they were not trained for, and that nobody
described to them: only the pixel size is stated. This page is made by `python
benchmarks/conditions.py`.
"""

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
- **Score** is the mean efficiency over all conditions without the traps.
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
