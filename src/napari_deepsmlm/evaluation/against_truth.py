"""Evaluation of files: a reconstruction or a table against a truth, with tables and pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from napari_deepsmlm._base import FrozenModel
from napari_deepsmlm._files import atomic_write
from napari_deepsmlm.evaluation.coverage import (
    Coverage,
    beyond_truth,
    coverage_of_file,
    coverage_of_table,
    cut_truth,
)
from napari_deepsmlm.evaluation.score_plot import save_score_plot
from napari_deepsmlm.io import is_image, open_frames, read_localizations
from napari_deepsmlm.localizations import AXES, at_known_places, require_molecules
from napari_deepsmlm.metrics import (
    count_image,
    field_of,
    image_scores,
    match,
    score_table,
    truth_bounds,
    without_border,
)

if TYPE_CHECKING:
    import pandas as pd

    from napari_deepsmlm.camera import Camera
    from napari_deepsmlm.localizations import Localizations
    from napari_deepsmlm.psf import PSF

    Image = np.ndarray[Any, Any]


class EvaluateOptions(FrozenModel):
    """How a prediction is compared with the truth."""

    pixel_size_nm: float | None = Field(
        None, gt=0, description="Pixel of the image, or of the stack that `stack_shape` counts."
    )
    blur_sigma_px: float = Field(0.0, ge=0, description="Images: Gaussian blur of both.")
    lateral_nm: float = Field(250.0, gt=0, description="Lateral tolerance of a match.")
    axial_nm: float = Field(500.0, gt=0, description="Axial tolerance of a match.")
    least_photons: float = Field(0.0, ge=0, description="True molecules need more than this.")
    border_nm: float = Field(0.0, ge=0, description="Left out along the border of the field.")
    stack_shape: tuple[int, int] | None = Field(
        None,
        description="Rows and columns of the frames, for the border; default: the truth's box.",
    )
    method: Literal["greedy", "optimal"] = Field("greedy", description="Way of matching.")
    all_frames: bool = Field(
        False,
        description="Count the truth of all frames and of the whole field, also where nothing was "
        "reconstructed.",
    )
    by: Literal["frame", "density", "z"] | None = Field(None, description="Table of scores by it.")


def evaluate_files(
    prediction: str | Path,
    truth: str | Path,
    options: EvaluateOptions | None = None,
    *,
    out: str | Path | None = None,
    optics: tuple[PSF, Camera] | None = None,
) -> tuple[dict[str, float], list[str]]:
    """Return scores of a prediction, and remarks about what was not compared.

    The truth is cut to the frames and the region that the prediction is of, by the report inside
    or beside it; a table without one is of its first frame to its last.

    Parameters
    ----------
    prediction : image (.tif) or table of localizations.
    truth : table of true molecules; for an image also an image of the same pixels.
    out : folder for `scores_by_*.csv` and `.png`, needed with `options.by`.
    optics : PSF and camera of the frames: the table has the Cramér-Rao bounds beside the errors.

    Raises
    ------
    ValueError, OSError
        One sentence that says which file or number is wrong and what to do.
    """
    options = options or EvaluateOptions()
    prediction, truth = Path(prediction), Path(truth)
    if (options.by is None) != (out is None):
        raise ValueError("--by and --out go together: what the table is of, and where it goes.")
    if optics is not None and options.by is None:
        raise ValueError("--experiment adds bounds to a table: give --by and --out too.")
    if options.stack_shape is not None and not options.border_nm:
        raise ValueError("--stack-shape says where the border is: give --border in nm too.")
    if is_image(prediction):
        if options.by is not None:
            raise ValueError(f"{prediction.name}: --by needs localizations, this is an image.")
        return _evaluate_image(prediction, truth, options)
    if is_image(truth):
        raise ValueError(
            f"{truth.name}: is an image; localizations are compared with a table of true molecules."
        )
    pixel_nm = options.pixel_size_nm
    found = read_localizations(prediction, pixel_size_nm=pixel_nm)
    true = _read_truth(truth, pixel_nm)
    axes = AXES if found.is_3d and true.is_3d else AXES[:2]
    (found, lost), (true, lost_truth) = (at_known_places(table, axes) for table in (found, true))
    remarks = [f"{prediction.name}: {remark}" for remark in lost]
    remarks += [f"{truth.name}: {remark}" for remark in lost_truth]
    covered = coverage_of_table(found, coverage_of_file(prediction))
    remarks += beyond_truth(found, true)
    true, left_out = _cut(true, covered, options, truth, prediction)
    remarks += left_out
    if options.border_nm > 0:
        field = _field(true, options, covered)
        found, true = (without_border(t, options.border_nm, field) for t in (found, true))
    matching = match(
        found,
        true,
        lateral_nm=options.lateral_nm,
        axial_nm=options.axial_nm,
        least_photons=options.least_photons,
        method=options.method,
    )
    if options.by is not None and out is not None:
        bound = None if optics is None else truth_bounds(true, *optics)
        table = score_table(matching, found, true, by=options.by, bound_nm=bound)
        _write_table(table, options.by, Path(out))
    if true.is_3d and not found.is_3d:
        remarks.append(f"{prediction.name}: has no z, so only x and y were matched and scored.")
    if not len(found):
        remarks.append(f"{prediction.name} holds no molecules: all true ones count as missed.")
    elif not len(matching.true):
        remarks.append("Nothing matched, so errors are not defined.")
    return matching.scores(), remarks


def _evaluate_image(
    prediction: Path, truth: Path, options: EvaluateOptions
) -> tuple[dict[str, float], list[str]]:
    image, pixel_nm = _read_image(prediction)
    remarks: list[str] = []
    if is_image(truth):
        reference = _read_image(truth)[0]
    else:
        pixel_nm = options.pixel_size_nm or pixel_nm
        if pixel_nm is None:
            raise ValueError(f"{prediction.name}: states no pixel size; give --pixel-size in nm.")
        true, lost = at_known_places(_read_truth(truth, options.pixel_size_nm), AXES[:2])
        remarks = [f"{truth.name}: {remark}" for remark in lost]
        covered = coverage_of_file(prediction)
        if covered is not None:  # sums of frames are one image all the same
            covered = covered.replace(sum_frames=1)
        true, left_out = _cut(true, covered, options, truth, prediction)
        remarks += left_out
        if covered is not None and covered.box_nm is not None:
            x_nm, y_nm = covered.box_nm[:2]
            true = true.with_columns(x_nm=true.x_nm - x_nm, y_nm=true.y_nm - y_nm)
        reference = count_image(true, image.shape, pixel_nm)
        if not reference.any():
            raise ValueError(
                f"{truth.name}: no molecule lies in the {image.shape[0]} x {image.shape[1]} pixels "
                f"of {pixel_nm:g} nm of {prediction.name}; check the pixel size."
            )
    scores = image_scores(image, reference, blur_sigma_px=options.blur_sigma_px)
    undefined = [name for name in ("ssim", "ms_ssim") if np.isnan(scores[name])]
    size = " x ".join(map(str, image.shape))
    return scores, [*remarks, *(f"{size} pixels are too few for {name}." for name in undefined)]


def _read_image(path: Path) -> tuple[Image, float | None]:
    """Sum of all frames and planes of a file, and its pixel, nm."""
    with open_frames(path) as source:
        total = source.read(0, source.n_frames).sum((0, 1), dtype=float)
        return total, source.pixel_size_nm


def _read_truth(path: Path, pixel_size_nm: float | None) -> Localizations:
    table = read_localizations(path, pixel_size_nm=pixel_size_nm)
    require_molecules(table, "compare with", path.name)
    return table


def _cut(
    true: Localizations,
    covered: Coverage | None,
    options: EvaluateOptions,
    truth: Path,
    prediction: Path,
) -> tuple[Localizations, list[str]]:
    """Return the truth of what the prediction is of, and what was left out."""
    kept, remarks = cut_truth(true, covered, is_all=options.all_frames)
    if not len(kept):
        raise ValueError(
            f"{truth.name}: no true molecule lies in the frames and the region that "
            f"{prediction.name} is of; give the truth of that stack."
        )
    return kept, remarks


def _field(
    truth: Localizations, options: EvaluateOptions, covered: Coverage | None
) -> tuple[float, float, float, float]:
    if options.stack_shape is None:
        box = None if covered is None or options.all_frames else covered.box_nm
        return box or field_of(truth)
    if options.pixel_size_nm is None:
        raise ValueError("--stack-shape counts pixels; give --pixel-size in nm too.")
    rows, columns = options.stack_shape
    return 0.0, 0.0, columns * options.pixel_size_nm, rows * options.pixel_size_nm


def _write_table(table: pd.DataFrame, by: Literal["frame", "density", "z"], out: Path) -> None:
    with atomic_write(out / f"scores_by_{by}.csv") as file:
        table.to_csv(file, index=False)
    save_score_plot(out / f"scores_by_{by}.png", table, by=by)
