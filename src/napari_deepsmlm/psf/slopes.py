"""Slopes: derivatives of the images of single molecules with respect to position and width."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from torch import Tensor

    from napari_deepsmlm.psf.base import PSF

AXES = ("x_nm", "y_nm", "z_nm")


class Images(NamedTuple):
    """Images of lone molecules of one photon, and their derivatives."""

    image: Tensor
    """(N, C, H, W)"""
    slopes: Tensor
    """(N, C, H, W, K) per nm, one for each name asked for."""


def images_and_slopes(
    psf: PSF,
    xyz_nm: Tensor,
    shape: tuple[int, int],
    names: Sequence[str],
    *,
    sigma_nm: Tensor | None = None,
) -> Images:
    """Return images of one photon, each in a frame of its own, and their slopes.

    Derivatives come from automatic differentiation, so this works for any PSF.

    Parameters
    ----------
    xyz_nm : (N, 3) positions; its number format is that of the computation.
    shape : (H, W) of the frames.
    names : what to differentiate by: any of `AXES` and, where `sigma_nm` is given, "sigma_nm".
    sigma_nm : (N,) widths that replace the PSF's own, where it has one.
    """
    one_photon = xyz_nm.new_ones(len(xyz_nm), 1)

    def image(change: Tensor) -> Tensor:
        """Images after one change of x, y, z, sigma, the same for all."""
        moved = (xyz_nm + change[:3])[:, None]
        wider = None if sigma_nm is None else (sigma_nm + change[3])[:, None]
        return psf.render(moved, one_photon, shape, sigma_nm=wider)

    # Molecules are independent, so one change moves them all: one derivative, not one for each.
    none = xyz_nm.new_zeros(4)
    units = dict(zip((*AXES, "sigma_nm"), torch.eye(4).to(none), strict=True))
    images, slopes = value_and_slopes(image, none, [units[name] for name in names])
    return Images(images, torch.stack(slopes, dim=-1))


def value_and_slopes(
    function: Callable[[Tensor], Tensor], at: Tensor, directions: Iterable[Tensor]
) -> tuple[Tensor, list[Tensor]]:
    """Return a function's value and its derivatives along directions, each as large as the value.

    What goes back through the function, from weights of its value to a gradient, is linear in the
    weights; so its own derivative by them leads forward. PyTorch's forward mode gives the same,
    but imports its compiler first, which takes longer than PyTorch itself.
    """
    with torch.enable_grad():
        place = at.detach().requires_grad_()
        value = function(place)
        weights = torch.zeros_like(value, requires_grad=True)
        gradient = torch.autograd.grad((weights * value).sum(), place, create_graph=True)[0]
        slopes = [
            torch.autograd.grad(gradient @ direction, weights, retain_graph=True)[0]
            for direction in directions
        ]
    return value.detach(), slopes
