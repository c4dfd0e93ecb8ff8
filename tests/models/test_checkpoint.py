"""Model files: what goes in comes out, and nothing harmful comes in."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from napari_deepsmlm.models import available_models, build_model, find_model, load_model, save_model
from napari_deepsmlm.models._checkpoint import HEADER_KEY
from napari_deepsmlm.models.deep_storm import DeepStorm

if TYPE_CHECKING:
    from pathlib import Path


def rewrite(path: Path, *, card: dict | None = None, tensors: dict | None = None) -> None:
    """Write a model file again with other header values or tensors."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        old = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        header = json.loads(file.metadata()[HEADER_KEY])
    save_file(tensors or old, path, {HEADER_KEY: json.dumps({**header, **(card or {})})})


def test_a_model_comes_back_identical(deep_storm: DeepStorm, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    deep_storm.molecules_per_unit.fill_(0.0215)
    save_model(path, deep_storm, {"metrics": {"nmse_percent": 12.5}})
    loaded, card = load_model(path)
    assert card.metrics == {"nmse_percent": 12.5}
    assert loaded.config == deep_storm.config
    frames = torch.rand(1, 1, 16, 16)
    with torch.no_grad():
        assert torch.equal(loaded(frames), deep_storm(frames))
        prediction = deep_storm(frames)
        assert torch.equal(loaded.to_image(prediction), deep_storm.to_image(prediction))


def test_half_precision_files_load_as_single(deep_storm: DeepStorm, tmp_path: Path) -> None:
    path = tmp_path / "half.safetensors"
    with torch.no_grad():
        expected = deep_storm(torch.ones(1, 1, 8, 8))
    save_model(path, deep_storm.half())
    loaded = load_model(path)[0]
    assert next(loaded.parameters()).dtype == torch.float32
    with torch.no_grad():
        found = loaded(torch.ones(1, 1, 8, 8))
    assert (found - expected).abs().max() <= 0.01 * expected.abs().max()


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda p: p.write_bytes(b""), "not a safetensors file"),
        (lambda p: p.write_bytes(b"\x80\x04]q\x00."), "not a safetensors file"),
        (lambda p: p.write_bytes(struct.pack("<Q", 2**40) + b"{}"), "not a safetensors file"),
        (lambda p: p.write_bytes(struct.pack("<Q", 4) + b"abcd"), "header is damaged"),
        (lambda p: p.write_bytes(p.read_bytes()[:-100]), "not a readable model file"),
        (lambda p: p.write_bytes(p.read_bytes()[:-4] + b"abcd"), "do not match their checksum"),
        (lambda p: save_file({"a": torch.zeros(1)}, p), "not a napari-deepsmlm model"),
        (lambda p: rewrite(p, card={"network": "os.system"}), "Unknown network 'os.system'"),
        (lambda p: rewrite(p, card={"config": {"upsampling": 3}}), "upsampling"),
        (lambda p: rewrite(p, card={"config": {"upsampling": 8, "x": 1}}), "unknown key 'x'"),
        (lambda p: rewrite(p, tensors={"a": torch.zeros(1)}), "checksum"),
    ],
)
def test_damaged_or_foreign_files_are_refused(model_file: Path, damage, sentence: str) -> None:
    damage(model_file)
    with pytest.raises(ValueError, match=sentence):
        load_model(model_file)


def test_weights_that_are_not_finite_are_refused(deep_storm: DeepStorm, tmp_path: Path) -> None:
    with torch.no_grad():
        next(deep_storm.parameters())[0, 0, 0, 0] = float("nan")
    path = tmp_path / "nan.safetensors"
    save_model(path, deep_storm)
    with pytest.raises(ValueError, match="not finite"):
        load_model(path)


def test_absurd_shapes_are_refused_before_anything_is_allocated(tmp_path: Path) -> None:
    header = json.dumps({"a": {"dtype": "F32", "shape": [2**40, 2**20], "data_offsets": [0, 0]}})
    path = tmp_path / "bomb.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header.encode())
    with pytest.raises(ValueError, match="too large"):
        load_model(path)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.floats(0, 1), value=st.integers(0, 255), keep=st.floats(0, 1))
def test_any_damage_ends_in_a_documented_error(
    model_file: Path, position: float, value: int, keep: float
) -> None:
    good = model_file.read_bytes()
    bad = bytearray(good[: max(1, int(keep * len(good)))])
    bad[int(position * (len(bad) - 1))] = value
    victim = model_file.with_name("victim.safetensors")
    victim.write_bytes(bytes(bad))
    if bytes(bad) == good:
        return
    with pytest.raises(ValueError, match=r"victim\.safetensors"):
        load_model(victim)


def test_unknown_names_list_what_there_is() -> None:
    with pytest.raises(ValueError, match=r"Unknown network 'fith'\. Available: .*deep-storm"):
        build_model("fith")
    with pytest.raises(ValueError, match=r"No model 'fith'\. Built-in: .*deep-storm:2d-100nm"):
        find_model("fith")
    with pytest.raises(FileNotFoundError, match="No model file"):
        find_model("missing.safetensors")
    with pytest.raises(ValueError, match=r"No model 'deep-storm' with upsampling 5"):
        find_model("deep-storm", upsampling=5)


def test_networks_are_discovered() -> None:
    assert available_models()["deep-storm"] is DeepStorm


def test_a_bare_network_name_picks_a_built_in_model() -> None:
    found = find_model("deep-storm", pixel_size_nm=110)
    assert found.name == "deep-storm:2d", "frames decide for the one of 100 nm, not a number"
    assert found.load().n_parameters == 1_366_208
