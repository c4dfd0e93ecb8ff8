"""Sample model: the model with depth for a layer that knows it was simulated with depth."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from napari_deepsmlm.plugin.layers.world import provenance
from napari_deepsmlm.plugin.reconstruct.adapted_finder import Suiting

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari.layers import Layer

    from napari_deepsmlm.plugin.library.choices import ModelChoice
    from napari_deepsmlm.psf import PSF

REASON = "it reads depth from the PSF that this sample was simulated with"


def sample_model(stack: Layer | None, choices: Iterable[ModelChoice]) -> Suiting | None:
    """Return the built-in model that was trained to read depth from the PSF of a simulated layer.

    None for other layers, and where no model reads that PSF.
    """
    known = None if stack is None else provenance(stack).get("experiment")
    if known is None:
        return None
    from napari_deepsmlm.models import built_in_models, read_card
    from napari_deepsmlm.psf import GaussianPSF

    psf, files = _psf_of(known), built_in_models()
    if psf is None or isinstance(psf, GaussianPSF):
        return None
    for choice in choices:
        card = read_card(files[choice.key]) if choice.key in files else None
        if card is None or not card.reads_depth:
            continue
        trained = _psf_of(card.experiment)
        if trained is not None and _covers(trained, psf):
            return Suiting(choice.key, REASON)
    return None


def _covers(trained: PSF, psf: PSF) -> bool:
    """Whether a PSF is the other one, through all of its depths."""
    ours, others = trained.depth_range_nm, psf.depth_range_nm
    if ours is None or others is None or ours[0] > others[0] or ours[1] < others[1]:
        return False
    return bool(_optics(trained.model_dump()) == _optics(psf.model_dump()))


def _optics(values: Any) -> Any:
    """Return the values of a PSF without the depths that it is rendered for."""
    if not isinstance(values, dict):
        return values
    return {key: _optics(value) for key, value in values.items() if key != "z_range_nm"}


def _psf_of(experiment: Any) -> PSF | None:
    """Return the PSF of an experiment as plain values, None if this version cannot read it."""
    from napari_deepsmlm.experiment import Experiment

    with suppress(ValueError, TypeError, AttributeError):
        return Experiment.from_dict(experiment, source="layer").psf
    return None
