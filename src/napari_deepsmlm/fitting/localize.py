"""Localize: frames in, a table of molecules with honest standard errors out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_deepsmlm.fitting.likelihood import fit_spots, fitted_names
from napari_deepsmlm.fitting.noise import Noise
from napari_deepsmlm.fitting.spots import Spots, default_window_px, find_spots
from napari_deepsmlm.localizations import Localizations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from napari_deepsmlm.camera import Camera
    from napari_deepsmlm.psf import PSF

PIXELS_AT_ONCE = 4_000_000
FITS_AT_ONCE = 4096


def localize(
    frames: Any,
    psf: PSF,
    *,
    threshold: float = 5.0,
    camera: Camera | None = None,
    window_px: int | None = None,
    min_distance_px: int | None = None,
    border_px: int = 2,
) -> Localizations:
    """Return the molecules of sparse frames, fitted one by one.

    Each spot that :func:`find_spots` sees is fitted by :func:`fit_spots` in a window of its own.
    Fits that do not converge, leave the frame, or walk away to another spot are left out. One
    molecule is assumed in each window: spots that overlap give a small `p_value`, so that
    `table[table["p_value"] > 0.001]` keeps the lone ones.

    Parameters
    ----------
    frames : (T, H, W) or (T, C, H, W) photons (`camera.to_photons` of the ADU), array or tensor.
    psf : image of a molecule. Depth is fitted where the PSF has a range of depths, and the width
        where it has a range of widths; give one width twice to keep it fixed.
    threshold : least light of a spot, in standard deviations of the background's noise.
    camera : gives the noise: read noise (of every pixel where it has maps), quantum efficiency,
        multiplication. Shot noise only if left out.
    window_px : side of the fitted window, odd; as far as the PSF reaches if left out.
    min_distance_px, border_px : as in :func:`find_spots`.

    Returns
    -------
    x_nm, y_nm, photons, background, p_value, standard errors `uncertainty_x_nm` and so on by the
    Cramér-Rao bound, and as far as fitted z_nm and sigma_nm, sorted by frame.

    Raises
    ------
    ValueError
        If frames have another shape, are smaller than the window, or hold NaN.

    Examples
    --------
    >>> from napari_deepsmlm.psf import GaussianPSF
    >>> psf = GaussianPSF(pixel_size_nm=100, sigma_nm=(110, 110))
    >>> place, light = torch.tensor([[[1720.0, 980.0, 0.0]]]), torch.full((1, 1), 1000.0)
    >>> found = localize(psf.render(place, light, (24, 32)) + 10, psf)
    >>> found.x_nm.round(1), found.y_nm.round(1), found["photons"].round()
    (array([1720.]), array([980.]), array([1000.]))
    """
    stack = _as_frames(frames, psf)
    side = window_px or default_window_px(psf)
    _check_window(side, stack)
    noise = Noise.of(camera, (stack.shape[-2], stack.shape[-1]))
    parts = []
    for first, part in _parts(stack):
        spots = find_spots(
            part,
            psf,
            threshold=threshold,
            noise=noise,
            window_px=side,
            min_distance_px=min_distance_px,
            border_px=border_px,
        )
        reach = min_distance_px or max(2, psf.reach_px // 2)
        table = fit_candidates(part, spots, psf, noise=noise, side=side, reach_px=reach)
        parts.append(table.without("contrast").with_columns(frame=table.frame + first))
    return Localizations.concatenate(parts)


def fit_candidates(
    frames: Tensor, spots: Spots, psf: PSF, *, noise: Noise, side: int, reach_px: int
) -> Localizations:
    """Return the good fits of spots, at most `reach_px` pixels away from where they were seen.

    Besides the columns of :func:`localize` they have the `contrast` of their spots.
    """
    empty = Localizations.empty(*_columns(psf), "contrast")
    tables = [
        _fit(frames, Spots(*(values[rows] for values in spots)), psf, noise, side, reach_px)
        for rows in torch.arange(len(spots.frame)).split(FITS_AT_ONCE)
        if len(rows)
    ]
    return Localizations.concatenate(tables) if tables else empty


def cut_windows(frames: Tensor, spots: Spots, side: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return (N, C, side, side) windows around spots, and the row and column of their corners.

    Near the edge of the frame the window is moved inwards.
    """
    H, W = frames.shape[-2:]
    top = (spots.row - side // 2).clamp(0, H - side)
    left = (spots.column - side // 2).clamp(0, W - side)
    steps = torch.arange(side)
    rows, columns = (top[:, None] + steps)[:, :, None], (left[:, None] + steps)[:, None]
    # (N, P, P, C): the frame's index is apart from those of rows and columns
    windows = frames[spots.frame[:, None, None], :, rows, columns].movedim(-1, 1)
    return windows, top, left


def _fit(
    frames: Tensor, spots: Spots, psf: PSF, noise: Noise, side: int, reach_px: int
) -> Localizations:
    pixel = psf.pixel_size_nm
    windows, top, left = cut_windows(frames, spots, side)
    seen_px = torch.stack([spots.column - left, spots.row - top], 1).double() + 0.5
    fit = fit_spots(
        windows, psf, noise=noise_under(noise, top, left, side), start_xy_nm=seen_px * pixel
    )
    xy_nm = torch.stack([fit.values["x_nm"], fit.values["y_nm"]], 1)
    is_near = ((xy_nm / pixel - seen_px).abs() <= reach_px).all(1)
    x_nm, y_nm = xy_nm[:, 0] + left * pixel, xy_nm[:, 1] + top * pixel
    H, W = frames.shape[-2:]
    is_inside = (x_nm >= 0) & (x_nm <= W * pixel) & (y_nm >= 0) & (y_nm <= H * pixel)
    is_told = torch.isfinite(fit.deviations["x_nm"]) & torch.isfinite(fit.deviations["y_nm"])
    errors = {
        f"uncertainty_{axis}_nm": fit.deviations[f"{axis}_nm"]
        for axis in ("x", "y", "z")
        if f"{axis}_nm" in fit.deviations
    }
    columns = {**fit.values, "x_nm": x_nm, "y_nm": y_nm, **errors, "p_value": fit.p_value}
    columns["contrast"] = spots.contrast
    table = Localizations.from_columns({"frame": spots.frame, **columns})
    return table[fit.is_converged & is_near & is_inside & is_told].to_numpy()


def noise_under(noise: Noise, top: Tensor, left: Tensor, side: int) -> Noise:
    """Return the noise of windows: its (H, W) constant becomes (N, 1, side, side)."""
    if not isinstance(noise.constant, torch.Tensor):
        return noise
    steps = torch.arange(side)
    rows, columns = (top[:, None] + steps)[:, :, None], (left[:, None] + steps)[:, None]
    return noise._replace(constant=noise.constant[rows, columns][:, None])


def _columns(psf: PSF) -> tuple[str, ...]:
    names = fitted_names(psf)
    errors = [f"uncertainty_{name}" for name in names if name in ("x_nm", "y_nm", "z_nm")]
    return (*names, *errors, "p_value")


def _as_frames(frames: Any, psf: PSF) -> Tensor:
    """(T, C, H, W) float32 on the CPU."""
    stack = torch.as_tensor(frames if hasattr(frames, "detach") else np.asarray(frames))
    if stack.ndim == 3:
        stack = stack[:, None]
    if stack.ndim != 4 or stack.shape[1] != psf.n_planes:
        raise ValueError(
            f"Frames must be (T, H, W) or (T, {psf.n_planes}, H, W) photons for this PSF, "
            f"got shape {tuple(stack.shape)}."
        )
    return stack.detach().float().cpu()


def _check_window(side: int, stack: Tensor) -> None:
    H, W = stack.shape[-2:]
    if side % 2 == 0 or side < 5:
        raise ValueError(f"window_px must be odd and 5 or more, got {side}.")
    if side > min(H, W):
        raise ValueError(
            f"Frames of {H} x {W} pixels are smaller than the window of {side} x {side} that a "
            "molecule is fitted in: use larger frames, or set a smaller window_px."
        )


def _parts(stack: Tensor) -> Iterator[tuple[int, Tensor]]:
    n_frames = max(1, PIXELS_AT_ONCE // stack[0].numel()) if len(stack) else 1
    for first in range(0, len(stack), n_frames):
        part = stack[first : first + n_frames]
        if not bool(torch.isfinite(part).all()):
            raise ValueError("Frames hold NaN or infinite values: export them again.")
        yield first, part
