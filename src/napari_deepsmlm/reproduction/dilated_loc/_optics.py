"""The four PSFs of the paper, and a network for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.reproduction.movies import varied

if TYPE_CHECKING:
    from napari_deepsmlm.reproduction.scale import Bench


class Optics(NamedTuple):
    """A PSF: the preset that simulates it, and the built-in model for it."""

    preset: str
    model: str

    @property
    def experiment(self) -> Experiment:
        """Molecules anywhere, 5,000 photons on a background of 50: medium signal."""
        return Experiment.from_preset(self.preset)


PSFS = {
    "astigmatic": Optics("astigmatic", "dilated-loc:astigmatic-100nm"),
    "saddle point": Optics("saddle-2um", "dilated-loc:saddle-2um"),
    "tetrapod 3 µm": Optics("tetrapod-3um", "dilated-loc:tetrapod-3um"),
    "tetrapod 6 µm": Optics("tetrapod-6um", "dilated-loc:tetrapod-6um"),
}
PAPER_STEPS = 40_000


def training_for(experiment: Experiment, bench: Bench) -> Experiment:
    """Return what trains a network for an experiment's PSF: sparse to dense, dim to bright.

    In full it is the authors': 128 x 128 pixels, batches of 10.
    """
    wide = varied(
        experiment, density_per_um2=(0.0, 0.5), photons=(1000.0, 6000.0), background=(30.0, 70.0)
    )
    training = experiment.training.replace(validation_frames=12, validation_px=64)
    if bench.scale == "full":
        training = training.replace(batch_size=10, patch_px=128, learning_rate=8e-4)
    return wide.replace(training=training)


def psfs_of(bench: Bench) -> list[str]:
    """Return the PSFs that are looked at."""
    return bench.pick(tiny=["astigmatic"], small=[*PSFS], full=[*PSFS])
