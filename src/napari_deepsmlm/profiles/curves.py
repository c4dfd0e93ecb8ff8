"""Models of a profile: one line, two lines, a slab, a filled and a hollow cylinder, all blurred."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.special import erf

if TYPE_CHECKING:
    from collections.abc import Callable

    Floats = np.ndarray[Any, np.dtype[np.float64]]
    Shapes = Callable[[Floats, Floats], Floats]

Model = Literal["gauss", "two-gauss", "flat", "disk", "ring"]

FWHM_PER_SIGMA = 2 * np.sqrt(2 * np.log(2))
_MAX_NODES = 1024
_FINE = 128


@dataclass(frozen=True, slots=True)
class Curve:
    """A family of curves: a background, and shapes that each have a height.

    Attributes
    ----------
    words : what it is a profile of.
    form : names of what shapes depend on: centre, sigma (blur), and distance or size.
    shapes : ((n,) positions, (..., form) numbers) -> (..., n_shapes, n), each about 1 high.
    n_shapes : how many heights there are.
    size : what the size is, in a word; "" if there is none.
    """

    words: str
    form: tuple[str, ...]
    shapes: Shapes
    n_shapes: int = 1
    size: str = ""

    def values(self, position: Floats, numbers: Floats) -> Floats:
        """Return (n,) values; `numbers` are the form, the heights, and the background."""
        form, heights = numbers[: len(self.form)], numbers[len(self.form) : -1]
        return np.asarray(heights @ self.shapes(position, form) + numbers[-1])

    def slopes(self, position: Floats, numbers: Floats) -> Floats:
        """Return (n, numbers) derivatives of the values: by central differences for the form."""
        form, heights = numbers[: len(self.form)], numbers[len(self.form) : -1]
        shift = np.diag(1e-4 * np.maximum(np.abs(form), 0.1))
        shapes = self.shapes(position, np.vstack([form + shift, form - shift, form]))
        up, down = np.split(heights @ shapes[:-1], 2)  # (form, n) each
        by_form = (up - down) / (2 * shift.diagonal()[:, None])
        return np.vstack([by_form, shapes[-1], np.ones(len(position))]).T


def _gauss(position: Floats, form: Floats) -> Floats:
    centre, sigma = _columns(form)
    return _bell(position, centre, sigma)[..., None, :]


def _two_gauss(position: Floats, form: Floats) -> Floats:
    centre, sigma, distance = _columns(form)
    lines = [_bell(position, centre + side * distance / 2, sigma) for side in (-1, 1)]
    return np.stack(lines, -2)


def _flat(position: Floats, form: Floats) -> Floats:
    """Edges of error functions: a slab of even brightness, blurred."""
    centre, sigma, width = _columns(form)
    left, right = (
        erf((position - centre - side * width / 2) / (np.sqrt(2) * sigma)) for side in (-1, 1)
    )
    return np.asarray((left - right) / 2)[..., None, :]


def _disk(position: Floats, form: Floats) -> Floats:
    """A semicircle, which is how deep a filled cylinder is, blurred.

    Gauss-Chebyshev quadrature of the second kind, for the weight sqrt(1 - u^2).
    """
    centre, sigma, diameter = _columns(form)
    angle = np.pi * np.arange(1, (n := _n_nodes(diameter, sigma)) + 1) / (n + 1)
    weight = np.pi / (n + 1) * np.sin(angle) ** 2
    bells = _bell(position[:, None], *_on_nodes(centre, sigma, diameter, np.cos(angle)))
    scale = diameter / 2 / (np.sqrt(2 * np.pi) * sigma)
    return np.asarray(scale * (bells @ weight))[..., None, :]


def _ring(position: Floats, form: Floats) -> Floats:
    """The mean of bells all around a circle: the thin wall of a hollow cylinder, blurred.

    Gauss-Chebyshev quadrature of the first kind, for the weight 1 / sqrt(1 - u^2).
    """
    centre, sigma, diameter = _columns(form)
    n = _n_nodes(diameter, sigma)
    nodes = np.cos(np.pi * (np.arange(n) + 0.5) / n)
    bells = _bell(position[:, None], *_on_nodes(centre, sigma, diameter, nodes))
    return np.asarray(bells.mean(-1))[..., None, :]


MODELS: dict[Model, Curve] = {
    "gauss": Curve("one line, a Gaussian", ("centre", "sigma"), _gauss),
    "two-gauss": Curve(
        "two lines of one width", ("centre", "sigma", "distance"), _two_gauss, n_shapes=2
    ),
    "flat": Curve(
        "an evenly filled slab, blurred", ("centre", "sigma", "size"), _flat, size="width"
    ),
    "disk": Curve(
        "a filled cylinder, blurred", ("centre", "sigma", "size"), _disk, size="diameter"
    ),
    "ring": Curve(
        "a hollow cylinder, blurred", ("centre", "sigma", "size"), _ring, size="diameter"
    ),
}


def curve_of(model: str) -> Curve:
    """Return the family of a name.

    Raises
    ------
    ValueError
        If there is none.
    """
    for name, curve in MODELS.items():
        if name == model:
            return curve
    raise ValueError(f"Unknown model '{model}'. Available: {', '.join(MODELS)}.")


def full_width(curve: Curve, form: Floats) -> float:
    """Return the full width at half maximum of one shape, from outermost half to outermost half.

    Of two lines it is the width of each.
    """
    if not curve.size:
        return float(FWHM_PER_SIGMA * form[1])
    upright = np.array([0.0, *form[1:]])  # mirrored about its centre
    distance = np.linspace(0, form[2] / 2 + 5 * form[1], _FINE)
    half = curve.shapes(distance, upright)[0].max() / 2
    for _ in range(2):  # all of it, then between the two points around the half
        last = int(np.flatnonzero(curve.shapes(distance, upright)[0] >= half)[-1])
        distance = np.linspace(distance[last], distance[min(last + 1, _FINE - 1)], _FINE)
    above, below = curve.shapes(distance[[0, -1]], upright)[0]
    share = (above - half) / (above - below) if above > below else 0.0
    return float(2 * (distance[0] + share * (distance[-1] - distance[0])))


def _columns(form: Floats) -> tuple[Any, ...]:
    """Return each number of (..., form) with an axis for positions behind it."""
    return tuple(np.asarray(form)[..., i, None] for i in range(np.shape(form)[-1]))


def _bell(position: Floats, centre: Any, sigma: Any) -> Floats:
    return np.asarray(np.exp(-0.5 * ((position - centre) / sigma) ** 2))


def _on_nodes(centre: Any, sigma: Any, diameter: Any, nodes: Floats) -> tuple[Floats, Floats]:
    """Return centres and widths (..., 1, nodes) of the bells that a cylinder is a sum of."""
    return centre[..., None] + diameter[..., None] / 2 * nodes, sigma[..., None]


def _n_nodes(diameter: Floats, sigma: Floats) -> int:
    """Nodes no further apart than two thirds of the blur: the sum is then exact to 1e-8."""
    needed = 2.5 * float(np.max(diameter / sigma))
    return int(np.clip(2 ** np.ceil(np.log2(max(needed, 1))), 16, _MAX_NODES))
