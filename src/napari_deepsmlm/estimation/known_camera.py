"""Known camera: what turns a stack's numbers into photons, from the best source that there is.

In this order: what the person said, what the file states, what was entered for such stacks before,
and what the noise of the stack itself shows. There is always an answer, and how sure it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from napari_deepsmlm.camera import (
    IdealCamera,
    camera_from_picasso,
    find_camera,
)
from napari_deepsmlm.estimation.camera_noise import (
    NoisyCamera,
    camera_of_noise,
    kind_of_name,
    noise_of,
    with_noise_of,
)
from napari_deepsmlm.estimation.glimpse import Glimpse, glimpse
from napari_deepsmlm.estimation.hot_pixels import find_hot_pixels
from napari_deepsmlm.estimation.sentences import plus_minus
from napari_deepsmlm.estimation.steps import step_adu
from napari_deepsmlm.estimation.still_spots import find_still_spots, in_words
from napari_deepsmlm.estimation.survey import above_the_data, oddities, values_of
from napari_deepsmlm.known_cameras import kind_of_stack, recall

if TYPE_CHECKING:
    from napari_deepsmlm.camera import Camera
    from napari_deepsmlm.io import FrameSource

Source = Literal["given", "file", "remembered", "estimated", "none"]

# The gain that the noise shows, if its relative error is below MAX_ERROR, may differ from the
# stated one by the factor MAX_RATIO either way; beyond, one of the two is wrong. 1.6 lies between
# 1.45 (three errors of 15 %) and 2, the factor if electron multiplication was forgotten.
MAX_RATIO, MAX_ERROR = 1.6, 0.15


@dataclass(frozen=True)
class KnownCamera:
    """A camera, who says so, and what is odd about the numbers it gave.

    Attributes
    ----------
    camera : turns ADU into photons and tells their noise; None if the numbers count as photons.
    source : given by the person, stated by the file, remembered for such stacks, estimated from
        the stack itself, or none on request.
    baseline, baseline_error : ADU that are no light; 0 and 0 without a camera.
    photons_per_adu, photons_per_adu_error : estimated ones are detected photons.
    hot_pixels : (plane, row, column) of single pixels that are bright in all frames.
    sentences : how it was found.
    warnings : what may spoil a result.
    frame_warnings : those of them that spoil it whatever the network takes for photons.
    """

    camera: Camera | None
    source: Source
    baseline: float
    baseline_error: float
    photons_per_adu: float
    photons_per_adu_error: float
    hot_pixels: tuple[tuple[int, int, int], ...] = ()
    sentences: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    frame_warnings: tuple[str, ...] = ()

    @property
    def stated(self) -> Camera | None:
        """The camera, unless it was estimated: what measures more closely does so by itself."""
        return None if self.source == "estimated" else self.camera

    def in_words(self) -> str:
        """Return it in one line.

        Examples
        --------
        >>> KnownCamera(None, "none", 0, 0, 1, 0).in_words()
        'Camera: none: the numbers in the file (ADU) count as photons.'
        >>> KnownCamera(IdealCamera(), "estimated", 100, 2, 0.48, 0.02).in_words()
        'Camera: estimated: offset 100.0 ± 2.0 ADU, 0.480 ± 0.020 photons per ADU.'
        """
        if self.camera is None:
            return "Camera: none: the numbers in the file (ADU) count as photons."
        offset, gain = f"{self.baseline:.4g}", f"{self.photons_per_adu:.3g}"
        if self.source == "estimated":
            offset = plus_minus(self.baseline, self.baseline_error)
            gain = plus_minus(self.photons_per_adu, self.photons_per_adu_error)
        return f"Camera: {self.source}: offset {offset} ADU, {gain} photons per ADU."

    def to_json(self) -> dict[str, Any]:
        """Return plain values: `camera` of a report."""
        return {
            "source": self.source,
            "words": self.in_words().removeprefix("Camera: "),
            "baseline": self.baseline,
            "baseline_error": self.baseline_error,
            "photons_per_adu": self.photons_per_adu,
            "photons_per_adu_error": self.photons_per_adu_error,
            "model": None if self.camera is None else self.camera.model_dump(mode="json"),
            "hot_pixels": [list(place) for place in self.hot_pixels],
            "sentences": list(self.sentences),
        }


def know_camera(source: FrameSource, wanted: Camera | str | Path | None = "auto") -> KnownCamera:
    """Return the camera of a stack, found in a second or two, and what is odd about the stack.

    Parameters
    ----------
    source : frames in ADU; some of them are read.
    wanted : "auto", a camera, the name of a preset or a file of one; None or "none" to take the
        numbers as photons.

    Raises
    ------
    ValueError
        One sentence: there is no such preset or file.

    Examples
    --------
    >>> import napari_deepsmlm as ds
    >>> from napari_deepsmlm.io import open_frames
    >>> stack = ds.Experiment(image_px=(64, 64)).simulate(60, seed=1).stack
    >>> known = know_camera(open_frames(stack))
    >>> known.source, 90 < known.baseline < 110
    ('estimated', True)
    """
    if isinstance(wanted, str) and wanted == "none":
        wanted = None
    elif isinstance(wanted, str | Path) and wanted != "auto":
        wanted = find_camera(wanted)
    seen = glimpse(source)
    hot_pixels = tuple(find_hot_pixels(seen.frames)) if seen.blocks else ()
    noise = noise_of(seen, hot_pixels)
    known = _in_steps_of(seen, _chosen(source, wanted, seen, noise))
    odd = oddities(seen, wants_raw=known.source == "estimated")
    of_frames = (*odd, *_on_hot(hot_pixels), *_on_still(seen, hot_pixels))
    warnings = (*known.warnings, *_doubts(known, seen, noise), *of_frames)
    return replace(known, hot_pixels=hot_pixels, warnings=warnings, frame_warnings=of_frames)


def _in_steps_of(seen: Glimpse, known: KnownCamera) -> KnownCamera:
    """Return it with the steps of the frames: rescaled ones were not rounded to whole numbers."""
    if known.camera is None or not seen.blocks:
        return known
    values = values_of(seen)
    step = step_adu(values)
    if step < 1 and values.max() > (2**known.camera.bits - 1) * step:
        step = 0.0  # means of frames, whose full scale is not so many steps
    if step == known.camera.step_adu:
        return known
    return replace(known, camera=known.camera.replace(step_adu=step))


def _chosen(
    source: FrameSource, wanted: Camera | str | Path | None, seen: Glimpse, noise: NoisyCamera
) -> KnownCamera:
    """Return the camera of the best source."""
    if wanted is None:
        return KnownCamera(None, "none", 0.0, 0.0, 1.0, 0.0)
    if not isinstance(wanted, str | Path):
        return _known(wanted, "given", noise)
    stated, warnings = _of_file(source)
    if stated is not None:
        return _known(stated, "file", noise, f"Offset and gain as {source.name} states them.")
    kept, origin = _remembered(source)
    if kept is not None:
        known = _known(kept, "remembered", noise, f"Camera as {origin}.")
        if not _doubts(known, seen, noise):
            return known
        warnings += (
            f"The camera {origin} (offset {known.baseline:.4g} ADU, {known.photons_per_adu:.3g} "
            "photons per ADU) does not fit these frames and was not used: they are of another "
            "camera or setting.",
        )
    estimated = _estimated(source, seen, noise)
    return replace(estimated, warnings=(*warnings, *estimated.warnings))


def _known(camera: Camera, source: Source, noise: NoisyCamera, *sentences: str) -> KnownCamera:
    """Return a camera that was stated; two numbers alone take their noise from the frames."""
    full, remark = with_noise_of(camera, noise)
    return KnownCamera(
        full,
        source,
        camera.baseline,
        0.0,
        1 / camera.adu_per_photon,
        0.0,
        sentences=(*sentences, *([remark] if remark else [])),
    )


def _of_file(source: FrameSource) -> tuple[Camera | None, tuple[str, ...]]:
    """Return the camera that the file states, and a sentence if it makes no sense."""
    if not {"Baseline", "Sensitivity"} <= set(source.camera_settings):
        return None, ()
    try:
        return camera_from_picasso(source.camera_settings).camera, ()
    except ValueError as error:
        return None, (f"The camera in the metadata of {source.name} was not used: {error}",)


def _remembered(source: FrameSource) -> tuple[Camera | None, str]:
    """Return the camera that a person entered for such stacks, and when."""
    kind = kind_of_stack(source.camera, source.shape[2:], source.dtype)
    kept = recall(kind)
    if kept is None or kept.camera is None:
        return None, ""
    try:
        if isinstance(kept.camera, str):
            return find_camera(kept.camera), kept.origin
        values = {key: value for key, value in kept.camera.items() if key != "kind"}
        return IdealCamera.from_dict(values, source="cameras.yaml"), kept.origin
    except (ValueError, OSError):  # a preset that no longer exists, or a file edited by hand
        return None, ""


def _estimated(source: FrameSource, seen: Glimpse, noise: NoisyCamera) -> KnownCamera:
    found = camera_of_noise(seen, noise, hint=kind_of_name(source))
    return KnownCamera(
        found.camera,
        "estimated",
        found.camera.baseline,
        found.baseline_error,
        1 / found.camera.adu_per_photon,
        found.gain_error / found.camera.adu_per_photon,
        sentences=found.sentences,
        warnings=found.warnings,
    )


def _doubts(known: KnownCamera, seen: Glimpse, noise: NoisyCamera) -> list[str]:
    """Return how the frames contradict a camera that they did not tell themselves."""
    if known.source == "estimated":
        return []
    camera = known.camera or IdealCamera(baseline=0.0)
    found = [] if known.camera is None else above_the_data(camera, seen)
    if found or not noise.is_line or noise.slope_error > MAX_ERROR * noise.slope:
        return found
    excess = 2.0 if camera.kind == "emccd" else 1.0
    quantum_efficiency = getattr(camera, "quantum_efficiency", 1.0)
    ratio = noise.slope * quantum_efficiency / camera.adu_per_photon / excess
    if 1 / MAX_RATIO < ratio < MAX_RATIO or (known.camera is None and ratio < 2.5):
        return []
    stated = (
        "ADU count as photons"
        if known.camera is None
        else (f"the camera ({known.source}) has {known.photons_per_adu:.3g} photons per ADU")
    )
    by_noise = excess / noise.slope / quantum_efficiency
    return [
        f"{stated[0].upper()}{stated[1:]}, but the noise of the frames says {by_noise:.2g}: "
        "check the camera, or let it be estimated (camera auto); photons are wrong by that factor."
    ]


def _on_still(seen: Glimpse, hot_pixels: tuple[tuple[int, int, int], ...]) -> list[str]:
    """Say so if bright spots of the first plane never go dark; hot pixels are told apart."""
    if not seen.blocks:
        return []
    hot = {(row, column) for plane, row, column in hot_pixels if plane == 0}
    spots = find_still_spots(seen.frames[:, 0])
    return in_words(
        [s for s in spots if all(max(abs(s.row - y), abs(s.column - x)) > 1 for y, x in hot)]
    )


def _on_hot(hot_pixels: tuple[tuple[int, int, int], ...]) -> list[str]:
    n = len(hot_pixels)
    if n == 0:
        return []
    where = ", ".join(f"row {row} column {column}" for _, row, column in hot_pixels[:3])
    which = f" ({where}{', …' if n > 3 else ''})"
    if n == 1:
        return [f"1 hot pixel was replaced by the median of its neighbours{which}."]
    return [f"{n} hot pixels were replaced by the median of their neighbours{which}."]
