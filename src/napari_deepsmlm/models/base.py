"""SMLMModel: what a network offers to training, inference and files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import Field
from torch import nn

from napari_deepsmlm._base import FrozenModel
from napari_deepsmlm.models.decode import peaks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from napari_deepsmlm.camera import Camera
    from napari_deepsmlm.localizations import Localizations


class ModelConfig(FrozenModel):
    """Choices that every network shares; a network adds its own."""

    pixel_size_nm: float = Field(
        100.0, ge=1, le=10_000, description="Camera pixel that the network is trained for, nm."
    )
    threshold: float = Field(
        0.3, ge=0, le=1, description="Least probability of a localization that is reported."
    )


class SMLMModel(nn.Module, ABC):
    """A network from frames in photons to molecules.

    `forward` returns a prediction whose meaning is the network's own; `loss`, `to_localizations`
    and (for an `ImageModel`) `to_image` read it. Input normalisation is part of `forward` and of
    the saved file.

    Parameters
    ----------
    config : the network's own `Config`.

    Attributes
    ----------
    pixel_size_nm : camera pixel of the data at hand, nm. Starts as the configuration's and may
        be set to that of other data; positions are converted with it.
    """

    name: ClassVar[str]
    """Name on the command line and in files, e.g. `deep-storm`."""
    title: ClassVar[str]
    """Name for people, e.g. `Deep-STORM`."""
    Config: ClassVar[type[ModelConfig]]
    needs_photons: ClassVar[bool] = False
    """Whether gain and offset of the camera matter: input is not scaled by its own extremes."""

    is_trained: ClassVar[bool] = True
    """Whether it learns from frames; what does not is no network, and has no weights."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        self.pixel_size_nm = float(config.pixel_size_nm)

    def forward(self, frames: Tensor) -> Tensor:
        """(B, C, H, W) photons, camera offset removed -> prediction."""
        return self.predict(self.prepare(frames))

    @property
    def reads_noise_units(self) -> bool:
        """Whether frames are photons equivalent in noise: see `camera.to_equivalent`."""
        return False

    def is_read_as(self, other: SMLMModel) -> bool:
        """Whether frames are prepared alike for both."""
        mine, theirs = (getattr(model.config, "input", None) for model in (self, other))
        return bool(mine == theirs)

    def frames_in(
        self,
        camera: Camera | None,
        photons: Tensor,
        *,
        origin_px: Tensor | None = None,
        n_frames: Tensor | None = None,
    ) -> Tensor:
        """Return photons of a camera, or numbers taken for them, as `forward` expects them.

        Parameters are those of `camera.to_equivalent`.
        """
        if camera is None or not self.reads_noise_units:
            return photons
        return camera.to_equivalent(photons, origin_px=origin_px, n_frames=n_frames)

    def photons_in(self, camera: Camera | None) -> float:
        """Return the camera's photons per photon of the frames that `forward` reads."""
        if camera is None or not self.reads_noise_units:
            return 1.0
        return camera.variance_per_photon

    @abstractmethod
    def prepare(self, frames: Tensor) -> Tensor:
        """Normalise whole frames; what comes after looks no further than `halo_px`."""

    @abstractmethod
    def predict(self, prepared: Tensor) -> Tensor:
        """Run the layers on prepared frames, or on tiles of them."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the molecules that `to_localizations` returns."""
        return ("frame", "x_nm", "y_nm", "probability")

    @property
    def is_3d(self) -> bool:
        """Whether its molecules have z."""
        return "z_nm" in self.columns

    @property
    def context(self) -> int:
        """Frames before and after the one looked at, stacked as channels: (2 context + 1) C."""
        return 0

    @property
    def n_planes(self) -> int:
        """Focal planes that it reads."""
        return 1

    @property
    @abstractmethod
    def halo_px(self) -> int:
        """Camera pixels around a place that its prediction depends on.

        Tiles cut with this halo, at multiples of `tile_step_px`, predict what the whole frame does.
        """

    @property
    def tile_step_px(self) -> int:
        """Camera pixels that tile borders must be a multiple of."""
        return 1

    @property
    def work_per_px(self) -> int:
        """Pixels of its largest layers per camera pixel; batches and tiles get smaller with it."""
        return 8

    @abstractmethod
    def loss(self, prediction: Tensor, truth: Localizations) -> Tensor:
        """Return the scalar to minimise; `truth.frame` is the index in the batch."""

    @abstractmethod
    def to_localizations(self, prediction: Tensor, threshold: float | None = None) -> Localizations:
        """Return molecules in nm, `frame` the index in the batch, sorted by it."""

    def expect_width(self, sigma_px: float) -> None:
        """Take the width of the data's PSF, where it was measured. A network has learnt its own."""

    def fit_input(self, frames: Tensor) -> None:
        """Measure on training frames what input normalisation needs, before the first step."""

    def calibrate(self, frames: Tensor, truth: Localizations) -> None:
        """Set output scales from simulated frames, after training and before saving."""

    def scale_uncertainty(self, factors: Mapping[str, float]) -> None:
        """Multiply predicted standard errors, which were found too small or too large.

        Parameters
        ----------
        factors : `lateral` (x and y) and `axial`, as far as the network predicts them.
        """

    def for_inference(self) -> Self:
        """Return an equal network rearranged for speed; it cannot be trained."""
        return self.eval()

    def first_look(self) -> Self | None:
        """Return a network of a third of the work or less that predicts nearly the same.

        It is shown until this one is done. None where this one is quick enough.
        """
        return None

    @property
    def n_parameters(self) -> int:
        """Number of trainable parameters."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad)


class ImageModel(SMLMModel):
    """A network whose native output is a super-resolved image."""

    @property
    @abstractmethod
    def upsampling(self) -> int:
        """Super-resolution pixels per camera pixel, along each axis."""

    @property
    def work_per_px(self) -> int:
        """Super-resolution pixels per camera pixel."""
        return self.upsampling**2

    @abstractmethod
    def to_image(self, prediction: Tensor) -> Tensor:
        """Return (B, r H, r W) molecules per super-resolution pixel."""

    @property
    def sr_pixel_nm(self) -> float:
        """Super-resolution pixel, nm."""
        return self.pixel_size_nm / self.upsampling

    def find_in_image(self, image: Tensor, threshold: float | None = None) -> Localizations:
        """Return the local maxima of an image that `to_image` gave, as molecules in nm."""
        return peaks(
            image,
            pixel_nm=self.sr_pixel_nm,
            threshold=self.config.threshold if threshold is None else threshold,
        )

    def to_localizations(self, prediction: Tensor, threshold: float | None = None) -> Localizations:
        """Return the molecules of the image, so that image and table agree."""
        return self.find_in_image(self.to_image(prediction), threshold)
