"""Fit: least squares from the best of many starting values, with 95 % intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_deepsmlm.profiles.curves import MODELS, Curve, Model, curve_of, full_width
from napari_deepsmlm.profiles.result import ProfileFit
from napari_deepsmlm.profiles.starts import starting_forms, with_heights
from napari_deepsmlm.profiles.uncertainty import (
    covariance_of,
    derivatives,
    interval,
    standard_error,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_deepsmlm.profiles.sampling import LineProfile

    Floats = np.ndarray[Any, np.dtype[np.float64]]

NARROWEST_STEPS, THINNEST_STEPS = 0.2, 0.01
SHORTEST_LINE_WIDTHS = 1.5
POOR_R_SQUARED = 0.5
LEAST_SHARE_OF_BRIGHT = 0.01  # the tails of rendered molecules fit any curve well
_NOT_TOLD = {
    "": "nothing says that these are two lines",
    "diameter": "the diameter cannot be told from the blur",
    "width": "the width cannot be told from the blur",
}
_SPARE_SAMPLES = 2
_ROUGH, _EXACT = (1e-3, 8), (1e-5, 40)  # change of the sum of squares, and most calls


def fit_profile(profile: LineProfile, model: Model = "gauss") -> ProfileFit:
    """Return the curve that fits a profile best, with its width and how sure it is.

    Parameters
    ----------
    profile : of :func:`line_profile`; samples without a value are left out.
    model : "gauss" one line; "two-gauss" two lines of one width, and their distance; "flat" an even
        slab with error-function edges; "disk" a filled cylinder; "ring" a hollow one, as a
        microtubule. All are bright, blurred by a Gaussian, and stand on an even background.

    Raises
    ------
    ValueError
        If the model is unknown, the profile is too short for it, or all its values are the same.

    Examples
    --------
    >>> from napari_deepsmlm.profiles import line_profile
    >>> y, x = np.mgrid[:9, :41]
    >>> image = np.exp(-0.5 * ((x - 20) / 3) ** 2)
    >>> profile = line_profile(image, ((45, 5), (45, 405)), pixel_size_nm=10)
    >>> round(fit_profile(profile).fwhm_nm, 2)
    70.64
    """
    curve = curve_of(model)
    samples = _Samples.of(profile, model, len(curve.form) + curve.n_shapes + 1 + _SPARE_SAMPLES)
    numbers = _best(curve, samples)
    return _result(model, curve, samples, numbers, profile)


class _Samples(NamedTuple):
    """What is fitted, in samples and in parts of the span, so that all numbers are of a size."""

    position: Floats
    value: Floats
    step_nm: float
    offset: float
    span: float

    @classmethod
    def of(cls, profile: LineProfile, model: str, n_least: int) -> _Samples:
        is_there = np.isfinite(profile.value)
        value, n = profile.value[is_there], int(is_there.sum())
        if n < n_least:
            raise ValueError(
                f"The model {model} needs {n_least} samples in the image, the line has {n}: "
                "draw a longer line."
            )
        offset, span = float(value.min()), float(np.ptp(value))
        if not span > 1e-12 * float(np.abs(value).max()):
            raise ValueError("All values along the line are the same: draw it across a structure.")
        if span < LEAST_SHARE_OF_BRIGHT * profile.bright:
            raise ValueError(
                f"Next to nothing lies along the line: its values differ by {span:.2g}, the bright "
                f"structures of the image by {profile.bright:.2g}. Draw it across a structure."
            )
        position = profile.position_nm[is_there] / profile.step_nm
        return cls(position, (value - offset) / span, profile.step_nm, offset, span)


def _best(curve: Curve, samples: _Samples) -> Floats:
    """Return form, heights and background of the best fit from several starts."""
    from scipy.optimize import least_squares

    position, value = samples.position, samples.value
    low, high = _bounds(curve, position)

    def misfit(numbers: Floats) -> Floats:
        return curve.values(position, numbers) - value

    def slopes(numbers: Floats) -> Floats:
        return curve.slopes(position, numbers)

    def refined(numbers: Floats, tolerance: float, n_calls: int) -> Any:
        start = np.clip(numbers, low + 1e-6, high - 1e-6)
        scale = np.maximum(np.abs(start), 0.1)
        limits = {
            "bounds": (low, high),
            "ftol": tolerance,
            "xtol": tolerance / 10,
            "max_nfev": n_calls,
        }
        return least_squares(misfit, start, slopes, x_scale=scale, **limits)

    starts = starting_forms(curve, position, value)
    rough = [refined(with_heights(curve, position, value, form), *_ROUGH) for form in starts]
    best = min(rough, key=lambda fit: float(fit.cost))
    return np.asarray(refined(best.x, *_EXACT).x)


def _bounds(curve: Curve, position: Floats) -> tuple[Floats, Floats]:
    """Return the least and the greatest form, heights and background."""
    first, last = position[0], position[-1]
    low = [first, NARROWEST_STEPS, THINNEST_STEPS][: len(curve.form)]
    high = [last, last - first, last - first][: len(curve.form)]
    heights_low, heights_high = [0.0] * curve.n_shapes, [1e3] * curve.n_shapes
    return np.array([*low, *heights_low, -10.0]), np.array([*high, *heights_high, 10.0])


def _result(
    model: Model, curve: Curve, samples: _Samples, numbers: Floats, profile: LineProfile
) -> ProfileFit:
    step, offset, span = samples.step_nm, samples.offset, samples.span
    n_form, n_free = len(curve.form), len(samples.value) - len(numbers)
    form, heights, background = numbers[:n_form], numbers[n_form:-1], float(numbers[-1])
    residual = samples.value - curve.values(samples.position, numbers)
    covariance = covariance_of(curve.slopes(samples.position, numbers), residual)[:n_form, :n_form]
    squares = float(residual @ residual)
    besides = _besides(curve, step * form, step**2 * covariance, n_free)
    intervals = [besides[name] for name in besides if name.endswith("ci_nm") and besides[name]]
    is_told = all(low > 0 for low, _ in intervals)
    return ProfileFit(
        model=model,
        **_width(curve, form, covariance, step, n_free),
        **besides,
        sigma_nm=step * float(form[1]),
        centre_nm=step * float(form[0]),
        heights=tuple((span * heights).tolist()),
        background=offset + span * background,
        residual_rms=span * float(np.sqrt(np.mean(residual**2))),
        r_squared=1 - squares / float(np.square(samples.value - samples.value.mean()).sum()),
        n_samples=len(samples.value),
        remarks=(*profile.remarks, *_doubts(curve, samples, numbers, squares, is_told)),
    )


def _width(
    curve: Curve, form: Floats, covariance: Floats, step_nm: float, n_free: int
) -> dict[str, Any]:
    """Return the full width at half maximum and its interval."""
    fwhm_nm = step_nm * full_width(curve, form)
    slopes = derivatives(lambda one: full_width(curve, one), form)
    error_nm = step_nm * standard_error(slopes, covariance)
    return {"fwhm_nm": fwhm_nm, "fwhm_ci_nm": interval(fwhm_nm, error_nm, n_free)}


def _besides(curve: Curve, form_nm: Floats, covariance_nm2: Floats, n_free: int) -> dict[str, Any]:
    """Return the size or the distance and its interval; None is what the model does not have."""
    values: dict[str, Any] = dict.fromkeys(
        ("distance_nm", "distance_ci_nm", "size_nm", "size_ci_nm")
    )
    if len(form_nm) < 3:
        return values
    name, value_nm = "size" if curve.size else "distance", float(form_nm[2])
    limits = interval(value_nm, float(np.sqrt(covariance_nm2[2, 2])), n_free)
    return values | {f"{name}_nm": value_nm, f"{name}_ci_nm": limits}


def _doubts(
    curve: Curve, samples: _Samples, numbers: Floats, squares: float, is_told: bool
) -> Iterator[str]:
    """Yield what to be careful with.

    squares : sum of squares that the curve leaves.
    is_told : whether the interval of the size or distance leaves nought out.
    """
    length, n = float(np.ptp(samples.position)), len(samples.value)
    width = full_width(curve, numbers[: len(curve.form)])
    if not curve.size and numbers[1] < 1.05 * NARROWEST_STEPS:
        yield "The peak is narrower than a pixel: its width is an upper limit; use finer pixels."
    is_more = len(curve.form) > 2
    if is_more and (not is_told or _is_gauss_as_good(samples, squares, n - len(numbers))):
        yield f"A single Gaussian fits as well: {_NOT_TOLD[curve.size]}."
    if min(numbers[0] - samples.position[0], samples.position[-1] - numbers[0]) < width / 4:
        yield "The peak is at the end of the line: draw the line across it."
    elif width * SHORTEST_LINE_WIDTHS > length:
        yield "The line is hardly longer than the object is wide: draw it three times as long."
    explained = 1 - squares / float(np.square(samples.value - samples.value.mean()).sum())
    if explained < POOR_R_SQUARED:
        yield f"The curve explains only {100 * max(explained, 0):.0f} % of the variance."


def _is_gauss_as_good(samples: _Samples, squares: float, n_free: int) -> bool:
    """Whether what a Gaussian leaves is not significantly more (F test at 5 %)."""
    from scipy.stats import f

    gauss = MODELS["gauss"]
    simple = _best(gauss, samples)
    left = float(np.square(samples.value - gauss.values(samples.position, simple)).sum())
    n_more = len(samples.value) - len(simple) - n_free
    worse = (left - squares) / n_more / max(squares / n_free, 1e-12)
    return bool(worse < f.ppf(0.95, n_more, n_free))
