"""Sample data: simulated stacks for File > Open Sample, made offline in a few seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_deepsmlm.io import open_frames
from napari_deepsmlm.plugin.layers import KEY, image_of, points_of

if TYPE_CHECKING:
    from napari_deepsmlm.experiment import Experiment

    LayerData = tuple[Any, dict[str, Any], str]

N_FRAMES = 200
SEED = 1


def microtubules() -> list[LayerData]:
    """Return dense blinking bundles of microtubules: the case for Deep-STORM."""
    from napari_deepsmlm.experiment import Experiment

    image, _ = _simulate(Experiment.from_preset("microtubules"), "microtubules")
    return [image]


def sparse_molecules() -> list[LayerData]:
    """Return a few molecules in each frame, with their true positions as points."""
    from napari_deepsmlm.experiment import Experiment
    from napari_deepsmlm.simulation import Simulation

    sparse = Simulation(density_per_um2=(0.25, 0.25), background=(20.0, 20.0))
    experiment = Experiment.from_preset("microtubules").replace(simulation=sparse)
    image, truth = _simulate(experiment, "sparse molecules")
    pixel_nm = experiment.psf.pixel_size_nm
    data, keywords, kind = points_of(truth, (-pixel_nm / 2, -pixel_nm / 2), ndim=3)
    keywords |= {"name": "true positions", "border_color": "lime", "size": 1.5 * pixel_nm}
    return [image, (data, keywords, kind)]


def _simulate(experiment: Experiment, name: str) -> tuple[LayerData, Any]:
    stack, truth = experiment.simulate(N_FRAMES, SEED)
    source = open_frames(stack, pixel_size_nm=experiment.psf.pixel_size_nm)
    _, keywords, kind = image_of(source)
    keywords["name"] = name
    keywords["metadata"] = {
        KEY: {
            "pixel_size_nm": source.pixel_size_nm,
            "pixel_size_origin": "simulated",
            "n_molecules": len(truth),
            "experiment": experiment.model_dump(mode="json"),
        }
    }
    return (stack[:, 0], keywords, kind), truth
