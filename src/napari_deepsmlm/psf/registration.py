"""Registration: beads onto each other in x, y and z, and planes onto the first by an affine map."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field, field_validator

from napari_deepsmlm._base import FrozenModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    Array = np.ndarray[Any, Any]


# If displacements of a few beads differ by less than this, rotation and scale cannot be told from
# errors of the positions.
_ALIKE_NM = 5.0
SETTLED_PX = 1e-4


class AffineTransform(FrozenModel):
    """Positions in the first plane to positions in another: (x, y) -> matrix (x, y) + shift.

    Examples
    --------
    >>> AffineTransform(shift_nm=(30, -20)).apply(np.array([[100.0, 100.0]]))
    array([[130.,  80.]])
    """

    matrix: tuple[tuple[float, float], tuple[float, float]] = Field(
        ((1.0, 0.0), (0.0, 1.0)), description="Scale, rotation and shear."
    )
    shift_nm: tuple[float, float] = Field((0.0, 0.0), description="Displacement (x, y), nm.")

    @field_validator("matrix")
    @classmethod
    def _can_be_undone(cls, value: Any) -> Any:
        if not 0.1 < abs(np.linalg.det(value)) < 10:
            raise ValueError("must keep areas within a factor of 10")
        return value

    @classmethod
    def fit(cls, first_nm: Array, other_nm: Array) -> AffineTransform:
        """Return the least-squares map between matched positions.

        Three or more beads that do not lie on a line give the full map. Fewer give a displacement
        alone, and so do three to five beads with nearly equal displacements: a full map would fit
        their noise.

        Parameters
        ----------
        first_nm, other_nm : (N, 2) positions (x, y) of the same beads in two planes.
        """
        centred = first_nm - first_nm.mean(0)
        spread = np.linalg.svd(centred, compute_uv=False) if len(first_nm) > 2 else np.zeros(2)
        # Beads within 1 um of a line say nothing about the direction across it.
        moves = other_nm - first_nm
        are_alike = len(first_nm) < 6 and np.abs(moves - moves.mean(0)).max() < _ALIKE_NM
        if spread.min() < 1000 or are_alike:
            x, y = moves.mean(0)
            return cls(shift_nm=(float(x), float(y)))
        design = np.column_stack([first_nm, np.ones(len(first_nm))])
        solution = np.linalg.lstsq(design, other_nm, rcond=None)[0]
        (a, c), (b, d), (x, y) = solution.tolist()
        return cls(matrix=((a, b), (c, d)), shift_nm=(x, y))

    def apply(self, xy_nm: Array) -> Array:
        """Return positions (N, 2) of the first plane as the other plane shows them."""
        return np.asarray(xy_nm @ np.array(self.matrix).T + np.array(self.shift_nm))

    def inverse(self) -> AffineTransform:
        """Return the map from the other plane to the first."""
        back = np.linalg.inv(np.array(self.matrix))
        x, y = (-back @ np.array(self.shift_nm)).tolist()
        (a, b), (c, d) = back.tolist()
        return AffineTransform(matrix=((a, b), (c, d)), shift_nm=(x, y))

    def displacement_at(self, xy_nm: tuple[float, float]) -> tuple[float, float]:
        """Return how far (x, y) the other plane shows a point from where the first does, nm."""
        x, y = (self.apply(np.array([xy_nm])) - np.array([xy_nm]))[0].tolist()
        return x, y


class PlaneRegistration(FrozenModel):
    """How the planes of a microscope lie on each other: what `planes.yaml` holds.

    Examples
    --------
    >>> turned = AffineTransform(matrix=((1, -0.01), (0.01, 1)), shift_nm=(30, -20))
    >>> PlaneRegistration(pixel_size_nm=100, planes=(AffineTransform(), turned)).n_planes
    2
    """

    pixel_size_nm: float = Field(ge=1, le=10_000, description="Camera pixel of the beads, nm.")
    planes: tuple[AffineTransform, ...] = Field(
        min_length=1, max_length=64, description="Map of the first plane to each, itself included."
    )

    @property
    def n_planes(self) -> int:
        """The number of planes."""
        return len(self.planes)


def align_planes(frames: Array, planes: Sequence[AffineTransform], pixel_size_nm: float) -> Array:
    """Return frames whose planes show each molecule where the first plane shows it.

    Cubic interpolation of what stands out from the frame's median, times the change of area: a
    molecule keeps its photons. Pixels that a plane does not cover get the median.

    Parameters
    ----------
    frames : (T, C, H, W).
    planes : C maps of positions in the first plane to positions in each, as a calibration has.

    Raises
    ------
    ValueError
        If there is not one map per plane.
    """
    from scipy.ndimage import affine_transform

    if frames.ndim != 4 or frames.shape[1] != len(planes):
        raise ValueError(
            f"Frames of shape {frames.shape} do not have {len(planes)} planes: "
            "(T, C, H, W) with one map per plane is needed."
        )
    aligned = np.empty(frames.shape, np.float32)
    for c, plane in enumerate(planes):
        if plane == AffineTransform():
            aligned[:, c] = frames[:, c]
            continue
        matrix = np.array(plane.matrix)[::-1, ::-1]  # (x, y) -> (y, x)
        area = abs(np.linalg.det(matrix))
        # Positions count from the corner of the first pixel, indices from its centre.
        offset = np.array(plane.shift_nm[::-1]) / pixel_size_nm + matrix @ [0.5, 0.5] - 0.5
        for t, frame in enumerate(frames[:, c]):
            level = np.median(frame)
            light = affine_transform(frame.astype(np.float32) - level, matrix, offset, order=3)
            aligned[t, c] = level + area * light
    return aligned


def average_beads(volumes: Sequence[Array], n_rounds: int = 3) -> Array:
    """Return the mean of bead volumes after moving them onto each other.

    Each bead is moved in z, y and x and scaled so that it fits the running mean best in the
    least-squares sense (Gauss-Newton on the mean's cubic spline), first the brightest's, then
    the mean's; Li et al. 2018, doi:10.1038/nmeth.4661, methods.

    Parameters
    ----------
    volumes : N beads of (Z, P, P).

    Returns
    -------
    (Z, P, P), in photons of the brightest bead, and where that bead was.
    """
    reference = np.asarray(volumes[0])
    for _ in range(n_rounds if len(volumes) > 1 else 0):
        moved = []
        for volume in volumes:
            move, scale = displacement(reference, volume)
            moved.append(shifted(volume, -move) / scale)
        # Weights are the photons: bright beads are the less noisy ones.
        light = [float(volume.sum()) for volume in volumes]
        reference = np.average(moved, axis=0, weights=np.clip(light, 1e-12, None))
    return reference


def shifted(volume: Array, move: Sequence[float] | Array) -> Array:
    """Return a volume moved by (z, y, x) voxels, its cubic spline sampled anew.

    A spline in three dimensions is one along each axis after the other, and so is its shift: three
    products with small matrices, in a fraction of the time of `scipy.ndimage.shift`.
    """
    from scipy.ndimage import shift

    for axis, distance in enumerate(move):
        matrix = shift(np.eye(volume.shape[axis]), (distance, 0), order=3, mode="nearest")
        volume = np.moveaxis(np.tensordot(matrix, volume, (1, axis)), 0, axis)
    return volume


def displacement(reference: Array, volume: Array, max_steps: int = 6) -> tuple[Array, float]:
    """Return (z, y, x) and a factor so that volume = factor * reference moved by them.

    It is settled once a step moves it by less than a ten-thousandth of a voxel.
    """
    from scipy.ndimage import gaussian_filter

    # A little smoothing makes the slopes of noisy voxels trustworthy.
    target = gaussian_filter(volume, 0.7)[_INNER]
    smooth = gaussian_filter(reference, 0.7)
    move, scale = np.zeros(3), 1.0
    for _ in range(max_steps):
        guess = shifted(smooth, move)
        slopes = [scale * -slope[_INNER].ravel() for slope in np.gradient(guess)]
        design = np.column_stack([*slopes, guess[_INNER].ravel()])
        step = np.linalg.lstsq(design, (target - scale * guess[_INNER]).ravel(), rcond=None)[0]
        move, scale = move + np.clip(step[:3], -1, 1), scale + step[3]
        if np.abs(step[:3]).max() < SETTLED_PX:
            break
    return move, float(scale)


# Without the rim, which a shift by a few pixels fills from outside the volume.
_INNER = np.s_[1:-1, 2:-2, 2:-2]
