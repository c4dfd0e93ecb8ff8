"""DefocusCurve: how wide a Gaussian spot is at each depth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from napari_deepsmlm._base import FrozenModel

if TYPE_CHECKING:
    from torch import Tensor


class DefocusCurve(FrozenModel):
    """Width along one axis: sigma(z) = sigma0 sqrt(1 + u^2 + A u^3 + B u^4), u = (z - c) / d.

    Huang et al. 2008, doi:10.1126/science.1153529, supplementary eq. 1 (there as the full width
    w = 2 sigma). A and B are 0 for an ideal lens.

    Raises
    ------
    ValueError
        If sigma0 or d is not positive, or the cubic term makes the squared width negative
        somewhere: A^2 must stay below the limit that B allows.

    Examples
    --------
    >>> import torch
    >>> DefocusCurve(sigma_nm=130, depth_nm=280).sigma_at(torch.tensor([0.0, 280.0]))
    tensor([130.0000, 183.8478])
    """

    sigma_nm: float = Field(130.0, gt=0, description="Standard deviation in focus, nm.")
    focus_nm: float = Field(0.0, description="c: depth of the focus of this axis, nm.")
    depth_nm: float = Field(280.0, gt=0, description="d: focal depth, nm.")
    cubic: float = Field(0.0, description="A: cubic term of the curve.")
    quartic: float = Field(0.0, ge=0, description="B: quartic term of the curve.")

    @model_validator(mode="after")
    def _is_positive_everywhere(self) -> Self:
        # Below u = 0 only -A u^3 can win, and |A| u^3 <= u^2 + B u^4 wherever A^2 <= 4 B; in
        # between, the sum may still stay above -1, so look at the curve itself.
        lowest = min(self._squared(-abs(u) if self.cubic > 0 else abs(u)) for u in _SAMPLES)
        if lowest <= 0:
            raise ValueError(
                f"cubic {self.cubic} with quartic {self.quartic} makes the squared width "
                "negative within 10 focal depths; use a smaller cubic or a larger quartic"
            )
        return self

    def sigma_at(self, z_nm: Tensor, sigma_nm: Tensor | None = None) -> Tensor:
        """Return the standard deviation at each depth, nm, in the shape of `z_nm`.

        Parameters
        ----------
        z_nm : (...) depths, nm.
        sigma_nm : (...) widths in focus that replace the curve's own.
        """
        u = (z_nm - self.focus_nm) / self.depth_nm
        squared = 1 + u**2 * (1 + u * (self.cubic + u * self.quartic))
        # Beyond 10 focal depths nothing was checked; a floor keeps the root finite there.
        return squared.clamp(min=1e-3).sqrt() * (self.sigma_nm if sigma_nm is None else sigma_nm)

    def _squared(self, u: float) -> float:
        return 1 + u**2 * (1 + u * (self.cubic + u * self.quartic))


_SAMPLES = [0.02 * step for step in range(501)]  # up to 10 focal depths
