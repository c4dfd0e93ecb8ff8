"""Trust report: everything that speaks for or against a result, one finding each."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from napari_deepsmlm._words import counted
from napari_deepsmlm.evaluation import frc_of_table
from napari_deepsmlm.io import open_frames, read_table
from napari_deepsmlm.io.result_files import REPORT_NAME
from napari_deepsmlm.linking import nena
from napari_deepsmlm.localizations import count_frames, require_molecules
from napari_deepsmlm.metrics.crlb import mortensen_precision
from napari_deepsmlm.mismatch import compare_with_training, settings_of
from napari_deepsmlm.trust.doubt import DoubtMap, doubt_map

if TYPE_CHECKING:
    from napari_deepsmlm.io import FrameSource
    from napari_deepsmlm.localizations import Localizations
    from napari_deepsmlm.mismatch import MismatchTable

    Array = np.ndarray[Any, Any]

Verdict = Literal["fine", "doubt", "cannot be told"]

MAX_SHARE_IN_DOUBT = 0.04
GAIN_ERROR = 0.15
PRECISION_FACTOR = 1.6
USUAL_SIGMA_PX = 1.3
N_COUNTS = 40
FALL = 0.2
"""Fewer molecules at the end than this share of those at the start."""
FEWEST_FRAMES = 20
FEWEST = 20
"""Molecules."""
EDGE_PX, LEAST_INSIDE = 3.0, 0.95


class Finding(NamedTuple):
    """One thing that was looked at."""

    name: str
    verdict: Verdict
    sentence: str


class Trust(NamedTuple):
    """What was found of a result."""

    title: str
    findings: tuple[Finding, ...]
    counts: Array
    """(N_COUNTS,) molecules per frame over time."""
    doubt: DoubtMap | None
    numbers: dict[str, float | None]

    @property
    def doubts(self) -> list[Finding]:
        """What speaks against it."""
        return [one for one in self.findings if one.verdict == "doubt"]

    def sentence(self) -> str:
        """Return the whole report in one sentence."""
        if self.doubts:
            names = ", ".join(one.name.lower() for one in self.doubts)
            return f"In doubt: {names}. {self.doubts[0].sentence}"
        open_ones = [one.name.lower() for one in self.findings if one.verdict != "fine"]
        rest = f"; not told: {', '.join(open_ones)}" if open_ones else ""
        return f"Nothing found that speaks against this result{rest}."

    def report(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "sentence": self.sentence(),
            "doubts": [one.name for one in self.doubts],
            "findings": [one._asdict() for one in self.findings],
            "numbers": self.numbers,
            "regions": []
            if self.doubt is None
            else [one._asdict() for one in self.doubt.regions[:20]],
        }


def _require_the_same_movie(
    title: str, table: Localizations, source: FrameSource, nm: float
) -> None:
    """Refuse a table that has molecules where and when the movie has no frames.

    Raises
    ------
    ValueError
        One sentence.
    """
    n_frames, (height_px, width_px) = source.n_frames, source.shape[-2:]
    last = count_frames(table)
    x_px, y_px = (np.asarray(table.to_numpy()[name], float) / nm for name in ("x_nm", "y_nm"))
    # a molecule at the edge may be placed a few pixels outside
    inside = (np.maximum(-x_px, x_px - width_px) < EDGE_PX) & (
        np.maximum(-y_px, y_px - height_px) < EDGE_PX
    )
    if last > n_frames or inside.mean() < LEAST_INSIDE:
        raise ValueError(
            f"{title}: {100 * inside.mean():.0f} % of its molecules lie in the field of the "
            f"frames, the last one in frame {last:,} of {n_frames:,}: give the stack that it was "
            "made from, and its pixel size."
        )
    if len(table) < FEWEST:
        raise ValueError(
            f"{title}: {counted(len(table), 'molecule')}, too few to judge a result by: "
            f"{FEWEST} are needed."
        )


def trust_of(
    table_path: str | Path,
    frames: str | Path,
    *,
    model: str | None = None,
    pixel_size_nm: float | None = None,
) -> Trust:
    """Return what speaks for and against a table of localizations.

    Parameters
    ----------
    table_path : the result; a `report.json` beside it says model and camera.
    frames : that it was made from.
    model : that made it, if no report says so.
    pixel_size_nm : camera pixel, if neither says it.

    Raises
    ------
    ValueError, OSError
        One sentence: which file or number is missing or wrong.
    """
    table_path = Path(table_path)
    read = read_table(table_path, pixel_size_nm=pixel_size_nm)
    return judge(
        read.localizations,
        frames,
        _report_beside(table_path),
        title=table_path.name,
        model=model,
        pixel_size_nm=pixel_size_nm,
        table_pixel_nm=read.pixel_size_nm,
    )


def _opened_as_before(
    frames: Any, report: dict[str, Any], pixel_size_nm: float | None
) -> FrameSource:
    """Return the frames as the reconstruction had them: its channel, axes and registration."""
    options = report.get("inputs", {}).get("options", {})
    how = {name: options.get(name) for name in ("axes", "channel", "registration")}
    pixel_nm = pixel_size_nm or report.get("pixel_size_nm")
    return open_frames(frames, pixel_size_nm=pixel_nm, allow_truncated=True, **how)


def judge(
    table: Localizations,
    frames: Any,
    report: dict[str, Any],
    *,
    title: str,
    model: str | None = None,
    pixel_size_nm: float | None = None,
    table_pixel_nm: float | None = None,
) -> Trust:
    """Return what speaks for and against localizations in memory.

    Parameters
    ----------
    table : the result.
    frames : that it was made from: what `open_frames` opens.
    report : of the reconstruction, as plain values; empty if there is none.
    title : what the result is called.
    model, pixel_size_nm : as for :func:`trust_of`.
    table_pixel_nm : camera pixel that the table states.
    """
    with _opened_as_before(frames, report, pixel_size_nm) as source:
        pixel_nm = source.pixel_size_nm or table_pixel_nm
        if pixel_nm is None:
            raise ValueError(f"{source.name}: states no pixel size; give --pixel-size in nm.")
        compared, training = _training(report, frames, model, pixel_nm)
        sigma_px = _sigma_px(compared)
        require_molecules(table, "judge", title)
        _require_the_same_movie(title, table, source, pixel_nm)
        doubt, mapped = _mapped(source, table, report, pixel_nm, sigma_px)
    frc_nm, resolution = _resolution(table)
    measured_nm, precision = _precision(table)
    counts, over_time = _over_time(table)
    findings = [
        *training, _camera(report), mapped, resolution, over_time, precision,
        _bound(table, pixel_nm, sigma_px, measured_nm),
    ]  # fmt: skip
    numbers = {
        "frc_nm": frc_nm,
        "nena_nm": measured_nm,
        "share_in_doubt": None if doubt is None else doubt.share,
        "psf_sigma_px": sigma_px,
    }
    return Trust(title, tuple(findings), counts, doubt, numbers)


def _report_beside(table: Path) -> dict[str, Any]:
    try:
        report = json.loads((table.parent / REPORT_NAME).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return report if isinstance(report, dict) else {}


def _training(
    report: dict[str, Any], frames: Any, model: str | None, pixel_nm: float
) -> tuple[MismatchTable | None, list[Finding]]:
    name = "Data against training"
    settings = settings_of(report)
    how: dict[str, Any] = {} if settings is None else dict(settings)
    if model is not None:
        how["model"] = model
    if "model" not in how:
        return None, [Finding(name, "cannot be told", "No report names the model; give --model.")]
    compared = compare_with_training(frames, **{**how, "pixel_size_nm": pixel_nm})
    outside = [row for row in compared.rows if row.verdict == "outside" and row.is_said]
    if outside or compared.depths:
        sentences = [*filter(None, [compared.depths]), *(row.remark for row in outside)]
        return compared, [Finding(name, "doubt", " ".join(dict.fromkeys(sentences)))]
    if compared.problems:
        return compared, [Finding(name, "cannot be told", " ".join(compared.problems))]
    n = sum(row.verdict in ("inside", "near") for row in compared.rows)
    return compared, [Finding(name, "fine", f"{n} quantities lie in or near the training's.")]


def _sigma_px(compared: MismatchTable | None) -> float:
    if compared is not None:
        for row in compared.rows:
            if row.name == "psf_sigma_px" and row.measured.value:
                return float(row.measured.value)
    return USUAL_SIGMA_PX


def _camera(report: dict[str, Any]) -> Finding:
    camera = report.get("camera")
    if not isinstance(camera, dict) or "source" not in camera:
        return Finding("Camera", "cannot be told", "No report says which camera was used.")
    source, error = str(camera["source"]), camera.get("photons_per_adu_error")
    gain = camera.get("photons_per_adu")
    if source == "none":
        return Finding("Camera", "cannot be told", "Counts were taken for photons.")
    if isinstance(gain, int | float) and isinstance(error, int | float) and gain > 0:
        text = f"It is {source}; photons per ADU {gain:.3g} ± {error:.2g}."
        return Finding("Camera", "doubt" if error > GAIN_ERROR * gain else "fine", text)
    return Finding("Camera", "fine", f"It is {source}.")


def _part(source: Any, report: dict[str, Any]) -> Any:
    """Return the frames that were reconstructed; None where only a region of them was."""
    options = report.get("inputs", {}).get("options", {}) if report else {}
    if options.get("region"):
        return None
    first = int((options.get("frame_range") or (0, None))[0])
    n_frames = report.get("frames")
    if not isinstance(n_frames, int) or not 0 < n_frames <= source.n_frames - first:
        return source
    return source.slice(first, first + n_frames)


def _mapped(
    source: Any, table: Localizations, report: dict[str, Any], pixel_nm: float, sigma_px: float
) -> tuple[DoubtMap | None, Finding]:
    name = "Image against frames"
    source = _part(source, report)
    if source is None:
        return None, Finding(name, "cannot be told", "Only a region was reconstructed.")
    if source.n_frames < FEWEST_FRAMES:
        words = f"{source.n_frames} frames are too few to tell chance from error."
        return None, Finding(name, "cannot be told", words)
    found = doubt_map(source, table, pixel_nm, sigma_px)
    text = f"{found.share:.1%} of the structure is in doubt"
    if found.share <= MAX_SHARE_IN_DOUBT:
        return found, Finding(name, "fine", f"{text}.")
    places = "; ".join(one.sentence(pixel_nm) for one in found.regions[:3])
    return found, Finding(name, "doubt", f"{text}: {places}.")


def _resolution(table: Localizations) -> tuple[float | None, Finding]:
    try:
        found = frc_of_table(table)
    except ValueError as error:
        return None, Finding("Resolution", "cannot be told", str(error))
    time = found.time
    if time is None or not math.isfinite(time.resolution_nm):
        words = " ".join(found.remarks) or "There is none."
        return None, Finding("Resolution", "cannot be told", words)
    return time.resolution_nm, Finding("Resolution", "fine", f"FRC {time.resolution_nm:.1f} nm.")


def _over_time(table: Localizations) -> tuple[Array, Finding]:
    frame = np.asarray(table.frame)
    n_frames = int(frame.max()) + 1
    n = min(N_COUNTS, n_frames)
    length = np.bincount(np.arange(n_frames) * n // n_frames, minlength=n)
    counts = np.bincount(frame * n // n_frames, minlength=n) / length
    tenth = max(1, n // 10)
    first, last = counts[:tenth].mean(), counts[-tenth:].mean()
    text = f"Molecules per frame: {first:.3g} at the start, {last:.3g} at the end."
    if n >= 10 and (counts == 0).any():
        return counts, Finding("Count over time", "doubt", f"{text} There is a time with none.")
    if last < FALL * first:
        return counts, Finding("Count over time", "doubt", f"{text} Much of it has bleached.")
    return counts, Finding("Count over time", "fine", text)


def _precision(table: Localizations) -> tuple[float | None, Finding]:
    name, measured = "Stated against measured uncertainty", nena(table)
    if measured is None:
        words = "Too few molecules shine in two frames in a row to measure it (NeNA)."
        return None, Finding(name, "cannot be told", words)
    stated = _stated_nm(table)
    if stated is None:
        words = f"NeNA measures {measured:.1f} nm; the table states none."
        return measured, Finding(name, "cannot be told", words)
    text = f"Stated {stated:.1f} nm, measured {measured:.1f} nm (NeNA)."
    is_fine = 1 / PRECISION_FACTOR < stated / measured < PRECISION_FACTOR
    return measured, Finding(name, "fine" if is_fine else "doubt", text)


def _bound(
    table: Localizations, pixel_nm: float, sigma_px: float, measured_nm: float | None
) -> Finding:
    name = "Photons against the bound"
    if "photons" not in table or "background" not in table:
        return Finding(name, "cannot be told", "The table has no photons or no background.")
    photons = float(np.nanmedian(table["photons"]))
    background = max(float(np.nanmedian(table["background"])), 0.0)
    reached = measured_nm or _stated_nm(table)
    if not photons > 0 or reached is None:
        return Finding(
            name, "cannot be told", "Neither a measured nor a stated precision is there."
        )
    bound = float(mortensen_precision(sigma_px * pixel_nm, pixel_nm, photons, background))
    text = (
        f"{photons:,.0f} photons on a background of {background:.3g} allow {bound:.1f} nm; "
        f"reached {reached:.1f} nm."
    )
    return Finding(name, "doubt" if reached < 0.6 * bound else "fine", text)


def _stated_nm(table: Localizations) -> float | None:
    if "uncertainty_x_nm" not in table:
        return None
    values = np.asarray(table["uncertainty_x_nm"], float)
    values = values[np.isfinite(values) & (values > 0)]
    return float(np.sqrt(np.mean(np.square(values)))) if len(values) else None
