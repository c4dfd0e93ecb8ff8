"""BioImage Model Zoo: a package with the ONNX graph, a test frame and our own model file in it."""

from __future__ import annotations

import gc
import tempfile
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_deepsmlm._files import atomic_write
from napari_deepsmlm.export._bioimageio_mended import mend_bioimageio
from napari_deepsmlm.export.graph import IMAGE_UNIT, frames_like_training
from napari_deepsmlm.export.onnx_file import OPSET, export_onnx, run_torch

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Iterator

    from napari_deepsmlm.export.graph import ExportedGraph

MISSING = "BioImage Model Zoo packages need more: pip install napari-deepsmlm[export]"
TEST_SIDE_PX = 48
LEAST_SIDE_PX = 16
DEEP_STORM, DEEP_STORM_DOI = "Nehme et al. 2018, Deep-STORM", "10.1364/OPTICA.5.000458"
CITED = {
    "deep-storm": DEEP_STORM,
    "drsn-storm": f"DRSN-STORM (2021), a recurrent network after {DEEP_STORM}",
}
"""A package has to cite something with an address: the paper that image networks come from."""


def export_bioimageio(graph: ExportedGraph, path: Path) -> str:
    """Write a package that `bioimageio.core` has tested, and return what it says of it.

    Raises
    ------
    ValueError
        If the network draws no image, a package is missing, or the test fails; nothing is written.
    """
    if not graph.is_image:
        raise ValueError(
            f"{graph.found.name} finds molecules, which is no image: a BioImage Model Zoo package "
            "is for image networks; --format onnx writes its raw prediction."
        )
    try:
        from bioimageio.core import test_model
        from bioimageio.spec import save_bioimageio_package
    except ImportError:
        raise ValueError(MISSING) from None
    mend_bioimageio()
    with tempfile.TemporaryDirectory() as made, _files_closed():
        folder = Path(made)
        package = folder / "package.zip"
        save_bioimageio_package(_described(graph, folder), output_path=package)
        summary = test_model(package, weight_format="onnx")
        if summary.status != "passed":
            problems = "; ".join(str(each.msg) for each in summary.errors)[:500]
            raise ValueError(
                f"bioimageio.core refuses the package of {graph.found.name}: {problems}"
            )
        with atomic_write(path) as file:
            file.write(package.read_bytes())
    return str(summary.status)


@contextmanager
def _files_closed() -> Iterator[None]:
    """Close what bioimageio leaves open, before the folder goes, and say nothing of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            gc.collect()


def _described(graph: ExportedGraph, folder: Path) -> Any:
    from bioimageio.spec.model import v0_5

    name = graph.found.name.replace(":", "-")
    export_onnx(graph, folder / "weights.onnx")
    frames = frames_like_training(graph, TEST_SIDE_PX)
    np.save(folder / "frames.npy", frames.numpy())
    np.save(folder / "image.npy", run_torch(graph, frames))
    assert graph.found.path is not None  # noqa: S101 - a graph is of a file
    ours = folder / f"{graph.found.path.stem}.safetensors"
    ours.write_bytes(graph.found.path.read_bytes())
    (folder / "README.md").write_text(_documentation(graph), encoding="utf-8")
    statement = graph.statement()
    file = _file_at(folder)
    cited = CITED.get(graph.model.name, f"{graph.model.title}, after {DEEP_STORM}")
    return v0_5.ModelDescr(
        name=f"{graph.model.title} {name}",
        description=(
            f"{graph.model.title}: frames of blinking molecules to super-resolved images, "
            f"{graph.upsampling} times as fine. Sum the images of all frames."
        ),
        authors=[v0_5.Author(name="napari-deepsmlm developers")],
        cite=[v0_5.CiteEntry(text=cited, doi=v0_5.Doi(DEEP_STORM_DOI))],
        license="BSD-3-Clause",
        tags=["super-resolution", "single-molecule-localization", "napari-deepsmlm"],
        documentation=file("README.md"),
        attachments=[file(ours.name)],
        inputs=[_input(graph, file("frames.npy"))],
        outputs=[_output(graph, file("image.npy"))],
        weights=v0_5.WeightsDescr(
            onnx=v0_5.OnnxWeightsDescr(source=folder / "weights.onnx", opset_version=OPSET)
        ),
        config=v0_5.Config.model_validate(
            {"napari_deepsmlm": {k: v for k, v in statement.items() if k != "card"}}
        ),
    )


def _file_at(folder: Path) -> Any:
    from bioimageio.spec.common import FileDescr

    return lambda name: FileDescr(source=folder / name)


def _input(graph: ExportedGraph, test: Any) -> Any:
    from bioimageio.spec.model import v0_5

    any_size = v0_5.ParameterizedSize(min=LEAST_SIDE_PX, step=8)
    rows, columns = graph.frame_px or (any_size, any_size)
    scale = graph.found.card.pixel_size_nm
    names = [f"plane{number}" for number in range(graph.n_channels)]
    return v0_5.InputTensorDescr(
        id="frames",
        description=graph.statement()["input"][:128],
        axes=[
            v0_5.BatchAxis(),
            v0_5.ChannelAxis(channel_names=names),
            v0_5.SpaceInputAxis(id="y", size=rows, unit="nanometer", scale=scale),
            v0_5.SpaceInputAxis(id="x", size=columns, unit="nanometer", scale=scale),
        ],
        test_tensor=test,
    )


def _output(graph: ExportedGraph, test: Any) -> Any:
    from bioimageio.spec.model import v0_5

    scale = graph.found.card.pixel_size_nm / graph.upsampling
    space = [
        v0_5.SpaceOutputAxis(
            id=axis,
            size=v0_5.SizeReference(tensor_id="frames", axis_id=axis),
            unit="nanometer",
            scale=scale,
        )
        for axis in "yx"
    ]
    return v0_5.OutputTensorDescr(
        id="image",
        description=IMAGE_UNIT,
        axes=[v0_5.BatchAxis(), v0_5.ChannelAxis(channel_names=["molecules"]), *space],
        test_tensor=test,
    )


def _documentation(graph: ExportedGraph) -> str:
    said = graph.statement()
    return "\n".join(
        [
            f"# {graph.model.title}: {graph.found.name}",
            "",
            f"- Input: {said['input']}.",
            f"- Camera in the graph: {said['camera']}.",
            f"- Camera pixel: {said['pixel_size_nm']} nm; the image has {graph.upsampling} pixels "
            "for one along each axis.",
            f"- Output: {IMAGE_UNIT}; the images of all frames are summed.",
            "- Normalisation is inside the graph: give it frames as they are.",
            "",
            "## Validation",
            "",
            f"{said['trained_on']}",
            "",
            "The attached .safetensors file is the same model for napari-deepsmlm: "
            "`deepsmlm models import PACKAGE.zip`.",
            "",
        ]
    )


def attached_models(package: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Return our own model files in a package."""
    return [each for each in package.infolist() if each.filename.endswith(".safetensors")]
