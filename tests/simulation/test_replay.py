"""Replay: the table's molecules, where and as bright as it says, through any PSF and camera."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.cli.conftest import call

from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.io import open_frames, read_localizations
from napari_deepsmlm.localizations import Localizations

if TYPE_CHECKING:
    from pathlib import Path

DARK = Experiment.from_dict(
    {
        "psf": {"kind": "gaussian", "pixel_size_nm": 100.0, "sigma_nm": [110.0, 110.0]},
        "camera": {"kind": "ideal", "baseline": 100.0},
        "image_px": [20, 24],
        "simulation": {"background": [0.0, 0.0]},
    }
)
DEEP = DARK.replace(psf={"kind": "astigmatic", "pixel_size_nm": 100.0})
CHALLENGE = """Ground-truth,frame,xnano,ynano,znano,intensity
1,1,1050.0,850.0,0.0,20000.0
2,1,1500.0,1250.0,-300.0,5000.0
3,20,450.0,950.0,300.0,9000.0
4,20,90000.0,950.0,0.0,9000.0
"""


def activations(**more: list[float]) -> Localizations:
    values = {"x_nm": [1050.0, 700.0, -150.0], "y_nm": [850.0, 1200.0, 500.0]}
    return Localizations(frame=[17, 0, 17], **values, photons=[20_000.0, 8_000.0, 50_000.0], **more)


def test_light_and_place_are_those_of_the_table() -> None:
    stack, truth = DARK.simulate(20, seed=1, activations=activations())
    light = stack[:, 0].astype(float) - 100
    assert [frame for frame in range(20) if light[frame].sum() > 0] == [0, 17]
    assert light[0].sum() == pytest.approx(8000, abs=5 * 8000**0.5)
    rows, columns = np.indices(light[0].shape) + 0.5
    assert 100 * (light[0] * columns).sum() / light[0].sum() == pytest.approx(700, abs=8)
    assert 100 * (light[0] * rows).sum() / light[0].sum() == pytest.approx(1200, abs=8)
    assert truth.frame.tolist() == [0, 17]  # the third lights the edge from outside
    assert light[17].sum() > 21_000
    assert truth["photons"].tolist() == [8000.0, 20_000.0]
    assert truth.x_nm.tolist() == [700.0, 1050.0]


def test_depth_is_that_of_the_table() -> None:
    above, below = (
        DEEP.simulate(1, activations=activations(z_nm=[0.0, z, 0.0])).stack[0, 0].astype(float)
        - 100
        for z in (300.0, -300.0)
    )
    rows, columns = np.indices(above.shape)
    widths = [
        (light * columns**2).sum() / light.sum() - ((light * columns).sum() / light.sum()) ** 2
        > (light * rows**2).sum() / light.sum() - ((light * rows).sum() / light.sum()) ** 2
        for light in (above, below)
    ]
    assert widths[0] != widths[1]


def test_chunks_and_the_seed_do_not_change_the_molecules() -> None:
    first, again, other = (DARK.simulate(20, seed=s, activations=activations()) for s in (1, 1, 2))
    np.testing.assert_array_equal(first.stack, again.stack)
    assert (first.stack != other.stack).any()
    assert first.truth.x_nm.tolist() == other.truth.x_nm.tolist()


def test_what_cannot_be_shown_is_one_sentence() -> None:
    with pytest.raises(ValueError, match="lie between z = -900 and 0 nm, but the PSF is known"):
        DEEP.simulate(20, activations=activations(z_nm=[0.0, -900.0, 0.0]))
    dark = activations().without("photons")
    with pytest.raises(ValueError, match="need the light of every molecule"):
        DARK.simulate(20, activations=dark)


def test_the_command_replays_a_table_of_the_challenge(tmp_path: Path) -> None:
    table, config = tmp_path / "activations.csv", tmp_path / "deep.yaml"
    table.write_text(CHALLENGE, encoding="utf-8")
    DEEP.to_file(config)
    words = ["--activations", table, "--out", tmp_path / "out", "--json"]
    result = call("simulate", config, *words)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["frames"] == 20
    assert "1 activation of 4 outside" in " ".join(result.stderr.split())
    truth = read_localizations(tmp_path / "out" / "localizations.csv")
    assert truth.frame.tolist() == [0, 0, 19]
    assert sorted(truth["z_nm"].tolist()) == [-300.0, 0.0, 300.0]
    with open_frames(tmp_path / "out" / "stack.tif") as source:
        assert source.shape == (20, 1, 20, 24)


def test_a_table_without_light_is_exit_code_2(tmp_path: Path) -> None:
    table = tmp_path / "activations.csv"
    table.write_text("frame,x [nm],y [nm]\n1,500,500\n", encoding="utf-8")
    result = call("simulate", "lines-50nm", "--activations", table, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "need the light of every molecule" in " ".join(result.stderr.split())
