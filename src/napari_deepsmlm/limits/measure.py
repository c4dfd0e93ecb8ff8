"""Limits: what a model makes of simulated frames, over density, light, background and depth."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
import torch
from pydantic import Field, ValidationInfo, field_validator

from napari_deepsmlm._base import FrozenModel
from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.metrics import match, score_table, truth_bounds
from napari_deepsmlm.models import find_model
from napari_deepsmlm.training.data import SimulatedBatches, mixed_seed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas as pd

    from napari_deepsmlm.models import SMLMModel
    from napari_deepsmlm.simulation import Simulation
    from napari_deepsmlm.simulation.simulator import Batch

SCORES = (
    *("n_true", "jaccard", "precision", "recall", "f1", "rmse_lateral_nm", "rmse_axial_nm"),
    *("efficiency_lateral", "efficiency_axial", "efficiency_3d"),
    *("crlb_lateral_nm", "crlb_axial_nm"),
)
CELL = ("density_per_um2", "photons", "background")
FEWEST_FRAMES, MAX_FRAMES, MOLECULES = 4, 40, 150
FRAMES_AT_ONCE = 4
N_DEPTHS = 8
_EVERYWHERE = (-1e9, 1e9)
POSSIBLE = {
    "densities": (0.001, 100.0, "molecules per frame and square micrometre"),
    "photons": (1.0, 1e6, "photons of a molecule in a frame"),
    "backgrounds": (0.01, 1e6, "background photons per pixel"),
}
"""Least, most and unit of the conditions."""

Ascending = Annotated[tuple[float, ...], Field(min_length=1, max_length=20)]


class LimitOptions(FrozenModel):
    """Which conditions a model is tried under."""

    densities: Ascending = Field(
        (0.1, 0.5, 1.0, 2.0, 4.0),
        description="Molecules per frame and square micrometre, 0.001 to 100.",
    )
    photons: Ascending = Field(
        (500.0, 1500.0, 5000.0), description="Photons of a molecule in a frame."
    )
    backgrounds: Ascending = Field((10.0, 50.0), description="Background photons per pixel.")
    molecules: int = Field(
        MOLECULES, ge=10, le=100_000, description="True molecules of each condition, about."
    )
    side_px: int = Field(48, ge=16, le=512, description="Side of the simulated frames.")
    seed: int = Field(0, ge=0, lt=2**31 - 1, description="Of the simulated frames.")

    @field_validator("densities", "photons", "backgrounds")
    @classmethod
    def _possible(cls, value: tuple[float, ...], info: ValidationInfo) -> tuple[float, ...]:
        low, high, unit = POSSIBLE[info.field_name or ""]
        wrong = [one for one in value if not low <= one <= high]
        if wrong:
            raise ValueError(f"{wrong[0]:g} is not between {low:g} and {high:g} {unit}")
        return tuple(sorted(set(value)))

    @property
    def n_conditions(self) -> int:
        """How many there are."""
        return len(self.densities) * len(self.photons) * len(self.backgrounds)

    def n_frames(self, density_per_um2: float, pixel_size_nm: float) -> int:
        """Return how many frames have about so many molecules: at least some, and not too many."""
        area_um2 = (self.side_px * pixel_size_nm / 1e3) ** 2
        wanted = math.ceil(self.molecules / (density_per_um2 * area_um2))
        most = MAX_FRAMES * self.molecules // MOLECULES + 1
        return int(np.clip(wanted, FEWEST_FRAMES, most))


class Tried(NamedTuple):
    """A model, and the microscope that it is tried on."""

    name: str
    model: SMLMModel
    experiment: Experiment
    remarks: tuple[str, ...]
    load: Callable[[], SMLMModel]
    """Loads the model once more, as it was before it was made ready for inference."""


class Limits(NamedTuple):
    """What came out."""

    tried: Tried
    table: pd.DataFrame
    """One row for each condition: `CELL`, then `SCORES`."""
    depth: pd.DataFrame | None
    """One row for each bin of depth, of the sparse conditions; None for a model without depth."""


def find_tried(name: str, model: str | None = None) -> Tried:
    """Return what a name stands for: a model on its own microscope, or one on an experiment.

    Parameters
    ----------
    name : built-in model, network, model file; or YAML or preset of an experiment.
    model : to try on the experiment; by default the nearest of the network that it names.

    Raises
    ------
    ValueError, FileNotFoundError
        If it is neither.
    """
    is_experiment = Path(name).suffix.lower() in (".yaml", ".yml") or name in Experiment.presets()
    if is_experiment:
        experiment = Experiment.find(name)
        found = find_model(model or experiment.network, pixel_size_nm=experiment.psf.pixel_size_nm)
        remarks = [] if model else [f"Of {experiment.network}, {found.name} is tried."]
    else:
        if model is not None:
            raise ValueError("--model belongs to an experiment; give one, or the model alone.")
        found = find_model(name)
        experiment, remarks = _own_experiment(found.card.experiment)
    loaded = found.load().for_inference()
    loaded.pixel_size_nm = experiment.psf.pixel_size_nm
    if loaded.n_planes != experiment.psf.n_planes:
        raise ValueError(
            f"{found.name} reads {loaded.n_planes} focal planes but the experiment has "
            f"{experiment.psf.n_planes}."
        )
    if loaded.is_3d and experiment.psf.depth_range_nm is None:
        remarks.append(f"{found.name} reads depth, but the PSF of the experiment tells none.")
    return Tried(found.name, loaded, experiment, tuple(remarks), found.load)


def measure_limits(
    tried: Tried, options: LimitOptions | None = None
) -> Iterator[tuple[int, int, Limits]]:
    """Yield conditions done, their number, and what came out of them, from sparse to dense.

    Frames are simulated for each condition with the structure, optics and camera of the
    experiment, and matched with the challenge's rules; the bound is that of lone molecules with
    the same light, background and depth.
    """
    import pandas as pd

    options = options or LimitOptions()
    rows: list[dict[str, Any]] = []
    sparse: list[pd.DataFrame] = []
    cells = [
        (density, photons, background)
        for density in options.densities
        for photons in options.photons
        for background in options.backgrounds
    ]
    for number, cell in enumerate(cells):
        predicted, truth, bounds = _try_cell(tried, options, cell, number)
        rows.append(dict(zip(CELL, cell, strict=True)) | _scores(predicted, truth, bounds))
        if tried.model.is_3d and cell[0] == options.densities[0]:
            by_depth = _by_depth(predicted, truth, bounds)
            sparse.append(by_depth.assign(**dict(zip(CELL, cell, strict=True))))
        depth = pd.concat(sparse, ignore_index=True) if sparse else None
        yield number + 1, len(cells), Limits(tried, pd.DataFrame(rows), depth)


def _own_experiment(recorded: dict[str, Any] | None) -> tuple[Experiment, list[str]]:
    if recorded is None:
        return Experiment(), ["No microscope is recorded with it; a usual one is simulated."]
    experiment = Experiment.from_dict(recorded, source="the model's record")
    if experiment.variety is None:
        return experiment, []
    nm = experiment.psf.pixel_size_nm
    return experiment, [
        f"It is for any microscope; the one simulated has pixels of {nm:g} nm and a "
        f"{experiment.psf.kind} PSF: give an experiment of yours for another."
    ]


@torch.no_grad()
def _try_cell(
    tried: Tried, options: LimitOptions, cell: tuple[float, float, float], number: int
) -> tuple[Localizations, Localizations, Any]:
    """Return what is found, the truth, and the bounds of its molecules."""
    model, psf = tried.model, tried.experiment.psf
    batch, frames = _simulated(tried, options, cell, number)
    tables = []
    for first in range(0, len(frames), FRAMES_AT_ONCE):
        table = model.to_localizations(model(frames[first : first + FRAMES_AT_ONCE]))
        tables.append(table.with_columns(frame=table.frame + first))
    truth = batch.truth.to_numpy()
    bounds = truth_bounds(truth, psf, tried.experiment.camera)
    if not model.is_3d or psf.depth_range_nm is None:
        bounds = bounds[:, :2]
        if not model.is_3d:
            truth = truth.without("z_nm")
    return Localizations.concatenate(tables).to_numpy(), truth, bounds


def _simulated(
    tried: Tried, options: LimitOptions, cell: tuple[float, float, float], number: int
) -> tuple[Batch, Any]:
    density, photons, background = cell
    side = options.side_px
    n_frames = options.n_frames(density, tried.experiment.psf.pixel_size_nm)
    simulator = tried.experiment.replace(
        simulation=_condition(tried.experiment.simulation, density, photons, background)
    ).simulator()
    how: dict[str, Any] = {"batch_size": n_frames, "shape": (side, side)}
    how |= {"seed": mixed_seed(options.seed, number), "context": tried.model.context}
    batch = SimulatedBatches(simulator, **how).at(0)
    frames = SimulatedBatches(simulator, model=tried.model, **how).as_input(batch).frames
    return batch, frames


def _condition(
    simulation: Simulation, density: float, photons: float, background: float
) -> Simulation:
    return simulation.replace(
        density_per_um2=(density, density),
        photons=(photons, photons),
        photons_sd=0.0,
        brightness=(1.0, 1.0),
        background=(background, background),
        sum_frames=(1, 1),
    )


def _scores(predicted: Localizations, truth: Localizations, bounds: Any) -> dict[str, Any]:
    # all frames are one group: one bin of density that holds everything
    table = score_table(
        match(predicted, truth), predicted, truth, by="density", edges=_EVERYWHERE, bound_nm=bounds
    )
    row = table.iloc[0].to_dict()
    return {name: row.get(name, math.nan) for name in SCORES}


def _by_depth(predicted: Localizations, truth: Localizations, bounds: Any) -> pd.DataFrame:
    z = truth["z_nm"]
    edges = np.linspace(float(z.min()), float(z.max()) + 1e-6, N_DEPTHS + 1)
    table = score_table(
        match(predicted, truth), predicted, truth, by="z", edges=edges, bound_nm=bounds
    )
    return table[["from", "to", *(name for name in SCORES if name in table)]].rename(
        columns={"from": "z_from_nm", "to": "z_to_nm"}
    )
