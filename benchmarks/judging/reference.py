"""References: single-emitter maximum likelihood at its best threshold, and the Cramér-Rao bound."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

import napari_deepsmlm.fitting
from judging.measures import hold, measure
from judging.optics import add_light
from judging.stacks import digest_of, kept
from napari_deepsmlm.camera import EMCCD, SCMOS
from napari_deepsmlm.fitting import Noise, find_spots
from napari_deepsmlm.fitting.localize import fit_candidates
from napari_deepsmlm.fitting.spots import Spots
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.psf import GaussianPSF

if TYPE_CHECKING:
    from judging.grid import Condition
    from judging.stacks import Stack

THRESHOLDS = (4.0, 5.0, 6.0, 8.0, 10.0, 13.0, 17.0, 25.0)
_BOUND_SIDE_PX, _STEP_NM = 21, 1.0
_FITTING = Path(str(napari_deepsmlm.fitting.__file__)).parent
_CODE = digest_of(*sorted(_FITTING.glob("*.py")), Path(__file__))


def known_camera(condition: Condition) -> SCMOS | EMCCD:
    """Return the true camera as the package writes it, all pixels alike."""
    stated = condition.sensor.stated()
    return EMCCD(**stated) if stated["kind"] == "emccd" else SCMOS(**stated)


def fitted(condition: Condition, stack: Stack, cache: Path) -> tuple[Localizations, float]:
    """Return what the fitter finds at its best threshold, and that threshold.

    It knows the camera and the width of the spot, and the threshold is chosen in hindsight: that
    of the highest efficiency, or on empty frames of the fewest molecules.
    """

    def worth(table: Localizations) -> tuple[float, float]:
        scores = measure(hold(table, condition, stack), condition, stack)
        efficiency = scores["efficiency"]
        return (efficiency if np.isfinite(efficiency) else -np.inf, -scores["n_found"])

    choices = fits_by_threshold(condition, stack, cache)
    threshold = max(choices, key=lambda threshold: worth(choices[threshold]))
    return choices[threshold], threshold


def fits_by_threshold(
    condition: Condition, stack: Stack, cache: Path
) -> dict[float, Localizations]:
    """Return what the fitter finds at each threshold."""
    pixels = hashlib.sha256(stack.frames.tobytes()).hexdigest()
    key = pixels, condition.pixel_nm, condition.optics, condition.camera
    columns = kept(cache, "fitter", (key, _CODE), lambda: _fit_all(condition, stack))
    contrast = columns.pop("contrast")
    table = Localizations.from_columns(columns)
    return {threshold: table[contrast >= threshold] for threshold in THRESHOLDS}


def _fit_all(condition: Condition, stack: Stack) -> dict[str, Any]:
    """All fits, each with the threshold that its spot passes."""
    psf = GaussianPSF(pixel_size_nm=condition.pixel_nm, sigma_nm=(condition.sigma_nm,) * 2)
    camera = known_camera(condition)
    photons = camera.to_photons(torch.as_tensor(stack.frames.astype(np.float32))[:, None])
    noise = Noise.of(camera, (photons.shape[-2], photons.shape[-1]))
    sigma_px = condition.sigma_nm / condition.pixel_nm
    side = 2 * max(3, int(np.ceil(3 * sigma_px))) + 1
    apart = max(1, round(1.5 * sigma_px))
    spots = find_spots(
        photons, psf, threshold=THRESHOLDS[0], noise=noise, window_px=side, min_distance_px=apart
    )
    tables, contrast = [], []
    for low, high in zip(THRESHOLDS, (*THRESHOLDS[1:], np.inf), strict=True):
        rows = (spots.contrast > low) & (spots.contrast <= high)
        some = Spots(*(values[rows] for values in spots))
        table = fit_candidates(photons, some, psf, noise=noise, side=side, reach_px=apart + 1)
        tables.append(table)
        contrast.append(np.full(len(table), low))
    table = Localizations.concatenate(tables)
    return {name: table[name] for name in table.names} | {"contrast": np.concatenate(contrast)}


def bound_lateral_nm(condition: Condition, photons: np.ndarray[Any, Any], cache: Path) -> Any:
    """Return the least lateral error of lone molecules of as many photons, sqrt(x² + y²), nm.

    The mean over places on the pixel, at the mean background, interpolated between brightnesses.
    """
    key = condition.pixel_nm, condition.optics, condition.camera, condition.background
    columns = kept(cache, "bound", (key, _CODE), lambda: _bounds(condition))
    known = np.log(columns["photons"])
    return np.exp(np.interp(np.log(photons), known, np.log(columns["bound_nm"])))


def _bounds(condition: Condition) -> dict[str, Any]:
    """Bounds by the Fisher information of Poisson noise with what the camera adds.

    I_ij = sum of slope_i slope_j / variance over the pixels (Ober et al. 2004,
    doi:10.1016/S0006-3495(04)74193-4), for x, y, photons and background.
    """
    pixel_nm, sensor = condition.pixel_nm, condition.sensor
    y, x = (np.mgrid[0:3, 0:3].reshape(2, -1) / 3 + 1 / 6 + _BOUND_SIDE_PX // 2) * pixel_nm
    image = _images(condition, x, y)
    by_x = _images(condition, x + _STEP_NM, y) - _images(condition, x - _STEP_NM, y)
    by_y = _images(condition, x, y + _STEP_NM) - _images(condition, x, y - _STEP_NM)
    brightness, bounds = np.geomspace(10, 300_000, 16), []
    for photons in brightness:
        slopes = [photons * by_x / (2 * _STEP_NM), photons * by_y / (2 * _STEP_NM)]
        slopes = np.stack([*slopes, image, np.ones_like(image)], -1)
        variance = sensor.variance_e2(photons * image + condition.background)
        weight = sensor.quantum_efficiency**2 / variance
        least = np.linalg.inv(np.einsum("nhwi,nhwj,nhw->nij", slopes, slopes, weight))
        bounds.append(float(np.sqrt((least[:, 0, 0] + least[:, 1, 1]).mean())))
    return {"photons": brightness, "bound_nm": np.array(bounds)}


def _images(condition: Condition, x_nm: Any, y_nm: Any) -> Any:
    """One photon at each place, each in a frame of its own."""
    frames = np.zeros((len(x_nm), _BOUND_SIDE_PX, _BOUND_SIDE_PX))
    rows = np.arange(len(x_nm)), x_nm, y_nm, np.ones(len(x_nm))
    add_light(frames, condition.optics, rows, condition.pixel_nm)
    return frames
