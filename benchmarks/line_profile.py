"""How right line profiles are: widths in all directions, distances, and what intervals hold."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.profiles import PixelGrid, fit_profile, line_profile
from napari_deepsmlm.profiles.curves import FWHM_PER_SIGMA
from napari_deepsmlm.render import histogram

GRID = PixelGrid((0.0, 0.0), (1.0, 0.0), (0.0, 1.0))
MIDDLE = np.array([32.0, 32.0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=300)
    n_trials = parser.parse_args().trials
    print("| line of sigma | worst error of its FWHM, 60 directions |\n| --- | --- |")
    for sigma_px in (0.8, 1.0, 1.2, 1.5, 2.0):
        print(f"| {sigma_px} px | {100 * worst_error(sigma_px):.2f} % |")
    print("\n| two lines apart | found, 95 % interval (mean of 20 directions) |\n| --- | --- |")
    for distance_nm in (40, 60, 80):
        found = np.array([distance(distance_nm, seed) for seed in range(20)])
        print(f"| {distance_nm} nm | {found[:, 0].mean():.1f} ± {found[:, 0].std():.1f} nm, "
              f"{found[:, 1].mean():.1f}–{found[:, 2].mean():.1f} nm |")  # fmt: skip
    print("\n| noise | the 95 % interval of FWHM holds the truth |\n| --- | --- |")
    for name in NOISES:
        print(f"| {name} | {100 * coverage(name, n_trials):.0f} % |")


def worst_error(sigma_px: float) -> float:
    rng, errors = np.random.default_rng(0), []
    for angle in np.linspace(0, np.pi, 60):
        image, across = ridge(angle, sigma_px, rng.uniform(-0.5, 0.5))
        fit = fit_profile(across_it(image, across, 6 * sigma_px, 1))
        errors.append(fit.fwhm_nm / (FWHM_PER_SIGMA * sigma_px) - 1)
    return float(np.abs(errors).max())


def distance(distance_nm: float, seed: int) -> tuple[float, float, float]:
    """Two lines of 3000 molecules each, known to 10 nm, in pixels of 5 nm."""
    rng, n = np.random.default_rng(seed), 6000
    angle = rng.uniform(0, np.pi)
    across = np.array([np.sin(angle), np.cos(angle)])
    side = rng.choice([-0.5, 0.5], n) * distance_nm + rng.normal(0, 10, n)
    along = np.outer([-across[1], across[0]], rng.uniform(-300, 300, n))
    y, x = 500 + np.outer(across, side) + along
    image = histogram(Localizations(frame=np.zeros(n, int), x_nm=x, y_nm=y), (200, 200),
                      sr_pixel_nm=5).numpy()  # fmt: skip
    line = (500 - 120 * across, 500 + 120 * across)
    profile = line_profile(image, line, pixel_size_nm=5, width_nm=400)
    fit = fit_profile(profile, "two-gauss")
    assert fit.distance_nm is not None
    assert fit.distance_ci_nm is not None
    return fit.distance_nm, *fit.distance_ci_nm


NOISES: dict[str, Any] = {
    "even, 10 % of the peak": lambda image, rng: (image + rng.normal(0, 0.1, image.shape), 0.0),
    "shot noise, 100 photons on 20": lambda image, rng: (rng.poisson(20 + 100 * image) * 1.0, 0.0),
    "molecules counted, 3 per pixel, 5 px wide": lambda image, rng: (
        rng.poisson(0.02 + 3 * image) * 1.0,
        0.0,
    ),
    "the same shot noise, blurred by sigma 1 px": lambda image, rng: (
        gaussian_filter(rng.poisson(20 + 100 * image) * 1.0, 1.0),
        1.0,
    ),
    "molecules drawn as spots of sigma 2 px, 0.3 per pixel": lambda image, rng: (
        gaussian_filter(rng.poisson(0.01 + 0.3 * image) * 1.0, 2.0),
        2.0,
    ),
}


def coverage(name: str, n_trials: int) -> float:
    rng, hits = np.random.default_rng(1), 0
    for trial in range(n_trials):
        sigma, angle = rng.uniform(1.5, 3), rng.uniform(0, np.pi) if trial % 4 else 0.0
        image, across = ridge(angle, sigma, rng.uniform(-2, 2))
        noisy, blur = NOISES[name](image, rng)
        width = 5 if "5 px" in name else rng.choice([1, 5])
        fit = fit_profile(across_it(noisy, across, rng.uniform(12, 20), width))
        low, high = fit.fwhm_ci_nm
        hits += low <= FWHM_PER_SIGMA * np.hypot(sigma, blur) <= high
    return hits / n_trials


def ridge(angle: float, sigma_px: float, shift_px: float) -> tuple[Any, Any]:
    """A straight line through the middle of an image, and the direction across it."""
    across = np.array([np.sin(angle), np.cos(angle)])
    places = np.moveaxis(np.indices((65, 65)), 0, -1) - MIDDLE
    return np.exp(-0.5 * ((places @ across - shift_px) / sigma_px) ** 2), across


def across_it(image: Any, across: Any, half_px: float, width_px: float) -> Any:
    line = (MIDDLE - half_px * across, MIDDLE + half_px * across)
    return line_profile(image, line, grid=GRID, width_px=width_px)


if __name__ == "__main__":
    main()
