"""Camera noise: the camera that the noise of a few frames shows, or a stated assumption."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from napari_deepsmlm.camera import SCMOS
from napari_deepsmlm.estimation.correlation import measure_blinking
from napari_deepsmlm.estimation.glimpse import tiles_of
from napari_deepsmlm.estimation.noise import (
    MAX_READ_E,
    USUAL_OFFSET_ADU,
    USUAL_READ_E,
    photon_transfer,
    usual_offset,
)
from napari_deepsmlm.estimation.sample import Sample, levelled
from napari_deepsmlm.estimation.steps import step_adu
from napari_deepsmlm.estimation.survey import (
    is_scaled,
    is_signed_by_imagej,
    is_subtracted,
    values_of,
)
from napari_deepsmlm.estimation.units import emccd_of

if TYPE_CHECKING:
    from napari_deepsmlm.camera import Camera
    from napari_deepsmlm.estimation.glimpse import Glimpse
    from napari_deepsmlm.io import FrameSource

    Array = np.ndarray[Any, Any]

Kind = Literal["shot", "multiplied"]

SMALLEST_PX = 12
# Frames stored as numbers between 0 and 1 are multiplied by this before they are measured, so
# that thresholds in ADU make sense for them too.
LEVELS = 10_000.0
# Slope of variance against brightness, ADU. It is the gain of a camera without electron
# multiplication, twice the gain of one with it. Below the first number both are possible but the
# camera without is far more common; above the last no camera without digitizes an electron into so
# many ADU; between them the middle one decides and a warning is given.
AMBIGUOUS_SLOPES = 5.5, 8.0, 12.0
SMALLEST_GAIN, USUAL_GAIN, MAX_GAIN = 0.2, 2.0, 60.0
# Relative errors of the gain, added in quadrature. SYSTEMATIC: the best that a few frames give, by
# kind of camera. CHANGED: the data was rescaled after the camera. KIND: with or without electron
# multiplication is a guess, and a wrong guess is a factor of 2. ASSUMED: nothing was measured.
SYSTEMATIC = {"shot": 0.05, "multiplied": 0.15}
CHANGED_ERROR, KIND_ERROR, ASSUMED_ERROR = 0.2, 0.5, 1.0
# A slope this many standard errors above 0 is used, though too uncertain to call a line (see
# `noise.LEAST_CONTRAST`): it is still better than an assumption.
LOOSE_CONTRAST = 4.0
# Below this many ADU per photon the frames have less noise than any camera makes. The mean
# of n frames has 1 / n of the gain: that of 20 frames with 1 ADU per photon has 0.05.
AVERAGED_GAIN = 0.05
# Words in the names of cameras with and without electron multiplication.
MULTIPLIED = ("emccd", "ixon", "evolve", "imagem", "luca", "proem", "rolera", "c9100")
NOT_MULTIPLIED = (
    "cmos", "orca", "flash", "fusion", "quest", "zyla", "neo", "sona", "marana", "prime", "kinetix",
    "pco", "edge", "panda", "dhyana", "iris", "andorsdk3", "coolsnap", "c114", "c135", "c154",
)  # fmt: skip


class NoisyCamera(NamedTuple):
    """The line of variance against brightness, and two more numbers that tell its camera."""

    slope: float
    slope_error: float
    zero_adu: float
    zero_error_adu: float
    is_line: bool
    variance: float
    """Of the finest detail, ADU squared; NaN if not known."""
    level_adu: float
    """Median of the frames."""


class FoundCamera(NamedTuple):
    """A camera, and how sure its numbers are."""

    camera: Camera
    baseline_error: float
    gain_error: float
    """As a share."""
    sentences: tuple[str, ...]
    warnings: tuple[str, ...]


NOTHING = NoisyCamera(math.nan, math.inf, math.nan, math.inf, False, math.nan, math.nan)


def noise_of(seen: Glimpse, hot_pixels: tuple[tuple[int, int, int], ...]) -> NoisyCamera:
    """Return what the noise of the first plane tells."""
    if not seen.blocks or min(seen.frames.shape[2:]) < SMALLEST_PX:
        return NOTHING
    tiles = tiles_of(seen.frames, seen.blocks, hot_pixels)
    is_small = is_scaled(values_of(seen), seen.dtype)
    scale = LEVELS / max(float(tiles.max()), 1e-30) if is_small else 1.0
    sample = _sample(tiles * np.float32(scale))
    even = levelled(sample)
    with np.errstate(all="ignore"):
        try:
            blinking = measure_blinking(even.frames) if tiles.shape[1] > 1 else None
            transfer = photon_transfer(
                sample.frames.reshape(-1, *sample.shape), blinking, are_steps_noise=True
            )
        except np.linalg.LinAlgError:  # such as frames without any noise
            return NOTHING
    return NoisyCamera(
        transfer.slope / scale,
        transfer.slope_error / scale,
        transfer.zero_adu / scale,
        transfer.zero_error_adu / scale,
        transfer.is_line,
        transfer.mean_variance / scale**2,
        float(np.median(tiles)),
    )


def camera_of_noise(seen: Glimpse, noise: NoisyCamera, hint: Kind | None = None) -> FoundCamera:
    """Return the camera that the noise shows, or where it shows none, a stated assumption.

    Parameters
    ----------
    hint : whether the camera multiplies electrons, where its name says so.
    """
    if not noise.is_line:
        noise = _loose(seen, noise)
    if not noise.is_line:
        return _assumed(seen, noise)
    is_multiplied, is_sure = _is_multiplied(noise, hint)
    kind: Kind = "multiplied" if is_multiplied else "shot"
    gain = noise.slope / 2 if is_multiplied else noise.slope
    error = math.hypot(noise.slope_error / noise.slope, SYSTEMATIC[kind])
    values = values_of(seen)
    is_changed = seen.dtype.itemsize == 1 or is_scaled(values, seen.dtype)
    if is_subtracted(values):
        offset, offset_error, is_changed = 0.0, math.sqrt(noise.variance), True
        error = math.hypot(error, ASSUMED_ERROR)  # noise that was cut at zero tells little
    else:
        offset, offset_error = _offset(noise, gain, is_multiplied, is_changed, values)
    if is_changed:
        error = math.hypot(error, CHANGED_ERROR)
    camera: Camera
    if is_multiplied and offset - noise.zero_adu < max(2 * gain, 2 * noise.zero_error_adu):
        camera = emccd_of(gain, offset)
    else:
        camera = _without_multiplication(gain, offset, noise, is_multiplied)
    warnings = []
    if not is_sure:
        error = math.hypot(error, KIND_ERROR)
        warnings.append(_on_kind(is_multiplied, gain))
    if seen.dtype.kind in "ui" and not is_changed and gain < AVERAGED_GAIN:
        warnings.append(
            f"The noise is less than any camera's ({1 / gain:.3g} photons per ADU by its look): "
            "the frames were averaged or denoised, which networks do not expect; give raw frames."
        )
    sentence = f"Offset and gain from the noise of {seen.scope}, in detected photons."
    return FoundCamera(camera, offset_error, error, (sentence,), tuple(warnings))


def with_noise_of(camera: Camera, noise: NoisyCamera) -> tuple[Camera, str]:
    """Return a camera given by offset and gain alone with the noise that the frames show.

    It converts the same as before; others come back as they are. The sentence says what was found.
    """
    if camera.kind != "ideal" or not noise.is_line:
        return camera, ""
    ratio = noise.slope / camera.adu_per_photon
    if 1.6 < ratio < 2.5:
        multiplied = emccd_of(camera.adu_per_photon, camera.baseline)
        return multiplied, "Its noise is twice that of light: it multiplies electrons (EMCCD)."
    if not 0.8 < ratio < 1.25:
        return camera, ""
    read = max(camera.baseline - noise.zero_adu, 0.0) / camera.adu_per_photon
    is_told = noise.zero_error_adu < camera.adu_per_photon
    return SCMOS(
        quantum_efficiency=1.0,
        e_per_adu=1 / camera.adu_per_photon,
        read_noise_e=math.sqrt(read) if is_told else USUAL_READ_E,
        baseline=camera.baseline,
        bits=camera.bits,
    ), ""


def kind_of_name(source: FrameSource) -> Kind | None:
    """Return whether a camera multiplies electrons, where its name in the file tells."""
    name = f"{source.camera} {source.camera_settings.get('Detector', '')}".casefold()
    if any(word in name for word in MULTIPLIED):
        return "multiplied"
    return "shot" if any(word in name for word in NOT_MULTIPLIED) else None


def _sample(tiles: Array) -> Sample:
    return Sample(tiles, (0,) * len(tiles), (0, 0), (), is_raw=True, saturated=0.0, step_adu=1.0)


def _loose(seen: Glimpse, noise: NoisyCamera) -> NoisyCamera:
    """Return a line through the noise of the background, if the slope is known at least roughly.

    Where the usual offset (100 ADU) agrees with that slope, the offset is taken as known and the
    gain follows from the background: variance / (level - offset).
    """
    if not noise.slope > LOOSE_CONTRAST * noise.slope_error or seen.dtype.kind not in "ui":
        return noise
    zero = noise.level_adu - noise.variance / noise.slope
    zero_error = noise.slope_error / noise.slope * (noise.level_adu - zero)
    slope, slope_error = noise.slope, noise.slope_error
    if abs(zero - USUAL_OFFSET_ADU) < 2 * zero_error and noise.level_adu > USUAL_OFFSET_ADU:
        zero, slope = USUAL_OFFSET_ADU, noise.variance / (noise.level_adu - USUAL_OFFSET_ADU)
    return noise._replace(
        slope=slope, slope_error=slope_error, zero_adu=zero, zero_error_adu=zero_error, is_line=True
    )


def _is_multiplied(noise: NoisyCamera, hint: Kind | None) -> tuple[bool, bool]:
    """Return whether the camera multiplies electrons, and whether that is sure."""
    if hint is not None:
        return hint == "multiplied", True
    low, middle, high = AMBIGUOUS_SLOPES
    return noise.slope > middle, not low < noise.slope < high


def _offset(
    noise: NoisyCamera, gain: float, is_multiplied: bool, is_changed: bool, values: Array
) -> tuple[float, float]:
    """Return the offset and its error: the zero of the line, corrected for read noise."""
    if is_multiplied:
        offset, error = noise.zero_adu, noise.zero_error_adu
    elif is_changed:
        offset = noise.zero_adu + USUAL_READ_E**2 * gain
        error = math.hypot(noise.zero_error_adu, USUAL_READ_E**2 * gain)
    else:
        offset, error = usual_offset(_transfer(noise), step_adu(values))
    # The line goes on from the level of most pixels to its zero: a slope that is wrong moves it.
    slope_error = SYSTEMATIC["multiplied" if is_multiplied else "shot"]
    error = math.hypot(error, slope_error * max(noise.level_adu - noise.zero_adu, 0.0))
    # Only read noise takes pixels below the offset: 95 % of them lie above it less that noise.
    highest = float(np.percentile(values, 5)) + MAX_READ_E * gain
    if offset > highest:
        error = math.hypot(error, offset - highest)
        offset = highest
    return max(offset, 0.0), max(error, abs(min(offset, 0.0)), 1e-9)


def _transfer(noise: NoisyCamera) -> Any:
    from napari_deepsmlm.estimation.noise import PhotonTransfer

    return PhotonTransfer(
        noise.slope,
        noise.slope_error,
        noise.zero_adu,
        noise.zero_error_adu,
        noise.variance,
        is_line=noise.is_line,
    )


def _without_multiplication(
    gain: float, offset: float, noise: NoisyCamera, is_multiplied: bool
) -> SCMOS:
    """Return a camera with the read noise that the line shows: gain * (offset - zero), ADU^2."""
    read = max((offset - noise.zero_adu) / gain, 0.0)
    is_told = read * gain > 3 * noise.zero_error_adu
    return SCMOS(
        quantum_efficiency=1.0,
        e_per_adu=1 / gain,
        read_noise_e=math.sqrt(read) if is_told or is_multiplied else USUAL_READ_E,
        baseline=offset,
    )


def _on_kind(is_multiplied: bool, gain: float) -> str:
    if is_multiplied:
        return (
            f"The noise looks like that of an electron-multiplying camera (EMCCD): "
            f"{1 / gain:.3g} photons per ADU. Without multiplication they are half as many: give "
            "the camera if it is none."
        )
    return (
        f"The noise was taken for that of a camera without electron multiplication: "
        f"{1 / gain:.3g} photons per ADU. Of an EMCCD they are twice as many: give the camera if "
        "it is one."
    )


def _assumed(seen: Glimpse, noise: NoisyCamera) -> FoundCamera:
    """Return a camera for which the noise of the background would be shot noise."""
    values = values_of(seen) if seen.frames.size else np.zeros(1)
    low, level = (float(v) for v in np.percentile(values, (0.1, 50)))
    variance = noise.variance if math.isfinite(noise.variance) else _variance_in_time(seen)
    is_camera = seen.dtype.kind in "ui" and seen.dtype.itemsize > 1
    offset, gain = _assumption(low, level, variance, is_camera, values, seen)
    camera = SCMOS(
        quantum_efficiency=1.0, e_per_adu=1 / gain, read_noise_e=USUAL_READ_E, baseline=offset
    )
    error = max(level - low, abs(level - offset) / 2, 1.0 if is_camera else 0.0)
    return FoundCamera(
        camera,
        error,
        ASSUMED_ERROR,
        ("Offset and gain are assumptions.",),
        (
            "The noise of these frames does not tell the camera's gain: an offset of "
            f"{offset:.4g} ADU and {1 / gain:.3g} photons per ADU were assumed, so photons and "
            "precision may be wrong by a factor of two or more. Give the camera, or its baseline "
            "and photons per ADU.",
        ),
    )


def _assumption(
    low: float, level: float, variance: float, is_camera: bool, values: Array, seen: Glimpse
) -> tuple[float, float]:
    """Return an offset and a gain that make the background and its noise look ordinary."""

    def gain_above(offset: float) -> float:
        return variance / (level - offset) if level > offset else math.inf

    if not is_camera:
        offset = 0.0 if is_subtracted(values) else max(low, 0.0)
        gain = gain_above(offset)
        return offset, gain if 0 < gain < math.inf else max(float(values.max()), 1.0) / LEVELS
    sd = math.sqrt(max(variance, 0.0))
    usual = gain_above(USUAL_OFFSET_ADU)
    is_usual = low > USUAL_OFFSET_ADU - 4 * sd - 1 and not is_signed_by_imagej(values, seen.dtype)
    if is_usual and SMALLEST_GAIN <= usual <= MAX_GAIN:
        return USUAL_OFFSET_ADU, usual
    if sd < MAX_READ_E * USUAL_GAIN:  # read noise alone would explain this noise
        return max(level - 1.0, 0.0), USUAL_GAIN
    gain = gain_above(max(low, 0.0))
    return max(low, 0.0), gain if SMALLEST_GAIN <= gain <= MAX_GAIN else USUAL_GAIN


def _variance_in_time(seen: Glimpse) -> float:
    """Return the noise variance from differences of frames; the median ignores what blinks."""
    if len(seen.frames) < 2:
        return 0.0
    change = np.diff(seen.frames[:16, 0].astype(np.float32), axis=0)
    return float(np.median(np.abs(change)) / (0.6745 * math.sqrt(2))) ** 2
