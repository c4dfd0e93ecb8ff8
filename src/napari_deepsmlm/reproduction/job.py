"""Making figures: each from scratch, written as CSV, picture and JSON as soon as it is done."""

from __future__ import annotations

import csv
import io
import json
import math
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from napari_deepsmlm._files import atomic_write, folder_lock
from napari_deepsmlm.reproduction.figure import PaperFigure, Row
from napari_deepsmlm.reproduction.fingerprint import fingerprint
from napari_deepsmlm.reproduction.scale import Stopped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from napari_deepsmlm.reproduction.figure import Outcome
    from napari_deepsmlm.reproduction.scale import Bench

COLUMNS = ("quantity", "paper", "ours", "unit", "why")


@dataclass(frozen=True)
class Started:
    """A figure is begun."""

    figure: PaperFigure


@dataclass(frozen=True)
class Done:
    """A figure is made and written."""

    figure: PaperFigure
    record: dict[str, Any]
    files: dict[str, str]


def reproduce(figures: Iterable[PaperFigure], out: Path, bench: Bench) -> Iterator[Started | Done]:
    """Make figures one after the other, and yield what happens.

    Each writes `PAPER-FIGURE.csv`, `.png` and `.json` into `out`, replacing those of before. After
    `bench.stop()` it ends; what was trained goes on at the next call.
    """
    with folder_lock(out):
        for figure in figures:
            yield Started(figure)
            bench.begin()
            # Wall-clock and processor time: the first depends on what else the machine does.
            began, cpu_began = time.perf_counter(), time.process_time()
            try:
                outcome = figure.make(bench)
            except Stopped:
                return
            record = {
                "key": figure.key,
                "title": figure.title,
                "claim": figure.claim,
                "setup": outcome.setup,
                "fingerprint": fingerprint(figure),
                "scale": bench.scale,
                "seconds": round(time.perf_counter() - began, 1),
                # Trained networks are kept, and the next call would take much less.
                "cpu_seconds": round(
                    time.process_time() - cpu_began - bench.training_cpu_seconds, 1
                ),
                "networks": bench.networks,
                "version": version("napari-deepsmlm"),
                "rows": [asdict(row) for row in outcome.rows],
            }
            yield Done(figure, record, _write(figure, outcome, record, out))


def read_outcome(path: Path) -> dict[str, Any]:
    """Return what a figure's JSON file says; rows as :class:`Row`.

    Raises
    ------
    ValueError
        If the file is none that `reproduce` wrote.
    """
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        rows = [Row(**{**row, "ours": _number(row["ours"])}) for row in record["rows"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path.name}: not a result of `deepsmlm reproduce` ({error}).") from None
    return {**record, "rows": rows}


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _write(
    figure: PaperFigure, outcome: Outcome, record: dict[str, Any], out: Path
) -> dict[str, str]:
    stem = f"{figure.paper}-{figure.name}"
    contents = {
        "csv": _as_csv(outcome.rows),
        "png": _as_png(figure, outcome),
        "json": (json.dumps(_finite(record), indent=1) + "\n").encode(),
    }
    for suffix, content in contents.items():
        with atomic_write(out / f"{stem}.{suffix}") as file:
            file.write(content)
    return {suffix: str(out / f"{stem}.{suffix}") for suffix in contents}


def _finite(value: Any) -> Any:
    """Return values with None for what is not finite, which JSON cannot say."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _as_csv(rows: Iterable[Row]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    return text.getvalue().encode()


def _as_png(figure: PaperFigure, outcome: Outcome) -> bytes:
    from matplotlib.figure import Figure

    picture = Figure(figsize=(7.0, 4.2), layout="constrained", facecolor="white")
    outcome.draw(picture)
    picture.suptitle(figure.title, fontsize=11)
    buffer = io.BytesIO()
    picture.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()
