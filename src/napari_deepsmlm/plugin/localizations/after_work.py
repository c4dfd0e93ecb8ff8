"""Drift and linking for the panel, in another thread: a table becomes another one as a layer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from napari.layers import Layer

from napari_deepsmlm._words import counted
from napari_deepsmlm.plugin.layers.localizations import layer_of

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator

    from napari_deepsmlm.drift import DriftCurve, DriftResult
    from napari_deepsmlm.localizations import Localizations

STEPS = "steps"
"""Of a layer's provenance: what was done with the molecules here, as a recipe has it."""


@dataclass(frozen=True, slots=True)
class Source:
    """A table, and the layer that it is of.

    Attributes
    ----------
    table : the molecules kept.
    kept_by : the steps that kept them, none for all.
    name : of the layer.
    origin_nm : (y, x) nm in the world where positions count from.
    known : provenance that goes on to the result.
    """

    table: Localizations
    kept_by: tuple[dict[str, Any], ...]
    name: str
    origin_nm: tuple[float, float]
    known: dict[str, Any]

    def steps(self) -> list[dict[str, Any]]:
        """Return what was done until now."""
        return [*self.known.get(STEPS, ()), *self.kept_by]

    def layer(self, table: Localizations, ending: str, step: dict[str, Any]) -> Layer:
        """Return a layer of what a step has made."""
        known: dict[str, Any] = {STEPS: [*self.steps(), step]}
        known |= {name: self.known.get(name) for name in ("path", "pixel_size_nm", "inputs")}
        return Layer.create(*layer_of(table, f"{self.name}, {ending}", self.origin_nm, known))


@dataclass(frozen=True, slots=True)
class Doing:
    """What is done at the moment."""

    what: str


@dataclass(frozen=True, slots=True)
class Done:
    """The result of a step as a layer, and what is to be said of it."""

    layer: Layer
    sentence: str
    remarks: tuple[str, ...]
    curve: DriftCurve | None = None
    other: DriftCurve | None = None
    """By the way that was not taken."""


def take_off_drift(
    source: Source, stopping: threading.Event
) -> Generator[Doing | Done, None, None]:
    """Yield the table without its drift."""
    from napari_deepsmlm.drift import DriftOptions, measure_drift

    import_module("napari_deepsmlm.plugin.localizations.drift_plot")  # here, not in the window
    yield Doing("Measuring the drift in two ways…")
    options = DriftOptions()
    found = measure_drift(source.table, options)
    if stopping.is_set():
        return
    step = {"kind": "drift", **options.model_dump(exclude_none=True)}
    layer = source.layer(found.curve.apply(source.table), "drift corrected", step)
    yield Done(layer, found.sentence(), found.remarks, found.curve, _other(found))


def link_molecules(
    source: Source, stopping: threading.Event
) -> Generator[Doing | Done, None, None]:
    """Yield the table with one row for each molecule."""
    from napari_deepsmlm.linking import link

    if not len(source.table):
        raise ValueError("No molecule is kept, so there is nothing to link.")
    yield Doing("Linking…")
    found = link(source.table)
    if stopping.is_set():
        return
    step = {"kind": "link", "distance_nm": found.distance_nm, "dark_frames": found.dark_frames}
    yield Done(source.layer(found.table, "linked", step), found.sentence(), found.remarks)


def resolution_of(table: Localizations, stopping: threading.Event) -> Generator[str, None, None]:
    """Yield the resolution of molecules in a sentence."""
    from napari_deepsmlm.evaluation.quality import frc_of_table

    try:
        found = frc_of_table(table, stop=stopping.is_set)
    except InterruptedError:
        return
    time = found.time
    is_told = time is not None and math.isfinite(time.resolution_nm)
    told = f"FRC {time.resolution_nm:.1f} nm" if time is not None and is_told else "No FRC"
    remarks = " ".join(found.remarks)
    yield f"{told}, of the {counted(len(table), 'molecule')} kept. {remarks}".strip()


def _other(found: DriftResult) -> DriftCurve | None:
    others = [curve for name, curve in found.curves.items() if name != found.method]
    return others[0] if others else None
