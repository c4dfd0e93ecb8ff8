"""Light: expected photons on the camera, rendered in pieces that fit memory and cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from napari_deepsmlm.psf import PSF

# Numbers that a piece may hold per axis image: 2 MB, what a core's cache keeps.
PIECE = 1 << 19


def expected_light(
    psf: PSF,
    xyz_nm: Tensor,
    photons: Tensor,
    shape: tuple[int, int],
    *,
    sigma_nm: Tensor | None = None,
    plane_shift_nm: Tensor | None = None,
) -> Tensor:
    """Return (B, C, H, W) photons of (B, E) molecules, whatever their number.

    Pieces of frames change nothing; a frame with too many molecules for one piece is summed over
    pieces of molecules.

    Parameters
    ----------
    plane_shift_nm : (B, C, 2) x and y by which each focal plane sees the molecules moved.
    """
    B, E = photons.shape
    if B == 0 or E == 0:
        return photons.new_zeros(B, psf.n_planes, *shape)
    if plane_shift_nm is not None:
        planes = []
        for plane in range(psf.n_planes):
            shift = torch.nn.functional.pad(plane_shift_nm[:, plane], (0, 1))[:, None]
            seen = expected_light(psf, xyz_nm + shift, photons, shape, sigma_nm=sigma_nm)
            planes.append(seen[:, plane : plane + 1])
        return torch.cat(planes, dim=1)
    per_molecule = sum(shape) + 2
    n_molecules = max(1, 8 * PIECE // per_molecule)
    n_frames = max(1, PIECE // (min(E, n_molecules) * per_molecule))
    frames = []
    for first in range(0, B, n_frames):
        rows = slice(first, first + n_frames)
        light = None
        for begin in range(0, E, n_molecules):
            columns = slice(begin, begin + n_molecules)
            sigma = None if sigma_nm is None else sigma_nm[rows, columns]
            part = psf.render(xyz_nm[rows, columns], photons[rows, columns], shape, sigma_nm=sigma)
            light = part if light is None else light + part
        assert light is not None  # E > 0  # noqa: S101
        frames.append(light)
    return frames[0] if len(frames) == 1 else torch.cat(frames)
