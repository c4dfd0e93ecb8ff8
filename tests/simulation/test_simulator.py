"""Batches and windows show the molecules that their truth lists, at the asked density."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest
import torch
from scipy import stats

from napari_deepsmlm.camera import SCMOS, IdealCamera, SensorMaps
from napari_deepsmlm.psf import PSF, GaussianPSF
from napari_deepsmlm.simulation import (
    Exponential,
    Filaments,
    FourState,
    Independent,
    Simulation,
    Simulator,
    Survival,
    Uniform,
    light,
)
from napari_deepsmlm.simulation.light import expected_light
from napari_deepsmlm.training.data import SimulatedBatches

KINETICS = [Independent(), Survival(), Exponential(), FourState()]
CAMERA = IdealCamera(baseline=0)
SHAPE = (20, 26)


class TwoPlanes(PSF):
    """Two copies of the same Gaussian, to see planes move."""

    kind: Literal["two"] = "two"

    @property
    def n_planes(self) -> int:
        """Two."""
        return 2

    @property
    def reach_px(self) -> int:
        return 5

    def render(self, xyz_nm, photons, shape, *, sigma_nm=None):
        """Return (B, 2, H, W) photons."""
        return GaussianPSF().render(xyz_nm, photons, shape).expand(-1, 2, -1, -1)


def simulator(psf: PSF | None = None, camera=CAMERA, **settings) -> Simulator:
    settings = {"density_per_um2": (2, 2), **settings}
    return Simulator(psf or GaussianPSF(sigma_nm=(110, 110)), camera, Simulation(**settings))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("context", [0, 1])
@pytest.mark.parametrize("blinking", KINETICS, ids=lambda b: b.kind)
def test_the_truth_has_the_asked_density(blinking, context: int) -> None:
    n, asked = 400, 2.0
    batch = simulator(blinking=blinking).batch(n, SHAPE, generator(), context=context)
    expected = n * asked * SHAPE[0] * SHAPE[1] / 100
    assert abs(len(batch.truth) - expected) < 4 * math.sqrt(expected)
    assert batch.frames.shape == (n, 2 * context + 1, *SHAPE)
    x, y = batch.truth.x_nm.double().numpy(), batch.truth.y_nm.double().numpy()
    assert stats.kstest(x, stats.uniform(0, 100 * SHAPE[1]).cdf).pvalue > 1e-3
    assert stats.kstest(y, stats.uniform(0, 100 * SHAPE[0]).cdf).pvalue > 1e-3
    assert batch.truth.is_sorted


@pytest.mark.parametrize("context", [0, 2])
@pytest.mark.parametrize("blinking", KINETICS, ids=lambda b: b.kind)
def test_the_middle_frame_is_the_light_of_its_truth(blinking, context: int) -> None:
    sim = simulator(blinking=blinking, margin_px=0, photons=(800, 800))
    frames, truth = sim.batch(30, SHAPE, generator(1), context=context)
    background = torch.zeros(30)
    expected = []
    for index in range(30):
        mine = truth[truth.frame == index]
        xyz_nm = torch.stack([mine.x_nm, mine.y_nm, mine["z_nm"]], -1)[None]
        expected.append(sim.psf.render(xyz_nm, mine["photons"][None], SHAPE)[0, 0])
        background[index] = mine["background"][0]
    mean = torch.stack(expected) + background[:, None, None]
    chi2 = ((frames[:, context] - mean) ** 2 / mean).sum().item()
    assert stats.chi2.sf(chi2, mean.numel()) > 1e-3


def test_windows_show_the_same_molecules_before_and_after() -> None:
    frames, _ = simulator(
        blinking=Exponential(on_frames=50), photons=(1000, 1000), background=(10, 10)
    ).batch(20, SHAPE, generator(), context=1)
    before, middle, after = (frames[:, i].flatten().numpy() for i in range(3))
    assert np.corrcoef(before, middle)[0, 1] > 0.9
    assert np.corrcoef(before, after)[0, 1] > 0.9
    frames, _ = simulator(photons=(1000, 1000), background=(10, 10)).batch(
        20, SHAPE, generator(), context=1
    )
    assert abs(np.corrcoef(frames[:, 0].flatten(), frames[:, 1].flatten())[0, 1]) < 0.1


def test_photons_are_flux_times_the_time_on() -> None:
    sim = simulator(blinking=Exponential(on_frames=2), photons=(1000, 1000))
    photons = sim.batch(300, SHAPE, generator())[1]["photons"].double().numpy()
    whole = photons > 1000 - 1e-2
    # Of the τ + 1 frames that a molecule shows, τ + 1 - 2 τ(1 - e^(-1/τ)) + ... are on throughout:
    # those that begin on, exp(-1/τ) of them to the end of the frame.
    share = 2 * math.exp(-1 / 2) / 3
    assert whole.mean() == pytest.approx(share, abs=4 / math.sqrt(len(photons)))
    assert photons.max() <= 1000 + 1e-2
    assert photons.mean() == pytest.approx(1000 * 2 / 3, rel=0.02)  # Little: τ on, τ + 1 seen


def test_photons_may_be_normal_and_stay_above_zero() -> None:
    normal = simulator(photons=(500, 500), photons_sd=100).batch(200, SHAPE, generator())[1]
    photons = normal["photons"].double().numpy()
    assert stats.kstest(photons[:4000], stats.norm(500, 100).cdf).pvalue > 1e-3
    wide = simulator(photons=(50, 50), photons_sd=100).batch(50, SHAPE, generator())[1]
    assert wide["photons"].min() == 1


@pytest.mark.parametrize("context", [0, 1])
@pytest.mark.parametrize("blinking", KINETICS, ids=lambda b: b.kind)
@pytest.mark.parametrize("structure", [Uniform(), Filaments()], ids=lambda s: s.kind)
def test_no_molecules_at_all_are_fine(blinking, context: int, structure) -> None:
    sim = simulator(blinking=blinking, density_per_um2=(0, 0), structure=structure)
    frames, truth = sim.batch(3, SHAPE, generator(), context=context)
    assert len(truth) == 0
    assert frames.mean().item() == pytest.approx(35, abs=16)


@pytest.mark.parametrize("shape", [(1, 1), (2, 9), (4, 4)])
def test_frames_smaller_than_the_margin_are_fine(shape) -> None:
    for blinking in KINETICS:
        frames, _ = simulator(blinking=blinking).batch(2, shape, generator(), context=1)
        assert frames.shape == (2, 3, *shape)


def test_more_than_one_molecule_per_pixel_is_fine() -> None:
    dense = simulator(density_per_um2=(150, 150), blinking=Survival())
    truth = dense.batch(2, (16, 16), generator())[1]
    assert len(truth) / 2 / 256 == pytest.approx(1.5, rel=0.2)


def test_a_seed_gives_the_same_batch() -> None:
    for blinking in KINETICS:
        first, again, other = (
            simulator(blinking=blinking).batch(3, SHAPE, generator(seed), context=1)
            for seed in (4, 4, 5)
        )
        assert torch.equal(first.frames, again.frames)
        assert torch.equal(first.truth.x_nm, again.truth.x_nm)
        assert not torch.equal(first.frames, other.frames)


def test_pieces_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    psf = GaussianPSF()
    xyz_nm = 2500 * torch.rand(7, 90, 3, generator=generator())
    photons = 1000 * torch.rand(7, 90, generator=generator(1))
    sigma_nm = psf.draw_sigma_nm((7, 90), generator(2))
    whole = expected_light(psf, xyz_nm, photons, SHAPE, sigma_nm=sigma_nm)
    for piece in (1, 500, 10_000):
        monkeypatch.setattr(light, "PIECE", piece)
        pieces = expected_light(psf, xyz_nm, photons, SHAPE, sigma_nm=sigma_nm)
        assert torch.allclose(whole, pieces, rtol=1e-5, atol=1e-3)


def test_light_is_differentiable_in_places_and_photons() -> None:
    psf = GaussianPSF()
    xyz_nm = (2000 * torch.rand(1, 3, 3, generator=generator())).double().requires_grad_()
    photons = torch.full((1, 3), 100.0, dtype=torch.float64, requires_grad=True)

    def image(xyz: torch.Tensor, n: torch.Tensor) -> torch.Tensor:
        return expected_light(psf, xyz, n, (8, 8))

    assert torch.autograd.gradcheck(image, (xyz_nm, photons))


def test_planes_move_against_the_first_by_at_most_the_asked_shift() -> None:
    sim = simulator(TwoPlanes(), plane_shift_nm=300, density_per_um2=(0.3, 0.3), background=(0, 0))
    frames, truth = sim.batch(60, (40, 40), generator())
    assert frames.shape == (60, 2, 40, 40)
    place = torch.arange(40) + 0.5
    shifts = []
    for index in range(60):
        mine = truth[truth.frame == index]
        inside = (mine.x_nm > 800) & (mine.x_nm < 3200) & (mine.y_nm > 800) & (mine.y_nm < 3200)
        if len(mine) == 1 and bool(inside.all()):
            first, second = frames[index]
            window = slice(3, 37)  # away from light of molecules outside
            centre = [
                (f[window, window].sum(0) * place[window]).sum() / f[window, window].sum()
                for f in (first, second)
            ]
            shifts.append(100 * (centre[1] - centre[0]).item())
            assert 100 * centre[0].item() == pytest.approx(mine.x_nm[0].item(), abs=25)
    assert all(abs(shift) < 330 for shift in shifts)
    still = simulator(TwoPlanes()).batch(2, SHAPE, generator())[0]
    assert still.shape == (2, 2, *SHAPE)


def test_planes_take_each_of_the_given_shifts_equally_often() -> None:
    choices = (-48.0, -24.0, 0.0, 24.0)
    settings = Simulation(plane_shift_choices_nm=choices)
    shifts = settings.plane_shifts_nm(2000, 4, generator())
    assert (shifts[:, 0] == 0).all()
    for choice in choices:
        share = (shifts[:, 1:] == choice).float().mean().item()
        assert share == pytest.approx(0.25, abs=0.02)
    assert settings.plane_shifts_nm(5, 1, generator()) is None


def test_patches_of_a_mapped_sensor_come_back_as_photons(tmp_path) -> None:
    offset = np.random.default_rng(0).uniform(80, 400, (50, 60))
    camera = SCMOS(maps=SensorMaps.from_arrays(tmp_path, offset=offset))
    data = SimulatedBatches(
        simulator(camera=camera, density_per_um2=(0, 0), background=(30, 30)),
        batch_size=40,
        shape=(12, 12),
        seed=0,
        context=1,
    )
    frames, _ = data.at(3)
    assert frames.shape == (40, 3, 12, 12)
    assert frames.mean().item() == pytest.approx(30 - 0.5 / camera.adu_per_photon, abs=0.2)
    assert frames.std().item() == pytest.approx(math.sqrt(30 / 0.95 + 3), rel=0.05)


BAD = [
    ({"density_per_um2": (-1, 2)}, "density_per_um2': must be two numbers >= 0"),
    ({"photons": (5, 2)}, "photons': must be two numbers >= 0, the smaller first"),
    ({"brightness": (0, 2)}, "brightness': must be above 0"),
    ({"photons_sd": -1}, "photons_sd': .*found -1"),
    ({"margin_px": -1}, "margin_px': .*found -1"),
    ({"blinking": {"kind": "morse"}}, "morse"),
    ({"drift": {"walk_nm": (-1, 0, 0)}}, "walk_nm': must be three numbers >= 0"),
    ({"drift": {"per_frame_nm": (1e6, 0, 0)}}, "at most 1000 nm per frame"),
]


@pytest.mark.parametrize(("values", "message"), BAD)
def test_simulations_that_cannot_be_are_refused(values, message) -> None:
    with pytest.raises(ValueError, match=message):
        Simulation.from_dict(values, source="simulation")
    with pytest.raises(ValueError, match="n must be at least 1 frame, got 0"):
        simulator().batch(0, SHAPE, generator())
    with pytest.raises(ValueError, match="context must be at least 0, got -1"):
        simulator().batch(1, SHAPE, generator(), context=-1)
