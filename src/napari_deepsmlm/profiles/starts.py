"""Starting values: the forms of a coarse grid whose best heights leave the least."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from napari_deepsmlm.profiles.curves import Curve

    Floats = np.ndarray[Any, np.dtype[np.float64]]

N_STARTS, SECOND_CHANCE = 2, 1.5
MAX_POINTS, N_CENTRES, N_SIGMAS, N_SIZES = 48, 32, 5, 6
BLURS = (0.12, 0.25, 0.5)  # parts of a size or distance


def starting_forms(curve: Curve, position: Floats, value: Floats) -> list[Floats]:
    """Return the forms to begin from, the best first, no two of them alike.

    For each form of the grid the heights and the background follow from linear least squares. A
    second start is one that leaves hardly more than the best.

    Parameters
    ----------
    position : (n,) in samples.
    value : (n,) from 0 to 1.
    """
    position, value = _thinned(position, value)
    forms = _grid(curve, position)
    shapes = curve.shapes(position, forms)  # (forms, n_shapes, n)
    left = _left(shapes, value)
    chosen: list[int] = []
    for i in np.argsort(left):
        if chosen and not left[i] < SECOND_CHANCE * left[chosen[0]]:
            break
        if all(_are_apart(forms[i], forms[j]) for j in chosen):
            chosen.append(int(i))
        if len(chosen) == N_STARTS:
            break
    return [forms[i] for i in chosen]


def with_heights(curve: Curve, position: Floats, value: Floats, form: Floats) -> Floats:
    """Return the form with the heights and the background that suit it best."""
    basis = np.vstack([curve.shapes(position, form), np.ones(len(position))])
    solution = np.linalg.lstsq(basis.T, value, rcond=None)[0]
    heights = np.maximum(solution[:-1], 0.05)
    return np.array([*form, *heights, solution[-1]])


def _thinned(position: Floats, value: Floats) -> tuple[Floats, Floats]:
    """Return means of neighbours, no more of them than a start needs."""
    group = -(-len(position) // MAX_POINTS)
    n = len(position) // group
    means = [a[: n * group].reshape(n, group).mean(1) for a in (position, value)]
    return means[0], means[1]


def _grid(curve: Curve, position: Floats) -> Floats:
    """Return (forms, numbers) all over the line."""
    first, last = position[0], position[-1]
    length, narrowest = last - first, max(0.7, position[1] - first)
    if len(curve.form) == 2:
        centres = np.linspace(first, last, min(N_CENTRES, len(position)))
        sigmas = np.geomspace(narrowest, max(length / 4, 1.1 * narrowest), N_SIGMAS)
        return _mesh(centres, sigmas)
    centres = np.linspace(first, last, min(N_CENTRES // 2, len(position)))
    sizes = np.geomspace(1.5 * narrowest, max(0.8 * length, 2 * narrowest), N_SIZES)
    forms = _mesh(centres, np.array(BLURS), sizes)
    forms[:, 1] *= forms[:, 2]  # from parts of the size
    return forms


def _mesh(*axes: Floats) -> Floats:
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(axes))


def _left(shapes: Floats, value: Floats) -> Floats:
    """Return (forms,) sums of squares that the best heights leave; inf where one is negative."""
    basis = np.concatenate([shapes, np.ones_like(shapes[:, :1])], 1)  # (forms, n_shapes + 1, n)
    normal = basis @ basis.swapaxes(1, 2) + 1e-9 * np.eye(basis.shape[1])
    right = basis @ value
    heights = np.linalg.solve(normal, right[..., None])[..., 0]
    left = np.square(value - (heights[:, None] @ basis)[:, 0]).sum(1)
    return np.where((heights[:, :-1] > 0).all(1), left, np.inf)


def _are_apart(one: Floats, other: Floats) -> bool:
    """Whether two forms differ by more than a step of the grid or so."""
    scale = one[1] + other[1]
    moved = abs(one[0] - other[0]) > scale
    return bool(moved or np.any(np.abs(np.log(one[1:] / other[1:])) > 0.6))
