"""What every structure promises to the simulator."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_deepsmlm._base import FrozenModel
from napari_deepsmlm.simulation import (
    Filaments,
    FromTable,
    Lines,
    Microtubules,
    Mixture,
    NuclearPores,
    Rings,
    SiemensStar,
    Structure,
    Uniform,
)

KINDS = {
    "uniform": Uniform(z_nm=(-100, 100)),
    "filaments": Filaments(),
    "microtubules": Microtubules(),
    "lines": Lines(),
    "crossing": Lines(distance_nm=0, crossing_degrees=40, n_lines=3),
    "siemens_star": SiemensStar(),
    "rings": Rings(),
    "nuclear_pores": NuclearPores(),
    "table": None,
    "mixture": Mixture(parts=(Microtubules(), NuclearPores(), Uniform())),
}
COUNTS = torch.tensor([0, 5, 40])


@pytest.fixture(params=KINDS)
def structure(request: pytest.FixtureRequest, tmp_path) -> Structure:
    """Return each kind of structure in turn."""
    if request.param == "table":
        sites = np.random.default_rng(0).uniform(0, 3000, (500, 3))
        return FromTable.from_points(tmp_path / "sites.npy", sites, crop="random")
    return KINDS[request.param]


def placed(structure, extent=(3000.0, 2000.0), seed=0, counts=COUNTS, one=False):
    generator = torch.Generator().manual_seed(seed)
    geometry = structure.realise(1 if one else len(counts), extent, generator)
    return structure.place(geometry, counts, generator)


@pytest.mark.parametrize("one", [False, True])
def test_molecules_are_the_asked_number_at_finite_places(structure, one) -> None:
    xyz_nm, is_there = placed(structure, one=one)
    assert xyz_nm.shape == (*is_there.shape, 3)
    is_by_place = isinstance(structure, FromTable)  # more than the number where there are more
    assert (is_there.sum(1) <= COUNTS * (1.5 if is_by_place else 1)).all()
    assert is_there.sum(1)[1] > 0
    assert torch.isfinite(xyz_nm).all()
    # The first slots of each row are the filled ones.
    assert torch.equal(is_there.byte().cummin(1).values.bool(), is_there)


def test_a_seed_gives_the_same_places(structure) -> None:
    first, again, other = (placed(structure, seed=seed)[0] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert first.shape != other.shape or not torch.equal(first, other)


def test_no_molecules_are_fine(structure) -> None:
    xyz_nm, is_there = placed(structure, counts=torch.zeros(2, dtype=torch.long))
    assert is_there.sum() == 0
    assert xyz_nm.shape[0] == 2


def test_small_fields_of_view_are_fine(structure) -> None:
    xyz_nm, _ = placed(structure, extent=(300.0, 200.0))
    assert torch.isfinite(xyz_nm).all()


def test_a_structure_survives_a_file(structure, tmp_path) -> None:
    class Holder(FrozenModel):
        structure: Structure

    Holder(structure=structure).to_file(tmp_path / "structure.yaml")
    assert Holder.from_file(tmp_path / "structure.yaml").structure == structure


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_molecules_are_placed_on_the_device_of_the_generator(structure) -> None:
    generator = torch.Generator("cuda").manual_seed(0)
    geometry = structure.realise(3, (3000.0, 2000.0), generator)
    xyz_nm, is_there = structure.place(geometry, COUNTS.cuda(), generator)
    assert xyz_nm.is_cuda
    assert is_there.is_cuda
