"""PSF: what every point spread function offers to the simulator and to the bounds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from pydantic import Field

from napari_deepsmlm._base import FrozenModel

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class PSF(FrozenModel, ABC):
    """A differentiable image of a point, batched over frames and emitters, on any device.

    Light is counted, not scaled: an infinite window holds all photons of an emitter, and what
    falls outside the window, or outside the patch of a PSF that has one, is lost.
    """

    pixel_size_nm: float = Field(
        100.0, ge=1, le=10_000, description="Side of a camera pixel in the sample, nm."
    )

    @property
    def n_planes(self) -> int:
        """Focal planes per frame: the C of the rendered frames."""
        return 1

    @property
    def depth_range_nm(self) -> tuple[float, float] | None:
        """Smallest and largest z that can be rendered, or None if the image ignores z."""
        return None

    @property
    @abstractmethod
    def reach_px(self) -> int:
        """Emitters further outside the frame than this add next to no light to it."""

    @abstractmethod
    def render(
        self,
        xyz_nm: Tensor,
        photons: Tensor,
        shape: tuple[int, int],
        *,
        sigma_nm: Tensor | None = None,
    ) -> Tensor:
        """Return the expected photons on the camera, without background.

        Parameters
        ----------
        xyz_nm : (B, E, 3) nm, from the outer corner of the top-left pixel. Emitters may lie
            outside the window; the light that falls inside is kept, the rest is lost.
        photons : (B, E) photons of each emitter; 0 marks padding.
        shape : (H, W) camera pixels.
        sigma_nm : (B, E) widths that replace the PSF's own, where it has one.

        Returns
        -------
        (B, C, H, W) photons per pixel.

        Raises
        ------
        ValueError
            If an emitter that shines lies outside `depth_range_nm`, or `sigma_nm` is given to a
            PSF whose width is not a number.
        """

    def draw_sigma_nm(self, size: tuple[int, ...], generator: torch.Generator) -> Tensor | None:
        """Return per-emitter widths drawn from the PSF's range, or None if it has no range."""
        return None

    def _check_depth(self, xyz_nm: Tensor, photons: Tensor) -> None:
        if self.depth_range_nm is None:
            return
        low, high = self.depth_range_nm
        z = xyz_nm[..., 2].detach()
        is_outside = ~((z >= low - 1e-3) & (z <= high + 1e-3)) & (photons.detach() != 0)
        if bool(is_outside.any()):
            worst = z[is_outside][0].item()
            raise ValueError(
                f"An emitter at z = {worst:.0f} nm is outside the range of the "
                f"{type(self).__name__}, {low:.0f} to {high:.0f} nm: "
                "narrow the depths of the simulation or widen the range of the PSF."
            )

    def _refuse_sigma(self, sigma_nm: Tensor | None) -> None:
        if sigma_nm is not None:
            raise ValueError(f"{type(self).__name__} has no width to replace: omit sigma_nm.")


def ascending(value: tuple[float, float]) -> tuple[float, float]:
    """Return a range unchanged, for pydantic validators.

    Raises
    ------
    ValueError
        If the first number is not below the second.
    """
    if not value[0] < value[1]:
        raise ValueError("must be two numbers, the smaller first")
    return value


def odd(value: int) -> int:
    """Return the side of a patch unchanged, for pydantic validators.

    Raises
    ------
    ValueError
        If it is even.
    """
    if value % 2 == 0:
        raise ValueError("must be odd, so that the patch has a central pixel")
    return value


def share_pixel_size(values: Any) -> Any:
    """Give a PSF and the PSF inside it one pixel size, for `mode="before"` validators.

    Raises
    ------
    ValueError
        If both name a pixel size and they differ.
    """
    if not isinstance(values, dict) or "psf" not in values:
        return values
    inner = values["psf"]
    outer_size = values.get("pixel_size_nm")
    if isinstance(inner, dict):
        inner_size = inner.get("pixel_size_nm")
    else:
        inner_size = getattr(inner, "pixel_size_nm", None)
    if outer_size is None:
        return values if inner_size is None else {**values, "pixel_size_nm": inner_size}
    if inner_size is None and isinstance(inner, dict):
        return {**values, "psf": {**inner, "pixel_size_nm": outer_size}}
    if inner_size != outer_size:
        raise ValueError(
            f"pixel_size_nm is {outer_size} here and {inner_size} in the psf inside: "
            "give it once, or the same twice"
        )
    return values
