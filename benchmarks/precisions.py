"""Built-in models in bf16 beside fp32, on simulated frames that neither has seen.

    python benchmarks/precisions.py [MODEL ...] [--frames 32] [--seed 1]

Each model gets frames of the microscope that it was trained for (a model for any microscope: of a
usual one), in both number formats. Printed are the Jaccard index of its molecules and the NMSE of
its image, and how much bf16 changes them: it is the format wherever it is fast, so it must not cost
more than half a percent.
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

import numpy as np

from napari_deepsmlm._devices import choose_compute
from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.inference import Pipeline
from napari_deepsmlm.io import open_frames
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.metrics import count_image, image_scores, match
from napari_deepsmlm.models import built_in_models, find_model

SIDE_PX = 64
MAX_SUMMED = 50


class Scores(NamedTuple):
    """What a model found in one number format."""

    jaccard: float
    nmse_percent: float


def scores_in_both(name: str, n_inputs: int = 32, seed: int = 1) -> tuple[Scores, Scores]:
    """Return the scores of a model in fp32 and in bf16, on the same frames."""
    found = find_model(name)
    known = Experiment.from_dict(found.card.experiment, source=name)
    summed = min(MAX_SUMMED, (known.variety or known.simulation).sum_frames[1])
    simulation = known.simulation.replace(sum_frames=(1, 1))
    if summed > 1:  # their densities are those of whole sums
        low, high = simulation.density_per_um2
        simulation = simulation.replace(density_per_um2=(low / summed, high / summed))
    known = known.replace(variety=None, image_px=(SIDE_PX, SIDE_PX), simulation=simulation)
    stack, truth = known.simulate(n_inputs * summed, seed=seed)
    frame = summed * (np.asarray(truth.frame) // summed)  # that a sum is counted as
    truth = truth.with_columns(frame=frame)
    model, scores = found.load(), []
    model.pixel_size_nm = known.psf.pixel_size_nm
    for number_format in ("fp32", "bf16"):
        compute = choose_compute("cpu", number_format)
        pipeline = Pipeline(model, compute, camera=known.camera, sum_frames=summed)
        predicted = list(pipeline.run(open_frames(stack)))
        table = Localizations.concatenate([one.localizations for one in predicted])
        image = np.sum([one.image for one in predicted], 0)
        sr_pixel_nm = model.pixel_size_nm / pipeline.upsampling
        true = count_image(truth, image.shape, sr_pixel_nm)
        nmse = image_scores(image, true, blur_sigma_px=1.0)["nmse_percent"]
        scores.append(Scores(match(table, truth).scores()["jaccard"], nmse))
    return scores[0], scores[1]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=list(built_in_models()))
    parser.add_argument("--frames", type=int, default=32, help="frames, or sums of frames")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    print("| model | Jaccard fp32 | bf16 | change (%) | NMSE fp32 (%) | bf16 (%) | change (%) |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name in chosen.models:
        fp32, bf16 = scores_in_both(name, chosen.frames, chosen.seed)
        changes = [100 * (b / a - 1) if a else 0.0 for a, b in zip(fp32, bf16, strict=True)]
        print(
            f"| {name} | {fp32.jaccard:.4f} | {bf16.jaccard:.4f} | {changes[0]:+.2f} | "
            f"{fp32.nmse_percent:.3f} | {bf16.nmse_percent:.3f} | {changes[1]:+.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
