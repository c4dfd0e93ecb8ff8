"""Measurements of many lines as tables and as a figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_deepsmlm._files import atomic_write
from napari_deepsmlm._palette import ON_PAPER
from napari_deepsmlm.profiles.curves import MODELS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from napari_deepsmlm.profiles.result import ProfileFit
    from napari_deepsmlm.profiles.sampling import LineProfile

    Floats = np.ndarray[Any, np.dtype[np.float64]]

COLORS = ON_PAPER
FIGURE_KINDS = (".png", ".svg", ".pdf")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class MeasuredLine:
    """One line in one image.

    Attributes
    ----------
    image, line : their names.
    profile : None where the line could not be sampled.
    fit : None where there is none.
    problem : the sentence that says why something is missing.
    unit : "nm", or "px" where the size of the pixels is not known: then `_nm` means px.
    """

    image: str
    line: str
    profile: LineProfile | None
    fit: ProfileFit | None
    problem: str = ""
    unit: str = "nm"


def results_table(measured: Sequence[MeasuredLine]) -> pd.DataFrame:
    """Return one row for each line in each image, lengths in columns that end in their unit."""
    import pandas as pd

    return pd.DataFrame([_row(one) for one in measured])


def curves_table(measured: Sequence[MeasuredLine]) -> pd.DataFrame:
    """Return one row for each sample: position, value, fitted curve, and what it leaves."""
    import pandas as pd

    tables = [_curve(one) for one in measured if one.profile is not None]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def save_table(path: str | Path, table: pd.DataFrame) -> None:
    """Write a CSV whose texts no spreadsheet takes for formulas."""
    safe = table.map(lambda x: f"'{x}" if isinstance(x, str) and x[:1] in _FORMULA_STARTS else x)
    with atomic_write(path) as file:
        safe.to_csv(file, index=False)


def save_profile_figure(
    path: str | Path, measured: Sequence[MeasuredLine], *, is_normalised: bool = False
) -> None:
    """Write the profiles and their curves as PNG, SVG or PDF, as the name says.

    Raises
    ------
    ValueError
        If the name says none of these, or nothing was measured.
    """
    from pathlib import Path

    kind = Path(path).suffix.lower()
    if kind not in FIGURE_KINDS:
        raise ValueError(f"{Path(path).name}: figures are {', '.join(FIGURE_KINDS)}.")
    figure = profile_figure(measured, is_normalised=is_normalised)
    with atomic_write(path) as file:
        figure.savefig(file, format=kind[1:], dpi=200)


def profile_figure(measured: Sequence[MeasuredLine], *, is_normalised: bool = False) -> Figure:
    """Return samples as points, curves as lines, and widths with their intervals as the key."""
    from matplotlib.figure import Figure

    shown = [one for one in measured if one.profile is not None]
    if not shown:
        raise ValueError("Nothing was measured: draw a line across the image.")
    figure = Figure(figsize=(6.4, 4.2), layout="constrained", facecolor="white")
    axes = figure.subplots()
    for i, one in enumerate(shown):
        _draw(axes, one, COLORS[i % len(COLORS)], is_normalised)
    units = sorted({one.unit for one in shown})
    axes.set_xlabel(f"position along the line ({', '.join(units)})")
    axes.set_ylabel("brightness (0–1)" if is_normalised else "brightness (as in the image)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1))
    return figure


def normalisation(profile: LineProfile) -> tuple[float, float]:
    """Return offset and span that bring the values along a line to 0-1."""
    low, high = np.nanmin(profile.value), np.nanmax(profile.value)
    return float(low), float(high - low) or 1.0


def fine_positions(profile: LineProfile, n: int = 400) -> Floats:
    """Return places along the line that are close enough for a smooth curve."""
    return np.linspace(0, profile.length_nm, n)


def summary(one: MeasuredLine) -> str:
    """Return width, interval, distance or size, and R² of a measurement in a line of text."""
    fit, unit = one.fit, one.unit
    if fit is None:
        return one.problem
    parts = [f"FWHM {_with_interval(fit.fwhm_nm, fit.fwhm_ci_nm, unit)}"]
    if fit.distance_nm is not None:
        parts.append(f"distance {_with_interval(fit.distance_nm, fit.distance_ci_nm, unit)}")
    if fit.size_nm is not None:
        name = MODELS[fit.model].size
        parts.append(f"{name} {_with_interval(fit.size_nm, fit.size_ci_nm, unit)}")
    return ", ".join([*parts, f"R² {fit.r_squared:.3f}"])


def _with_interval(value: float, interval: tuple[float, float] | None, unit: str) -> str:
    if interval is None or not np.isfinite(interval).all():
        return f"{value:.4g} {unit}"
    return f"{value:.4g} {unit} ({interval[0]:.4g}–{interval[1]:.4g})"


def _row(one: MeasuredLine) -> dict[str, Any]:
    row: dict[str, Any] = {"image": one.image, "line": one.line}
    fit, unit = one.fit, one.unit
    row["model"] = None if fit is None else fit.model
    for name in ("fwhm", "distance", "size"):
        value = None if fit is None else getattr(fit, f"{name}_nm")
        interval = (None if fit is None else getattr(fit, f"{name}_ci_nm")) or (None, None)
        row[f"{name}_{unit}"] = value
        row[f"{name}_ci_low_{unit}"], row[f"{name}_ci_high_{unit}"] = interval
    for name in ("sigma_nm", "centre_nm", "background", "residual_rms", "r_squared", "n_samples"):
        row[name.replace("_nm", f"_{unit}")] = None if fit is None else getattr(fit, name)
    profile = one.profile
    row[f"length_{unit}"] = None if profile is None else profile.length_nm
    row[f"width_averaged_{unit}"] = None if profile is None else profile.width_nm
    row["remarks"] = " ".join([one.problem, *(() if fit is None else fit.remarks)]).strip()
    return row


def _curve(one: MeasuredLine) -> pd.DataFrame:
    import pandas as pd

    profile = one.profile
    assert profile is not None  # noqa: S101 - chosen before
    fitted = np.nan if one.fit is None else one.fit.curve(profile.position_nm)
    return pd.DataFrame(
        {
            "image": one.image,
            "line": one.line,
            f"position_{one.unit}": profile.position_nm,
            "value": profile.value,
            "fitted": fitted,
            "residual": profile.value - fitted,
        }
    )


def _draw(axes: Axes, one: MeasuredLine, color: str, is_normalised: bool) -> None:
    profile = one.profile
    assert profile is not None  # noqa: S101 - chosen before
    offset, span = normalisation(profile) if is_normalised else (0.0, 1.0)
    label = f"{one.image}, {one.line}: {summary(one)}".strip(": ")
    values = (profile.value - offset) / span
    axes.plot(profile.position_nm, values, "o", markersize=3, color=color, label=label)
    if one.fit is not None:
        position = fine_positions(profile)
        axes.plot(position, (one.fit.curve(position) - offset) / span, "-", color=color)
