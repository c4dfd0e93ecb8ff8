"""Calibrated PSF: a measured bead stack as a cubic spline, kept in a safetensors file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, cast

import numpy as np
import torch
from pydantic import Field, PrivateAttr, ValidationInfo, model_validator

from napari_deepsmlm.psf.base import PSF
from napari_deepsmlm.psf.calibrated_file import SplineVolume, read_spline, write_spline
from napari_deepsmlm.psf.patches import sum_of_patches
from napari_deepsmlm.psf.splines import SplineTable, spline_coefficients

if TYPE_CHECKING:
    from torch import Tensor

    Volume = np.ndarray[Any, Any]

# Empty pixels around a measured volume: an image moved by half a pixel fades out in them.
_RIM_PX = 2


class CalibratedPSF(PSF):
    """What the microscope really does: measured images of a bead, interpolated.

    Cubic-spline PSF of Babcock & Zhuang 2017 (doi:10.1038/s41598-017-00622-w) and Li et al. 2018
    (doi:10.1038/nmeth.4661). Photons are those inside the measured window.

    A PSF made in memory (`from_volume`) renders at once; a configuration that names it needs
    the file that `save` writes.

    Examples
    --------
    >>> volume = np.ones((5, 9, 9))
    >>> psf = CalibratedPSF.from_volume(volume, pixel_size_nm=100, z_step_nm=50)
    >>> psf.depth_range_nm
    (-100.0, 100.0)
    """

    kind: Literal["calibrated"] = "calibrated"
    file: str = Field(
        "",
        description="Calibration: .safetensors of this package, or SMAP/DECODE cspline .mat. In "
        "a YAML file as seen from its folder.",
    )
    _spline: SplineVolume | None = PrivateAttr(None)
    _tables: dict[tuple[torch.dtype, torch.device], list[SplineTable]] = PrivateAttr(
        default_factory=dict
    )

    @model_validator(mode="before")
    @classmethod
    def _place_and_pixel_size_of_the_file(cls, values: Any, info: ValidationInfo) -> Any:
        if not isinstance(values, dict) or not values.get("file"):
            raise ValueError(
                "'file' must name a calibration (make one from beads with `deepsmlm calibrate`, "
                "or save one made in memory)"
            )
        folder = (info.context or {}).get("folder") or Path()
        # Absolute, so that copies of the configuration elsewhere find it too.
        path = (folder / str(values["file"])).absolute()
        pixel_size = read_spline(path).pixel_size_nm
        given = values.get("pixel_size_nm") or pixel_size
        if given and pixel_size and abs(given - pixel_size) > 1e-6 * pixel_size:
            raise ValueError(
                f"pixel_size_nm is {given} but {values['file']} was made with {pixel_size} nm"
            )
        pixel_size_too = {} if given is None else {"pixel_size_nm": given}
        return {**values, "file": str(path), **pixel_size_too}

    def model_post_init(self, context: Any, /) -> None:
        """Load the file."""
        super().model_post_init(context)
        if self.file:
            self._spline = read_spline(Path(self.file))

    @classmethod
    def from_volume(
        cls,
        volume: Volume,
        *,
        pixel_size_nm: float,
        z_step_nm: float,
        z_first_nm: float | None = None,
    ) -> Self:
        """Return the PSF through measured images, each scaled to one photon.

        Parameters
        ----------
        volume : (Z, P, P) or (C, Z, P, P), background removed, P odd, the bead in the centre of
            the central pixel. Small negative values (noise) are kept, so that sums are right.
            With several planes, the planes together get one photon at each depth.
        z_step_nm : distance of the images.
        z_first_nm : depth of the first image; by default the middle image is at 0.

        Raises
        ------
        ValueError
            If the volume is not of that shape, holds NaN, has fewer than 4 depths, or an image
            that sums to nothing.
        """
        planes = np.asarray(volume, np.float64)
        planes = planes[None] if planes.ndim == 3 else planes
        _check_volume(planes, z_step_nm)
        total = planes.sum((0, 2, 3))
        planes = planes / total[:, None, None]
        n_z = planes.shape[1]
        rim = _RIM_PX
        padded = np.pad(planes, ((0, 0), (0, 0), (rim, rim), (rim, rim)))
        spline = SplineVolume(
            coefficients=spline_coefficients(padded, axes=(1, 2, 3)),
            pixel_size_nm=pixel_size_nm,
            z_first_nm=-(n_z - 1) / 2 * z_step_nm if z_first_nm is None else z_first_nm,
            z_step_nm=z_step_nm,
        )
        return cls.from_spline(spline)

    @classmethod
    def from_spline(cls, spline: SplineVolume) -> Self:
        """Return the PSF of spline coefficients that are at hand, with their pixel size."""
        if spline.pixel_size_nm is None:
            raise ValueError("The spline does not say its pixel size: give it with _replace.")
        psf = cls.model_construct(file="", pixel_size_nm=spline.pixel_size_nm)
        psf._spline = spline
        return cast("Self", psf)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CalibratedPSF):
            return NotImplemented
        mine, theirs = self.spline, other.spline
        return mine[1:] == theirs[1:] and np.array_equal(mine.coefficients, theirs.coefficients)

    def __hash__(self) -> int:
        return hash(self.spline[1:])

    def save(self, path: str | Path) -> Self:
        """Write the calibration and return the PSF that reads it from there."""
        write_spline(Path(path), self.spline)
        return type(self)(file=str(path))

    @property
    def spline(self) -> SplineVolume:
        """The coefficients and their grid."""
        assert self._spline is not None  # noqa: S101 - every way to make one sets it
        return self._spline

    @property
    def n_planes(self) -> int:
        """Planes that were calibrated together."""
        return len(self.spline.coefficients)

    @property
    def depth_range_nm(self) -> tuple[float, float]:
        """First and last measured depth."""
        first = self.spline.z_first_nm
        n_intervals = self.spline.coefficients.shape[1] - 3
        return first, first + n_intervals * self.spline.z_step_nm

    @property
    def reach_px(self) -> int:
        """Half of the measured window."""
        return len(self.spline.coefficients[0, 0]) // 2 + 1

    def render(
        self,
        xyz_nm: Tensor,
        photons: Tensor,
        shape: tuple[int, int],
        *,
        sigma_nm: Tensor | None = None,
    ) -> Tensor:
        """Return (B, C, H, W) photons; see :meth:`PSF.render`."""
        self._refuse_sigma(sigma_nm)
        self._check_depth(xyz_nm, photons)
        planes = [
            sum_of_patches(
                xyz_nm,
                photons,
                shape,
                pixel_size_nm=self.pixel_size_nm,
                patch_px=table.patch_px,
                image=table.images,
            )
            for table in self._tables_on(xyz_nm.dtype, xyz_nm.device)
        ]
        return torch.cat(planes, dim=1)

    def _tables_on(self, dtype: torch.dtype, device: torch.device) -> list[SplineTable]:
        key = (dtype, device)
        if key not in self._tables:
            spline = self.spline
            self._tables[key] = [
                SplineTable.build(
                    plane, subpixels=1, z_first_nm=spline.z_first_nm, z_step_nm=spline.z_step_nm
                ).to(dtype, device)
                for plane in spline.coefficients
            ]
        return self._tables[key]


def _check_volume(planes: Volume, z_step_nm: float) -> None:
    if planes.ndim != 4 or planes.shape[-1] != planes.shape[-2] or planes.shape[-1] % 2 == 0:
        raise ValueError(f"A PSF volume must be (Z, P, P) with P odd, got {planes.shape[-3:]}.")
    if planes.shape[1] < 4:
        raise ValueError(f"A PSF volume needs at least 4 depths, got {planes.shape[1]}.")
    if not np.isfinite(planes).all():
        raise ValueError("The PSF volume holds NaN or infinite values.")
    if not z_step_nm > 0:
        raise ValueError(f"z_step_nm must be above 0, got {z_step_nm}.")
    dark = np.flatnonzero(planes.sum((0, 2, 3)) <= 0)
    if len(dark):
        raise ValueError(f"Image {dark[0]} of the PSF volume has no light: leave it out.")
