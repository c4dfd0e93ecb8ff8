"""Image metrics: NMSE with its scale and blur stated, SSIM, and the truth as an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity

if TYPE_CHECKING:
    from napari_deepsmlm.localizations import Localizations

    Image = np.ndarray[Any, Any]


def count_image(molecules: Localizations, shape: tuple[int, int], sr_pixel_nm: float) -> Image:
    """Return the number of molecules in each pixel; a molecule belongs to the floor of its place.

    Parameters
    ----------
    molecules : those outside the image are left out.
    shape : (rows, columns) of the image.
    sr_pixel_nm : its pixel, nm.
    """
    row = np.floor(molecules.y_nm / sr_pixel_nm).astype(np.int64)
    column = np.floor(molecules.x_nm / sr_pixel_nm).astype(np.int64)
    is_inside = (row >= 0) & (row < shape[0]) & (column >= 0) & (column < shape[1])
    flat = row[is_inside] * shape[1] + column[is_inside]
    return np.bincount(flat, minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)


def least_squares_scale(estimate: Image, truth: Image) -> float:
    """Return the factor on the estimate that brings it nearest to the truth."""
    power = float(np.vdot(estimate, estimate))
    return float(np.vdot(estimate, truth)) / power if power > 0 else 0.0


def nmse_percent(
    estimate: Image, truth: Image, *, blur_sigma_px: float = 0.0, scale: float | None = None
) -> float:
    """Return |a x - t|^2 / |t|^2 in percent.

    Parameters
    ----------
    estimate, truth : (rows, columns) images of the same pixels.
    blur_sigma_px : Gaussian blur applied to both before.
    scale : the factor a; by least squares (after the blur) if not given.

    Raises
    ------
    ValueError
        If shapes differ or the truth is empty.

    Examples
    --------
    >>> truth = np.eye(8)
    >>> round(nmse_percent(3 * truth, truth), 6), nmse_percent(0 * truth, truth)
    (0.0, 100.0)
    """
    estimate, truth = _same(estimate, truth, blur_sigma_px)
    if scale is None:
        scale = least_squares_scale(estimate, truth)
    return 100.0 * float(np.square(scale * estimate - truth).sum() / np.square(truth).sum())


def image_scores(estimate: Image, truth: Image, *, blur_sigma_px: float = 0.0) -> dict[str, float]:
    """Return NMSE, its scale and blur, and SSIM of the scaled image (range: the truth's)."""
    nmse = nmse_percent(estimate, truth, blur_sigma_px=blur_sigma_px)
    blurred, reference = _same(estimate, truth, blur_sigma_px)
    scale = least_squares_scale(blurred, reference)
    similarity = structural_similarity(
        reference, scale * blurred, data_range=float(reference.max() - reference.min())
    )
    return {
        "nmse_percent": nmse,
        "blur_sigma_px": blur_sigma_px,
        "scale": scale,
        "ssim": float(similarity),
    }


def _same(estimate: Image, truth: Image, blur_sigma_px: float) -> tuple[Image, Image]:
    if estimate.shape != truth.shape:
        raise ValueError(f"Images of different shapes: {estimate.shape} and {truth.shape}.")
    if not np.any(truth):
        raise ValueError("The truth image is empty: NMSE is not defined.")
    pair = np.asarray(estimate, np.float64), np.asarray(truth, np.float64)
    if blur_sigma_px <= 0:
        return pair
    blurred = [gaussian_filter(image, blur_sigma_px, mode="constant") for image in pair]
    return blurred[0], blurred[1]
