"""Adapting: what of a reconstruction's choices an adaptation needs, and what it changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_deepsmlm.adaptation import AdaptOptions, adaptation_of, camera_kind, last_gain, offer

if TYPE_CHECKING:
    from napari_deepsmlm.adaptation import Adapted
    from napari_deepsmlm.io import FrameSource
    from napari_deepsmlm.models import FoundModel
    from napari_deepsmlm.reconstruction.options import ReconstructOptions

SHARED = (
    "model",
    "pixel_size_nm",
    "upsampling",
    "sum_frames",
    "frame_range",
    "registration",
    "camera",
    "device",
    "precision",
)


def adapt_options(options: ReconstructOptions, minutes: float, **more: Any) -> AdaptOptions:
    """Return the choices of an adaptation for a reconstruction.

    Raises
    ------
    ValueError
        One sentence, if there is no time.
    """
    values = {name: getattr(options, name) for name in SHARED}
    values |= {"minutes": minutes, **more}
    return AdaptOptions.from_dict(values, source="adapt")


def with_adapted(options: ReconstructOptions, done: Adapted) -> ReconstructOptions:
    """Return the choices with the better of the two models."""
    return options.replace(model=done.model)


def remarks_of(done: Adapted) -> tuple[str, ...]:
    """Return what to say in the report; an adapted model's card tells by itself."""
    return () if done.is_better else (done.sentence,)


def offer_for(source: FrameSource, found: FoundModel) -> str:
    """Return the offer to adapt a model to a stack, "" where that cannot be done."""
    is_flat = source.shape[1] == 1 == found.card.n_planes
    if not is_flat or found.card.reads_depth or not found.card.is_trained:
        return ""
    return offer(last_gain(found.card.network, camera_kind(source)))


def described(found: FoundModel) -> dict[str, Any] | None:
    """Return the figures of a model's adaptation for the report, None if it is not adapted."""
    adaptation = adaptation_of(found.card)
    if adaptation is None:
        return None
    names = {"started_from", "made", "minutes", "before", "after"}
    return adaptation.model_dump(mode="json", include=names)
