"""Models for other programs give there what they give here; our own packages come back."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from tests.cli.conftest import call
from tests.sweeps import thinned

from napari_deepsmlm.camera import camera_preset
from napari_deepsmlm.export import (
    ExportedGraph,
    export_bioimageio,
    export_onnx,
    frames_like_training,
    import_model,
)
from napari_deepsmlm.models import build_model, built_in_models, find_model, save_model

if TYPE_CHECKING:
    from pathlib import Path

ALWAYS = "dilated-loc:2d"

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    return tmp_path


def metadata(path: Path) -> dict[str, str]:
    return {entry.key: entry.value for entry in onnx.load(path).metadata_props}


def test_a_file_says_all_that_is_needed_to_use_it(tmp_path: Path) -> None:
    graph = ExportedGraph(find_model("voxel-regression:quad-plane-192nm"))
    check = export_onnx(graph, tmp_path / "model.onnx")
    assert check.largest_difference < 1e-4
    told = metadata(tmp_path / "model.onnx")
    assert told["network"] == "voxel-regression"
    assert told["pixel_size_nm"] == "192"
    assert told["n_planes"] == "4"
    assert told["input"].startswith("photons")
    assert told["sha256"] == json.loads(told["card"])["sha256"]


def test_the_camera_is_in_the_graph(tmp_path: Path) -> None:
    """ADU into the graph with the camera give what their photons give into the one without."""
    camera = camera_preset("scmos-qe95")
    found = find_model("voxel-regression:quad-plane-192nm")
    export_onnx(ExportedGraph(found, camera), tmp_path / "adu.onnx")
    export_onnx(ExportedGraph(found), tmp_path / "photons.onnx")
    adu = frames_like_training(ExportedGraph(found, camera), 40, n=3)
    outputs = []
    for name, frames in (("adu", adu), ("photons", camera.to_photons(adu))):
        session = onnxruntime.InferenceSession(tmp_path / f"{name}.onnx")
        outputs.append(session.run(None, {"frames": frames.numpy()})[0])
    assert outputs[0].shape == (3, 16, 40, 48)
    np.testing.assert_allclose(outputs[0], outputs[1], atol=1e-4)
    assert json.loads(metadata(tmp_path / "adu.onnx")["camera"])["kind"] == "scmos"


# Each is traced, and run on frames of two sizes.
@pytest.mark.parametrize("name", thinned(names := [*built_in_models()], [names.index(ALWAYS)]))
def test_every_built_in_model_is_the_same_in_onnxruntime(name: str, tmp_path: Path) -> None:
    assert (
        export_onnx(ExportedGraph(find_model(name)), tmp_path / "m.onnx").largest_difference < 1e-4
    )


@pytest.mark.slow  # bioimageio.core runs the package many times
def test_a_package_passes_the_model_zoo_and_comes_back(home: Path) -> None:
    package = home / "deep-storm.zip"
    told = call(
        "models", "export", "deep-storm:2d-100nm", "--format", "bioimageio", "--out", package,
        "--json",
    )  # fmt: skip
    assert told.exit_code == 0, told.output
    assert json.loads(told.stdout)["bioimageio"] == "passed"
    kept = call("models", "import", package, "--name", "deep-storm:back", "--json")
    assert json.loads(kept.stdout)["name"] == "deep-storm:back"
    back, ours = find_model("deep-storm:back"), find_model("deep-storm:2d-100nm")
    assert back.card.sha256 == ours.card.sha256


def test_an_export_says_which_frames_it_takes(tmp_path: Path) -> None:
    out = ["--format", "onnx", "--out", tmp_path / "m.onnx"]
    fixed = call("models", "export", ALWAYS, *out, "--frame-size", "32x48")
    assert "takes frames of 32 x 48 pixels and no others (--frame-size)" in fixed.stdout
    free = call("models", "export", "voxel-regression:quad-plane-192nm", *out)
    assert "takes frames of any size" in free.stdout


def test_a_network_that_localizes_is_no_package(tmp_path: Path) -> None:
    graph = ExportedGraph(find_model("dilated-loc:2d-100nm"))
    with pytest.raises(ValueError, match="finds molecules, which is no image"):
        export_bioimageio(graph, tmp_path / "model.zip")


def test_what_cannot_be_exported_is_exit_code_2(tmp_path: Path) -> None:
    for words, sentence in (
        (["fit", "--out", tmp_path / "m.onnx"], "'fit' is no network"),
        (["deep-storm:2d-100nm", "--out", tmp_path / "m.zip"], "needs the ending .onnx"),
        (["deep-storm:2d-100nm", "--format", "x", "--out", tmp_path / "m.x"], "onnx or bioimageio"),
    ):
        result = call("models", "export", *words)
        assert result.exit_code == 2
        assert sentence in " ".join(result.stderr.split())
    assert not list(tmp_path.iterdir())


def own_model(path: Path) -> Path:
    torch.manual_seed(0)
    save_model(path, build_model("voxel-regression"))
    return path


def test_a_model_file_is_imported_under_its_name_and_listed(home: Path) -> None:
    path = own_model(home / "voxel-regression_Our lab.safetensors")
    assert import_model(path) == "voxel-regression:our-lab"
    assert find_model("voxel-regression:our-lab").card.network == "voxel-regression"
    listed = json.loads(call("models", "list", "--json").stdout)
    assert [one["name"] for one in listed["imported"]] == ["voxel-regression:our-lab"]
    with pytest.raises(ValueError, match="There is a model 'voxel-regression:our-lab' already"):
        import_model(path)
    assert import_model(path, overwrite=True) == "voxel-regression:our-lab"


@pytest.mark.parametrize("name", ["deep-storm:mine", "mine", "voxel-regression:../x"])
def test_a_name_that_is_none_is_refused(name: str, home: Path) -> None:
    path = own_model(home / "model.safetensors")
    with pytest.raises(ValueError, match="A name such as voxel-regression:mine is needed"):
        import_model(path, name)
    assert not list(home.glob("home/**/*.safetensors"))


def test_built_in_models_are_not_replaced(home: Path) -> None:
    name = "voxel-regression:quad-plane-192nm"
    with pytest.raises(ValueError, match="There is a model"):
        import_model(built_in_models()[name], overwrite=True)


def test_only_the_model_of_a_package_is_read_and_its_path_means_nothing(home: Path) -> None:
    path = own_model(home / "m.safetensors")
    package = home / "package.zip"
    with zipfile.ZipFile(package, "w") as made:
        made.writestr("../../evil.py", "x")
        made.write(path, "../../../voxel-regression_far.safetensors")
    assert import_model(package) == "voxel-regression:far"
    assert sorted(p.name for p in home.glob("home/**/*") if p.is_file()) == [
        "voxel-regression_far.safetensors"
    ]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.zip", b"no zip", "not a readable package"),
        ("a.onnx", b"x", "neither a .safetensors model nor a .zip package"),
        ("a.safetensors", b"x" * 40, "a.safetensors: "),
    ],
)
def test_what_is_no_model_is_one_sentence(
    name: str, content: bytes, sentence: str, home: Path
) -> None:
    (home / name).write_bytes(content)
    result = call("models", "import", home / name)
    assert result.exit_code == 2
    assert sentence in " ".join(result.stderr.split())


def test_a_package_without_our_model_is_one_sentence(home: Path) -> None:
    package = home / "other.zip"
    with zipfile.ZipFile(package, "w") as made:
        made.writestr("weights.onnx", b"x")
    with pytest.raises(ValueError, match="has 0 models of this package in it"):
        import_model(package)
