"""References: single-emitter maximum likelihood at its best threshold, and the Cramér-Rao bound."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

import napari_deepsmlm.fitting
from judging.measures import hold, measure
from judging.optics import Gaussian
from judging.stacks import kept
from napari_deepsmlm.camera import EMCCD, SCMOS
from napari_deepsmlm.fitting import Noise, find_spots
from napari_deepsmlm.fitting.localize import fit_candidates
from napari_deepsmlm.fitting.spots import Spots
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.metrics import fisher_information
from napari_deepsmlm.psf import GaussianPSF, PupilPSF

if TYPE_CHECKING:
    from judging.grid import Condition
    from judging.stacks import Stack
    from napari_deepsmlm.psf import PSF

THRESHOLDS = (4.0, 5.0, 6.0, 8.0, 10.0, 13.0, 17.0, 25.0)
_FITTING = Path(str(napari_deepsmlm.fitting.__file__)).parent
_SOURCES = (*sorted(_FITTING.glob("*.py")), Path(__file__))


def known_camera(condition: Condition) -> SCMOS | EMCCD:
    """Return the true camera as the package writes it, all pixels alike."""
    stated = condition.sensor.stated()
    return EMCCD(**stated) if stated["kind"] == "emccd" else SCMOS(**stated)


def fitted(condition: Condition, stack: Stack, cache: Path) -> tuple[Localizations, float]:
    """Return what the fitter finds at its best threshold, and that threshold.

    It knows the camera and the width of the spot, and the threshold is chosen in hindsight: that
    of the highest efficiency, or on empty frames of the fewest molecules.
    """
    pixels = hashlib.sha256(stack.frames.tobytes()).hexdigest()
    key = pixels, condition.pixel_nm, condition.optics, condition.camera
    columns = kept(cache, "fitter", key, _SOURCES, lambda: _fit_all(condition, stack))
    contrast = columns.pop("contrast")
    table = Localizations.from_columns(columns)
    choices = [table[contrast >= threshold] for threshold in THRESHOLDS]

    def worth(index: int) -> tuple[float, int]:
        scores = measure(hold(choices[index], condition, stack), condition, stack)
        efficiency = scores["efficiency"]
        return (efficiency if np.isfinite(efficiency) else -np.inf, -scores["n_found"])

    best = max(range(len(THRESHOLDS)), key=worth)
    return choices[best], THRESHOLDS[best]


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
    columns = kept(cache, "bound", key, _SOURCES, lambda: _bounds(condition))
    known = np.log(columns["photons"])
    return np.exp(np.interp(np.log(photons), known, np.log(columns["bound_nm"])))


def _bounds(condition: Condition) -> dict[str, Any]:
    pixel, optics, side = condition.pixel_nm, condition.optics, 21
    psf: PSF
    if isinstance(optics, Gaussian):
        psf = GaussianPSF(pixel_size_nm=pixel, sigma_nm=(optics.sigma_nm,) * 2)
    else:
        index = dict.fromkeys(("index_medium", "index_cover", "index_immersion"), optics.index)
        psf = PupilPSF(
            pixel_size_nm=pixel,
            numerical_aperture=optics.numerical_aperture,
            wavelength_nm=optics.wavelength_nm,
            patch_px=2 * side + 1,
            **index,
        )
    y, x = np.mgrid[0:3, 0:3].reshape(2, -1) / 3 + 1 / 6 + side // 2
    places = torch.as_tensor(np.stack([x * pixel, y * pixel, 0 * x], 1))
    light = np.geomspace(10, 300_000, 16)
    flat = [0, 1, 3, 4]  # depth is known here: nobody fits it in flat samples
    bounds = []
    for photons in light:
        information = fisher_information(
            psf,
            places,
            photons=float(photons),
            background=condition.background,
            shape=(side, side),
            camera=known_camera(condition),
        )
        variance = torch.linalg.inv(information[:, flat][:, :, flat])
        bounds.append(float((variance[:, 0, 0] + variance[:, 1, 1]).mean().sqrt()))
    return {"photons": light, "bound_nm": np.array(bounds)}
