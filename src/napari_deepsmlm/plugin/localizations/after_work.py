"""Drift and linking for the panel, in another thread: a table becomes another one as a layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari.layers import Layer

from napari_deepsmlm.plugin.layers.localizations import layer_of

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator

    from napari_deepsmlm.drift import DriftCurve, DriftResult
    from napari_deepsmlm.localizations import Localizations

STEPS = "steps"
"""Of a layer's provenance: what was done with the molecules, as a recipe has it."""


@dataclass(frozen=True, slots=True)
class Source:
    """A table, and the layer that it is of.

    Attributes
    ----------
    table : the molecules kept.
    where : the condition that kept them, "" for all.
    name : of the layer.
    origin_nm : (y, x) nm in the world where positions count from.
    known : provenance that goes on to the result.
    """

    table: Localizations
    where: str
    name: str
    origin_nm: tuple[float, float]
    known: dict[str, Any]

    def steps(self) -> list[dict[str, Any]]:
        """Return what was done until now."""
        before = list(self.known.get(STEPS, ()))
        return [*before, {"kind": "filter", "where": self.where}] if self.where else before

    def layer(self, table: Localizations, ending: str, step: dict[str, Any]) -> Layer:
        """Return a layer of what a step has made."""
        kept = {name: self.known[name] for name in ("path", "pixel_size_nm") if name in self.known}
        known = {**kept, STEPS: [*self.steps(), step]}
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

    yield Doing("Linking…")
    found = link(source.table)
    if stopping.is_set():
        return
    step = {"kind": "link", "distance_nm": found.distance_nm, "dark_frames": found.dark_frames}
    yield Done(source.layer(found.table, "linked", step), found.sentence(), found.remarks)


def _other(found: DriftResult) -> DriftCurve | None:
    others = [curve for name, curve in found.curves.items() if name != found.method]
    return others[0] if others else None
