"""Blinking obeys its distributions, and the density is the one that was asked for."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
import torch
from scipy import stats

from napari_deepsmlm.simulation import Exponential, FourState, Independent, Survival
from napari_deepsmlm.simulation.blinking import OnTimes, shares

KINETICS = [
    Independent(),
    Survival(stays_on=0.5),
    Survival(stays_on=0.9),
    Survival(stays_on=0),
    Exponential(on_frames=0.2),
    Exponential(on_frames=3),
    FourState(),
    FourState(on_frames=0.5, dark_frames=6, visits=4),
    FourState(visits=1),
]
N_FRAMES = 7


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def valid(on: OnTimes) -> tuple[np.ndarray, np.ndarray]:
    """Return starts and stops (N, J) of the molecules that exist, as float64."""
    mask = torch.arange(on.start.shape[1]) < on.counts[:, None]
    return on.start[mask].double().numpy(), on.stop[mask].double().numpy()


@cache
def emitting_counts(blinking, births_per_frame: float, n_samples: int) -> np.ndarray:
    """Return (B, T) molecules that emit."""
    births = torch.full((n_samples, N_FRAMES), births_per_frame)
    total = torch.zeros(n_samples, N_FRAMES)
    for on in (blinking.carried(births[:, 0], generator(1)), blinking.born(births, generator(2))):
        exists = torch.arange(on.start.shape[1]) < on.counts[:, None]
        total += ((shares(on.start, on.stop, N_FRAMES) > 0) & exists[:, None]).sum(-1)
    return total.numpy()


@pytest.mark.parametrize("blinking", KINETICS, ids=repr)
def test_the_density_is_the_asked_one_in_every_frame(blinking) -> None:
    asked, n_samples = 6.0, 1200
    counts = emitting_counts(blinking, asked / blinking.frames_seen, n_samples)
    z = (counts.mean(0) - asked) / math.sqrt(asked / n_samples)
    # Frames share molecules, so each is tested by itself, at a level for seven tests.
    assert (2 * stats.norm.sf(np.abs(z))).min() > 1e-3 / N_FRAMES


@pytest.mark.parametrize("blinking", KINETICS, ids=repr)
def test_the_number_of_molecules_is_poisson(blinking) -> None:
    asked, n_samples = 6.0, 1200
    counts = emitting_counts(blinking, asked / blinking.frames_seen, n_samples)
    dispersion = (n_samples - 1) * counts.var(0, ddof=1) / counts.mean(0)
    p = stats.chi2.sf(dispersion, n_samples - 1)
    assert p.min() > 1e-3 / N_FRAMES
    assert p.max() < 1 - 1e-3 / N_FRAMES


def test_independent_molecules_emit_in_one_whole_frame() -> None:
    on = Independent().born(torch.full((5, 9), 20.0), generator())
    share = shares(on.start, on.stop, 9)
    exists = torch.arange(on.start.shape[1]) < on.counts[:, None]
    assert torch.equal((share == 1).sum(1)[exists], torch.ones(int(on.counts.sum())).long())
    assert set(share.unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("tau", [0.3, 2.0, 40.0])
def test_on_times_are_exponential_for_new_and_for_old_molecules(tau: float) -> None:
    births = torch.full((40, 10), 100 / tau if tau > 1 else 100.0)
    blinking = Exponential(on_frames=tau)
    for on in (
        blinking.born(births, generator(3)),
        blinking.carried(births[:, 0] * 4, generator(4)),
    ):
        start, stop = valid(on)
        assert len(start) > 500
        assert stats.kstest((stop - start)[:, 0], stats.expon(scale=tau).cdf).pvalue > 1e-3


def test_molecules_light_up_uniformly_in_time() -> None:
    on = Exponential(on_frames=2).born(torch.full((50, 8), 20.0), generator(5))
    start, _ = valid(on)
    assert stats.kstest(start[:, 0], stats.uniform(0, 8).cdf).pvalue > 1e-3


def test_births_follow_the_rate_of_each_frame() -> None:
    rates = torch.tensor([[0.0, 50.0, 10.0, 40.0]]).expand(40, 4).contiguous()
    start, _ = valid(Exponential(on_frames=2).born(rates, generator(6)))
    seen = np.bincount(np.floor(start[:, 0]).astype(int), minlength=4)
    assert seen[0] == 0
    assert stats.chisquare(seen[1:], np.array([0.5, 0.1, 0.4]) * seen.sum()).pvalue > 1e-3


def test_light_of_all_frames_is_the_time_on() -> None:
    on = FourState().born(torch.full((4, 3), 50.0), generator(7))
    share = shares(on.start, on.stop, 200)
    assert 0 <= share.min() <= share.max() <= 1 + 1e-6
    on_time = (on.stop - on.start).sum(-1)
    assert torch.allclose(share.sum(1), on_time, atol=1e-4)


@pytest.mark.parametrize("stays_on", [0.2, 0.5, 0.8])
def test_survival_is_a_coin_tossed_every_frame(stays_on: float) -> None:
    blinking = Survival(stays_on=stays_on)
    for on in (
        blinking.born(torch.full((30, 10), 20.0), generator(8)),
        blinking.carried(torch.full((30,), 200.0), generator(9)),
    ):
        start, stop = valid(on)
        length = (stop - start)[:, 0].astype(int)
        assert (length == (stop - start)[:, 0]).all()
        most = int(math.log(20 / len(length)) / math.log(stays_on))  # expected counts above 5
        seen = np.bincount(np.minimum(length, most), minlength=most + 1)[1:]
        expected = len(length) * (1 - stays_on) * stays_on ** np.arange(most)
        expected[-1] = len(length) - expected[:-1].sum()
        assert stats.chisquare(seen, expected).pvalue > 1e-3


def test_four_states_have_the_times_of_the_challenge() -> None:
    blinking = FourState()
    on = blinking.born(torch.full((100, 10), 20.0), generator(10))
    start, stop = valid(on)
    is_visit = stop > start
    n_visits = is_visit.sum(1)
    visits = (stop - start)[is_visit]
    dark = (start[:, 1:] - stop[:, :-1])[is_visit[:, 1:]]
    assert stats.kstest(visits[:3000], stats.expon(scale=3.0).cdf).pvalue > 1e-3
    assert stats.kstest(dark[:3000], stats.expon(scale=2.5).cdf).pvalue > 1e-3
    assert n_visits.mean() == pytest.approx(1.5, abs=4 * n_visits.std() / math.sqrt(len(n_visits)))
    life = stop.max(1) - start[:, 0]
    error = 4 * life.std() / math.sqrt(len(life))
    assert life.mean() == pytest.approx(blinking.frames_carried, abs=error)


def test_frames_seen_is_what_molecules_show() -> None:
    for blinking in KINETICS:
        on = blinking.born(torch.full((20, 4), 20.0), generator(11))
        exists = torch.arange(on.start.shape[1]) < on.counts[:, None]
        frames = (shares(on.start, on.stop, 120) > 0).sum(1)[exists].double()
        error = 4 * float(frames.std()) / math.sqrt(len(frames)) + 1e-9
        assert frames.mean().item() == pytest.approx(blinking.frames_seen, abs=error)


@pytest.mark.parametrize("blinking", KINETICS, ids=repr)
def test_nobody_is_born_where_the_rate_is_zero(blinking) -> None:
    assert blinking.born(torch.zeros(3, 5), generator()).counts.sum() == 0
    assert blinking.carried(torch.zeros(3), generator()).start.shape[1] == 0


BAD = [
    (Survival, {"stays_on": 1.0}, "less than or equal to 0.999, found 1.0"),
    (Exponential, {"on_frames": 0}, "greater than 0, found 0"),
    (FourState, {"visits": 0.5}, "greater than or equal to 1, found 0.5"),
    (Independent, {"tau": 3}, "unknown key 'tau'"),
]


@pytest.mark.parametrize(("kind", "values", "message"), BAD)
def test_kinetics_that_cannot_be_are_refused(kind, values, message) -> None:
    with pytest.raises(ValueError, match=message):
        kind.from_dict(values, source="blinking")
