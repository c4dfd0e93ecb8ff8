"""Finding: which model of a network is taken for a stack, by what the frames show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_deepsmlm.adaptation import reason_of, sample_of, suiting
from napari_deepsmlm.mismatch import PIXEL_TOLERANCE, Look
from napari_deepsmlm.models import (
    adapted_models,
    available_models,
    built_in_models,
    find_model,
    read_card,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_deepsmlm.estimation import KnownCamera
    from napari_deepsmlm.io import FrameSource
    from napari_deepsmlm.mismatch import MismatchRow, MismatchTable
    from napari_deepsmlm.models import FoundModel
    from napari_deepsmlm.reconstruction.options import ReconstructOptions

TOLD = ("psf_sigma_px", "background", "photons")
"""What has to lie within the training of a model that was made for data of one kind."""
BETTER_FROM_PER_UM2 = {"deep-storm:2d-100nm": 2.0}
"""Molecules per um² from which such a model is the better one on its own ground, where it is not at
all densities: efficiency 59 against 89 at 0.1, 81 against 85 at 1, 78 against 75 at 3."""


def find_for(
    source: FrameSource,
    options: ReconstructOptions,
    known: KnownCamera,
    look: Look | None = None,
) -> FoundModel:
    """Return the model of a name; of a network the one that suits the frames.

    That is the one that was adapted to such data, if there is one; else, of a model for any pixel
    and one for data of one kind, the latter if all that is told of the frames lies within what it
    was trained on: there it is better, and anywhere else it fails.

    Parameters
    ----------
    source : the frames.
    options : `model` is the name or file.
    known : the camera of the frames.
    look : at the frames, which are measured only if there is a choice; a new one if not given.

    Raises
    ------
    ValueError, OSError
        One sentence, if there is no such model.
    """
    pixel_size_nm = options.pixel_size_nm or source.pixel_size_nm
    network = options.model
    if pixel_size_nm is not None and any(n.split(":")[0] == network for n in adapted_models()):
        data = sample_of(source, pixel_size_nm, known.camera, sum_frames=options.sum_frames)
        kept = None if data is None else suiting(network, data)
        if kept is not None:
            return find_model(kept)._replace(reason=reason_of(kept))
    found = find_model(network, pixel_size_nm=pixel_size_nm, upsampling=options.upsampling)
    if network not in available_models() or not found.card.is_for_any_pixel:
        return found
    look = look or Look(source, camera=known.stated, sum_frames=options.sum_frames)
    return _for_one_kind(found, pixel_size_nm, options.upsampling, look)


def _for_one_kind(
    general: FoundModel, pixel_size_nm: float | None, upsampling: int | None, look: Look
) -> FoundModel:
    """Return the model that was made for data like these, or the general one and why."""
    reason = general.reason
    for narrow in _narrow(general, upsampling):
        why_not = _why_not(narrow, pixel_size_nm, look)
        if not why_not:
            why = (
                "pixel size, width, background and brightness lie within what it was trained on, "
                f"where it is better than {general.name}"
            )
            return narrow._replace(reason=why)
        reason = f"{general.reason}; {narrow.name} was not taken: {why_not}"
    return general._replace(reason=reason)


def _narrow(general: FoundModel, upsampling: int | None) -> Iterator[FoundModel]:
    """Yield the built-in models of the same network that were made for flat data of one kind."""
    for name, path in built_in_models().items():
        if name.split(":")[0] != general.card.network or name == general.name:
            continue
        card = read_card(path)
        is_like_it = card.n_planes == general.card.n_planes and not card.reads_depth
        is_as_fine = upsampling is None or card.upsampling in (None, upsampling)
        if is_like_it and is_as_fine and not card.is_for_any_pixel:
            yield find_model(name)


def _why_not(narrow: FoundModel, pixel_size_nm: float | None, look: Look) -> str:
    """Return in words why frames are not what a model was made for, "" if they are."""
    trained_nm = narrow.card.pixel_size_nm
    if pixel_size_nm is None:
        return "the pixel size of these is not known"
    if not 1 / PIXEL_TOLERANCE < pixel_size_nm / trained_nm < PIXEL_TOLERANCE:
        return f"it was made for {trained_nm:g} nm pixels, these have {pixel_size_nm:g} nm"
    table = look.glance_at(narrow.card, narrow.name)
    if table is None:
        return "nothing can be told of these frames"
    return _difference(table, BETTER_FROM_PER_UM2.get(narrow.name, 0.0))


def _difference(table: MismatchTable, better_from_per_um2: float) -> str:
    """Return the first quantity that does not lie within the training, "" if all do.

    A density may be lower if the model is the better one there too, and may not be told; the others
    have to be told and within their standard error.
    """
    for row in table.rows:
        density = row.measured.value if row.name == "density_per_um2" else None
        is_at_most = not row.measured.is_least
        if density is not None and is_at_most and density < better_from_per_um2:
            return f"it is the better one above {better_from_per_um2:g} molecules per um²"
        if row.name in TOLD and (row.measured.value is None or row.measured.is_least):
            return f"{row.label} cannot be told of these frames"
        side = row.measured.beside(row.trained) if row.trained is not None else 0
        if (row.name in TOLD and side) or (row.name == "density_per_um2" and side > 0):
            return _in_words(row)
    return ""


def _in_words(row: MismatchRow) -> str:
    return f"its training has {row.label} {row.trained_text}, these have {row.text}"
