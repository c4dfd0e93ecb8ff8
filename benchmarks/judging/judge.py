"""Judge: a model on every condition, as a user runs it, with marks and one number."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

import napari_deepsmlm as ds
from judging.grid import ALL, Condition, find
from judging.marks import Mark, marks_of, worst_of
from judging.measures import Scores, as_opened, hold, measure
from judging.reference import bound_lateral_nm, fitted
from judging.stacks import default_cache, load
from judging.sums import SUMS, SumRow, judge_sums
from napari_deepsmlm.adaptation import Adapted, AdaptJob, AdaptOptions
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.models import find_model
from napari_deepsmlm.reconstruction import ReconstructOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from judging.stacks import Stack
    from napari_deepsmlm.io import FrameSource

SEEDS = (1,)
CameraChoice = Literal["auto", "true", "none"]


@dataclass(frozen=True)
class Row:
    """A model on one condition and seed, with the fitter and the bound beside it."""

    condition: str
    seed: int
    trap: str
    density_per_um2: float
    density_at_110_nm: float
    stands_out: float
    scores: Scores
    lone_bound_nm: float
    """Of the lone molecules that the model found."""
    best_efficiency: float
    """Of a method that finds all and errs by the bound."""
    fitter: Scores
    fitter_threshold: float
    said: tuple[str, ...]
    is_refused: bool
    cpu_seconds: float
    """Of the reconstruction alone."""
    without_trap: Scores = field(default_factory=dict)
    """Of the same sample without the trap."""
    fitter_without_trap: Scores = field(default_factory=dict)

    @property
    def efficiency(self) -> float:
        """Efficiency from 0 to 100; nothing found is 0."""
        return _clipped(self.scores["efficiency"])

    def marks(self) -> Iterator[Mark]:
        """Yield what is demanded, and whether it is reached."""
        return marks_of(self)


@dataclass(frozen=True)
class Verdict:
    """What a model is worth on any microscope."""

    model: str
    camera: str
    score: float
    """Mean efficiency (0-100) over the conditions that are no traps."""
    worst: str
    """The condition that misses its marks by most."""
    worst_miss_percent: float
    """By how much, 0 if all are reached."""
    rows: tuple[Row | SumRow, ...]
    marks: tuple[Mark, ...]
    cpu_seconds: float

    @property
    def n_passed(self) -> int:
        """Marks reached."""
        return sum(mark.is_reached for mark in self.marks)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, NaN as None."""
        return {**_plain(asdict(self)), "n_passed": self.n_passed, "n_marks": len(self.marks)}


def judge_model(
    model: str | Path,
    conditions: Iterable[str | Condition] | None = None,
    *,
    seeds: Sequence[int] = SEEDS,
    camera: CameraChoice = "auto",
    adapt_minutes: float | None = None,
    cache: str | Path | None = None,
    tell: Callable[[Row | SumRow], None] | None = None,
) -> Verdict:
    """Return the verdict on a model.

    Parameters
    ----------
    model : name of a built-in model, or a .safetensors file.
    conditions : names or conditions; all if none are given. Networks that draw an image of many
        frames have their own, `judging.sums.SUMS`.
    camera : "auto" states nothing; "true" states the camera; "none" asks for ADU as photons.
    adapt_minutes : let the model adapt to each stack first, for so long; not for sums.
    cache : folder that keeps the stacks, the fitter's results and the bounds.
    tell : called with every row as it is ready.

    Raises
    ------
    ValueError
        If there is no such condition.
    """
    started = time.process_time()
    folder = default_cache() if cache is None else Path(cache)
    judge = _Judge(str(model), camera, adapt_minutes, folder)
    known, row_of = (SUMS, judge.sums) if needs_sums(model) else (ALL, judge.row)
    rows: list[Row | SumRow] = []
    for condition in find(conditions, known):
        for seed in seeds:
            rows.append(row_of(condition, seed))
            if tell is not None:
                tell(rows[-1])
    return verdict_of(model, rows, camera=camera, cpu_seconds=time.process_time() - started)


def verdict_of(
    model: str | Path, rows: Sequence[Row | SumRow], *, camera: str, cpu_seconds: float
) -> Verdict:
    """Return the verdict that rows come to."""
    marks = tuple(mark for row in rows for mark in row.marks())
    worst, miss = worst_of(marks)
    counted = [row.efficiency for row in rows if isinstance(row, SumRow) or not row.trap]
    score = float(np.mean(counted)) if counted else float("nan")
    return Verdict(str(model), camera, score, worst, miss, tuple(rows), marks, cpu_seconds)


def needs_sums(model: str | Path) -> bool:
    """Whether a network draws an image of many frames instead of localizing in each."""
    return find_model(model).card.network.startswith("drsn")


class _Judge:
    """One model with the rows it has so far: a trap looks up the sample without it."""

    def __init__(
        self, model: str, camera: CameraChoice, adapt_minutes: float | None, cache: Path
    ) -> None:
        self.model, self.camera, self.cache = model, camera, cache
        self.adapt_minutes = adapt_minutes
        self.done: dict[tuple[Condition, int], Row] = {}

    def row(self, condition: Condition, seed: int) -> Row:
        if (condition, seed) not in self.done:
            self.done[condition, seed] = self._judged(condition, seed)
        return self.done[condition, seed]

    def sums(self, condition: Condition, seed: int) -> SumRow:
        options = {"model": self.model, **camera_options(self.camera, condition)}
        return judge_sums(condition, seed, options, self.cache)

    def _judged(self, condition: Condition, seed: int) -> Row:
        stack = load(condition, seed, self.cache)
        found, said, is_refused, seconds = self._found(condition, stack)
        fits, threshold = fitted(condition, stack, self.cache)
        held = hold(found, condition, stack)
        light = held.truth["photons"]
        counted = light[light > condition.least_photons]
        without: dict[str, Scores] = {}
        if condition.trap and not condition.is_empty:
            size = {"n_frames": condition.n_frames, "side_px": condition.side_px}
            clean = self.row(ALL[condition.scene].replace(**size), seed)
            without = {"without_trap": clean.scores, "fitter_without_trap": clean.fitter}
        return Row(
            condition=condition.name,
            seed=seed,
            trap=condition.trap,
            density_per_um2=condition.density_per_um2,
            density_at_110_nm=condition.density,
            stands_out=condition.stands_out,
            scores=measure(held, condition, stack),
            lone_bound_nm=self._bound_nm(condition, light[held.pairs.true][held.lone]),
            best_efficiency=100 - self._bound_nm(condition, counted),
            fitter=measure(hold(fits, condition, stack), condition, stack),
            fitter_threshold=threshold,
            said=said,
            is_refused=is_refused,
            cpu_seconds=seconds,
            **without,
        )

    def _bound_nm(self, condition: Condition, photons: Any) -> float:
        if not len(photons):
            return float("nan")
        return float(np.sqrt(np.mean(bound_lateral_nm(condition, photons, self.cache) ** 2)))

    def _found(
        self, condition: Condition, stack: Stack
    ) -> tuple[Localizations, tuple[str, ...], bool, float]:
        """What the model finds and says. A run that refuses finds nothing, and says why."""
        options = {
            "model": self.model,
            "pixel_size_nm": condition.pixel_nm,
            **camera_options(self.camera, condition),
        }
        numbers = stack.frames
        if condition.trap == "floats":  # the file is what is rescaled, not what was there
            numbers = (numbers / numbers.max()).astype(np.float32)
        frames = as_opened(numbers)
        with TemporaryDirectory() as folder, own_data_folder(Path(folder)):
            remarks: tuple[str, ...] = ()
            if self.adapt_minutes is not None:
                options["model"], remarks = adapted(frames, options, self.adapt_minutes)
            started = time.process_time()
            try:
                result = ds.reconstruct(frames, **options)
                found, said = result.localizations, tuple(result.report["warnings"])
                is_refused = False
            except ValueError as refusal:
                found, said, is_refused = Localizations.empty(), (str(refusal),), True
            seconds = time.process_time() - started
        return found, (*remarks, *said), is_refused, seconds


def camera_options(camera: CameraChoice, condition: Condition) -> dict[str, Any]:
    """Return what is stated about the camera, as far as this package knows the words."""
    if camera == "true":
        return {"camera": condition.sensor.stated()}
    if _accepts(camera=camera):
        return {"camera": camera}
    return {}


def adapted(
    frames: FrameSource, options: dict[str, Any], minutes: float
) -> tuple[str, tuple[str, ...]]:
    """Return the model that adapting to these frames gives, and what was said about it.

    It is the better of before and after; where frames tell too little to adapt, that of before.
    """
    camera = options.get("camera", "auto")
    values = {**options, "camera": None if camera == "none" else camera, "minutes": minutes}
    try:
        *_, done = AdaptJob(frames, AdaptOptions.from_dict(values, source="options")).run()
    except ValueError as refusal:
        return options["model"], (f"Not adapted: {refusal}",)
    assert isinstance(done, Adapted)
    return done.model, (done.sentence,)


@contextmanager
def own_data_folder(path: Path) -> Iterator[None]:
    """Keep adapted models out of the person's own (on Linux, whose folder can be moved)."""
    before = os.environ.get("XDG_DATA_HOME")
    os.environ["XDG_DATA_HOME"] = str(path)
    try:
        yield
    finally:
        if before is None:
            del os.environ["XDG_DATA_HOME"]
        else:
            os.environ["XDG_DATA_HOME"] = before


def _accepts(**options: Any) -> bool:
    try:
        ReconstructOptions.from_dict(options, source="options")
    except ValueError:
        return False
    return True


def _clipped(efficiency: float) -> float:
    return float(np.clip(efficiency, 0, 100)) if np.isfinite(efficiency) else 0.0


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float):
        return round(value, 5) if np.isfinite(value) else None
    return value
