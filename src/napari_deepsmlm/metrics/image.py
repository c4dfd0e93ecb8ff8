"""Image metrics: NMSE with its scale and blur stated, SSIM, MS-SSIM, PSNR; the truth as image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from napari_deepsmlm.localizations import Localizations

    Image = np.ndarray[Any, Any]

MS_SSIM_SMALLEST_PX = 176  # 11 pixels remain at the coarsest scale

_SSIM_WINDOW = 7
_MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


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
    """Return how near the scaled estimate is to the truth, blurred alike.

    NMSE with its blur and scale, SSIM, MS-SSIM, PSNR and SNR = |t|^2 / |t - a x|^2 in dB. The range
    that SSIM and PSNR need is the truth's, and all but NMSE and SNR depend on it. Images too small
    for a measure have NaN: under 7 pixels for SSIM, under 176 for MS-SSIM.
    """
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    estimate, truth = _same(estimate, truth, blur_sigma_px)
    scale = least_squares_scale(estimate, truth)
    fitted, data_range = scale * estimate, float(truth.max() - min(truth.min(), 0.0))
    is_large = min(truth.shape) >= _SSIM_WINDOW
    ssim = structural_similarity(truth, fitted, data_range=data_range) if is_large else np.nan
    with np.errstate(divide="ignore"):  # a perfect image has infinite ratios
        psnr = peak_signal_noise_ratio(truth, fitted, data_range=data_range)
        nmse = nmse_percent(estimate, truth, scale=scale)
        snr = -10 * np.log10(nmse / 100)
    return {
        "nmse_percent": nmse,
        "blur_sigma_px": blur_sigma_px,
        "scale": scale,
        "ssim": float(ssim),
        "ms_ssim": ms_ssim(fitted, truth, data_range=data_range),
        "psnr_db": float(psnr),
        "snr_db": float(snr),
    }


def ms_ssim(estimate: Image, truth: Image, *, data_range: float) -> float:
    """Return the structural similarity over five scales, NaN for images under 176 pixels.

    Wang et al. 2003, doi:10.1109/ACSSC.2003.1292216: Gaussian windows of 11 x 11 pixels
    (sigma 1.5), contrast and structure at every scale, luminance at the coarsest; each scale
    averages 2 x 2 pixels of the one before. Means that are negative count as 0.

    Parameters
    ----------
    estimate, truth : (rows, columns) images of the same pixels.
    data_range : largest possible value minus smallest.
    """
    if min(truth.shape) < MS_SSIM_SMALLEST_PX:
        return float("nan")
    product = 1.0
    for weight in _MS_SSIM_WEIGHTS[:-1]:
        # A huge K1 makes the luminance term 1.
        product *= _mean_similarity(estimate, truth, data_range, k1=1e6) ** weight
        estimate, truth = _halved(estimate), _halved(truth)
    coarsest = _mean_similarity(estimate, truth, data_range, k1=0.01)
    return float(product * coarsest ** _MS_SSIM_WEIGHTS[-1])


def _mean_similarity(a: Image, b: Image, data_range: float, *, k1: float) -> float:
    from skimage.metrics import structural_similarity  # which imports all of scipy's statistics

    mean = structural_similarity(
        a,
        b,
        data_range=data_range,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        K1=k1,
    )
    return max(float(mean), 0.0)


def _halved(image: Image) -> Image:
    rows, columns = (side // 2 for side in image.shape)
    blocks: Image = image[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2)
    return np.asarray(blocks.mean((1, 3)))


def _same(estimate: Image, truth: Image, blur_sigma_px: float) -> tuple[Image, Image]:
    if estimate.shape != truth.shape:
        raise ValueError(f"Images of different shapes: {estimate.shape} and {truth.shape}.")
    if not (np.isfinite(estimate).all() and np.isfinite(truth).all()):
        raise ValueError("Images hold NaN or infinite values: they cannot be compared.")
    if not np.any(truth):
        raise ValueError("The truth image is empty: NMSE is not defined.")
    pair = np.asarray(estimate, np.float64), np.asarray(truth, np.float64)
    if blur_sigma_px <= 0:
        return pair
    from scipy.ndimage import gaussian_filter

    blurred = [gaussian_filter(image, blur_sigma_px, mode="constant") for image in pair]
    return blurred[0], blurred[1]
