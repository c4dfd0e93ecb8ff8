"""The figures that can be made, by paper and name."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from napari_deepsmlm.reproduction.deep_storm import FIGURES as DEEP_STORM
from napari_deepsmlm.reproduction.dilated_loc import FIGURES as DILATED_LOC
from napari_deepsmlm.reproduction.drsn_storm import FIGURES as DRSN_STORM
from napari_deepsmlm.reproduction.voxel_wise import FIGURES as VOXEL_WISE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_deepsmlm.reproduction.figure import PaperFigure


def all_figures() -> dict[str, PaperFigure]:
    """Return all figures by their keys, paper after paper."""
    figures = (*DEEP_STORM, *DRSN_STORM, *DILATED_LOC, *VOXEL_WISE)
    return {figure.key: figure for figure in figures}


def find_figures(names: Iterable[str]) -> list[PaperFigure]:
    """Return the figures of names such as `deep-storm` or `deep-storm:line-width`; none: all.

    Raises
    ------
    ValueError
        If there is no such paper or figure; the sentence says what there is.

    Examples
    --------
    >>> [figure.key for figure in find_figures(["deep-storm:line-width"])]
    ['deep-storm:line-width']
    """
    figures, chosen = all_figures(), {}
    names = list(names)
    for name in names:
        found = {k: f for k, f in figures.items() if name in (k, f.paper)}
        if not found:
            raise ValueError(f"No paper or figure '{name}'. {_nearest(name, figures)}")
        chosen.update(found)
    return list((chosen if names else figures).values())


def _nearest(name: str, figures: dict[str, PaperFigure]) -> str:
    papers = sorted({figure.paper for figure in figures.values()})
    near = get_close_matches(name, [*papers, *figures], n=3, cutoff=0.6)
    if near:
        return f"Did you mean {' or '.join(near)}?"
    paper = name.split(":")[0]
    of_paper = [key for key in figures if key.startswith(f"{paper}:")]
    return f"Available: {', '.join(of_paper or papers)}; --list names all figures."
