"""Drift curves as files: a table of frames, and a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_deepsmlm._boundary import reading
from napari_deepsmlm._files import atomic_write
from napari_deepsmlm._palette import BLUE, GREEN, VERMILION
from napari_deepsmlm.drift.curve import DriftCurve

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from napari_deepsmlm.drift.estimate import DriftResult

COLORS = (BLUE, VERMILION, GREEN)
MAX_FRAMES = 10_000_000


def write_curve(path: str | Path, curve: DriftCurve) -> None:
    """Write a CSV of frame (from 1), x, y and z in nm, and the errors; whole or not at all."""
    import pandas as pd

    path = Path(path)
    if path.suffix.lower() != ".csv":
        raise ValueError(f"{path.name}: drift curves are written as .csv.")
    columns = {"frame": np.arange(1, curve.n_frames + 1)}
    names = ("x [nm]", "y [nm]", "z [nm]")
    columns |= dict(zip(names, curve.xyz_nm.T, strict=False))
    columns["error [nm]"] = curve.error_nm
    if curve.error_z_nm is not None:
        columns["error z [nm]"] = curve.error_z_nm
    with atomic_write(path) as file:
        pd.DataFrame(columns).to_csv(file, index=False, float_format="%.6g")


def read_curve(path: str | Path) -> DriftCurve:
    """Return a curve that :func:`write_curve` wrote, or one typed with the same columns.

    Frames between those of the file get values between; frames count from 1.

    Raises
    ------
    ValueError
        One sentence: which column or row is wrong.
    """
    import pandas as pd

    path = Path(path)
    with reading(path):
        try:
            table = pd.read_csv(path)
        except (ValueError, UnicodeDecodeError, pd.errors.ParserError) as error:
            reason = " ".join(str(error).split())
            raise ValueError(f"{path.name}: no table of a drift curve ({reason}).") from None
    table.columns = [str(name).split("[")[0].strip().casefold() for name in table.columns]
    missing = [name for name in ("frame", "x", "y") if name not in table]
    if missing:
        raise ValueError(
            f"{path.name}: a drift curve has the columns frame, x [nm], y [nm]; missing: "
            f"{', '.join(missing)}."
        )
    try:
        values = table.astype(float)
    except ValueError:
        raise ValueError(f"{path.name}: a drift curve holds numbers only.") from None
    frame = values["frame"].to_numpy() - 1
    if not len(frame) or not np.isfinite(values.to_numpy()).all() or frame.min() < 0:
        raise ValueError(f"{path.name}: empty, or a value is missing, or a frame is below 1.")
    if (np.diff(frame) <= 0).any() or frame[-1] >= MAX_FRAMES:
        raise ValueError(f"{path.name}: the frames of a drift curve ascend, up to ten million.")
    wanted = np.arange(int(frame[-1]) + 1)

    def along(name: str) -> np.ndarray[Any, Any]:
        return np.asarray(np.interp(wanted, frame, values[name].to_numpy()))

    axes = [name for name in ("x", "y", "z") if name in table]
    error_xy = along("error") if "error" in table else np.zeros(len(wanted))
    error_z = along("error z") if "error z" in table and "z" in table else None
    return DriftCurve(np.stack([along(name) for name in axes], axis=1), error_xy, error_z)


def save_drift_figure(path: str | Path, result: DriftResult | DriftCurve) -> None:
    """Write the picture of a drift as PNG."""
    figure = drift_figure(result)
    with atomic_write(path) as file:
        figure.savefig(file, format="png", dpi=150)


def drift_figure(result: DriftResult | DriftCurve) -> Figure:
    """Return the drift over time, its error as a band; the other way's curve is dashed."""
    from matplotlib.figure import Figure

    curve = result if isinstance(result, DriftCurve) else result.curve
    others = {} if isinstance(result, DriftCurve) else result.curves
    method = "" if isinstance(result, DriftCurve) else result.method
    figure = Figure(figsize=(7.0, 4.2), layout="constrained", facecolor="white")
    axes = figure.subplots()
    step = max(1, curve.n_frames // 4000)
    frame = np.arange(1, curve.n_frames + 1)[::step]
    for k, along in enumerate(curve.xyz_nm.T):
        error = curve.error_z_nm if k == 2 and curve.error_z_nm is not None else curve.error_nm
        along, error, color = along[::step], error[::step], COLORS[k]
        axes.plot(frame, along, color=color, label="xyz"[k])
        axes.fill_between(frame, along - error, along + error, color=color, alpha=0.25, linewidth=0)
        for name, other in others.items():
            if name != method:
                moved = other.xyz_nm[::step, k]
                moved = moved + (along - moved).mean()
                axes.plot(frame, moved, "--", color=color, linewidth=0.8)
    axes.set(xlabel="frame", ylabel="drift since the first frame (nm)")
    axes.set_title(_title(result), fontsize=9, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure


def _title(result: DriftResult | DriftCurve) -> str:
    if isinstance(result, DriftCurve):
        return "Drift; bands: standard error"
    parts = [f"By {result.method}; bands: standard error"]
    if result.agreement_nm is not None:
        parts.append(f"dashed: the other way, {max(result.agreement_nm):.1f} nm apart (RMS)")
    if result.frc_before_nm is not None and result.frc_after_nm is not None:
        parts.append(f"FRC {result.frc_before_nm:.0f} → {result.frc_after_nm:.0f} nm")
    return "; ".join(parts)
