"""Tables: cells, headings and the tables of the page that only list what verdicts hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from judging.grid import ALL, TRAPS, Condition
from judging.optics import Gaussian

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

    Verdicts = Sequence[dict[str, Any]]


def short_name(verdict: dict[str, Any]) -> str:
    """Return a heading for a column."""
    name = str(verdict["model"]).rsplit("/", 1)[-1].removesuffix(".safetensors")
    stated = {"auto": "camera not stated", "true": "camera stated", "none": "ADU as photons"}
    label = verdict.get("label") or stated[verdict["camera"]]
    return f"{name}, {label}"


def conditions(verdicts: Verdicts) -> str:
    """Return Jaccard index and error of every model on every condition that is no trap."""
    models = [f"{short_name(one)}: JI / RMSE nm" for one in verdicts]
    lines = heads(["condition", "what", "fitter: JI / RMSE nm", "bound nm", *models])
    for name in (name for name in ALL if name not in TRAPS):
        rows = [row_of(one, name) for one in verdicts]
        first = next((row for row in rows if row is not None), None)
        if first is None:
            continue
        cells = [name, describe(ALL[name]), _pair(first["fitter"])]
        cells.append(number(100 - first["best_efficiency"], ".1f"))
        cells += ["" if row is None else _pair(row["scores"]) for row in rows]
        lines.append(line(cells))
    return "\n".join(lines)


def traps(verdicts: Verdicts) -> str:
    """Return what traps cost every model."""
    lines = heads(["trap", "what", "measure", "fitter", *map(short_name, verdicts)])
    for name, (_, what) in TRAPS.items():
        rows = [row_of(one, name) for one in verdicts]
        first = next((row for row in rows if row is not None), None)
        if first is None:
            continue
        is_empty = ALL[name].is_empty
        measure = "false molecules per µm² and frame" if is_empty else "recall without → with; JI"
        cell = _false if is_empty else _recalls
        cells = [name, what, measure, cell(first, "fitter", "fitter_without_trap")]
        cells += ["" if row is None else cell(row, "scores", "without_trap") for row in rows]
        lines.append(line(cells))
    return "\n".join(lines)


def counts(verdicts: Verdicts) -> str:
    """Return molecules found over true ones, and how right stated errors are."""
    lines = heads(["condition", *map(short_name, verdicts)])
    for name in (name for name in ALL if not ALL[name].is_empty):
        rows = [row_of(one, name) for one in verdicts]
        if any(row is not None for row in rows):
            lines.append(line([name, *map(_count, rows)]))
    return "\n".join(lines)


def said(verdicts: Verdicts) -> str:
    """Return the sentences that each condition called forth, and which models said them."""
    lines = heads(["condition", "what was said", "by"])
    names = dict.fromkeys(row["condition"] for one in verdicts for row in one["rows"])
    for name in names:
        who: dict[str, list[str]] = {}
        for one in verdicts:
            row = row_of(one, name)
            for sentence in () if row is None else row["said"]:
                refused = "refused: " if row["is_refused"] else ""
                who.setdefault(refused + sentence, []).append(short_name(one))
        lines += [
            line([name, sentence.replace("|", "\\|"), "; ".join(models)])
            for sentence, models in who.items()
        ]
        if not who:
            lines.append(line([name, "nothing", "all"]))
    return "\n".join(lines)


def sums(verdicts: Verdicts) -> str:
    """Return images and lines of networks that draw sums of frames."""
    lines = heads(
        ["stack", "model", "NMSE", "fitter's NMSE", "line, nm", "fitter's", "true", "molecules"]
    )
    for one in verdicts:
        for row in one["rows"]:
            keys = ("nmse_percent", "fitter_nmse_percent", "fwhm_nm", "fitter_fwhm_nm")
            numbers = [number(row[key], ".0f") for key in (*keys, "true_fwhm_nm")]
            numbers[:2] = [f"{percent} %" for percent in numbers[:2]]
            numbers.append(number(row["molecules_ratio"], ".2f"))
            lines.append(line([row["condition"], short_name(one), *numbers]))
    return "\n".join(lines)


def score_on(verdict: dict[str, Any], names: Container[str]) -> float:
    """Return the score on some conditions: mean efficiency, nothing below 0, without traps."""
    found = [
        max(0.0, _or(row["scores"]["efficiency"], 0.0))
        for row in verdict["rows"]
        if row["condition"] in names and row["condition"] not in TRAPS
    ]
    return float(np.mean(found))


def sum_score(verdict: dict[str, Any]) -> float:
    """Return the mean of images and lines, which networks for sums are chosen by."""
    return float(np.mean([*_images(verdict), *_lines(verdict)]))


def _images(verdict: dict[str, Any]) -> list[float]:
    return [100 - min(100.0, _or(row["nmse_percent"], 100.0)) for row in verdict["rows"]]


def _lines(verdict: dict[str, Any]) -> list[float]:
    return [100 * min(1.0, _narrowness(row)) for row in verdict["rows"]]


def sum_scores(verdicts: Verdicts) -> str:
    """Return the score of the images, of the lines, and their mean."""
    lines = heads(["model", "images: 100 − NMSE", "lines: 100 × true width / width", "mean"])
    for one in verdicts:
        means = [
            float(np.mean(_images(one))),
            float(np.mean(_lines(one))),
            sum_score(one),
        ]
        lines.append(line([short_name(one), *(f"{mean:.1f}" for mean in means)]))
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


def row_of(verdict: dict[str, Any], name: str) -> dict[str, Any] | None:
    """Return what a verdict says of a condition, None where it was not judged."""
    return next((row for row in verdict["rows"] if row["condition"] == name), None)


def number(value: float | None, form: str) -> str:
    """Return a number, and a dash where it is not known."""
    return "–" if value is None or not np.isfinite(value) else f"{value:{form}}"


def heads(names: Iterable[str]) -> list[str]:
    """Return the first two lines of a table."""
    names = list(names)
    return [line(names), "|" + " --- |" * len(names)]


def line(cells: Iterable[str]) -> str:
    """Return one line of a table."""
    return "| " + " | ".join(cells) + " |"


def _count(row: dict[str, Any] | None) -> str:
    if row is None:
        return ""
    found, spread = row["scores"]["count_ratio"], row["scores"]["z_score_sd"]
    return f"{number(found, '.2f')} / {number(spread, '.2f')}"


def _pair(scores: dict[str, Any]) -> str:
    return f"{number(scores['jaccard'], '.2f')} / {number(scores['rmse_nm'], '.0f')}"


def _recalls(row: dict[str, Any], now: str, before: str) -> str:
    without = number(row[before].get("recall"), ".2f")
    scores = row[now]
    return f"{without} → {number(scores['recall'], '.2f')}; {number(scores['jaccard'], '.2f')}"


def _false(row: dict[str, Any], now: str, _: str) -> str:
    return number(row[now]["false_per_um2"], ".3f")


def _narrowness(row: dict[str, Any]) -> float:
    return float(row["true_fwhm_nm"] / row["fwhm_nm"]) if row["fwhm_nm"] else 0.0


def _or(value: float | None, other: float) -> float:
    return other if value is None else value
