"""Table 5: wrong voxels beside right ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.ndimage import generate_binary_structure, grey_dilation
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching
from scipy.spatial import cKDTree

from napari_deepsmlm.reproduction.drawing import beside_paper
from napari_deepsmlm.reproduction.figure import Outcome, PaperFigure, Row
from napari_deepsmlm.reproduction.voxel_wise._frames import (
    SETUP,
    paper_frames,
    paper_network,
    run,
)

if TYPE_CHECKING:
    from napari_deepsmlm.reproduction.scale import Bench

    Voxels = np.ndarray[Any, np.dtype[np.bool_]]

# One to one, otherwise adjacent, not adjacent.
PAPER_FALSE_POSITIVE, PAPER_FALSE_NEGATIVE = (1_399, 445, 0), (1_399, 318, 372)
PAPER_FRAMES = 500


class Adjacency(NamedTuple):
    """How wrong voxels lie: (one to one, otherwise adjacent, not adjacent)."""

    false_positive: tuple[int, int, int]
    false_negative: tuple[int, int, int]


def adjacency(said: Voxels, true: Voxels) -> Adjacency:
    """Return how the wrong voxels of (T, P, H, W) frames lie.

    Adjacent are the 26 voxels around. One to one: as many pairs of a false positive and an
    adjacent false negative as can be made, each used once. Otherwise adjacent: a false positive
    beside a voxel with a molecule, a false negative beside one that is said to have one.
    """
    wrong, missed = np.argwhere(said & ~true), np.argwhere(~said & true)
    n_pairs, is_wrong_paired, is_missed_paired = _paired(wrong, missed)
    beside_true = _dilated(true)[tuple(wrong.T)]
    beside_said = _dilated(said)[tuple(missed.T)]
    return Adjacency(
        _split(n_pairs, beside_true & ~is_wrong_paired, len(wrong)),
        _split(n_pairs, beside_said & ~is_missed_paired, len(missed)),
    )


def _split(n_pairs: int, is_beside: Voxels, n: int) -> tuple[int, int, int]:
    beside = int(is_beside.sum())
    return n_pairs, beside, n - n_pairs - beside


def _dilated(voxels: Voxels) -> Voxels:
    """Mark the voxels that lie beside a marked one of their frame, itself included."""
    around = generate_binary_structure(3, 3)[None]
    return np.asarray(grey_dilation(voxels.astype(np.uint8), footprint=around), bool)


def _paired(wrong: Any, missed: Any) -> tuple[int, Voxels, Voxels]:
    """Return the number of pairs, and which of both belong to one."""
    if not len(wrong) or not len(missed):
        return 0, np.zeros(len(wrong), bool), np.zeros(len(missed), bool)
    apart = np.array([10, 1, 1, 1])  # voxels of two frames are never near
    near = cKDTree(wrong * apart).query_ball_tree(cKDTree(missed * apart), 1, p=np.inf)
    rows = np.repeat(np.arange(len(wrong)), [len(each) for each in near])
    columns = np.array([one for each in near for one in each], np.intp)
    graph = csr_matrix((np.ones(len(rows), bool), (rows, columns)), (len(wrong), len(missed)))
    partner = maximum_bipartite_matching(graph, perm_type="column")
    is_missed_paired = np.zeros(len(missed), bool)
    is_missed_paired[partner[partner >= 0]] = True
    return int((partner >= 0).sum()), partner >= 0, is_missed_paired


def make(bench: Bench) -> Outcome:
    """Sort wrong voxels by what lies beside them."""
    n_frames = bench.pick(tiny=2, small=100, full=PAPER_FRAMES)
    used = paper_network(bench)
    bench.says("sorting voxels")
    result = run(used.model, paper_frames(bench), n_frames)
    found = adjacency(result.said, result.true)
    names = ("paired one to one", "otherwise adjacent", "not adjacent")
    kinds = {
        "false positives": (PAPER_FALSE_POSITIVE, found.false_positive),
        "false negatives": (PAPER_FALSE_NEGATIVE, found.false_negative),
    }
    rows = [
        Row(f"{kind} {name}, in {PAPER_FRAMES} frames", paper, count * PAPER_FRAMES / n_frames,
            "voxels", "the paper does not say how pairs are made; here as many as possible")
        for kind, (theirs, ours) in kinds.items()
        for name, paper, count in zip(names, theirs, ours, strict=True)
    ]  # fmt: skip
    setup = f"{n_frames} frames, {SETUP}; {used.words}; threshold 0.5, nothing merged."
    return Outcome(tuple(rows), setup, beside_paper(rows))


FIGURE = PaperFigure(
    "voxel-wise", "table-5", "Voxel-wise regression: wrong voxels beside right ones",
    "Table 5: 1,399 of 1,844 false positives are the neighbour of a missed voxel, none is alone.",
    make, trains=True,
)  # fmt: skip
