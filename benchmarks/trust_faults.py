"""Trust reports of an honest result and of four with a planted fault, as one picture.

python benchmarks/trust_faults.py [--picture docs/images/trust_faults.png]

Filaments are simulated; the honest table is what a good network makes of them: 90 % of the truth,
12 nm off. The faults: a filament that is not there, a gap, a PSF twice as wide as the model was
trained for, and fifteen times the density.
"""

from __future__ import annotations

import argparse
import tempfile
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_deepsmlm.camera import SCMOS
from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.io import write_localizations, write_stack
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.psf import GaussianPSF
from napari_deepsmlm.simulation import Simulation
from napari_deepsmlm.simulation.structures import Microtubules
from napari_deepsmlm.trust import trust_of
from napari_deepsmlm.trust.files import trust_figure

if TYPE_CHECKING:
    from napari_deepsmlm.trust import Trust

ROOT = Path(__file__).parent.parent
MODEL = "deep-storm:2d-100nm"
N_FRAMES, SIDE_PX, PIXEL_NM = 400, 64, 100.0


class Result(NamedTuple):
    """Frames and the table that somebody made of them."""

    frames: np.ndarray
    table: Localizations


def main() -> None:
    """Judge the five results and draw the reports."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--picture", type=Path, default=ROOT / "docs/images/trust_faults.png")
    picture = parser.parse_args().picture
    reports = {}
    for name, result in results().items():
        reports[name] = judged(result)
        print(f"{name}: {reports[name].sentence()}", flush=True)
    draw(reports, picture)


def results() -> dict[str, Result]:
    """Return the honest result and the faulty ones by their names."""
    honest = simulated()
    return {
        "An honest result": honest,
        "A filament that is not there": with_false_filament(honest),
        "A gap": with_gap(honest),
        "A PSF twice as wide": simulated(sigma_nm=220.0),
        "Fifteen times the density": simulated(density=30.0),
    }


def simulated(
    sigma_nm: float = 110.0,
    density: float = 2.0,
    *,
    side_px: int = SIDE_PX,
    n_frames: int = N_FRAMES,
) -> Result:
    """Return frames of filaments, and what a good network makes of them."""
    experiment = Experiment(
        psf=GaussianPSF(pixel_size_nm=PIXEL_NM, sigma_nm=(sigma_nm, sigma_nm)),
        camera=SCMOS(),
        simulation=Simulation(
            structure=Microtubules(),
            density_per_um2=(density, density),
            photons=(2000, 2500),
            background=(30, 30),
        ),
        image_px=(side_px, side_px),
    )
    frames, truth = experiment.simulate(n_frames, seed=1)
    chance = np.random.default_rng(0)
    found = truth[chance.random(len(truth)) < 0.9]
    x, y = (found[name] + chance.normal(0, 12, len(found)) for name in ("x_nm", "y_nm"))
    photons = found["photons"] * chance.uniform(0.8, 1.2, len(found))
    return Result(frames, Localizations(frame=found.frame, x_nm=x, y_nm=y, photons=photons))


def with_false_filament(honest: Result) -> Result:
    """Return the result with molecules along the row of the frames that has the least light."""
    chance, n = np.random.default_rng(2), 1500
    light = honest.frames.mean(axis=0).reshape(SIDE_PX, SIDE_PX).mean(axis=1)
    inner = light[6:-6]
    y = (6 + int(inner.argmin()) + 0.5) * PIXEL_NM
    false = Localizations(
        frame=chance.integers(0, N_FRAMES, n),
        x_nm=chance.uniform(500, SIDE_PX * PIXEL_NM - 500, n),
        y_nm=y + chance.normal(0, 12, n),
        photons=np.full(n, 2200.0),
    )
    return Result(honest.frames, Localizations.concatenate([honest.table, false]))


def with_gap(honest: Result) -> Result:
    """Return the result without the molecules of a band."""
    table = honest.table
    return Result(honest.frames, table[(table.y_nm < 2500) | (table.y_nm > 3700)])


def judged(result: Result) -> Trust:
    """Return what the report says of a result."""
    with tempfile.TemporaryDirectory() as folder:
        stack, table = Path(folder) / "stack.tif", Path(folder) / "locs.csv"
        write_stack(stack, result.frames, pixel_size_nm=PIXEL_NM)
        write_localizations(result.table, table)
        return trust_of(table, stack, model=MODEL)


def draw(reports: dict[str, Trust], path: Path) -> None:
    """Write the pictures of the reports below each other, each with its sentence."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.3 * len(reports)), layout="constrained", facecolor="white")
    for axes, (name, trust) in zip(figure.subplots(len(reports)), reports.items(), strict=True):
        one = trust_figure(trust)
        one.set_dpi(110)
        canvas = FigureCanvasAgg(one)
        canvas.draw()
        axes.imshow(np.asarray(canvas.buffer_rgba()))
        axes.set_title(f"{name}\n{textwrap.fill(trust.sentence(), 130)}", loc="left", fontsize=9)
        axes.set_axis_off()
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    main()
