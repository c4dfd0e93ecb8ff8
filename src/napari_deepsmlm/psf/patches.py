"""Patches: images of single emitters, and their sum in frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch

if TYPE_CHECKING:
    from torch import Tensor

CHUNK_VALUES = 4_000_000
"""Pixels of patches rendered at once, which bounds the memory."""


class PatchImage(Protocol):
    """Images of emitters of one photon, each in the central pixel of its own patch."""

    def __call__(self, offset_px: Tensor, z_nm: Tensor) -> Tensor:
        """Return (N, P, P) for offsets (N, 2) = (x, y) from the patch centre and depths (N,)."""


def sum_of_patches(
    xyz_nm: Tensor,
    photons: Tensor,
    shape: tuple[int, int],
    *,
    pixel_size_nm: float,
    patch_px: int,
    image: PatchImage,
    cost: int = 1,
) -> Tensor:
    """Return frames in which every emitter's patch is added where the emitter is.

    Patches may reach over the border of the frame, or be larger than the frame: what lies inside
    is kept. Emitters without photons, and those whose patch misses the frame, cost nothing.

    Parameters
    ----------
    xyz_nm, photons, shape : as in :meth:`PSF.render`.
    pixel_size_nm : side of a pixel.
    patch_px : P, odd.
    image : renders patches.
    cost : values that `image` holds at once per pixel of a patch.

    Returns
    -------
    (B, 1, H, W) photons.
    """
    B, E, _ = xyz_nm.shape
    H, W = shape
    xy_px = xyz_nm[..., :2] / pixel_size_nm
    centre = torch.floor(xy_px.detach())
    reach = patch_px // 2
    limits = centre.new_tensor([W, H])
    is_near = ((centre >= -reach) & (centre < limits + reach)).all(-1)
    chosen = torch.nonzero((is_near & (photons.detach() != 0)).flatten())[:, 0]
    offset_px = (xy_px - centre - 0.5).flatten(0, 1)
    first = centre.flatten(0, 1).long() - reach
    flat_photons, z_nm = photons.flatten(), xyz_nm[..., 2].flatten()
    # A rim of one patch around the frames takes what falls outside.
    rim = patch_px - 1
    padded_h, padded_w = H + 2 * rim, W + 2 * rim
    frames = xyz_nm.new_zeros(B * padded_h * padded_w)
    steps = torch.arange(patch_px, device=xyz_nm.device)
    within = steps[:, None] * padded_w + steps  # (P, P) distance in memory from the corner
    n_chunk = max(1, CHUNK_VALUES // (cost * patch_px**2))
    for part in chosen.split(n_chunk):
        patches = image(offset_px[part], z_nm[part]) * flat_photons[part, None, None]
        corner = (first[part, 1] + rim) * padded_w + first[part, 0] + rim
        corner = corner + part.div(E, rounding_mode="floor") * (padded_h * padded_w)
        index = (corner[:, None, None] + within).flatten()
        frames = frames.index_add(0, index, patches.flatten())
    return frames.view(B, 1, padded_h, padded_w)[..., rim : rim + H, rim : rim + W]
