"""Pictures of the gallery: what a structure, a blinking, a background and a camera look like."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
import torch

from napari_deepsmlm.calibration.calibrate import calibrate
from napari_deepsmlm.camera import SCMOS, SensorMaps, camera_preset
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.psf import GaussianPSF
from napari_deepsmlm.simulation import Simulation, Simulator

mpl.use("Agg")
import matplotlib.pyplot as plt

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure

    from napari_deepsmlm.camera import Camera
    from napari_deepsmlm.psf import PSF, CalibratedPSF

SHAPE = (64, 64)
PSF = GaussianPSF(sigma_nm=(110, 110))


def draw_structure(structure: object, side_um: float) -> Figure:
    simulation = Simulation(structure=structure, density_per_um2=(6, 6))
    frames, truth = movie(simulation, 45)
    figure, (left, right) = plt.subplots(1, 2, figsize=(6.4, 3.2))
    half = side_um / 2
    x, y, z = (truth[name] / 1e3 for name in ("x_nm", "y_nm", "z_nm"))
    shown = (abs(x - 3.2) < half) & (abs(y - 3.2) < half)
    size = 0.3 if side_um > 2 else 1.5
    is_flat = np.ptp(z) < 1e-3
    colours = {"color": "gold"} if is_flat else {"c": z[shown], "cmap": "viridis"}
    points = left.scatter(x[shown], y[shown], s=size, linewidths=0, **colours)
    left.set(xlim=(3.2 - half, 3.2 + half), ylim=(3.2 + half, 3.2 - half), aspect="equal")
    left.set(xlabel="x [µm]", ylabel="y [µm]", facecolor="black")
    if not is_flat:
        figure.colorbar(points, ax=left, label="z [µm]", shrink=0.7)
    show(right, frames[0], "gray", "one frame [photons]", figure)
    return figure


def draw_blinking(blinking: object) -> Figure:
    simulation = Simulation(
        blinking=blinking, density_per_um2=(1, 1), photons=(1000, 1000), margin_px=0
    )
    _, truth = movie(simulation, 120)
    table = truth.to_dataframe()
    begins = table.groupby("molecule").frame.min()
    # Those whose whole life is in the movie, as good as surely.
    frames_seen = table.groupby("molecule").size()[(begins > 0) & (begins < 60)]
    chosen = begins[(begins >= 5) & (begins < 50)].sort_values().index[::12][:36]
    picture = np.zeros((len(chosen), 60))
    for line, molecule in enumerate(chosen):
        mine = table[(table.molecule == molecule) & (table.frame < 60)]
        picture[line, mine.frame] = mine.photons
    figure, (left, right) = plt.subplots(1, 2, figsize=(6.4, 2.6), width_ratios=(2, 1))
    image = left.imshow(picture, aspect="auto", cmap="magma", interpolation="nearest", vmin=0)
    left.set(xlabel="frame", ylabel="molecule")
    figure.colorbar(image, ax=left, label="photons")
    bins = np.arange(1, 17)
    right.hist(np.minimum(frames_seen, 15), bins=bins - 0.5, density=True, color="tab:blue")
    right.axvline(blinking.frames_seen, color="tab:red", label="mean, by formula")
    right.axvline(frames_seen.mean(), color="black", ls=":", label="mean, simulated")
    right.set(xlabel="frames seen (15: or more)", ylabel="share of molecules")
    right.legend(fontsize=6)
    return figure


def draw_background(simulation: Simulation) -> Figure:
    dark = simulation.replace(density_per_um2=(0, 0))
    generator = torch.Generator().manual_seed(3)
    simulator = Simulator(PSF, camera_preset("ideal"), dark)
    many = torch.cat([chunk.frames for chunk in simulator.movie(400, SHAPE, generator)])
    generator.manual_seed(3)
    lit = Simulator(PSF, SCMOS(), simulation.replace(density_per_um2=(0.5, 0.5)))
    frame = next(lit.movie(1, SHAPE, generator)).frames
    figure, (left, right) = plt.subplots(1, 2, figsize=(6.4, 2.8))
    expected = camera_preset("ideal").to_photons(many).mean(0)[0]
    show(left, expected, "gray", "mean of 400 frames [photons]", figure, (75, 125))
    show(right, SCMOS().to_photons(frame)[0, 0], "gray", "one frame [photons]", figure)
    return figure


def draw_drift(simulation: Simulation) -> Figure:
    _, truth = movie(simulation.replace(density_per_um2=(1, 1)), 400)
    figure, axis = plt.subplots(figsize=(6.4, 2.4))
    frame, first = np.unique(truth.frame, return_index=True)
    for name in ("x", "y", "z"):
        axis.plot(frame, truth[f"drift_{name}_nm"][first], label=name)
    axis.set(xlabel="frame", ylabel="drift [nm]")
    axis.legend()
    return figure


def draw_camera(camera: Camera) -> Figure:
    simulation = Simulation(density_per_um2=(0.6, 0.6), photons=(400, 400), background=(5, 5))
    generator = torch.Generator().manual_seed(2)
    simulator = Simulator(PSF, camera, simulation)
    frame = camera.to_photons(next(simulator.movie(1, (32, 32), generator)).frames)[0, 0]
    figure, (left, right) = plt.subplots(1, 2, figsize=(6.4, 2.8))
    show(left, frame, "gray", "one frame [photons]", figure)
    levels = torch.logspace(-1, 3, 13).tolist()
    shape = (4, 4) if getattr(camera, "maps", None) is None else (32, 32)
    variances, law = [], []
    for level in levels:
        light = torch.full((4000 // 16, 1, *shape), level)
        photons = camera.to_photons(camera.expose(light, generator)).double()
        variances.append(photons.var(0).mean())
        law.append(camera.variance(light[:1]).mean())
    right.loglog(levels, [float(v) for v in law], "-", color="tab:red", lw=1)
    right.loglog(levels, levels, "--", color="gray", lw=1)
    right.loglog(levels, [float(v) for v in variances], "o", ms=3, color="black")
    right.set(xlabel="photons", ylabel="variance [photons²]")
    return figure


def draw_psf(psf: PSF, z_nm: list[float], side_px: int) -> Figure:
    """One row per plane, one column per depth; every image has colours of its own."""
    xyz = torch.full((len(z_nm), 1, 3), side_px / 2 * psf.pixel_size_nm)
    xyz[:, 0, 2] = torch.tensor(z_nm)
    images = psf.render(xyz, torch.ones(len(z_nm), 1), (side_px, side_px))
    size = (6.8, 0.2 + 0.97 * psf.n_planes)
    figure, axes = plt.subplots(psf.n_planes, len(z_nm), figsize=size, squeeze=False)
    for c, row in enumerate(axes):
        for axis, image, depth in zip(row, images[:, c], z_nm, strict=True):
            axis.imshow(np.array(image.tolist()), cmap="inferno", interpolation="nearest", vmin=0)
            axis.set(xticks=[], yticks=[])
            if c == 0:
                axis.set_title(f"{depth:+.0f} nm" if depth else "0 nm", fontsize=7)
        if psf.n_planes > 1:
            row[0].set_ylabel(f"plane {c + 1}")
    return figure


def calibrated(exact: PSF) -> CalibratedPSF:
    """Return the PSF that three noisy beads give, 41 depths 35 nm apart."""
    side, n_depths, photons = 101, 41, 5000.0
    xyz = torch.tensor([[2534.0, 2871, -20], [7512, 2333, 12], [4987, 7243, 7]])
    xyz = xyz.repeat(n_depths, 1, 1)
    xyz[..., 2] += (torch.arange(n_depths)[:, None] - n_depths // 2) * 35.0
    light = exact.render(xyz, torch.full((n_depths, 3), photons), (side, side))[:, 0]
    noisy = np.random.default_rng(0).poisson(np.array((light + 10).tolist()))
    return calibrate(noisy, z_step_nm=35, pixel_size_nm=exact.pixel_size_nm).psf


def movie(simulation: Simulation, n_frames: int) -> tuple[torch.Tensor, Localizations]:
    """Return frames in photons (T, H, W) and the truth."""
    camera = SCMOS()
    generator = torch.Generator().manual_seed(4)
    parts = list(Simulator(PSF, camera, simulation).movie(n_frames, SHAPE, generator))
    truth = Localizations.concatenate([part.truth for part in parts]).to_numpy()
    return camera.to_photons(torch.cat([part.frames for part in parts]))[:, 0], truth


def show(axis, image, colours: str, title: str, figure: Figure, limits=(None, None)) -> None:
    low, high = limits
    shown = axis.imshow(
        np.array(image.tolist()), cmap=colours, interpolation="nearest", vmin=low, vmax=high
    )
    axis.set_title(title, fontsize=8)
    axis.set_xticks([])
    axis.set_yticks([])
    figure.colorbar(shown, ax=axis, shrink=0.7)


def letters() -> np.ndarray:
    """Return (N, 2) nm along the strokes of the letters S M L M."""
    strokes = {
        "S": [(4, 1), (0, 1), (0, 3.5), (4, 3.5), (4, 6), (0, 6)],
        "M": [(0, 6), (0, 1), (2, 4), (4, 1), (4, 6)],
        "L": [(0, 1), (0, 6), (4, 6)],
    }
    points = []
    for position, letter in enumerate("SMLM"):
        corners = np.array(strokes[letter], float)
        for start, stop in pairwise(corners):
            along = np.linspace(0, 1, 120)[:, None]
            points.append(start + along * (stop - start) + [5.5 * position, 0])
    return np.concatenate(points) * 250.0


def sensor(folder: Path) -> SensorMaps:
    """Return maps of a sensor with noisy pixels and a column amplifier that is off."""
    rng = np.random.default_rng(0)
    gain = rng.normal(1.34, 0.05, (32, 32))
    gain[:, 20] *= 0.7
    variance = rng.lognormal(1.2, 0.8, (32, 32))
    variance[rng.integers(0, 32, 8), rng.integers(0, 32, 8)] = 900
    return SensorMaps.from_arrays(
        folder, gain=gain, offset=rng.normal(100, 3, (32, 32)), variance=variance
    )
