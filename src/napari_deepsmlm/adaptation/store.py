"""Store: adapted models in the user's data folder, each with the camera and sample it is for.

They are files like the built-in ones, `dilated-loc_adapted-160nm-2026-11-29.safetensors`, whose
header has `adaptation`: from which model, which estimate, and the figures before and after. What
suits a stack is looked up with the quick look that warns of mismatches.
"""

from __future__ import annotations

import tempfile
from contextlib import suppress
from datetime import date
from typing import TYPE_CHECKING, Any

from pydantic import Field

from napari_deepsmlm._base import FrozenModel
from napari_deepsmlm.adaptation.judging import efficiency
from napari_deepsmlm.known_cameras import kind_of_stack
from napari_deepsmlm.models import (
    adapted_folder,
    adapted_models,
    load_model,
    read_card,
    save_model,
)

if TYPE_CHECKING:
    from pathlib import Path

    from napari_deepsmlm.io import FrameSource
    from napari_deepsmlm.models import ModelCard

SUFFIX = ".safetensors"
# Data this far from those that a model was adapted to are like them; less dense ones are, too.
PIXEL_FACTOR, WIDTH_FACTOR, GAIN_FACTOR = 1.03, 1.15, 1.3
BACKGROUND_FACTOR, PHOTONS_FACTOR, DENSITY_FACTOR = 2.0, 1.7, 1.7
# A background below this is dark, photons.
DARK = 5.0


def own_folder(name: str) -> Path:
    """Return a folder among the adapted models, made if it is not there.

    Raises
    ------
    OSError
        One sentence: it cannot be written.
    """
    folder = adapted_folder() / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(
            f"{folder} cannot be written ({error.strerror}), and adapted models are kept there: "
            "make room or give it to you."
        ) from None
    return folder


class Sample(FrozenModel):
    """What frames are like; None where they do not tell."""

    camera_kind: str = Field("", description="Camera's name in the file, else size and type.")
    adu_per_photon: float | None = Field(None, description="Gain, given or measured.")
    pixel_size_nm: float = Field(100.0, description="Camera pixel.")
    sum_frames: int = Field(1, description="Camera frames summed for an input.")
    psf_sigma_px: float | None = Field(None, description="Width of the PSF.")
    background: float | None = Field(None, description="Photons per pixel and frame.")
    photons: float | None = Field(None, description="Of a molecule in a frame, mean.")
    density_per_um2: float | None = Field(None, description="Emitting molecules, mean.")

    def suits(self, data: Sample) -> bool:
        """Whether a model adapted to this is for such data."""
        if data.psf_sigma_px is None or data.background is None:
            return False
        return (
            self.camera_kind == data.camera_kind
            and self.sum_frames == data.sum_frames
            and _alike(self.adu_per_photon, data.adu_per_photon, GAIN_FACTOR)
            and _alike(self.pixel_size_nm, data.pixel_size_nm, PIXEL_FACTOR)
            and _alike(self.psf_sigma_px, data.psf_sigma_px, WIDTH_FACTOR)
            and _alike(_light(self.background), _light(data.background), BACKGROUND_FACTOR)
            and _alike(self.photons, data.photons, PHOTONS_FACTOR)
            and (data.density_per_um2 or 0.0)
            <= DENSITY_FACTOR * (self.density_per_um2 or float("inf"))
        )


class Adaptation(FrozenModel):
    """How a model was adapted; `adaptation` in the header of its file."""

    started_from: str = Field(max_length=200, description="Name of the model it began with.")
    from_sha256: str | None = Field(None, description="Of its weights.")
    made: date = Field(description="When.")
    minutes: float = Field(ge=0, description="Of training.")
    sample: Sample = Field(description="What it is for.")
    estimate: dict[str, Any] = Field({}, description="All that the frames told.")
    before: dict[str, float] = Field({}, description="Scores on the twin's held-out frames.")
    after: dict[str, float] = Field({}, description="The same of the adapted model.")

    @property
    def gain(self) -> tuple[float, float]:
        """Efficiency before and after."""
        return efficiency(self.before), efficiency(self.after)

    @property
    def in_words(self) -> str:
        """What the model is."""
        sample, (before, after) = self.sample, self.gain
        return (
            f"Adapted from {self.started_from} in {self.minutes:.2g} minutes. To the camera "
            f"'{sample.camera_kind}', {sample.pixel_size_nm:g} nm pixels and a sample as measured "
            f"on {self.made}; efficiency on held-out simulated frames {before:.0f} before, "
            f"{after:.0f} after."
        )

    @property
    def reason(self) -> str:
        """Why it is chosen, in words."""
        before, after = self.gain
        return (
            f"adapted to this camera and such a sample on {self.made.day} {self.made:%b %Y}, which "
            f"raised the efficiency on simulated frames like these from {before:.0f} to {after:.0f}"
        )


def adaptation_of(card: ModelCard) -> Adaptation | None:
    """Return how a model was adapted, None if it was not or its card does not say."""
    try:
        return Adaptation.from_dict(card.adaptation, source="card")
    except ValueError:
        return None


def keep(trained: Path, network: str, adaptation: Adaptation) -> str:
    """Put a trained model among those that are offered the next time, and return its name.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    model, card = load_model(trained)
    name = _new_name(network, adaptation)
    path = adapted_folder() / (name.replace(":", "_", 1) + SUFFIX)
    plain = adaptation.model_dump(mode="json")
    save_model(path, model, card.replace(trained_on=adaptation.in_words, adaptation=plain))
    return name


def suiting(network: str, data: Sample) -> str | None:
    """Return the name of a network's latest model adapted to such data, None if there is none."""
    fitting = (name for name, adaptation in _kept(network) if adaptation.sample.suits(data))
    return next(fitting, None)


def reason_of(name: str) -> str:
    """Return why an adapted model is chosen, in words."""
    return next(kept.reason for each, kept in _kept(name.split(":")[0]) if each == name)


def last_gain(network: str, camera_kind: str) -> tuple[float, float] | None:
    """Return the efficiency before and after the last adaptation with a camera, if any."""
    for _, adaptation in _kept(network):
        if adaptation.sample.camera_kind == camera_kind:
            return adaptation.gain
    return None


def camera_kind(source: FrameSource) -> str:
    """Return what a stack has in common with others of the same camera."""
    return kind_of_stack(source.camera, source.shape[-2:], source.dtype)


def _kept(network: str) -> list[tuple[str, Adaptation]]:
    """Return the adapted models of a network, the latest first; damaged ones are left out."""
    found = []
    for name, path in adapted_models().items():
        if name.split(":")[0] != network:
            continue
        with suppress(ValueError, OSError):
            adaptation = adaptation_of(read_card(path))
            if adaptation is not None:
                found.append((name, adaptation))
    return found


def _new_name(network: str, adaptation: Adaptation) -> str:
    stem = f"{network}:adapted-{adaptation.sample.pixel_size_nm:g}nm-{adaptation.made}"
    name, number, taken = stem, 1, adapted_models()
    while name in taken:
        number += 1
        name = f"{stem}-{number}"
    return name


def _alike(a: float | None, b: float | None, factor: float) -> bool:
    """Whether two values are within a factor; what is not known is no reason against."""
    if a is None or b is None:
        return True
    return 1 / factor <= a / b <= factor if a > 0 and b > 0 else a == b


def _light(background: float | None) -> float | None:
    return None if background is None else max(background, DARK)
