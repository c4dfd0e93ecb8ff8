"""Check: hold frames against the experiment on a model's card.

Only what is clearly outside is called so: beyond the range by a margin, and by two errors. What is
beyond the range by less is near: a remark says by how much, and nobody is warned.
"""

from __future__ import annotations

import logging
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from napari_deepsmlm._base import FrozenModel
from napari_deepsmlm.camera import Camera
from napari_deepsmlm.io import open_frames
from napari_deepsmlm.mismatch.advice import (
    depths_sentence,
    expectation,
    margin_sentence,
    of_fit,
    pixels_only_sentence,
)
from napari_deepsmlm.mismatch.measured import em_noise, look, measure
from napari_deepsmlm.mismatch.table import (
    MISFIT_SIGMA_FACTOR,
    QUANTITIES,
    Measurement,
    MismatchRow,
    MismatchTable,
)
from napari_deepsmlm.mismatch.trained import ranges_of_fit, trained_on
from napari_deepsmlm.models import find_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from napari_deepsmlm.io import FrameSource
    from napari_deepsmlm.mismatch.measured import Glance
    from napari_deepsmlm.mismatch.trained import Range, Trained
    from napari_deepsmlm.models import ModelCard

# Outside, they are a reason to warn; less background or fewer molecules are none.
SAID = ("psf_sigma_px", "background", "density_per_um2", "photons", "em_noise")
HARMLESS_BELOW = ("background", "density_per_um2", "em_noise")
WIDTHS = ("psf_sigma_px", "psf_sigma_nm")


class InputSettings(FrozenModel):
    """How frames were given to which model."""

    model: str = Field(description="Network, built-in model or model file.")
    pixel_size_nm: float | None = Field(None, gt=0, description="Camera pixel, nm.")
    camera: Camera | None = Field(None, description="What turned ADU into photons, if known.")
    sum_frames: int = Field(1, ge=1, description="Camera frames summed for each input.")


def settings_of(report: Mapping[str, Any]) -> InputSettings | None:
    """Return how the frames of a result were given to its model, None if its report has no model.

    Parameters
    ----------
    report : of a reconstruction: `report.json`, or what a layer knows of its making.
    """
    try:
        options, found = report["inputs"]["options"], report["model"]
        is_file = str(options["model"]).endswith(".safetensors")
        values = {
            "model": options["model"] if is_file else found["name"],
            "pixel_size_nm": report.get("pixel_size_nm"),
            "camera": _camera_of(report),
            "sum_frames": options.get("sum_frames", 1),
        }
        return InputSettings.from_dict(values, source="report")
    except (KeyError, TypeError, ValueError):  # of another program or version
        return None


def _camera_of(report: Mapping[str, Any]) -> Any:
    """Return the camera of a report; None if it was estimated, which is done better with time."""
    known = report.get("camera")
    if not isinstance(known, dict):  # reports of before
        return report["inputs"]["options"].get("camera")
    return None if known.get("source") == "estimated" else known.get("model")


def compare_with_training(
    frames: FrameSource | np.ndarray[Any, Any] | str | Path | Any,
    model: str | Path = "deep-storm",
    *,
    pixel_size_nm: float | None = None,
    camera: Camera | None = None,
    sum_frames: int = 1,
) -> MismatchTable:
    """Return the table that holds frames against what a model was trained on.

    What cannot be told has a row that says why: frames too few, a model without a record of its
    training, light without a camera.

    Parameters
    ----------
    frames : raw frames in ADU, anything `open_frames` takes.
    model : network, built-in model or model file.
    pixel_size_nm : camera pixel, nm; from the file if not given.
    camera : makes ADU photons; if not given, the noise says what it can.
    sum_frames : camera frames summed for each input of the network.

    Raises
    ------
    ValueError, OSError
        One sentence: no such model, frames that cannot be read.
    """
    source = open_frames(frames, pixel_size_nm=pixel_size_nm)
    found = find_model(model, pixel_size_nm=source.pixel_size_nm)
    return mismatch_table(found.card, found.name, source, camera=camera, sum_frames=sum_frames)


def mismatches(
    card: ModelCard,
    name: str,
    source: FrameSource,
    *,
    camera: Camera | None = None,
    sum_frames: int = 1,
) -> list[str]:
    """Return in words how frames differ from what a model was trained on; nothing if all is well.

    It never raises, and is silent on what cannot be told. Parameters as of `mismatch_table`.
    """
    table = glance_at(card, name, source, camera=camera, sum_frames=sum_frames)
    return [] if table is None else table.sentences


def glance_at(
    card: ModelCard,
    name: str,
    source: FrameSource,
    *,
    camera: Camera | None = None,
    sum_frames: int = 1,
) -> MismatchTable | None:
    """Return the table of :func:`mismatch_table`, None where there is any trouble."""
    return Look(source, camera=camera, sum_frames=sum_frames).glance_at(card, name)


def mismatch_table(
    card: ModelCard,
    name: str,
    source: FrameSource,
    *,
    camera: Camera | None = None,
    sum_frames: int = 1,
) -> MismatchTable:
    """Return the table that holds frames against the card of a model.

    Parameters
    ----------
    card : of the model.
    name : of the model, for the sentences.
    source : the frames to be reconstructed.
    camera : makes ADU photons; if not given, the noise says what it can.
    sum_frames : camera frames summed for each input of the network.
    """
    return Look(source, camera=camera, sum_frames=sum_frames).table(card, name)


class Look:
    """Frames that are held against one model or several, measured once when they first are.

    Parameters
    ----------
    source, camera, sum_frames : as of :func:`mismatch_table`.
    """

    def __init__(
        self, source: FrameSource, *, camera: Camera | None = None, sum_frames: int = 1
    ) -> None:
        self._source = source
        self._camera = camera
        self._sum_frames = sum_frames

    def glance_at(self, card: ModelCard, name: str) -> MismatchTable | None:
        """Return what :meth:`table` does, None where there is any trouble."""
        try:
            return self.table(card, name)
        except Exception:
            logging.getLogger(__name__).debug("no comparison with the training", exc_info=True)
            return None

    def table(self, card: ModelCard, name: str) -> MismatchTable:
        """Return the table that holds the frames against the card of a model."""
        return _table(card, name, self._source, self._camera, self._sum_frames, self._seen)

    @cached_property
    def _seen(self) -> tuple[Glance | None, str]:
        return _look(self._source, self._camera)


def _table(
    card: ModelCard,
    name: str,
    source: FrameSource,
    camera: Camera | None,
    sum_frames: int,
    seen: tuple[Glance | None, str],
) -> MismatchTable:
    trained, unknown = _record(card, name)
    glance, unseen = seen
    pixel_nm = source.pixel_size_nm or card.pixel_size_nm
    measured = {key: Measurement(None, remark=unseen) for key in QUANTITIES}
    if glance is not None:
        with np.errstate(all="ignore"):
            measured |= measure(glance, trained, pixel_nm, sum_frames)
    measured |= _stated(source) | {"em_noise": em_noise(camera, glance)}
    ranges = _ranges(card, trained, pixel_nm, measured["psf_sigma_px"].value)
    advise = partial(expectation if card.is_trained else of_fit, name=name, pixel_size_nm=pixel_nm)
    rows = []
    for key, quantity in QUANTITIES.items():
        is_misfit = key in WIDTHS and glance is not None and not glance.blinking.is_gaussian
        factor = MISFIT_SIGMA_FACTOR if is_misfit else quantity.factor
        row = _judge(key, measured[key], ranges.get(key), factor, advise)
        rows.append(row if key in ranges else row._replace(remark=row.remark or unknown))
    rows = _by_pixels(rows, trained)
    scope = [] if glance is None else [*glance.scope, *_on_pixels(source, trained, pixel_nm)]
    problems = [sentence for sentence in (unknown, unseen) if sentence]
    gain = glance.units.gain if glance is not None and glance.units.is_photons else None
    is_one_width = glance is not None and glance.blinking.is_gaussian
    depths = depths_sentence(name) if _lacks_depth(card, glance, trained) else ""
    return MismatchTable(
        name, tuple(rows), tuple(scope), tuple(problems), gain, is_one_width, depths
    )


def _lacks_depth(card: ModelCard, glance: Glance | None, trained: Trained | None) -> bool:
    """Whether images of several widths meet a model that knows one width at a time."""
    is_flat = not card.is_trained if trained is None else trained.is_gaussian
    if glance is None or not is_flat:
        return False
    return glance.blinking.is_seen and glance.blinking.has_several_widths


def _by_pixels(rows: list[MismatchRow], trained: Trained | None) -> list[MismatchRow]:
    """Return rows in which nm are judged by pixels, where the width in pixels is as trained.

    With depth the shape of an image tells z, which is in nm: there other pixels stay outside.
    """
    sigma = next(row for row in rows if row.name == "psf_sigma_px")
    if trained is None or not trained.is_gaussian or sigma.verdict != "inside":
        return rows
    in_nm = {"pixel_size_nm", "psf_sigma_nm"}
    return [
        row._replace(verdict="near", remark=pixels_only_sentence(row.trained))
        if row.name in in_nm and row.verdict in ("near", "outside") and row.trained is not None
        else row
        for row in rows
    ]


def _judge(
    key: str,
    measured: Measurement,
    trained: Range | None,
    factor: float,
    advise: Callable[..., str],
) -> MismatchRow:
    value = measured.value
    if value is None or trained is None:
        return MismatchRow(key, "cannot be told", measured, trained, measured.remark)
    side = measured.beyond(trained, factor)
    if side:
        remark = advise(key, value=value, trained=trained, side=side)
        is_said = key in SAID and not (side < 0 and key in HARMLESS_BELOW)
        return MismatchRow(key, "outside", measured, trained, remark, is_said)
    if measured.is_least:
        return MismatchRow(key, "cannot be told", measured, trained, measured.remark)
    if trained[0] <= value <= trained[1]:
        return MismatchRow(key, "inside", measured, trained)
    return MismatchRow(
        key, "near", measured, trained, margin_sentence(key, measured, trained, factor)
    )


def _record(card: ModelCard, name: str) -> tuple[Trained | None, str]:
    """Return what the model was trained on, or why that is not known."""
    if not card.is_trained:
        return None, "It was not trained: each spot is fitted by itself."
    try:
        trained = trained_on(card)
    except ValueError:
        return None, f"The record of its training in {name} cannot be read by this version."
    return trained, "" if trained else f"The file of {name} has no record of its training."


def _look(source: FrameSource, camera: Camera | None) -> tuple[Glance | None, str]:
    """Return what the frames tell, or why they tell nothing."""
    try:
        with np.errstate(all="ignore"):
            return look(source, camera), ""
    except ValueError as error:
        return None, str(error)


def _stated(source: FrameSource) -> dict[str, Measurement]:
    """Return what needs no measuring."""
    stated = {"n_planes": Measurement(source.shape[1])}
    if source.pixel_size_nm is not None:
        return {**stated, "pixel_size_nm": Measurement(source.pixel_size_nm)}
    unknown = Measurement(None, remark="The file states no pixel size: give it in nm.")
    return {**stated, "pixel_size_nm": unknown, "psf_sigma_nm": unknown}


def _ranges(
    card: ModelCard, trained: Trained | None, pixel_size_nm: float, sigma_px: float | None
) -> dict[str, Range]:
    pixel_nm, n_planes = card.pixel_size_nm, card.n_planes
    if card.is_for_any_pixel:
        pixel_nm = pixel_size_nm
    ranges: dict[str, Range] = {
        "pixel_size_nm": (pixel_nm, pixel_nm),
        "n_planes": (n_planes, n_planes),
    }
    if not card.is_trained:
        return ranges | ranges_of_fit(pixel_size_nm, sigma_px)
    return ranges if trained is None else ranges | trained.ranges(pixel_size_nm, sigma_px)


def _on_pixels(source: FrameSource, trained: Trained | None, pixel_size_nm: float) -> Iterator[str]:
    """Say what densities per area mean to a network, which counts per pixel."""
    if source.pixel_size_nm is None:
        yield f"Densities are for the model's pixels of {pixel_size_nm:g} nm."
    elif trained is None or trained.is_any_pixel:
        return
    elif trained.pixel_size_nm != pixel_size_nm:
        yield (
            f"The network counts per pixel: the trained densities are those of its "
            f"{trained.pixel_size_nm:g} nm pixels, per area of the data's {pixel_size_nm:g} nm."
        )
