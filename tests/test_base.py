"""Configurations: frozen, strict, and one sentence for every mistake."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from napari_deepsmlm._base import MAX_CONFIG_BYTES, FrozenModel, load_yaml
from napari_deepsmlm._files import atomic_write, folder_lock
from napari_deepsmlm.camera import EMCCD
from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.reconstruction import ReconstructOptions

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("experiment", [Experiment(), Experiment.from_preset("microtubules")])
def test_yaml_gives_the_same_experiment_again(experiment: Experiment, tmp_path: Path) -> None:
    path = tmp_path / "ünïcode name.yaml"
    experiment.to_file(path)
    assert Experiment.from_file(path) == experiment


def test_replace_validates_and_leaves_the_original() -> None:
    camera = EMCCD()
    assert camera.replace(em_gain=50).em_gain == 50
    assert camera.em_gain == 300
    with pytest.raises(ValueError, match="em_gain"):
        camera.replace(em_gain=-1)
    with pytest.raises(ValueError, match="frozen"):
        camera.em_gain = 2  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "the file is empty"),
        ("just words", "expected key: value pairs, found 'just words'"),
        ("- 1\n- 2", "expected key: value pairs, found list"),
        ("camra: {}", "unknown key 'camra'"),
        ("camera: {kind: emccd, em_gain: 0}", "'camera.emccd.em_gain': .*greater.*found 0"),
        ("camera: {kind: ccd}", "'camera': .*'ccd'"),
        ("psf: {kind: gaussian, sigma_nm: [120, 100]}", "two positive numbers, the smaller first"),
        ("psf: {kind: gaussian, pixel_size_nm: .nan}", "psf.gaussian.pixel_size_nm.*finite"),
        ("psf: {sigma_nm: [100, 120]}", "'psf': needs a 'kind' to say which one it is"),
        ("simulation: {density_per_um2: [1]}", "simulation.density_per_um2"),
        ("network: deep-strom", "Unknown network 'deep-strom'. Available: .*deep-storm"),
        ("model: {upsampling: 3}", "upsampling.*4, 8 or 16.*found 3"),
        ("model: {depth: 3}", "unknown key 'depth'"),
        ("training: {steps: many}", "training.steps.*found 'many'"),
        ("a: &x [1]\nb: [*x, *x]", "aliases .* are not allowed"),
        ("camera: [1, 2", "not a readable YAML file"),
        ("!!python/object/apply:os.system ['true']", "not a readable YAML file"),
        ("[" * 5000, "not a readable YAML file"),
    ],
)
def test_a_bad_configuration_is_refused_in_one_sentence(
    text: str, sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=sentence) as caught:
        Experiment.from_file(path)
    assert str(caught.value).startswith("experiment.yaml: ")
    assert "\n" not in str(caught.value)


def test_values_that_do_not_go_together_are_told_without_the_names_of_python() -> None:
    with pytest.raises(ValueError, match=r"window") as caught:
        ReconstructOptions.from_dict({"window_step": 5}, source="options")
    assert "found" not in str(caught.value)
    assert "the file" not in str(caught.value)
    with pytest.raises(ValueError, match=r"found \(5, 5, 2, 2\)"):
        ReconstructOptions.from_dict({"region": (5, 5, 2, 2)}, source="options")


def test_a_huge_configuration_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.yaml"
    path.write_bytes(b" " * (MAX_CONFIG_BYTES + 1))
    with pytest.raises(ValueError, match="larger than 1 MB"):
        load_yaml(path)


def test_infinite_numbers_are_refused() -> None:
    class Config(FrozenModel):
        value: float

    with pytest.raises(ValueError, match="finite"):
        Config(value=float("inf"))


def test_a_failed_write_leaves_the_old_file_and_no_rubbish(tmp_path: Path) -> None:
    path = tmp_path / "result.bin"
    path.write_bytes(b"old")
    with pytest.raises(OSError, match="disk full"), atomic_write(path) as file:  # noqa: PT012
        file.write(b"half of the new")
        raise OSError("disk full")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["result.bin"]


@pytest.mark.skipif(os.name == "nt", reason="permissions are POSIX")
def test_a_new_file_has_the_permissions_of_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with atomic_write(tmp_path / "new") as file:
            file.write(b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o640


def test_a_folder_in_use_is_refused_and_a_dead_lock_is_taken_over(tmp_path: Path) -> None:
    with (
        folder_lock(tmp_path),
        pytest.raises(FileExistsError, match="in use by another run"),
        folder_lock(tmp_path),
    ):
        pass
    assert not (tmp_path / ".in-use").exists()
    holder = (
        "import os, sys; from napari_deepsmlm._files import folder_lock\n"
        "with folder_lock(sys.argv[1]):\n    os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", holder, str(tmp_path)], check=False)
    assert (tmp_path / ".in-use").exists()
    with folder_lock(tmp_path):
        pass
