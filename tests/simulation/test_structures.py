"""Structures have the distances, radii and symmetries that their names promise."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial import cKDTree

from napari_deepsmlm.simulation import (
    Filaments,
    FromTable,
    Lines,
    Microtubules,
    Mixture,
    NuclearPores,
    Rings,
    SiemensStar,
    Uniform,
)
from napari_deepsmlm.simulation.structures._base import first, keep_first

if TYPE_CHECKING:
    from pathlib import Path

EXTENT = (6000.0, 7000.0)


def molecules(structure, n: int = 4000, seed: int = 0, extent=EXTENT) -> np.ndarray:
    """Return (N, 3) nm on one realisation."""
    generator = torch.Generator().manual_seed(seed)
    geometry = structure.realise(1, extent, generator)
    xyz_nm, is_there = structure.place(geometry, torch.tensor([n]), generator)
    return xyz_nm[is_there].double().numpy()


def test_uniform_molecules_fill_the_volume_evenly() -> None:
    xyz = molecules(Uniform(z_nm=(-400, 200)))
    for axis, (low, high) in enumerate([(0, 7000), (0, 6000), (-400, 200)]):
        assert stats.kstest(xyz[:, axis], stats.uniform(low, high - low).cdf).pvalue > 1e-3
    assert (molecules(Uniform(), 50)[:, 2] == 0).all()


@given(
    distance=st.floats(10, 500),
    degrees=st.floats(-180, 360),
    n_lines=st.integers(1, 5),
    seed=st.integers(0, 1000),
)
@settings(deadline=None, max_examples=30)
def test_parallel_lines_keep_their_distance(distance, degrees, n_lines, seed) -> None:
    lines = Lines(distance_nm=distance, angle_degrees=degrees, n_lines=n_lines)
    xyz = molecules(lines, 300, seed)
    angle = math.radians(degrees)
    across = -(xyz[:, 0] - 3500) * math.sin(angle) + (xyz[:, 1] - 3000) * math.cos(angle)
    rank = across / distance + (n_lines - 1) / 2
    assert np.abs(rank - rank.round()).max() * distance < 0.01  # nm
    assert set(rank.round().astype(int)) == set(range(n_lines))
    assert (xyz[:, :2] > -0.01).all()
    assert (xyz[:, :2] < [7000.01, 6000.01]).all()


def test_crossing_lines_part_at_their_angle() -> None:
    xyz = molecules(Lines(distance_nm=0, crossing_degrees=30, angle_degrees=0))
    angle = np.degrees(np.arctan2(xyz[:, 1] - 3000, xyz[:, 0] - 3500))
    angle = (angle + 90) % 180 - 90
    far = np.hypot(xyz[:, 0] - 3500, xyz[:, 1] - 3000) > 100
    assert np.abs(np.abs(angle[far]) - 15).max() < 0.01


def test_lines_are_covered_evenly_and_have_their_thickness() -> None:
    xyz = molecules(Lines(n_lines=1, angle_degrees=0, thickness_nm=40))
    assert stats.kstest(xyz[:, 0], stats.uniform(0, 7000).cdf).pvalue > 1e-3
    assert stats.kstest(xyz[:, 1], stats.uniform(2980, 40).cdf).pvalue > 1e-3


def test_the_star_has_its_symmetry_and_its_gaps() -> None:
    star = SiemensStar(n_spokes=12, radius_um=2, angle_degrees=10)
    xyz = molecules(star, 12_000)
    x, y = xyz[:, 0] - 3500, xyz[:, 1] - 3000
    turn = (np.degrees(np.arctan2(y, x)) - 10) % 360 / 30
    assert (turn % 1).max() < 0.5 + 1e-4
    assert stats.kstest(turn % 1, stats.uniform(0, 0.5).cdf).pvalue > 1e-3
    assert stats.chisquare(np.bincount(turn.astype(int), minlength=12)).pvalue > 1e-3
    radius = np.hypot(x, y)
    assert stats.kstest((radius / 2000) ** 2, stats.uniform().cdf).pvalue > 1e-3  # by area


def test_microtubules_are_tubes_of_their_diameter() -> None:
    tubes = Microtubules(diameter_nm=25)
    generator = torch.Generator().manual_seed(3)
    geometry = tubes.realise(1, EXTENT, generator)
    xyz_nm, _ = tubes.place(geometry, torch.tensor([2000]), generator)
    start, along = geometry["start"][0], geometry["along"][0]
    used = geometry["weight"][0] > 0
    steps = torch.linspace(0, 1, 61)[:, None, None]
    centre = (start[used] + steps * along[used]).reshape(-1, 3).numpy()
    distance, _ = cKDTree(centre).query(xyz_nm[0].numpy())
    # Distance to samples of the centre line 1 nm apart; at joints and crossings it is less.
    assert np.median(distance) == pytest.approx(12.5, abs=0.05)
    assert distance.max() < 12.6
    assert (np.abs(distance - 12.5) < 0.5).mean() > 0.98


@pytest.mark.parametrize("seed", range(4))
def test_microtubules_bend_gently_and_stay_in_their_depth(seed: int) -> None:
    tubes = Microtubules(bend_um=2, z_nm=(-500, 300), filaments=(6, 6))
    geometry = tubes.realise(2, EXTENT, torch.Generator().manual_seed(seed))
    along = geometry["along"].unflatten(1, (6, -1))
    start = geometry["start"]
    assert -500.1 <= start[..., 2].min() <= start[..., 2].max() <= 300.1
    heading = torch.atan2(along[..., 1], along[..., 0])
    turn = heading.diff(dim=-1)
    turn = torch.remainder(turn + math.pi, 2 * math.pi) - math.pi
    radius_nm = along[..., :2].norm(dim=-1)[..., 1:] / turn.abs().clamp(min=1e-9)
    assert radius_nm.min() > 0.98 * 2000
    assert (along[..., 2].abs() / along[..., :2].norm(dim=-1)).max() <= 0.3 + 1e-3


def test_molecules_cover_microtubules_evenly() -> None:
    tubes = Microtubules(filaments=(3, 3))
    generator = torch.Generator().manual_seed(0)
    geometry = tubes.realise(1, EXTENT, generator)
    xyz_nm, _ = tubes.place(geometry, torch.tensor([6000]), generator)
    middle = (geometry["start"] + geometry["along"] / 2)[0]
    weight = geometry["weight"][0].numpy()
    _, nearest = cKDTree(middle.numpy()[weight > 0]).query(xyz_nm[0].numpy())
    each = np.bincount(nearest // 10)
    expected = np.add.reduceat(weight[weight > 0], np.arange(0, (weight > 0).sum(), 10))
    ratio = each[:-1] / (expected[: len(each) - 1] * 6000 / weight.sum())
    assert ratio.std() < 0.35
    assert ratio.mean() == pytest.approx(1, abs=0.05)


def test_nuclear_pores_are_eight_fold_and_apart() -> None:
    pores = NuclearPores(per_um2=1, corner_nm=0, ring_distance_nm=50)
    generator = torch.Generator().manual_seed(0)
    geometry = pores.realise(1, EXTENT, generator)
    xyz_nm, _ = pores.place(geometry, torch.tensor([3000]), generator)
    centre = geometry["centre"][0, :, :2].numpy()
    assert len(centre) == 42
    gaps, _ = cKDTree(centre).query(centre, k=2)
    assert gaps[:, 1].min() > 107
    distance, which = cKDTree(centre).query(xyz_nm[0, :, :2].numpy())
    assert distance == pytest.approx(53.5, abs=0.01)
    assert set(xyz_nm[0, :, 2].tolist()) == {-25.0, 25.0}
    offset = xyz_nm[0, :, :2].numpy() - centre[which]
    turn = (np.arctan2(offset[:, 1], offset[:, 0]) - geometry["angle"][0].numpy()[which]) / (
        math.pi / 4
    )
    assert np.abs(turn - turn.round()).max() < 1e-3
    corners = np.bincount((turn.round().astype(int)) % 8, minlength=8)
    assert stats.chisquare(corners).pvalue > 1e-3


def test_rings_have_their_diameters() -> None:
    rings = Rings(per_um2=0.5, diameter_nm=(300, 300), thickness_nm=0)
    generator = torch.Generator().manual_seed(1)
    geometry = rings.realise(1, EXTENT, generator)
    xyz_nm, _ = rings.place(geometry, torch.tensor([500]), generator)
    distance, _ = cKDTree(geometry["centre"][0, :, :2]).query(xyz_nm[0, :, :2].numpy())
    assert distance == pytest.approx(150, abs=0.01)


# -- tables --------------------------------------------------------------------------------


def test_a_table_gives_its_own_sites(tmp_path: Path) -> None:
    sites = np.random.default_rng(0).uniform(0, 5000, (40, 3)).astype(np.float32)
    structure = FromTable.from_points(tmp_path / "sites.npy", sites)
    xyz = molecules(structure, 2000)
    shift = xyz.min(0) - sites.min(0)
    assert shift[2] == pytest.approx(0, abs=0.01)
    distance, which = cKDTree(sites + shift).query(xyz)
    assert distance.max() < 0.01
    assert set(which) == set(range(40))
    middle = (xyz.min(0) + xyz.max(0))[:2] / 2
    assert middle == pytest.approx([3500, 3000], abs=0.01)


@pytest.mark.parametrize("header", ["frame,x_nm,y_nm", '"id","x [nm]","y [nm]"'])
def test_tables_of_both_spellings_are_read(tmp_path: Path, header: str) -> None:
    path = tmp_path / "sites.csv"
    path.write_text(f"{header}\n1,100,200\n1,300,500\n")
    assert FromTable(path=path).points_nm().tolist() == [[100, 200, 0], [300, 500, 0]]


def test_a_random_crop_of_a_large_table_shows_different_parts(tmp_path: Path) -> None:
    sites = np.random.default_rng(0).uniform(0, 50_000, (20_000, 2))
    structure = FromTable.from_points(tmp_path / "sites.npy", sites, crop="random")
    generator = torch.Generator().manual_seed(0)
    geometry = structure.realise(5, EXTENT, generator)
    xyz_nm, is_there = structure.place(geometry, torch.full((5,), 50), generator)
    assert is_there.any(1).all()
    assert len({tuple(corner) for corner in geometry["corner"].tolist()}) == 5
    assert xyz_nm[..., 0].min() >= 0
    assert xyz_nm[..., 0].max() <= 7000


def test_random_crops_have_the_density_on_average_and_more_where_there_is_more(
    tmp_path: Path,
) -> None:
    rng = np.random.default_rng(0)
    sites = rng.uniform(0, 24_000, (4000, 2))
    sites = sites[(sites[:, 0] < 12_000) | (rng.random(4000) < 0.1)]
    structure = FromTable.from_points(tmp_path / "sites.npy", sites, crop="random")
    generator = torch.Generator().manual_seed(0)
    n = 3000
    geometry = structure.realise(n, EXTENT, generator)
    _, is_there = structure.place(geometry, torch.full((n,), 30), generator)
    counts, n_sites = is_there.sum(1), geometry["n_sites"]
    expected = 30 * n_sites / (len(sites) * EXTENT[0] * EXTENT[1] / np.ptp(sites, axis=0).prod())
    assert (counts - expected).abs().max() <= 1
    assert (counts - expected).mean() == pytest.approx(0, abs=0.05)
    # Crops lie inside the table, so its rim is seen less often than its middle.
    assert counts.double().mean() == pytest.approx(30, rel=0.15)


@pytest.mark.parametrize("n_frames", [1, 10])
def test_no_two_molecules_of_a_frame_have_one_site(tmp_path: Path, n_frames: int) -> None:
    sites = np.random.default_rng(0).uniform(0, 5000, (60, 2))
    structure = FromTable.from_points(tmp_path / "sites.npy", sites)
    generator = torch.Generator().manual_seed(0)
    geometry = structure.realise(2, EXTENT, generator)
    counts = torch.tensor([40, 60]) * n_frames
    xyz_nm, is_there = structure.place(geometry, counts, generator, n_frames=n_frames)
    seen = set()
    for k in range(n_frames):
        for row, n in enumerate((40, 60)):
            frame = xyz_nm[row, is_there[row]][k * n : (k + 1) * n]
            assert len(frame.unique(dim=0)) == n
            seen |= {tuple(place) for place in frame.tolist()}
    assert len(seen) == 60, "every site has its turn"


def test_a_table_with_nothing_in_view_has_no_molecules(tmp_path: Path) -> None:
    sites = np.array([[0.0, 0.0], [90_000.0, 90_000.0]])
    structure = FromTable.from_points(tmp_path / "sites.npy", sites)
    assert len(molecules(structure, 10)) == 0


BAD_TABLES = {
    "x,y\n1,2\n": "has no column 'x_nm': x, y",
    "x_nm,y_nm\n": r"has \(0, 2\)",
    "x_nm,y_nm\n1,a\n": "not finite",
    "": "cannot be read",
}


@pytest.mark.parametrize(("text", "message"), BAD_TABLES.items())
def test_a_bad_table_is_one_sentence(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "sites.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        FromTable(path=path).points_nm()
    assert "\n" not in str(caught.value)
    with pytest.raises(FileNotFoundError, match="is not there"):
        FromTable(path=tmp_path / "none.csv").points_nm()


# -- packing -------------------------------------------------------------------------------


@given(seed=st.integers(0, 10_000), n_candidates=st.integers(1, 40))
@settings(deadline=None, max_examples=50)
def test_keeping_the_first_is_a_stable_sort(seed: int, n_candidates: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    xyz = torch.rand(5, n_candidates, 3, generator=generator)
    is_good = torch.rand(5, n_candidates, generator=generator) < 0.5
    counts = torch.randint(0, n_candidates + 3, (5,), generator=generator)
    kept, is_there = keep_first(xyz, is_good, counts)
    for row in range(5):
        expected = xyz[row][is_good[row]][: counts[row]]
        assert torch.equal(kept[row][is_there[row]], expected)
        assert torch.equal(is_there[row], first(torch.tensor([len(expected)]), kept.shape[1])[0])


def test_a_full_filament_takes_more_molecules_over_more_frames() -> None:
    filaments = Filaments(most_per_um=2, bundles=(1, 1), filaments_per_bundle=(1, 1), centred=1)
    placed = []
    for n_frames in (1.0, 5.0):
        generator = torch.Generator().manual_seed(0)
        geometry = filaments.realise(1, EXTENT, generator)
        _, is_there = filaments.place(geometry, torch.tensor([5000]), generator, n_frames=n_frames)
        placed.append(int(is_there.sum()))
    assert placed[1] == pytest.approx(5 * placed[0], abs=5)


BAD = [
    (Lines, {"distance_nm": -1}, "greater than or equal to 0, found -1"),
    (Lines, {"n_lines": 0}, "greater than or equal to 1, found 0"),
    (Lines, {"z_nm": (3, 1)}, "z_nm: must be two numbers, the smaller first"),
    (SiemensStar, {"radius_um": 0}, "greater than 0, found 0"),
    (Microtubules, {"filaments": (0, 3)}, "filaments: must be two numbers >= 1"),
    (Microtubules, {"bend_um": 0.1}, "greater than or equal to 1, found 0.1"),
    (Uniform, {"z_nm": (1, -1)}, "z_nm: must be two numbers, the smaller first"),
    (Filaments, {"bundles": (3, 1)}, "bundles: must be two numbers >= 1, the smaller first"),
    (Rings, {"diameter_nm": (-5, 5)}, "diameter_nm: must be two numbers >= 0"),
    (NuclearPores, {"n_corners": 0}, "greater than or equal to 1, found 0"),
    (FromTable, {"path": "a.pkl"}, r"'a.pkl' is no .csv or .npy file"),
    (Mixture, {"parts": ()}, "at least one structure"),
    (Mixture, {"parts": ({"kind": "cube"},)}, "cube"),
]


@pytest.mark.parametrize(("kind", "values", "message"), BAD)
def test_structures_that_cannot_be_are_refused(kind, values, message) -> None:
    with pytest.raises(ValueError, match=message):
        kind.from_dict(values, source="structure")
