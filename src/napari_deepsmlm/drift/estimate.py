"""Drift of a table: two ways of measuring it, how far they agree, and what its removal brings."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from pydantic import Field

from napari_deepsmlm._base import FrozenModel
from napari_deepsmlm.drift._sample import Sample, sample_of
from napari_deepsmlm.drift.correlation import Path, correlate
from napari_deepsmlm.drift.curve import DriftCurve
from napari_deepsmlm.drift.entropy import concentration, least_entropy
from napari_deepsmlm.drift.fiducials import follow_fiducials
from napari_deepsmlm.metrics.frc import half_images, ring_correlation, time_halves

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_deepsmlm.localizations import Localizations

    Array = np.ndarray[Any, Any]

WAYS = {"correlation": "redundant cross-correlation", "entropy": "least entropy"}
MAX_DOUBT_NM = 60.0
"""Two ways that disagree by more have not both seen the drift."""
AGREE_NM, AGREE_ERRORS = 10.0, 4.0
BY_CHANCE = 6.0
"""Errors between the ends of a path that nothing moved."""
_FRC_PIXEL_NM, _FRC_SIDE_PX = 10.0, 4096


class DriftOptions(FrozenModel):
    """How drift is measured."""

    method: Literal["auto", "correlation", "entropy", "fiducials"] = Field(
        "auto",
        description="auto: correlation and entropy are both run, and the one that sharpens "
        "molecules better that it has not seen is taken. fiducials: beads that are seen in most "
        "frames.",
    )
    segment_frames: int | None = Field(
        None, ge=2, description="Frames of one piece of time; default: as the molecules allow."
    )


class DriftResult(NamedTuple):
    """A drift curve and what speaks for it."""

    curve: DriftCurve
    method: str
    """That the curve is from."""
    curves: dict[str, DriftCurve]
    """By each way that was run."""
    split_half_nm: dict[str, tuple[float, ...]]
    """RMS error along each axis, from two halves of the molecules."""
    agreement_nm: tuple[float, ...] | None
    """RMS difference of both ways along each axis; None if only one was run."""
    frc_before_nm: float | None
    frc_after_nm: float | None
    remarks: tuple[str, ...]

    def sentence(self) -> str:
        """Return what was found, for a person."""
        span = np.ptp(self.curve.xyz_nm, axis=0)
        size = ", ".join(f"{a} {nm:.0f}" for a, nm in zip("xyz", span, strict=False))
        parts = [f"Drift over {self.curve.n_frames:,} frames: {size} nm, "]
        parts += [f"error {_rms(self.curve.error_nm):.1f} nm"]
        if self.curve.error_z_nm is not None:
            parts += [f" (z {_rms(self.curve.error_z_nm):.1f})"]
        parts += [f", by {WAYS.get(self.method, self.method)}"]
        if self.agreement_nm is not None:
            parts += [f"; both ways agree to {max(self.agreement_nm):.1f} nm"]
        if self.frc_before_nm is not None and self.frc_after_nm is not None:
            parts += [f"; FRC {self.frc_before_nm:.1f} nm before, {self.frc_after_nm:.1f} after"]
        return "".join(parts) + "."

    def report(self) -> dict[str, Any]:
        """Return the numbers by their names on the command line."""
        span = np.ptp(self.curve.xyz_nm, axis=0)
        return {
            "method": self.method,
            "frames": self.curve.n_frames,
            "range_nm": [float(along) for along in span],
            "error_nm": _rms(self.curve.error_nm),
            "error_z_nm": None if self.curve.error_z_nm is None else _rms(self.curve.error_z_nm),
            "split_half_nm": {name: list(values) for name, values in self.split_half_nm.items()},
            "agreement_nm": None if self.agreement_nm is None else list(self.agreement_nm),
            "frc_before_nm": self.frc_before_nm,
            "frc_after_nm": self.frc_after_nm,
            "remarks": list(self.remarks),
        }


def measure_drift(
    table: Localizations,
    options: DriftOptions | None = None,
    *,
    with_frc: bool = True,
    progress: Callable[[str], None] = lambda _: None,
) -> DriftResult:
    """Return the drift of a table, 3-D if the table is.

    Parameters
    ----------
    table : molecules of a whole movie.
    with_frc : whether the resolution before and after is measured too.
    progress : told what is done at the moment.

    Raises
    ------
    ValueError
        If there are too few molecules, or both ways contradict each other: one sentence.
    """
    options = options or DriftOptions()
    sample = sample_of(table, options.segment_frames)
    if options.method != "fiducials":  # beads are known by being in every frame
        sample = sample.thinned()
    ways: dict[str, Callable[[Sample], Path]] = {
        "correlation": correlate,
        "entropy": least_entropy,
        "fiducials": follow_fiducials,
    }
    chosen = list(WAYS) if options.method == "auto" else [options.method]
    paths = {}
    for name in chosen:
        progress(f"Drift by {WAYS.get(name, name)}")
        paths[name] = ways[name](sample)
    curves = {name: _curve(path) for name, path in paths.items()}
    split = {name: _split_half(path) for name, path in paths.items()}
    best, agreement, remarks = chosen[0], None, []
    curve = curves[best]
    if len(paths) == 2:
        agreement = _differences(paths)
        _refuse_contradiction(agreement)
        best = _sharper(sample, paths)
        curve = _with_doubt(curves[best], paths)
        remarks += _on_agreement(agreement, split)
    curve, flat = _without_chance(curve)
    remarks += [*flat, *_on_size(curve)]
    before = after = None
    if with_frc:
        progress("Resolution before and after")
        before, after = _frc(table), _frc(curve.apply(table))
        if before is not None and after is not None and after > 1.05 * before:
            remarks.append(
                f"The resolution is worse after the correction ({after:.3g} nm) than before "
                f"({before:.3g} nm): do not use it, or measure a part of the movie."
            )
    return DriftResult(curve, best, curves, split, agreement, before, after, tuple(remarks))


def by_one_way(name: str, path: Path) -> DriftResult:
    """Return a drift that was measured in one way, without the resolution it brings."""
    curve = _curve(path)
    split = {name: _split_half(path)}
    return DriftResult(curve, name, {name: curve}, split, None, None, None, tuple(_on_size(curve)))


def _curve(path: Path) -> DriftCurve:
    """Return a path with its error: half the difference of its halves, averaged over a while."""
    halves = np.subtract(*path.halves_nm)
    halves = (halves - halves.mean(axis=0)) / 2
    variance = _smoothed(halves**2) / 2 + (halves**2).mean(axis=0) / 2
    lateral = np.sqrt(variance[:, :2].mean(axis=1))
    axial = np.sqrt(variance[:, 2]) if path.xyz_nm.shape[1] == 3 else None
    return DriftCurve(path.xyz_nm, lateral, axial)


def _with_doubt(curve: DriftCurve, paths: dict[str, Path]) -> DriftCurve:
    """Add to the error that by which two ways disagree."""
    first, second = (path.xyz_nm for path in paths.values())
    apart = first - second
    apart = (apart - apart.mean(axis=0)) / 2
    doubt = _smoothed(apart**2)
    lateral = np.sqrt(curve.error_nm**2 + doubt[:, :2].mean(axis=1))
    axial = None
    if curve.error_z_nm is not None:
        axial = np.sqrt(curve.error_z_nm**2 + doubt[:, 2])
    return DriftCurve(curve.xyz_nm, lateral, axial)


def _smoothed(values: Array) -> Array:
    from scipy.ndimage import uniform_filter1d

    size = max(3, len(values) // 20)
    return np.asarray(uniform_filter1d(values, size, axis=0, mode="nearest"))


def _split_half(path: Path) -> tuple[float, ...]:
    halves = np.subtract(*path.halves_nm)
    return tuple(_rms(along - along.mean()) / 2 for along in halves.T)


def _differences(paths: dict[str, Path]) -> tuple[float, ...]:
    first, second = (path.xyz_nm for path in paths.values())
    return tuple(_rms(along - along.mean()) for along in (first - second).T)


def _refuse_contradiction(agreement: tuple[float, ...]) -> None:
    if max(agreement) > MAX_DOUBT_NM:
        axis = "xyz"[int(np.argmax(agreement))]
        raise ValueError(
            f"The drift cannot be told: cross-correlation and least entropy disagree by "
            f"{max(agreement):.0f} nm along {axis}; give more molecules, longer pieces of time "
            "(--segment), or choose one with --method if you have seen that it is right."
        )


def _sharper(sample: Sample, paths: dict[str, Path]) -> str:
    """Return the way whose curve of one half brings the molecules of the other closest."""
    scores = {
        name: concentration(sample, path, list(paths.values())) for name, path in paths.items()
    }
    return max(scores, key=lambda name: scores[name])


def _on_agreement(agreement: tuple[float, ...], split: dict[str, tuple[float, ...]]) -> list[str]:
    errors = [math.hypot(*both) for both in zip(*split.values(), strict=True)]
    doubts = [
        axis
        for axis, apart, error in zip("xyz", agreement, errors, strict=False)
        if apart > max(AGREE_NM, AGREE_ERRORS * error)
    ]
    if not doubts:
        return []
    return [
        f"Cross-correlation and least entropy disagree by {max(agreement):.1f} nm (RMS; along "
        f"{', '.join(doubts)}), more than their errors: look at the curve."
    ]


def _without_chance(curve: DriftCurve) -> tuple[DriftCurve, list[str]]:
    """Leave depths as they are where their drift is one that errors alone would show.

    Of some forty independent pieces of time the largest and the smallest differ by 2 sqrt(2 ln 40)
    = 5.4 errors by chance.
    """
    if curve.error_z_nm is None:
        return curve, []
    span, error = float(np.ptp(curve.xyz_nm[:, 2])), _rms(curve.error_z_nm)
    if span >= BY_CHANCE * error:
        return curve, []
    still = curve.xyz_nm.copy()
    still[:, 2] = 0.0
    said = (
        f"No drift along z beyond its error was found ({span:.0f} nm at an error of {error:.0f}), "
        "so depths are left as they are."
    )
    return curve._replace(xyz_nm=still), [said]


def _on_size(curve: DriftCurve) -> list[str]:
    span = float(np.ptp(curve.xyz_nm[:, :2], axis=0).max())
    error = _rms(curve.error_nm)
    if span < BY_CHANCE * error:
        return [f"No drift beyond its error was found ({span:.1f} nm at an error of {error:.1f})."]
    return []


def _frc(table: Localizations) -> float | None:
    """Return the resolution by time blocks, None where there is none."""
    table = table.to_numpy()
    is_somewhere = np.isfinite(table.x_nm) & np.isfinite(table.y_nm)
    table = table[is_somewhere]
    low = [float(np.quantile(table[name], 0.001)) for name in ("x_nm", "y_nm")]
    high = [float(np.quantile(table[name], 0.999)) for name in ("x_nm", "y_nm")]
    side = max(b - a for a, b in zip(low, high, strict=True))
    pixel_nm = max(_FRC_PIXEL_NM, side / _FRC_SIDE_PX)
    halves = half_images(
        table, time_halves(table.frame), pixel_nm, (low[0], low[1], high[0], high[1])
    )
    try:
        found = ring_correlation(*halves, pixel_nm).resolution_nm
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def _rms(values: Array) -> float:
    return float(np.sqrt(np.mean(np.square(values))))
