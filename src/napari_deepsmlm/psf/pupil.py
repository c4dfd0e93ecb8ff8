"""Pupil PSF: vectorial diffraction of a freely rotating dipole with Zernike aberrations."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from napari_deepsmlm.psf.base import PSF, ascending, odd
from napari_deepsmlm.psf.diffraction import Diffraction, Sampling
from napari_deepsmlm.psf.optics import Lens, build_pupil
from napari_deepsmlm.psf.patches import sum_of_patches
from napari_deepsmlm.psf.pupil_presets import PRESETS
from napari_deepsmlm.psf.zernike import Aberration, aberrations_of, check_mode

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class PupilPSF(PSF):
    """Diffraction through a high-NA lens, index interfaces and an aberrated pupil.

    The image is |sum over the pupil of field * exp(i (2 pi W / lambda + z kz - x kx - y ky))|^2,
    added over field components (Stallinga & Rieger 2010, doi:10.1364/OE.18.024461). The sum is a
    chirp-z transform onto camera pixels, as two matrix products (Leutenegger et al. 2006,
    doi:10.1364/OE.14.011277). Aberration angles count from the x axis (columns) towards y (rows).

    Photons are the detected ones: at every depth the pixels of an infinite window sum to them. (In
    the lab an emitter further from the cover glass loses evanescent light and is dimmer.)

    Examples
    --------
    >>> import torch
    >>> psf = PupilPSF(aberrations=((2, 2, 70.0),))
    >>> psf.render(torch.tensor([[[850.0, 850, 0]]]), torch.ones(1, 1), (17, 17)).shape
    torch.Size([1, 1, 17, 17])
    """

    kind: Literal["pupil"] = "pupil"
    numerical_aperture: float = Field(1.49, gt=0, lt=2, description="NA of the objective.")
    wavelength_nm: float = Field(660.0, ge=100, le=5000, description="Emission wavelength, nm.")
    index_medium: float = Field(1.518, ge=1, le=4, description="Refractive index of the sample.")
    index_cover: float = Field(1.518, ge=1, le=4, description="Refractive index of the glass.")
    index_immersion: float = Field(1.518, ge=1, le=4, description="Index of the immersion.")
    depth_nm: float = Field(
        0.0, ge=0, description="Distance of z = 0 from the cover glass; matters if indices differ."
    )
    focus_nm: float = Field(
        0.0, description="Depth taken as z = 0 of the optics: a stack's zero may be another."
    )
    aberrations: tuple[Aberration, ...] = Field(
        (), description="Zernike modes (n, m, nm RMS) of the wavefront."
    )
    model: Literal["vectorial", "scalar"] = Field(
        "vectorial", description="Scalar is six times faster and wrong by some 10 % at high NA."
    )
    blur_px: tuple[Annotated[float, Field(ge=0, le=5)], Annotated[float, Field(ge=0, le=5)]] = (
        Field((0.0, 0.0), description="Gaussian blur (x, y) after the optics, camera pixels.")
    )
    oversampling: int = Field(
        3,
        ge=1,
        le=8,
        description="Samples per pixel side that add up to the light on it; 1 takes the centre.",
    )
    patch_px: int = Field(51, ge=5, le=201, description="Side of an emitter's image, odd.")
    pupil_px: int = Field(64, ge=16, le=512, description="Samples across the pupil.")
    z_range_nm: tuple[float, float] = Field((-700.0, 700.0), description="Depths rendered, nm.")

    _odd = field_validator("patch_px")(odd)
    _range = field_validator("z_range_nm")(ascending)

    @field_validator("aberrations")
    @classmethod
    def _modes_exist(cls, value: tuple[Aberration, ...]) -> tuple[Aberration, ...]:
        for mode in value:
            check_mode(mode.n, mode.m)
            if not math.isfinite(mode.rms_nm):
                raise ValueError(f"the coefficient of mode ({mode.n}, {mode.m}) is not a number")
        return value

    @model_validator(mode="after")
    def _light_reaches_the_lens(self) -> Self:
        limit = min(self.index_cover, self.index_immersion)
        if self.numerical_aperture >= limit:
            raise ValueError(
                f"numerical_aperture {self.numerical_aperture} must be below the refractive "
                f"indices of cover glass and immersion ({limit})"
            )
        return self

    @classmethod
    def preset(cls, name: str) -> Self:
        """Return the optics and aberrations of a published PSF.

        Raises
        ------
        ValueError
            If there is no preset of that name; the message lists them.

        Examples
        --------
        >>> PupilPSF.preset("tetrapod-6um").z_range_nm
        (-3000.0, 3000.0)
        """
        if name not in PRESETS:
            raise ValueError(f"Unknown preset '{name}'. Available: {', '.join(PRESETS)}.")
        preset = PRESETS[name]
        aberrations = aberrations_of(preset.coefficients, preset.optics["wavelength_nm"])
        z = preset.z_range_nm
        return cls(
            **preset.optics,
            aberrations=aberrations,
            blur_px=preset.blur_px,
            oversampling=1,  # the published blur stands for the pixel too
            z_range_nm=(-z, z),
        )

    @property
    def depth_range_nm(self) -> tuple[float, float]:
        """`z_range_nm`."""
        return self.z_range_nm

    @property
    def reach_px(self) -> int:
        """Half of the patch."""
        return self.patch_px // 2 + 1

    def render(
        self,
        xyz_nm: Tensor,
        photons: Tensor,
        shape: tuple[int, int],
        *,
        sigma_nm: Tensor | None = None,
    ) -> Tensor:
        """Return (B, 1, H, W) photons; see :meth:`PSF.render`."""
        self._refuse_sigma(sigma_nm)
        self._check_depth(xyz_nm, photons)
        coefficients = xyz_nm.new_tensor([mode.rms_nm for mode in self.aberrations])
        return sum_of_patches(
            xyz_nm,
            photons,
            shape,
            pixel_size_nm=self.pixel_size_nm,
            patch_px=self.patch_px,
            image=lambda offset, z: self.images(offset, z, coefficients),
            cost=24 * max(1, (self.pupil_px // self.patch_px) ** 2, self.oversampling**2),
        )

    def images(self, offset_px: Tensor, z_nm: Tensor, coefficients_nm: Tensor) -> Tensor:
        """Return images of single photons, differentiable in the aberrations too.

        Parameters
        ----------
        offset_px : (N, 2) positions (x, y) from the centre of the patch, camera pixels.
        z_nm : (N,) depths.
        coefficients_nm : (M,) or, for aberrations that differ between emitters, (N, M) RMS of
            the modes of `aberrations`, in their order.

        Returns
        -------
        (N, P, P) shares of the photon.
        """
        transform = _diffraction(self, z_nm.dtype, z_nm.device)
        return transform.images(offset_px, z_nm - self.focus_nm, coefficients_nm)


@lru_cache(maxsize=8)
def _diffraction(psf: PupilPSF, dtype: torch.dtype, device: torch.device) -> Diffraction:
    lens = Lens(
        numerical_aperture=psf.numerical_aperture,
        wavelength_nm=psf.wavelength_nm,
        index_medium=psf.index_medium,
        index_cover=psf.index_cover,
        index_immersion=psf.index_immersion,
        is_vectorial=psf.model == "vectorial",
        pupil_px=psf.pupil_px,
    )
    sampling = Sampling(psf.pixel_size_nm, psf.patch_px, psf.oversampling, psf.blur_px)
    transform = Diffraction.build(
        build_pupil(lens),
        [(mode.n, mode.m) for mode in psf.aberrations],
        sampling,
        depth_nm=psf.depth_nm,
        index_ratio=psf.index_immersion / psf.index_medium,
    )
    return transform.to(dtype, device)
