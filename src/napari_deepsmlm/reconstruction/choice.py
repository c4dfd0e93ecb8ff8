"""Choice: the frames, the region and the model of a reconstruction, and what does not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from napari_deepsmlm.estimation import KnownCamera, know_camera, pixel_doubt
from napari_deepsmlm.inference.pipeline import Pipeline
from napari_deepsmlm.inference.tiles import Region
from napari_deepsmlm.mismatch import PIXEL_TOLERANCE, Look, pixel_sentence
from napari_deepsmlm.reconstruction.finding import find_for
from napari_deepsmlm.reconstruction.sharing import Sharing, share

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_deepsmlm._devices import Compute
    from napari_deepsmlm.io import FrameSource, PlaneLayout
    from napari_deepsmlm.mismatch import MismatchTable
    from napari_deepsmlm.models import FoundModel, ModelCard, SMLMModel
    from napari_deepsmlm.reconstruction.options import ReconstructOptions

SMALLEST_FRAME_PX = 8


class Choice(NamedTuple):
    """Everything a reconstruction needs besides the frames."""

    found: FoundModel
    model: SMLMModel
    compute: Compute
    """Of those who predict."""
    pipeline: Pipeline
    warnings: tuple[str, ...]
    camera: KnownCamera
    look: Look
    """At the frames, which are measured at most once."""
    sharing: Sharing
    """Who predicts."""


def choose(
    source: FrameSource,
    options: ReconstructOptions,
    camera: KnownCamera | None = None,
    *,
    frames: range | None = None,
) -> Choice:
    """Find and load the model, tell it the data's pixel size, and say what does not fit.

    Parameters
    ----------
    source : the frames that the camera is found from, if it is not known yet.
    camera : what is known of it.
    frames : those to look at where the choice depends on what they show; all if not given.

    Raises
    ------
    ValueError, OSError
        One sentence: no such model, a file that is none, planes that do not fit, no such device.
    """
    pixel_size_nm = options.pixel_size_nm or source.pixel_size_nm
    known = camera or know_camera(source, options.camera)
    seen = source if frames is None else source.slice(frames.start, frames.stop)
    look = Look(seen, camera=known.stated, sum_frames=options.sum_frames)
    found = find_for(source, options, known, look)
    model = found.load()
    _check_planes(source.layout, source.shape[1], model.n_planes, found.name)
    if pixel_size_nm is not None:
        model.pixel_size_nm = pixel_size_nm
    if not found.card.is_trained:
        _tell_width(model, look.glance_at(found.card, found.name))
    sharing = share(options, source)
    warnings = [*source.warnings, *_pixel_warnings(pixel_size_nm, found.card, found.name)]
    reads_light = model.needs_photons or model.reads_noise_units
    warnings += known.warnings if reads_light else known.frame_warnings
    pipeline = sharing.fit(lambda compute: pipeline_of(model, compute, options, known))
    return Choice(found, model, sharing.compute, pipeline, tuple(warnings), known, look, sharing)


def _tell_width(model: SMLMModel, table: MismatchTable | None) -> None:
    """Let a model without training know the width of the PSF, where the frames show one."""
    if table is not None and table.is_one_width:
        sigma_px = table.measured("psf_sigma_px").value
        if sigma_px is not None:
            model.expect_width(sigma_px)


def pipeline_of(
    model: SMLMModel, compute: Compute, options: ReconstructOptions, camera: KnownCamera
) -> Pipeline:
    """Return what runs a model over frames as the options want it."""
    return Pipeline(
        model,
        compute,
        sum_frames=options.sum_frames,
        camera=camera.camera,
        hot_pixels=camera.hot_pixels,
        threshold=options.threshold,
        upsampling=options.upsampling,
    )


def chosen_frames(source: FrameSource, frames: tuple[int, int | None]) -> range:
    """Return the frames of the stack that are asked for.

    Raises
    ------
    ValueError
        If there are none.
    """
    n_frames = source.n_frames
    start, stop = frames
    if start >= n_frames:
        raise ValueError(f"Frames {start}:{stop or ''} asked for, but there are only {n_frames}.")
    return range(start, min(stop or n_frames, n_frames))


def chosen_region(source: FrameSource, region: tuple[int, int, int, int] | None) -> Region:
    """Return the part of the frames that is asked for, as far as there is any.

    Raises
    ------
    ValueError
        If nothing or too little is left.
    """
    height, width = source.shape[-2:]
    y, x, y_end, x_end = region or (0, 0, height, width)
    if y >= height or x >= width:
        raise ValueError(
            f"The region begins at row {y}, column {x}, outside the frames of {height} x {width} "
            "pixels: choose one inside."
        )
    chosen = Region(y, x, min(y_end, height), min(x_end, width))
    if min(chosen.shape) < SMALLEST_FRAME_PX:
        what = "Frames" if region is None else "Regions"
        rows, columns = chosen.shape
        raise ValueError(
            f"{what} of {rows} x {columns} pixels are too small: a molecule's image needs at "
            f"least {SMALLEST_FRAME_PX} x {SMALLEST_FRAME_PX}."
        )
    return chosen


def _check_planes(layout: PlaneLayout, n_here: int, n_read: int, name: str) -> None:
    if n_here == n_read:
        return
    read = f"{n_read} focal plane{'s' if n_read > 1 else ''}"
    here = layout.describe() if n_here > 1 else "1 focal plane"
    way_out = f"choose a model for {n_here} of them, or give a stack of {read}"
    if layout.n_channels > 1 and n_here // layout.n_channels == n_read:
        one = next((channel for channel in layout.channels if channel), "1")
        way_out = f"take one channel (--channel {one})"
        if not layout.are_channels:
            way_out += f", or choose a model for {n_here} planes"
    raise ValueError(f"The stack has {here} per frame, {name} reads {read}: {way_out}.")


def _pixel_warnings(pixel_size_nm: float | None, card: ModelCard, name: str) -> Iterator[str]:
    trained_nm = card.pixel_size_nm
    if pixel_size_nm is None:
        why = "" if card.is_for_any_pixel else f", as {name} was trained for"
        yield (
            f"The file states no pixel size: {trained_nm:g} nm assumed{why}. Give the pixel size "
            "if it differs; all nm scale with it."
        )
    else:
        yield from pixel_doubt(pixel_size_nm)
    if pixel_size_nm is None or card.is_for_any_pixel:
        return
    if not 1 / PIXEL_TOLERANCE < pixel_size_nm / trained_nm < PIXEL_TOLERANCE:
        yield pixel_sentence(name, trained_nm, pixel_size_nm)
