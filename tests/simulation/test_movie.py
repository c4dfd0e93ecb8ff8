"""A movie is the same in any chunks, its molecules keep their identity, its drift is the truth."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_deepsmlm.camera import SCMOS
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.psf import GaussianPSF
from napari_deepsmlm.simulation import (
    Drift,
    Exponential,
    Filaments,
    FourState,
    FromTable,
    Independent,
    Mixture,
    Simulation,
    Simulator,
    Survival,
    movie,
)
from napari_deepsmlm.simulation import simulator as simulator_module
from napari_deepsmlm.simulation.blinking import shares
from napari_deepsmlm.simulation.scene import Scene

KINETICS = [Independent(), Survival(), Exponential(on_frames=6), FourState()]
SHAPE = (14, 18)


def make(n_frames: int, chunk: int = 100, seed: int = 0, **settings):
    """Return (T, C, H, W) frames, the truth, and the sizes of the chunks."""
    settings = {"density_per_um2": (2, 2), "photons": (1000, 1000), **settings}
    simulator = Simulator(GaussianPSF(), SCMOS(), Simulation(**settings))
    parts = list(simulator.movie(n_frames, SHAPE, torch.Generator().manual_seed(seed), chunk=chunk))
    truth = Localizations.concatenate([part.truth for part in parts]).to_numpy()
    return torch.cat([part.frames for part in parts]), truth, [len(p.frames) for p in parts]


@given(
    chunk=st.integers(1, 60),
    n_frames=st.integers(1, 50),
    which=st.integers(0, 3),
    drifts=st.booleans(),
)
@settings(deadline=None, max_examples=25)
def test_chunks_do_not_change_a_movie(chunk, n_frames, which, drifts) -> None:
    drift = Drift(walk_nm=(3, 3, 0)) if drifts else Drift()
    extra = {"blinking": KINETICS[which], "drift": drift, "structure": Mixture()}
    whole, truth, _ = make(n_frames, 1000, **extra)
    frames, same, sizes = make(n_frames, chunk, **extra)
    assert torch.equal(whole, frames)
    assert sizes == [min(chunk, n_frames - i) for i in range(0, n_frames, chunk)]
    for name in truth.names:
        assert np.array_equal(truth[name], same[name])


@pytest.mark.parametrize("blinking", KINETICS, ids=lambda b: b.kind)
def test_a_molecule_keeps_place_and_flux_and_numbers_are_not_reused(blinking) -> None:
    _, truth, _ = make(80, blinking=blinking, background=(20, 20), unevenness=0.2)
    table = truth.to_dataframe()
    each = table.groupby("molecule")
    assert (each.x_nm.nunique() == 1).all()
    assert (each.sigma_nm.nunique() == 1).all()
    assert not table.duplicated(["molecule", "frame"]).any()
    assert table.groupby("x_nm").molecule.nunique().max() == 1
    assert truth["photons"].max() <= 1000 * (1 + 1e-5)
    span = each.frame.max() - each.frame.min() + 1
    if blinking.kind == "independent":
        assert (span == 1).all()
    if blinking.kind in ("exponential", "survival"):
        assert (each.size() == span).all()  # without a gap, block borders included


def test_light_does_not_stop_at_the_border_of_a_block() -> None:
    _, truth, _ = make(64, blinking=Exponential(on_frames=20), density_per_um2=(4, 4))
    table = truth.to_dataframe()
    first, last = table.groupby("molecule").frame.min(), table.groupby("molecule").frame.max()
    inner = table[
        (table.frame > table.molecule.map(first)) & (table.frame < table.molecule.map(last))
    ]
    assert len(inner) > 500
    assert inner.photons.to_numpy() == pytest.approx(1000, rel=1e-4)


def test_a_border_cuts_time_and_nothing_else() -> None:
    scene = Scene(GaussianPSF(), Simulation(blinking=FourState(visits=4)))
    generator = torch.Generator().manual_seed(0)
    geometry = scene.realise(1, SHAPE, generator)
    whole = scene.born(geometry, torch.full((1, 16), 20.0), generator)
    later = whole.after(16)
    assert 0 < later.is_there.sum() < whole.is_there.sum()
    expected = shares(whole.start, whole.stop, 40)[0, 16:, later.number[0]]
    assert torch.allclose(shares(later.start, later.stop, 24)[0], expected, atol=1e-5)
    gone = torch.ones(whole.number.shape[1], dtype=torch.bool)
    gone[later.number[0]] = False
    assert shares(whole.start, whole.stop, 200)[0, 16:, gone].sum() == 0


def test_a_full_structure_is_as_full_with_any_blinking() -> None:
    thin = Filaments(
        bundles=(1, 1), filaments_per_bundle=(1, 1), centred=1, wave_nm=(0, 0), most_per_um=20
    )
    counts = []
    for blinking in KINETICS:
        _, truth, _ = make(
            160, blinking=blinking, structure=thin, density_per_um2=(200, 200), margin_px=0
        )
        counts.append(len(truth) / 160)
    assert 15 < counts[0] < 60
    assert counts == pytest.approx([counts[0]] * 4, rel=0.12)


@pytest.mark.parametrize("blinking", KINETICS, ids=lambda b: b.kind)
def test_where_a_table_is_fuller_more_molecules_shine(blinking, tmp_path) -> None:
    rng = np.random.default_rng(0)
    sites = rng.uniform(0, 12_000, (8000, 2))
    sites = sites[rng.random(8000) < 0.1 + 0.9 * (sites[:, 0] < 6000)]
    table = FromTable.from_points(tmp_path / "sites.npy", sites, crop="random")
    counts = [
        len(make(20, seed=seed, blinking=blinking, structure=structure)[1])
        for structure in (table, Simulation().structure)
        for seed in range(40)
    ]
    ours, plain = np.array(counts).reshape(2, 40)
    assert ours.max() > 1.4 * plain.mean()
    assert ours.min() < 0.6 * plain.mean()
    assert ours.mean() == pytest.approx(plain.mean(), rel=0.2)


@pytest.mark.parametrize("blinking", KINETICS, ids=lambda b: b.kind)
def test_the_density_stays_the_same_all_along(blinking) -> None:
    _, truth, _ = make(400, blinking=blinking, density_per_um2=(6, 6))
    counts = np.bincount(truth.frame, minlength=400)
    expected = 6 * SHAPE[0] * SHAPE[1] / 100
    seen = blinking.frames_seen
    for part in np.split(counts, 4):  # neighbours share molecules: so many fewer are independent
        error = 4 * np.sqrt(expected / (len(part) / (2 * seen + 1)))
        assert part.mean() == pytest.approx(expected, abs=error)


def test_drift_is_in_the_truth_and_in_the_frames() -> None:
    drift = Drift(per_frame_nm=(4.0, -2.0, 1.0), walk_nm=(0, 0, 0))
    frames, truth, _ = make(60, blinking=Exponential(on_frames=8), drift=drift)
    for axis, rate in zip("xyz", (4.0, -2.0, 1.0), strict=True):
        assert truth[f"drift_{axis}_nm"] == pytest.approx(rate * truth.frame, abs=1e-3)
    home = truth.with_columns(x0=truth.x_nm - truth["drift_x_nm"]).to_dataframe()
    assert home.groupby("molecule").x0.agg(np.ptp).max() < 0.01
    # The field of view is large enough for what drifts into it.
    assert np.bincount(truth.frame, minlength=60)[-20:].mean() == pytest.approx(
        np.bincount(truth.frame, minlength=60)[:20].mean(), rel=0.5
    )
    assert frames.shape == (60, 1, *SHAPE)


def test_a_random_walk_has_its_step_and_goes_on_over_blocks() -> None:
    drift = Drift(walk_nm=(5.0, 2.0, 0.0))
    _, truth, _ = make(400, drift=drift, density_per_um2=(4, 4))
    frame, at = np.unique(truth.frame, return_index=True)
    assert len(frame) == 400
    path = np.stack([truth["drift_x_nm"][at], truth["drift_y_nm"][at]])
    assert (path[:, 0] == 0).all()
    steps = np.diff(path)
    assert steps.std(1) == pytest.approx([5.0, 2.0], rel=0.15)
    assert (truth["drift_z_nm"] == 0).all()
    assert np.abs(steps).max() < 6 * 5


def test_memory_is_that_of_a_chunk_and_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    blocks = movie.movie_blocks

    def counted(*arguments):
        for block in blocks(*arguments):
            made.append(len(block.frames))
            yield block

    monkeypatch.setattr(simulator_module, "movie_blocks", counted)
    simulator = Simulator(GaussianPSF(), SCMOS(), Simulation(density_per_um2=(1, 1)))
    chunks = simulator.movie(10_000, SHAPE, torch.Generator().manual_seed(0), chunk=5)
    for _ in range(7):
        assert len(next(chunks).frames) == 5
    assert sum(made) <= 35 + movie.MAX_FRAMES


def test_large_frames_come_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(movie, "MAX_PIXELS", 1)
    frames, truth, sizes = make(5, 2)
    assert frames.shape == (5, 1, *SHAPE)
    assert sizes == [2, 2, 1]
    assert set(truth.frame) <= set(range(5))


def test_nothing_at_all_is_a_movie_too() -> None:
    frames, truth, _ = make(20, density_per_um2=(0, 0), drift=Drift(walk_nm=(1, 1, 1)))
    assert len(frames) == 20
    assert len(truth) == 0
    assert "molecule" in truth
    with pytest.raises(ValueError, match="chunk must be at least 1 frame, got 0"):
        make(3, 0)


def test_a_seed_gives_the_same_movie_and_another_does_not() -> None:
    first, again, other = (make(20, seed=seed)[0] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first[0], first[16])  # blocks have noise of their own


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("blinking", KINETICS, ids=lambda b: b.kind)
def test_movies_and_windows_are_made_on_the_device_of_the_generator(blinking) -> None:
    settings = Simulation(
        blinking=blinking,
        structure=Mixture(),
        density_per_um2=(2, 2),
        unevenness=0.2,
        drift=Drift(walk_nm=(2, 2, 2)),
    )
    simulator = Simulator(GaussianPSF(), SCMOS(), settings)
    counts = []
    for device in ("cpu", "cuda"):
        generator = torch.Generator(device).manual_seed(0)
        batch = simulator.batch(100, SHAPE, generator, context=1)
        assert batch.frames.device.type == device
        assert batch.truth.x_nm.device.type == device
        counts.append(len(batch.truth))
        parts = list(simulator.movie(40, SHAPE, generator, chunk=7))
        assert torch.cat([part.frames for part in parts]).device.type == device
    assert counts[0] == pytest.approx(counts[1], rel=0.3)
