"""Sample data: simulated stacks for File > Open Sample, made offline in a few seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_deepsmlm.plugin.layers.world import KEY, PlaneSpan, frame_placement, points_of

if TYPE_CHECKING:
    from napari_deepsmlm.experiment import Experiment
    from napari_deepsmlm.localizations import Localizations

    LayerData = tuple[Any, dict[str, Any], str]

N_FRAMES = 200
SEED = 1
BEAD_STEP_NM = 50.0
N_BEAD_DEPTHS = 29
BEAD_SIDE_PX = 96
BEAD_PHOTONS = 20_000.0
BEAD_BACKGROUND = 20.0
BEAD_PLACES_PX = ((15.3, 18.9), (16.8, 70.2), (48.4, 44.6), (78.1, 20.7), (74.6, 76.5))
"""(y, x) of beads on the cover slip: far enough apart, none on the same part of a pixel."""


def microtubules() -> list[LayerData]:
    """Return dense blinking bundles of microtubules: the case for Deep-STORM."""
    from napari_deepsmlm.experiment import Experiment

    experiment = Experiment.from_preset("microtubules")
    stack, truth = experiment.simulate(N_FRAMES, SEED)
    return [_image(stack, experiment, "microtubules", n_molecules=len(truth))]


def sparse_molecules() -> list[LayerData]:
    """Return a few molecules in each frame, with their true positions as points."""
    from napari_deepsmlm.experiment import Experiment

    return _with_truth(
        Experiment.from_preset("microtubules"),
        "sparse molecules",
        density_per_um2=(0.25, 0.25),
        background=(20.0, 20.0),
    )


def astigmatic() -> list[LayerData]:
    """Return microtubules in depth behind a cylindrical lens, with their true positions."""
    from napari_deepsmlm.experiment import Experiment

    return _with_truth(
        Experiment.from_preset("dilated-loc-astigmatic-100nm"),
        "3-D astigmatic",
        structure={"kind": "microtubules", "z_nm": (-600.0, 600.0)},
        density_per_um2=(0.5, 0.5),
        photons=(5000.0, 5000.0),
        background=(20.0, 20.0),
    )


def quad_plane() -> list[LayerData]:
    """Return microtubules seen in four focal planes at once, (T, C, Y, X), with the truth."""
    from napari_deepsmlm.experiment import Experiment

    return _with_truth(
        Experiment.from_preset("quad-plane"),
        "four focal planes",
        structure={"kind": "microtubules", "z_nm": (-700.0, 700.0)},
        density_per_um2=(0.15, 0.15),
        photons=(5000.0, 5000.0),
        background=(10.0, 10.0),
        unevenness=0.0,
    )


def beads() -> list[LayerData]:
    """Return a z-stack of fluorescent beads behind a cylindrical lens: for Calibrate PSF."""
    import torch

    from napari_deepsmlm.experiment import Experiment

    experiment = Experiment.from_preset("dilated-loc-astigmatic-100nm")
    psf, side = experiment.psf, (BEAD_SIDE_PX, BEAD_SIDE_PX)
    z_nm = (torch.arange(N_BEAD_DEPTHS) - (N_BEAD_DEPTHS - 1) / 2) * BEAD_STEP_NM
    yx_nm = torch.tensor(BEAD_PLACES_PX) * psf.pixel_size_nm
    xyz_nm = torch.cat([yx_nm.flip(1), torch.zeros(len(yx_nm), 1)], 1).repeat(N_BEAD_DEPTHS, 1, 1)
    xyz_nm[..., 2] += z_nm[:, None]
    photons = torch.full(xyz_nm.shape[:2], BEAD_PHOTONS)
    light = psf.render(xyz_nm, photons, side) + BEAD_BACKGROUND  # (Z, C, H, W)
    generator = torch.Generator().manual_seed(SEED)
    stack = experiment.camera.expose(light, generator).numpy().astype(np.uint16)
    data, keywords, kind = _image(stack, experiment, "beads", z_step_nm=BEAD_STEP_NM)
    keywords |= {
        "scale": (BEAD_STEP_NM, *keywords["scale"][1:]),
        "units": ("nm",) * 3,
        "axis_labels": ("z", "y", "x"),
    }
    return [(data, keywords, kind)]


def _with_truth(experiment: Experiment, name: str, **sample: Any) -> list[LayerData]:
    """Simulate another sample under the microscope of an experiment."""
    from napari_deepsmlm.simulation import Simulation

    simulation = Simulation.from_dict(sample, source=name)
    experiment = experiment.replace(simulation=simulation, image_px=(64, 64))
    stack, truth = experiment.simulate(N_FRAMES, SEED)
    image = _image(stack, experiment, name, n_molecules=len(truth))
    return [image, _points(truth, experiment.psf.pixel_size_nm, image[0])]


def _image(stack: Any, experiment: Experiment, name: str, **known: Any) -> LayerData:
    """Return a simulated stack (T, C, H, W) as a layer in nm that knows how it was made."""
    pixel_size_nm = experiment.psf.pixel_size_nm
    frames = stack[:, 0] if stack.shape[1] == 1 else stack
    keywords = {
        "name": name,
        "rgb": False,
        "colormap": "gray",
        "metadata": {
            KEY: {
                "pixel_size_nm": pixel_size_nm,
                "pixel_size_origin": "simulated",
                "camera": experiment.camera.model_dump(mode="json"),
                "experiment": experiment.model_dump(mode="json"),
                **known,
            }
        },
        **frame_placement(frames.ndim, pixel_size_nm),
    }
    return frames, keywords, "image"


def _points(truth: Localizations, pixel_size_nm: float, frames: Any) -> LayerData:
    corner = (-pixel_size_nm / 2,) * 2
    data, keywords, kind = points_of(truth, corner, frames.ndim, PlaneSpan.of(frames))
    keywords |= {"name": "true positions", "border_color": "lime", "size": 1.5 * pixel_size_nm}
    return data, keywords, kind
