"""ExportedGraph: a model with its camera and its units, as one function from frames to an image."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from napari_deepsmlm.camera import IdealCamera
from napari_deepsmlm.models import ImageModel
from napari_deepsmlm.psf import GaussianPSF

if TYPE_CHECKING:
    from torch import Tensor

    from napari_deepsmlm.camera import Camera
    from napari_deepsmlm.models import FoundModel

IMAGE_UNIT = "molecules per super-resolution pixel"
USUAL_FRAME_PX = (64, 64)
_MAX_STATED = 100_000
"""Characters of a card that go into a file."""


class ExportedGraph(nn.Module):
    """What another program runs: everything between the numbers in a file and the prediction.

    Parameters
    ----------
    found : the model.
    camera : what turns ADU into photons, put into the graph; without one the input is photons.
    frame_px : rows and columns of the frames, for a graph that takes no others. A network that
        looks for the background of a frame needs them (64 x 64 if none are given), as its blocks
        depend on them.

    Raises
    ------
    ValueError
        If the model is no network, or the camera has maps, which belong to one sensor's pixels.
    """

    def __init__(
        self,
        found: FoundModel,
        camera: Camera | None = None,
        frame_px: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        if found.path is None:
            raise ValueError(f"'{found.name}' is no network: there is nothing to export.")
        if getattr(camera, "maps", None) is not None:
            raise ValueError(
                "A camera with maps cannot be put into a graph, which takes frames of any size: "
                "leave --camera out and give the exported model photons."
            )
        self.found = found
        self.camera = camera
        self.model = found.load().requires_grad_(False)
        is_for_any_size = getattr(self.model.config, "input", "extremes") in ("extremes", "photons")
        self.frame_px = frame_px or (None if is_for_any_size else USUAL_FRAME_PX)
        self.eval()  # the whole: exporting puts back the mode that it finds

    @property
    def is_image(self) -> bool:
        """Whether the output is a super-resolved image."""
        return isinstance(self.model, ImageModel)

    @property
    def upsampling(self) -> int:
        """Output pixels per camera pixel."""
        if isinstance(self.model, ImageModel):
            return self.model.upsampling
        return int(getattr(self.model.config, "cells", 1))

    @property
    def n_channels(self) -> int:
        """Planes, times the frames that are read at once."""
        return self.model.n_planes * (2 * self.model.context + 1)

    def forward(self, frames: Tensor) -> Tensor:
        """(B, C, H, W) ADU, or photons without a camera -> (B, 1 or channels, r H, r W)."""
        if self.camera is not None:
            frames = self.camera.to_photons(frames)
        # Without a camera that is stated, noise is that of a perfect one.
        frames = self.model.frames_in(self.camera or IdealCamera(baseline=0.0), frames)
        prediction: Tensor = self.model(frames)
        if isinstance(self.model, ImageModel):
            return self.model.to_image(prediction)[:, None]
        return prediction

    def statement(self) -> dict[str, str]:
        """Return what has to be known to use the graph, as text."""
        model, card = self.model, self.found.card
        camera = self.camera
        return {
            "network": model.name,
            "model": self.found.name,
            "sha256": str(card.sha256),
            "input": self._input_in_words(),
            "output": IMAGE_UNIT if self.is_image else " ".join(str(type(model).__doc__).split()),
            "pixel_size_nm": "any" if card.is_for_any_pixel else f"{card.pixel_size_nm:g}",
            "frame_px": "any" if self.frame_px is None else "{} x {}".format(*self.frame_px),
            "upsampling": str(self.upsampling),
            "n_planes": str(model.n_planes),
            "frames_at_once": str(2 * model.context + 1),
            "needs_photons": str(model.needs_photons).lower(),
            "camera": "none" if camera is None else json.dumps(camera.model_dump(mode="json")),
            "trained_on": card.trained_on or "",
            "card": json.dumps(card.to_header())[:_MAX_STATED],
        }

    def _input_in_words(self) -> str:
        if self.camera is not None:
            return "ADU of the camera stated; its offset and gain are in the graph"
        if self.model.needs_photons or self.model.reads_noise_units:
            return "photons: (ADU - offset) x photons per ADU, which are to be applied before"
        return "photons or ADU: frames are scaled by their own extremes in the graph"


def frames_like_training(graph: ExportedGraph, side_px: int, n: int = 1, seed: int = 0) -> Tensor:
    """Return (n, C, H, W) frames with some spots, in the units of the graph's input.

    For checks: where the graph takes any size, rows are longer than columns, so that a
    transposition shows.
    """
    generator = torch.Generator().manual_seed(seed)
    shape, n_planes = graph.frame_px or (side_px, side_px + 8), graph.n_channels
    psf: Any = GaussianPSF(pixel_size_nm=100.0, sigma_nm=(110.0, 110.0))
    xyz_nm = (
        100
        * torch.rand(n * n_planes, 12, 3, generator=generator)
        * torch.tensor([shape[1], shape[0], 0.0])
    )
    photons = 500 + 2000 * torch.rand(n * n_planes, 12, generator=generator)
    light = psf.render(xyz_nm, photons, shape) + 20
    camera = graph.camera or IdealCamera(baseline=0.0)
    return camera.expose(light, generator).reshape(n, n_planes, *shape)
